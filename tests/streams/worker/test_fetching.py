"""What the consumer takes of its fetches, on a real broker and with aiokafka's own consumer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streams.embedded.broker.batch import stamp
from streams.windows.batch import size_of
from streams.worker import fetching
from streams.worker.fetching import TAKEN_BYTES, hasten, linger, take, tell_epochs
from tests.streams.embedded.raw_kafka import build_batch
from tests.streams.worker_parts import in_loop

MB = 1_000_000


@asynccontextmanager
async def reading(
    bootstrap: str, topic: str, partitions: int = 1
) -> AsyncIterator[Callable[..., Any]]:
    """Read partitions from their start; yields a function that takes once."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=4 << 20)
    linger(consumer)
    tell_epochs()
    places = [TopicPartition(topic, number) for number in range(partitions)]
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)

        async def once(max_records: int = 2500) -> dict[int, list[Any]]:
            async with asyncio.timeout(60):
                while not (
                    taken := await take(consumer._fetcher, frozenset(places), 1.0, max_records)
                ):
                    pass
            half_read = [
                each
                for each in consumer._fetcher._records.values()
                if isinstance(each, FetchResult)
                and each._partition_records._records_iterator.gi_frame.f_lasti > 0
                and each._partition_records._records_iterator.gi_frame.f_locals.get("next_batch")
            ]
            assert len(half_read) <= 1, "one inflated batch at a time"
            return {place.partition: each.records for place, each in taken.items()}

        yield once
    finally:
        await consumer.stop()


async def send(
    bootstrap: str, topic: str, values: Sequence[bytes], partition: int = 0, **options: Any
) -> None:
    """Send values, in one batch if there is room."""
    options = {"max_batch_size": 2 * MB, "linger_ms": 50, "max_request_size": 400 * MB} | options
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        sent = [await producer.send(topic, value, partition=partition) for value in values]
        await asyncio.gather(*sent)


@in_loop
async def test_records_that_come_one_by_one_are_taken_together(
    kafka_bootstrap: str, make_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LINGER_MS", 60_000)
    monkeypatch.setattr(fetching, "LINGER_BYTES", 10 * 1_000)
    topic = make_topic(2)
    async with reading(kafka_bootstrap, topic, 2) as once:
        taking = asyncio.create_task(once())
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            for number in range(10):
                await producer.send_and_wait(topic, bytes(1_000), partition=number % 2)
        taken = await taking
    assert {number: len(records) for number, records in taken.items()} == {0: 5, 1: 5}


@in_loop
async def test_questions_of_a_takeover_do_not_wait_until_kafka_has_gathered(
    kafka_bootstrap: str, make_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker answers one connection in order: first the fetch, then what was asked after it."""
    monkeypatch.setattr(fetching, "LINGER_MS", 5_000)
    place = TopicPartition(make_topic(1), 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
    hasten(consumer)
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, 0)
        await take(consumer._fetcher, frozenset([place]), 0.1, 1)
        assert consumer._fetcher._in_flight
        began = asyncio.get_running_loop().time()
        assert await consumer.end_offsets([place]) == {place: 0}
        assert asyncio.get_running_loop().time() - began < 4.5
        linger(consumer)
        assert consumer._fetcher._fetch_max_wait_ms == 5_000
    finally:
        await consumer.stop()


def test_kafka_gathers_for_less_than_the_promised_half_second() -> None:
    assert 0.1 <= fetching.LINGER_MS / 1000 <= 0.4


@in_loop
@pytest.mark.parametrize("compression", ["gzip", "zstd", None])
async def test_records_are_taken_by_bytes_in_order_and_one_partition_after_the_other(
    kafka_bootstrap: str, make_topic: Callable[..., str], compression: str | None
) -> None:
    topic = make_topic(3)
    for partition in range(3):
        values = [b"%d" % number + bytes(MB // 2) for number in range(50)]
        options = {
            "compression_type": compression,
            "max_batch_size": 60 * MB if compression else MB,
        }
        await send(kafka_bootstrap, topic, values, partition, **options)
    found: dict[int, list[int]] = {0: [], 1: [], 2: []}
    async with reading(kafka_bootstrap, topic, 3) as once:
        while sum(map(len, found.values())) < 150:
            taken = await once()
            sizes = [size_of(record) for records in taken.values() for record in records]
            assert sum(sizes[:-1]) < TAKEN_BYTES
            for partition, records in taken.items():
                found[partition] += [record.offset for record in records]
    assert found == {partition: list(range(50)) for partition in range(3)}


@in_loop
async def test_a_record_of_any_size_is_taken_alone_and_few_small_ones_at_once(
    kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(1)
    values = [b"a", b"b", bytes(20 * MB), b"c", b"d"]
    await send(kafka_bootstrap, topic, values, compression_type="gzip", max_batch_size=50 * MB)
    async with reading(kafka_bootstrap, topic) as once:
        taken = [await once(2), await once(), await once()]
    assert [[len(record.value) for record in each[0]] for each in taken] == [
        [1, 1],
        [20 * MB],
        [1, 1],
    ]


@in_loop
async def test_what_was_read_before_a_damaged_batch_is_not_skipped(
    kafka_bootstrap: str, make_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = make_topic(1)
    await send(kafka_bootstrap, topic, [b"a", b"b", b"c"])
    unpacked = PartitionRecords._unpack_records
    damaged = [True]

    def damage(records: PartitionRecords) -> Iterator[Any]:
        for record in unpacked(records):
            if record.offset == 2 and damaged:
                damaged.pop()
                raise CorruptRecordException("Invalid CRC")
            yield record

    monkeypatch.setattr(PartitionRecords, "_unpack_records", damage)
    async with reading(kafka_bootstrap, topic) as once:
        with pytest.raises(CorruptRecordException):
            await once()
        assert [record.value for record in (await once())[0]] == [b"a", b"b", b"c"]


@in_loop
async def test_the_leader_epoch_of_what_was_taken_is_told() -> None:
    """Batches of three epochs, one of them without a record that is to be read."""
    data = b"".join(
        stamp(build_batch(*values), offset, epoch)
        for offset, epoch, values in [(0, 3, [b"a", b"b"]), (2, 3, [b"c"]), (3, 8, [b"d", b"e"])]
    )
    tell_epochs()
    source = PartitionRecords(
        TopicPartition("t", 0), fetcher.MemoryRecords(data), [], 0, None, None, True, 0
    )
    taken = [fetching._next(source, most, MB) for most in (1, 2, 9)]
    assert [len(records) for records, *_ in taken] == [1, 2, 2]
    assert [leader_epoch for *_, leader_epoch in taken] == [3, 3, 8]
