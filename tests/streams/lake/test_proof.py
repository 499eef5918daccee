"""Only what is proved counts as put: a lake whose answers lie, and keys that have something else.

The S3 server is real; between it and us is a proxy that lies.
"""

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.embedded.s3 import ACCOUNT_ID, MotoS3
from streams.embedded.stack import EmbeddedStack
from streams.errors import FalcolakeError, Misconfigured, Occupied, Unavailable, Unproved
from streams.lake import session
from streams.lake.proof import Made, measure, proves, refute, same
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings import sections
from tests.flow import proxies
from tests.flow.proxies import Fault, S3Proxy
from tests.streams.fake_s3 import FakeS3, serving

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "ext/falco/k.parquet"
ACCOUNT = {"topic": "t", "partition": "0", "first": "0", "end": "2", "mapping_version": "1"}
HTML = b"<html><body>Please sign in<br></body></html>"


def parquet(account: dict[str, str], values: list[str], row_group: int = 1000) -> bytes:
    """An object with falcolake's account in its footer."""
    told = {f"falcolake.{name}": value for name, value in account.items()}
    table = pa.table({"raw_data": values}).replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=row_group)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def proxy(stack: EmbeddedStack) -> Iterator[S3Proxy]:
    with S3Proxy(stack.s3.port) as proxy:
        yield proxy


@pytest.fixture
def lake(proxy: S3Proxy, stack: EmbeddedStack, bucket: str) -> Lake:
    settings = sections.LakeSettings(
        bucket=bucket,
        region=stack.s3.region,
        account_id=ACCOUNT_ID,
        endpoint_url=proxy.endpoint_url,
    )
    return Lake(settings, connect(settings))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "1.parquet"
    made.write_bytes(parquet(ACCOUNT, ["a", "b"]))
    return made


@pytest.fixture
def there(lake: Lake, s3_client: "S3Client") -> Callable[[bytes], None]:
    """Puts bytes under the key, past the proxy."""

    def put(body: bytes) -> None:
        s3_client.put_object(Bucket=lake.settings.bucket, Key=KEY, Body=body)

    return put


def refused(lake: Lake, file: Path, *, overwrite: bool = False) -> FalcolakeError:
    with pytest.raises(FalcolakeError) as caught:
        lake.put(KEY, file, overwrite=overwrite)
    assert KEY in caught.value.message
    assert caught.value.hint
    assert [each.name for each in file.parent.iterdir()] == [file.name], "it leaves files behind"
    return caught.value


# ---- 200, whoever says it


