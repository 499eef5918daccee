"""The contract of an S3 bucket, over the model and over SeaweedFS and moto."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from streams.embedded.s3 import MotoS3
from streams.errors import Occupied
from streams.lake import proof
from streams.lake.errors import EXISTS, code_of, status_of
from streams.lake.reader import LakeReader
from streams.lake.session import patience
from streams.lake.store import Lake
from streams.settings.sections import LakeSettings
from tests.simulation import store as model
from tests.simulation.loop import SimulatedLoop
from tests.simulation.staging import Content

BEGINS = "ext/falco/region=us-east-1/accountId=123456789012/eventDay=202601"
KEYS = [
    f"{BEGINS}{day}/falco-events-00000-{n}-{n + 1}.parquet"
    for day in ("02", "03")
    for n in range(3)
]
KEY = KEYS[0]
#: Objects as the simulation writes them; to S3 they are bytes like others.
FIRST, SECOND, *OTHERS = (Content({"name": f"{n}"}, []).encode() for n in range(8))


class Kind(NamedTuple):
    """A bucket of one kind: its settings, its client and its reader."""

    settings: LakeSettings
    client: Any
    reader: Any

    def put(self, content: bytes, key: str = KEY, *, absent: bool = False) -> Any:
        """Put as `Lake` does; with `absent` only if nothing is there."""
        return self.client.put_object(
            Bucket=self.settings.bucket,
            Key=key,
            Body=BytesIO(content),
            ChecksumCRC32=made(content).crc32,
            **({"IfNoneMatch": "*"} if absent else {}),
        )

    def content(self, key: str = KEY) -> bytes:
        """An object."""
        found = self.client.get_object(Bucket=self.settings.bucket, Key=key)
        return b"".join(found["Body"].iter_chunks(1 << 20))

    def head(self, key: str = KEY) -> Any:
        """What is known of an object."""
        return self.client.head_object(Bucket=self.settings.bucket, Key=key, ChecksumMode="ENABLED")


def made(content: bytes) -> proof.Made:
    return proof.measure(BytesIO(content))


def settings_of(bucket: str, endpoint_url: str) -> LakeSettings:
    return LakeSettings(
        bucket=bucket, region="us-east-1", account_id="123456789012", endpoint_url=endpoint_url
    )


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with MotoS3(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture(params=["the model", "SeaweedFS", "moto"])
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == "the model":
        settings, bucket = settings_of("lake", model.URL), model.Bucket()
        client = model.Client(bucket, SimulatedLoop(1), lambda *_: None)
        return Kind(settings, client, model.Reader(settings, bucket, client))
    name = request.getfixturevalue("make_name")()
    moto = request.param == "moto"
    server = request.getfixturevalue("moto") if moto else request.getfixturevalue("stack").s3
    server.create_bucket(name)
    settings = settings_of(name, server.endpoint_url)
    return Kind(settings, server.client(), LakeReader(settings, server.client()))


def test_what_was_put_is_there_and_the_answers_prove_it(kind: Kind) -> None:
    answer = kind.put(FIRST, absent=True)
    assert proof.refute(made(FIRST), answer) is None
    assert proof.proves(made(FIRST), answer)
    assert not proof.proves(made(SECOND), answer)
    assert kind.content() == FIRST
    assert proof.same(made(FIRST), kind.head())
    assert not proof.same(made(SECOND), kind.head())


def test_a_put_only_if_absent_is_refused_where_something_is(kind: Kind) -> None:
    kind.put(FIRST, absent=True)
    with pytest.raises(ClientError) as caught:
        kind.put(SECOND, absent=True)
    assert (status_of(caught.value), code_of(caught.value)) == (412, EXISTS)
    assert kind.content() == FIRST


def test_a_plain_put_replaces_what_is_there(kind: Kind) -> None:
    kind.put(FIRST, absent=True)
    kind.put(SECOND)
    assert kind.content() == SECOND
    assert proof.same(made(SECOND), kind.head())


def test_of_several_puts_only_if_absent_one_succeeds(kind: Kind) -> None:
    def put(number: int) -> bool:
        try:
            kind.put(OTHERS[number], absent=True)
        except ClientError as error:
            assert code_of(error) in {EXISTS, "ConditionalRequestConflict"}
            return False
        return True

    numbers = range(len(OTHERS))
    with ThreadPoolExecutor(len(numbers)) as pool:
        (winner,) = [n for n, won in zip(numbers, pool.map(put, numbers), strict=True) if won]
    assert kind.content() == OTHERS[winner]


def test_where_nothing_is_the_answers_are_404(kind: Kind) -> None:
    with pytest.raises(ClientError) as caught:
        kind.head()
    assert status_of(caught.value) == 404
    with pytest.raises(ClientError) as caught:
        kind.content()
    assert (status_of(caught.value), code_of(caught.value)) == (404, "NoSuchKey")


def test_objects_are_listed_in_the_order_of_their_keys(kind: Kind) -> None:
    for key in reversed(KEYS):
        kind.put(FIRST, key)
    listed = list(kind.reader.between(KEYS[1], KEYS[5]))
    assert [(each.key, each.size) for each in listed] == [(key, len(FIRST)) for key in KEYS[2:5]]
    assert [each.key for each in kind.reader.between("", None)] == KEYS
    assert kind.reader.folders(BEGINS) == [f"{BEGINS}02/", f"{BEGINS}03/"]
    assert kind.reader.folders(f"{BEGINS}04") == []


def test_the_lake_is_the_same_over_each(kind: Kind, tmp_path: Path) -> None:
    """The first put writes, the same one again finds its object, another is refused."""
    lake, file, other = Lake(kind.settings, kind.client), tmp_path / "file", tmp_path / "other"
    lake._putters[patience(0)] = kind.client
    file.write_bytes(FIRST)
    other.write_bytes(SECOND)
    assert lake.put(KEY, file)
    assert not lake.put(KEY, file)
    with pytest.raises(Occupied):
        lake.put(KEY, other)
    assert kind.content() == FIRST
    assert lake.put(KEY, other, overwrite=True)
    assert kind.content() == SECOND
