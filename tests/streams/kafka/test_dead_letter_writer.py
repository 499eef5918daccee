"""Dead letters on the real broker: as the record came, with why and where from."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from streams.embedded.kafka import EmbeddedKafka
from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.kafka.dead_letter_reader import standing
from streams.kafka.dead_letter_writer import RESOLVED, DeadLetterWriter
from streams.settings.load import load
from streams.settings.settings import Settings
from streams.windows.batch import Rejected
from tests.streams.falco_records import NOW
from tests.streams.worker_parts import in_loop


def settings_for(bootstrap: str, topic: str, **variables: str) -> Settings:
    return load(
        environment={
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "FALCOLAKE_KAFKA__TOPIC": topic,
            **variables,
        }
    )


@pytest.fixture
def settings(kafka_bootstrap: str, topic: str) -> Settings:
    return settings_for(kafka_bootstrap, topic)


def reject(
    offset: int, value: bytes | None = b"x", key: bytes | None = None, at: int = NOW
) -> Rejected:
    return Rejected(offset, at, key, value, f"Reason {offset}.")


def letters(settings: Settings, count: int) -> list[Any]:
    """Read that many dead letters, of all partitions."""
    topic = settings.kafka.dead_letter_topic
    with KafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        assert sum(ends.values()) == count
        found: list[Any] = []
        while len(found) < count:
            found += [each for batch in consumer.poll(1000).values() for each in batch]
    return sorted(found, key=lambda each: int(dict(each.headers)["falcolake.offset"]))


async def send(
    settings: Settings, rejects: list[Rejected], partition: int = 0, patience: float = 30.0
) -> None:
    topic = DeadLetterWriter(settings, timeout=patience)
    try:
        await topic.send(partition, rejects)
    finally:
        await topic.stop()


@in_loop
async def test_a_dead_letter_is_the_record_as_it_came_with_why_and_where_from(
    settings: Settings,
) -> None:
    await send(settings, [reject(7, b"\xff not json", b"key", 1_000)], partition=2)
    (found,) = await asyncio.to_thread(letters, settings, 1)
    assert (found.value, found.key) == (b"\xff not json", b"key")
    assert found.partition == 2
    assert dict(found.headers) == {
        "falcolake.reason": b"Reason 7.",
        "falcolake.timestamp": b"1000",
        "falcolake.topic": settings.kafka.topic.encode(),
        "falcolake.partition": b"2",
        "falcolake.offset": b"7",
    }


@in_loop
async def test_null_and_empty_values_and_keys_stay_what_they_are(settings: Settings) -> None:
    rejects = [reject(0, None, None), reject(1, b"", b""), reject(2, None, b"k")]
    await send(settings, rejects)
    found = await asyncio.to_thread(letters, settings, 3)
    assert [each.value for each in found] == [None, b"", None]
    assert [each.key for each in found] == [b"", b"", b"k"]
    without_key = [each.offset for each in found if "falcolake.null_key" in dict(each.headers)]
    assert without_key == [found[0].offset], "neither key nor value: aiokafka does not send that"


@in_loop
async def test_a_letter_has_the_time_of_sending_and_keeps_the_records_in_a_header(
    settings: Settings,
) -> None:
    times = [-1, 0, 4_102_444_800_000]
    began = time.time_ns() // 1_000_000
    await send(settings, [reject(n, at=at) for n, at in enumerate(times)])
    found = await asyncio.to_thread(letters, settings, 3)
    assert [int(dict(each.headers)["falcolake.timestamp"]) for each in found] == times
    assert all(began <= each.timestamp <= began + 60_000 for each in found)


@in_loop
async def test_a_record_keeps_its_headers_and_cannot_pretend_to_be_resolved(
    settings: Settings,
) -> None:
    headers = (("trace", b"a"), ("trace", None), (RESOLVED, b"true"), ("falcolake.offset", b"9"))
    await send(settings, [reject(7)._replace(headers=headers)])
    (found,) = await asyncio.to_thread(letters, settings, 1)
    assert found.headers[:4] == [
        ("trace", b"a"),
        ("trace", None),
        (f"original.{RESOLVED}", b"true"),
        ("original.falcolake.offset", b"9"),
    ]
    assert dict(found.headers)["falcolake.offset"] == b"7"
    assert list(await asyncio.to_thread(standing, settings, lambda _: None)) == [(0, 7)]


BIG = 1_048_450


@in_loop
@pytest.mark.parametrize(
    "record",
    [
        pytest.param(reject(0, None, b"k" * BIG), id="a key alone"),
        pytest.param(reject(0, b"v" * BIG), id="a value alone"),
        pytest.param(reject(0, b"v" * 520_000, b"k" * 520_000), id="key and value"),
        pytest.param(reject(0, b"v")._replace(headers=(("h", b"h" * BIG),)), id="a header"),
        pytest.param(reject(0, b"v")._replace(headers=(("h" * BIG, None),)), id="a header's name"),
        pytest.param(reject(0, b"v" * 3_000_000, b"k" * 2_000_000), id="larger than the topic's"),
        pytest.param(reject(0, b"v" * 70_000_000), id="larger than the client's"),
    ],
)
async def test_a_default_topic_takes_the_letter_of_any_record(
    settings: Settings, record: Rejected
) -> None:
    await send(settings, [record, reject(1, b"small")])
    cut, small = await asyncio.to_thread(letters, settings, 2)
    assert (record.value or b"").startswith(cut.value or b"")
    assert (record.key or b"").startswith(cut.key or b"")
    assert len(cut.value or b"") + len(cut.key or b"") + len(cut.headers) > 4
    assert small.value == b"small"
    said = dict(cut.headers)
    assert (said.get("falcolake.truncated_from") is not None) == (cut.value != record.value)
    assert (said.get("falcolake.key_truncated_from") is not None) == (cut.key != record.key)


@in_loop
async def test_many_are_durable_when_send_returns(settings: Settings) -> None:
    await send(settings, [reject(n, b"%d" % n) for n in range(3000)], partition=1)
    found = await asyncio.to_thread(letters, settings, 3000)
    assert [each.value for each in found] == [b"%d" % n for n in range(3000)]


@in_loop
async def test_nothing_to_send_is_fine(settings: Settings) -> None:
    await send(settings, [])


@in_loop
async def test_partitions_that_ship_side_by_side_share_one_connection(settings: Settings) -> None:
    topic = DeadLetterWriter(settings)
    try:
        await asyncio.gather(*(topic.send(n, [reject(n)]) for n in range(8)))
    finally:
        await topic.stop()
    found = await asyncio.to_thread(letters, settings, 8)
    assert [each.partition for each in found] == [n % 4 for n in range(8)]


@in_loop
async def test_a_record_over_the_topics_limit_is_cut_and_says_so(settings: Settings) -> None:
    limit(settings, 5000)
    value = bytes(range(256)) * 19
    await send(settings, [reject(0, value), reject(1, b"small")])
    cut, small = await asyncio.to_thread(letters, settings, 2)
    assert len(value) // 2 < len(cut.value) < len(value)
    assert value.startswith(cut.value)
    assert dict(cut.headers)["falcolake.truncated_from"] == str(len(value)).encode()
    assert len(cut.headers) == 6
    assert (small.value, len(small.headers)) == (b"small", 5)


@in_loop
async def test_what_cannot_be_cut_enough_is_an_error_and_no_endless_loop(
    settings: Settings,
) -> None:
    limit(settings, 100)
    with pytest.raises(FalcolakeError, match="cannot write to dead-letter topic"):
        await send(settings, [reject(0, b"x" * 500)])


def limit(settings: Settings, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    try:
        admin.alter_configs(
            [
                ConfigResource(
                    ConfigResourceType.TOPIC,
                    settings.kafka.dead_letter_topic,
                    {"max.message.bytes": str(size)},
                )
            ]
        )
    finally:
        admin.close()


# ---- the broker is away


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    server = EmbeddedKafka(tmp_path / "kafka")
    server.auto_create = False
    with server:
        server.ensure_topics({"alerts": 2, "alerts.dead-letter": 2})
        yield server


@in_loop
async def test_a_broker_that_is_away_from_the_start_is_waited_for(
    own_broker: EmbeddedKafka,
) -> None:
    own_broker.stop()
    with pytest.raises(Unavailable, match=r"cannot write to dead-letter topic alerts\.dead-letter"):
        await send(settings_for(own_broker.bootstrap, "alerts"), [reject(0)], patience=2.0)


@in_loop
async def test_a_broker_that_goes_away_is_an_error_soon_and_the_next_try_connects_again(
    own_broker: EmbeddedKafka,
) -> None:
    settings = settings_for(own_broker.bootstrap, "alerts")
    topic = DeadLetterWriter(settings, timeout=2.0)
    await topic.send(0, [reject(0)])
    await asyncio.to_thread(own_broker.kill)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await topic.send(0, [reject(1), reject(2)])
    assert time.monotonic() - began < 30
    assert caught.value.hint
    await asyncio.to_thread(own_broker.start)
    await topic.send(0, [reject(1), reject(2)])
    await topic.stop()
    found = await asyncio.to_thread(letters, settings, 3)
    assert [dict(each.headers)["falcolake.offset"] for each in found] == [b"0", b"1", b"2"]


@in_loop
async def test_stopping_while_the_broker_is_away_does_not_hang(own_broker: EmbeddedKafka) -> None:
    topic = DeadLetterWriter(settings_for(own_broker.bootstrap, "alerts"), timeout=2.0)
    await topic.send(0, [reject(0)])
    await asyncio.to_thread(own_broker.kill)
    sending = asyncio.create_task(topic.send(0, [reject(1)]))
    await asyncio.sleep(0)
    sending.cancel()
    async with asyncio.timeout(30):
        await topic.stop()
    with pytest.raises(asyncio.CancelledError):
        await sending


@in_loop
async def test_a_topic_that_is_not_there_is_named_and_not_taken_for_the_alerts_topic(
    own_broker: EmbeddedKafka,
) -> None:
    settings = settings_for(own_broker.bootstrap, "other")
    with pytest.raises(Misconfigured, match=r"there is no topic other\.dead-letter") as caught:
        await send(settings, [reject(0)], patience=2.0)
    assert "FALCOLAKE_KAFKA__DEAD_LETTER_TOPIC" in caught.value.hint