LIES = {
    "200 with HTML": proxies.claim(200, HTML, Content_Type="text/html"),
    "200 with well-formed HTML": proxies.claim(200, b"<html></html>", Content_Type="text/html"),
    "200 with nothing": proxies.claim(200),
    "201": proxies.claim(201, ETag='"0"'),
    "202": proxies.claim(202),
    "204": proxies.claim(204),
    "206": proxies.claim(206, ETag='"0"'),
    "an empty ETag": proxies.claim(200, ETag='""'),
    "another ETag": proxies.claim(200, ETag=f'"{"0" * 32}"'),
    "no MD5 as ETag": proxies.claim(200, ETag='"0x8DB"'),
    "another ETag, encrypted": proxies.claim(
        200, ETag=f'"{"0" * 32}"', x_amz_server_side_encryption="aws:kms"
    ),
    "another checksum": proxies.claim(200, ETag=f'"{"0" * 32}"', x_amz_checksum_crc32="AAAAAA=="),
    "412 with HTML": proxies.claim(412, HTML, Content_Type="text/html"),
    "412 with nothing": proxies.claim(412),
    "412 of another code": proxies.answer(412, "SomethingElse"),
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_answer_that_proves_nothing_is_an_error_of_its_own(
    lake: Lake, file: Path, proxy: S3Proxy, lie: Fault, overwrite: bool
) -> None:
    proxy.methods, proxy.fault = {"PUT"}, lie
    error = refused(lake, file, overwrite=overwrite)
    assert type(error) is Unproved
    assert "LAKE__ENDPOINT_URL" in error.hint
    assert list(lake.objects()) == []
    proxy.fault = None
    assert lake.put(KEY, file, overwrite=overwrite) is True


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lake_that_lies_about_everything_proves_nothing(
    lake: Lake, file: Path, proxy: S3Proxy, lie: Fault
) -> None:
    proxy.fault = lie
    assert isinstance(refused(lake, file), Unproved | Occupied | Unavailable)


@pytest.mark.parametrize(
    "altered",
    [
        proxies.alter(status=204),
        proxies.alter(ETag=None),
        proxies.alter(x_amz_checksum_crc32="AAAAAA=="),
        proxies.alter(x_amz_checksum_crc32=None, ETag=f'"{"1" * 32}"'),
    ],
    ids=["204", "no ETag", "another checksum", "another ETag"],
)
def test_what_was_put_all_the_same_is_found_by_the_next_try(
    lake: Lake, file: Path, proxy: S3Proxy, altered: Fault
) -> None:
    proxy.methods, proxy.fault = {"PUT"}, altered
    assert type(refused(lake, file)) is Unproved
    proxy.fault = None
    assert lake.put(KEY, file) is False


@pytest.mark.parametrize(
    "altered",
    [
        proxies.alter(x_amz_checksum_crc32=None),
        proxies.alter(ETag='"0x8DB-1"'),
        proxies.alter(ETag='W/"0x8DB"', x_amz_checksum_crc32=None),
        proxies.alter(ETag=f'"{"1" * 32}"', x_amz_server_side_encryption="aws:kms"),
        proxies.alter(
            ETag=f'"{"1" * 32}"',
            x_amz_server_side_encryption="aws:kms",
            x_amz_checksum_crc32=None,
        ),
    ],
    ids=["no checksum", "own ETag", "own ETag alone", "KMS", "KMS without checksum"],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_stores_that_prove_it_in_another_way_are_believed(
    lake: Lake, file: Path, proxy: S3Proxy, altered: Fault, overwrite: bool
) -> None:
    proxy.fault, proxy.methods = altered, {"PUT", "HEAD"}
    assert lake.put(KEY, file, overwrite=overwrite) is True
    assert lake.put(KEY, file) is False


def test_s3_with_a_key_needs_no_second_request(lake: Lake, file: Path, proxy: S3Proxy) -> None:
    """A provider role may do no more than put."""
    proxy.fault = proxies.alter(ETag=f'"{"1" * 32}"', x_amz_server_side_encryption="aws:kms")
    assert lake.put(KEY, file) is True
    assert proxy.hits == {"PUT": 1}


def test_another_store_without_checksums_is_believed(file: Path, tmp_path: Path) -> None:
    with MotoS3(tmp_path / "moto") as moto:
        moto.create_bucket("lake")
        settings = sections.LakeSettings(
            bucket="lake",
            region="us-east-1",
            account_id=ACCOUNT_ID,
            endpoint_url=moto.endpoint_url,
        )
        for more in ({}, {"kms_key_id": "alias/lake"}):
            lake = Lake(settings.model_copy(update=more), connect(settings))
            assert lake.put(f"{KEY}{len(more)}", file) is True
            assert lake.put(f"{KEY}{len(more)}", file) is False


def test_the_checksum_is_sent_with_the_put(file: Path) -> None:
    with serving(FakeS3(conditional_put=FakeS3.ok)) as store:
        settings = sections.LakeSettings(
            bucket="lake", region="us-east-1", account_id=ACCOUNT_ID, endpoint_url=store.url
        )
        Lake(settings, connect(settings)).put(KEY, file)
    with file.open("rb") as body:
        assert store.sent[0]["x-amz-checksum-crc32"] == measure(body).crc32
    assert "aws-chunked" not in store.sent[0].get("content-encoding", "")


def test_a_race_of_two_puts_is_tried_again_at_once(lake: Lake, file: Path, proxy: S3Proxy) -> None:
    once = iter([proxies.answer(409, "ConditionalRequestConflict")])
    proxy.fault = lambda exchange: next(once, proxies.forward)(exchange)
    assert lake.put(KEY, file) is True
    proxy.fault = proxies.answer(409, "ConditionalRequestConflict")
    assert type(refused(lake, file)) is Unavailable


def test_a_connection_that_breaks_is_tried_again_at_once_and_the_answer_proved(
    lake: Lake, file: Path, proxy: S3Proxy
) -> None:
    once = iter([proxies.lose_answer])
    proxy.fault = lambda exchange: next(once, proxies.forward)(exchange)
    assert lake.put(KEY, file) is False
    assert proxy.hits == {"PUT": 2, "HEAD": 1}


# ---- 412, whatever is there


OTHERS = {
    "nothing": (b"", "0 bytes"),
    "a text": (b"hello", "not a Parquet file"),
    "a torn object": (parquet(ACCOUNT, ["a", "b"])[:-9], "not a Parquet file"),
    "an object of another program": (parquet({}, ["a", "b"]), "another program wrote it"),
    "another window": (parquet(ACCOUNT | {"end": "3"}, ["a", "b"]), "another window: topic t"),
    "another topic": (parquet(ACCOUNT | {"topic": "u"}, ["a", "b"]), "another window: topic u"),
    "a mapping of another version": (
        parquet(ACCOUNT | {"mapping_version": "2"}, ["a", "b"]),
        "mapping_version 2 and not 1",
    ),
    "fewer rows": (parquet(ACCOUNT, ["a"]), "1 rows, not 2"),
    "more rows": (parquet(ACCOUNT, ["a", "b", "c"]), "3 rows, not 2"),
    "other rows": (parquet(ACCOUNT, ["a", "c"]), "other rows"),
    "rows in another order": (parquet(ACCOUNT, ["b", "a"]), "other rows"),
    "no account of the window": (parquet({"topic": "t"}, ["a", "b"]), "another window"),
    "much more": (b"x" * 17_000_000, "17,000,000 bytes"),
}


@pytest.mark.parametrize(("body", "said"), OTHERS.values(), ids=OTHERS)
def test_something_else_under_the_key_is_named_and_left_alone(
    lake: Lake, file: Path, there: Callable[[bytes], None], body: bytes, said: str
) -> None:
    there(body)
    error = refused(lake, file)
    assert type(error) is Occupied
    assert said in error.message
    assert "LAKE__PREFIX" in error.hint
    assert lake.read(KEY) == body
    lake.delete(KEY)
    assert lake.put(KEY, file) is True


def test_columns_of_another_kind_are_something_else(
    lake: Lake, file: Path, there: Callable[[bytes], None]
) -> None:
    table = pa.table({"raw_data": [1, 2]})
    table = table.replace_schema_metadata({f"falcolake.{n}": v for n, v in ACCOUNT.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    there(sink.getvalue().to_pybytes())
    assert "other columns" in refused(lake, file).message


def test_an_object_of_an_earlier_topic_of_that_name_is_said_to_be_one(
    lake: Lake, file: Path, there: Callable[[bytes], None]
) -> None:
    file.write_bytes(parquet(ACCOUNT | {"topic_id": "new"}, ["a", "b"]))
    there(parquet(ACCOUNT | {"topic_id": "old"}, ["a", "b"]))
    error = refused(lake, file)
    assert type(error) is Occupied
    assert "earlier topic" in error.message
    there(parquet(ACCOUNT, ["a", "b"]))
    assert lake.put(KEY, file) is False, "a version that knew no topic ids wrote the same rows"


@pytest.mark.parametrize("row_group", [1, 7, 100, 1000])
def test_other_bytes_of_the_same_rows_are_the_same(
    lake: Lake, file: Path, there: Callable[[bytes], None], row_group: int
) -> None:
    rows = [str(n) * 50 for n in range(500)]
    file.write_bytes(parquet(ACCOUNT, rows, row_group=64))
    there(parquet(ACCOUNT, rows, row_group=row_group))
    assert lake.read(KEY) != file.read_bytes()
    assert lake.put(KEY, file) is False
    there(parquet(ACCOUNT, [*rows[:-1], "x"], row_group=row_group))
    assert type(refused(lake, file)) is Occupied


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_without_the_right_to_look_the_right_is_named(
    lake: Lake, file: Path, proxy: S3Proxy, there: Callable[[bytes], None], method: str
) -> None:
    there(parquet(ACCOUNT, ["a", "b"], row_group=1))
    proxy.methods, proxy.fault = {method}, proxies.answer(403, "AccessDenied")
    error = refused(lake, file)
    assert type(error) is Misconfigured
    assert "s3:GetObject" in error.hint
    proxy.fault = None
    assert lake.put(KEY, file) is False


def test_an_object_that_vanishes_before_the_look_is_put_again(
    lake: Lake, file: Path, proxy: S3Proxy
) -> None:
    proxy.methods, proxy.fault = {"PUT"}, proxies.answer(412, "PreconditionFailed")
    assert type(refused(lake, file)) is Unproved
    proxy.fault = None
    assert lake.put(KEY, file) is True


def test_a_look_that_is_cut_off_is_no_proof(
    lake: Lake, file: Path, proxy: S3Proxy, there: Callable[[bytes], None]
) -> None:
    there(parquet(ACCOUNT, ["a", "b"], row_group=1))
    proxy.methods, proxy.fault = {"GET"}, proxies.cut_answer
    assert isinstance(refused(lake, file), Unavailable | Occupied | Unproved)


# ---- the judgement alone


@given(st.binary(max_size=3_000_000))
def test_a_file_is_measured_as_s3_does(body: bytes) -> None:
    made = measure(io.BytesIO(body))
    assert (made.size, made.md5) == (len(body), hashlib.md5(body).hexdigest())


MADE = Made(5, "knHuVw==", "8b04d5e3775d298e78455efc5ca404d5")


@given(
    etag=st.sampled_from([None, "", MADE.md5, MADE.md5.upper(), "0" * 32, "0-1"]),
    checksum=st.sampled_from([None, MADE.crc32, "AAAAAA=="]),
    encryption=st.sampled_from([None, "AES256", "aws:kms", "aws:kms:dsse"]),
    status=st.sampled_from([200, 201, 204, 302]),
)
def test_nothing_is_proved_but_by_the_md5_or_the_checksum(
    etag: str | None, checksum: str | None, encryption: str | None, status: int
) -> None:
    answer: dict[str, object] = {"ResponseMetadata": {"HTTPStatusCode": status}}
    answer |= {"ETag": f'"{etag}"'} if etag is not None else {}
    answer |= {"ChecksumCRC32": checksum} if checksum else {}
    answer |= {"ServerSideEncryption": encryption} if encryption else {}
    proved = refute(MADE, answer) is None and proves(MADE, answer)
    evidence = (etag or "").lower() == MADE.md5 or checksum == MADE.crc32
    if proved:
        assert evidence
        assert status == 200
        assert etag
        assert checksum in {None, MADE.crc32}
    assert same(MADE, answer | {"ContentLength": 5}) == evidence
    assert not same(MADE, answer | {"ContentLength": 6})


# ---- patience


def test_patience_grows_with_the_put() -> None:
    assert session.patience(0) == session.patience(400_000) == 15
    assert session.patience(4_000_000) > 4_000_000 / 125_000
    assert 100 < session.patience(200_000_000) < 400
    assert session.patience(5 << 30) < 6 * 3600
    assert len({session.patience(size) for size in range(0, 5 << 30, 10_000_000)}) <= 6


@pytest.mark.faults
def test_a_frozen_lake_is_noticed_in_time(lake: Lake, file: Path, proxy: S3Proxy) -> None:
    began = time.monotonic()
    proxy.fault = proxies.swallow
    assert type(refused(lake, file)) is Unavailable
    assert time.monotonic() - began < 20
    assert proxy.hits == {"PUT": 1}
