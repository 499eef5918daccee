"""The last windows of partitions, found in a real bucket."""

from pathlib import Path
from typing import Any

import pytest

from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured
from streams.lake import tails
from streams.lake.keys import ObjectKey
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.settings.load import load
from streams.settings.settings import Settings
from streams.windows.lookup import Tail
from tests.conftest import LakeEnvironment
from tests.flow import proxies
from tests.flow.proxies import ERRORS, S3Proxy
from tests.streams.falco_records import ACCOUNT, MAPPING, REGION, mixed
from tests.streams.lake_writer import LakeWriter

TOPIC = "falco-events"


@pytest.fixture
def settings(bucket: str, lake_environment: LakeEnvironment) -> Settings:
    return load(environment=lake_environment(TOPIC, bucket, LAKE__REGION=REGION))


@pytest.fixture
def writer(settings: Settings, tmp_path: Path) -> LakeWriter:
    return LakeWriter(settings, tmp_path / "writer")


def find(settings: Settings, *partitions: int) -> dict[int, Tail]:
    return tails.find(LakeReader(settings.lake, connect(settings.lake)), TOPIC, partitions)


def window(writer: LakeWriter, partition: int, first: int, end: int, **footer: Any) -> list[str]:
    """Ship a window of two days; change the footers of its objects."""
    keys = writer.window(partition, first, end, mixed)
    for key in keys:
        writer.rewrite(key, **footer)
    return keys


def test_an_empty_lake_has_no_windows(settings: Settings) -> None:
    assert find(settings, 0, 1) == {}


def test_the_window_that_ends_last_is_found_whatever_its_day(
    settings: Settings, writer: LakeWriter
) -> None:
    window(writer, 0, 0, 20, topic_id="one")
    later = window(writer, 0, 20, 40, topic_id="one")
    # The last window is filed under a day before all others, and another one of it under 2099.
    for day, key in zip(("19700101", "20990101"), later, strict=True):
        place = ObjectKey(REGION, ACCOUNT, day, TOPIC, 0, 20, 40)
        writer.rewrite(key, to=place.under(settings.lake.prefix))
        writer.delete(key)
    window(writer, 1, 5, 9)
    window(writer, 2, 0, 99)
    both = frozenset({MAPPING.version})
    assert find(settings, 0, 1, 3) == {
        0: Tail(20, 40, frozenset({"one"}), both, 20),
        1: Tail(5, 9, frozenset({""}), both, 0),
    }


def test_objects_that_say_other_things_than_their_keys_prove_nothing(
    settings: Settings, writer: LakeWriter
) -> None:
    keys = window(writer, 0, 0, 20, topic_id="one")
    writer.rewrite(keys[0], topic_id="two", end=21)
    assert find(settings, 0)[0].ids == {"one"}
    for key in keys:
        writer.lake.client.put_object(Bucket=settings.lake.bucket, Key=key, Body=b"")
    assert find(settings, 0) == {0: Tail(0, 20, frozenset(), frozenset(), 0)}


def test_windows_that_overlap_the_last_one_are_seen(settings: Settings, writer: LakeWriter) -> None:
    for first, end in ((0, 10), (0, 30), (10, 35)):
        window(writer, 0, first, end, topic_id="one")
    assert find(settings, 0)[0][:2] == (10, 35)
    assert find(settings, 0)[0].reach == 30
    window(writer, 0, 5, 35, topic_id="one")
    assert find(settings, 0)[0].reach == 35


def test_many_objects_of_many_days_are_listed_in_few_requests(settings: Settings) -> None:
    client, lake = connect(settings.lake), settings.lake
    for number in range(60):
        day = f"2026{number % 12 + 1:02d}{number % 28 + 1:02d}"
        place = ObjectKey(REGION, ACCOUNT, day, TOPIC, number % 2, number, number + 1)
        client.put_object(Bucket=lake.bucket, Key=place.under(lake.prefix), Body=b"")
    reader = LakeReader(lake, client)
    found = tails.find(reader, TOPIC, {0, 1})
    assert {number: each[:2] for number, each in found.items()} == {0: (58, 59), 1: (59, 60)}
    # The folders of three levels, then as many ranges as are listed at once.
    assert reader.requests["ListObjectsV2"] <= 3 + tails.AT_ONCE
    assert reader.requests["GetObject"] == 0, "no bytes, no footer to read"


def test_a_lake_that_may_not_be_read_says_which_rights_are_missing(
    settings: Settings, stack: EmbeddedStack
) -> None:
    with S3Proxy(stack.s3.port) as proxy:
        lake = settings.lake.model_copy(update={"endpoint_url": proxy.endpoint_url})
        proxy.fault = proxies.answer(ERRORS["AccessDenied"], "AccessDenied")
        with pytest.raises(Misconfigured) as caught:
            tails.find(LakeReader(lake, connect(lake)), TOPIC, {0})
    assert "s3:ListBucket" in caught.value.hint
    assert "s3:GetObject" in caught.value.hint
