"""The three client libraries at work: kafka-python, aiokafka (Faust's) and librdkafka."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import confluent_kafka
import kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata

from tests.streams.embedded.raw_kafka import RawClient, build_batch
from tests.waiting import wait_until

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
NOW_MS = int(time.time() * 1000)
VALUES = [b"%d:" % number + b"some text that compresses " * 40 for number in range(300)]


def read_with_confluent(bootstrap: str, topic: str, count: int) -> list[confluent_kafka.Message]:
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "unused", "auto.offset.reset": "earliest"}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    messages: list[confluent_kafka.Message] = []
    deadline = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(count, 0.5)
    consumer.close()
    assert not [message.error() for message in messages if message.error()]
    return messages


async def read_with_aiokafka(bootstrap: str, topic: str, count: int) -> list[Any]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        records: list[Any] = []
        while len(records) < count:
            fetched = await asyncio.wait_for(consumer.getmany(timeout_ms=1000), 20)
            records += fetched.get(partition, [])
        return records


@pytest.mark.parametrize("codec", CODECS)
def test_what_aiokafka_writes_librdkafka_and_aiokafka_read(
    kafka_bootstrap: str, raw: RawClient, make_topic: Callable[..., str], codec: str
) -> None:
    topic = make_topic()

    async def produce() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=kafka_bootstrap,
            compression_type=None if codec == "none" else codec,
            linger_ms=5,
        ) as producer:
            acknowledgements = [
                await producer.send(
                    topic, value, key=b"k", headers=[("h", b"1")], timestamp_ms=NOW_MS + number
                )
                for number, value in enumerate(VALUES)
            ]
            metadata = await asyncio.gather(*acknowledgements)
            assert [one.offset for one in metadata] == list(range(len(VALUES)))

    asyncio.run(produce())
    records = asyncio.run(read_with_aiokafka(kafka_bootstrap, topic, len(VALUES)))
    messages = read_with_confluent(kafka_bootstrap, topic, len(VALUES))
    assert [record.value for record in records] == VALUES
    assert [message.value() for message in messages] == VALUES
    times = [NOW_MS + number for number in range(len(VALUES))]
    assert [record.timestamp for record in records] == times
    assert [message.timestamp()[1] for message in messages] == times
    assert {(record.key, record.headers) for record in records} == {(b"k", (("h", b"1"),))}
    assert {(message.key(), *message.headers()) for message in messages} == {(b"k", ("h", b"1"))}
    found = raw.list_offset(topic, NOW_MS + 123)
    assert (found.offset, found.timestamp) == (123, NOW_MS + 123)


@pytest.mark.parametrize("codec", CODECS)
def test_what_an_idempotent_librdkafka_writes_aiokafka_reads(
    kafka_bootstrap: str, make_topic: Callable[..., str], codec: str
) -> None:
    topic = make_topic()
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": kafka_bootstrap,
            "compression.type": codec,
            "enable.idempotence": True,
            "linger.ms": 5,
        }
    )
    for value in VALUES:
        producer.produce(topic, value, partition=0)
    assert producer.flush(20) == 0
    records = asyncio.run(read_with_aiokafka(kafka_bootstrap, topic, len(VALUES)))
    assert [record.value for record in records] == VALUES


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_kafka_python_writes_and_reads(
    kafka_bootstrap: str, make_topic: Callable[..., str], codec: str | None
) -> None:
    topic = make_topic(partitions=3)
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, compression_type=codec, linger_ms=5)
    sent = [
        producer.send(topic, value, key=b"k%d" % number)
        for number, value in enumerate([*VALUES, None])
    ]
    producer.flush(20)
    assert all(future.succeeded() for future in sent)
    producer.close()
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest", group_id=None
    )
    values: list[bytes | None] = []
    deadline = time.monotonic() + 20
    while len(values) <= len(VALUES) and time.monotonic() < deadline:
        values += [one.value for records in consumer.poll(500).values() for one in records]
    consumer.close()
    assert sorted(values, key=str) == sorted([*VALUES, None], key=str)


def test_acks_0_is_stored_all_the_same(
    kafka_bootstrap: str, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, acks=0, enable_idempotence=False)
    producer.send(topic, b"unacknowledged")
    producer.close()
    wait_until(lambda: raw.list_offset(topic, -1).offset == 1)


def test_a_message_near_the_limit_passes_and_one_over_it_is_refused(
    kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, max_request_size=4 << 20)
    big = os.urandom(1_000_000)
    assert producer.send(topic, big).get(20).offset == 0
    with pytest.raises(Exception, match="MessageSizeTooLarge"):
        producer.send(topic, os.urandom(2_000_000)).get(20)
    producer.close()
    assert read_with_confluent(kafka_bootstrap, topic, 1)[0].value() == big


def test_a_position_out_of_range_is_reset(
    kafka_bootstrap: str, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    raw.produce(topic, build_batch(*VALUES[:10]))

    async def read_from(offset: int) -> int:
        async with AIOKafkaConsumer(
            bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek(partition, offset)
            return (await asyncio.wait_for(consumer.getone(), 20)).offset

    assert asyncio.run(read_from(1_000_000)) == 0


def test_kafka_python_resumes_where_its_group_committed(
    kafka_bootstrap: str, raw: RawClient, make_topic: Callable[..., str], group: str
) -> None:
    topic = make_topic()
    raw.produce(topic, build_batch(*VALUES[:10]))

    def read(count: int) -> tuple[list[int], OffsetAndMetadata | None]:
        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=kafka_bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=count,
        )
        # One long poll: kafka-python 3.0 drops an assignment that arrives as a short poll ends.
        records = [one for batch in consumer.poll(20_000).values() for one in batch]
        (partition,) = consumer.assignment()
        before = consumer.committed(partition, metadata=True)
        consumer.commit({partition: OffsetAndMetadata(records[-1].offset + 1, f"read {count}", -1)})
        consumer.close()
        return [record.offset for record in records], before

    assert read(4) == ([0, 1, 2, 3], None)
    offsets, before = read(6)
    assert offsets == [4, 5, 6, 7, 8, 9]
    assert (before.offset, before.metadata) == (4, "read 4")


def test_librdkafka_shares_a_group_and_keeps_commit_metadata(
    kafka_bootstrap: str, make_topic: Callable[..., str], group: str
) -> None:
    topic = make_topic(partitions=4)
    settings = {
        "bootstrap.servers": kafka_bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "topic.metadata.refresh.interval.ms": 1000,
    }
    first, second = (confluent_kafka.Consumer(settings) for _ in range(2))
    first.subscribe([topic])
    second.subscribe([topic])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        first.poll(0.1)
        second.poll(0.1)
        if len(first.assignment()) == len(second.assignment()) == 2:
            break
    owned = {one.partition for one in first.assignment() + second.assignment()}
    assert owned == {0, 1, 2, 3}
    mine = first.assignment()[0].partition
    position = confluent_kafka.TopicPartition(topic, mine, 7, metadata="sealed")
    first.commit(offsets=[position], asynchronous=False)
    (read,) = second.committed([confluent_kafka.TopicPartition(topic, mine)])
    assert (read.offset, read.metadata) == (7, "sealed")
    first.close()
    second.close()
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    listed = admin.list_consumer_groups().result(20)
    assert group in {one.group_id for one in listed.valid}


def test_an_aiokafka_group_takes_over_what_a_stopped_member_left(
    kafka_bootstrap: str, make_topic: Callable[..., str], group: str
) -> None:
    topic = make_topic(partitions=4)

    async def owning(consumer: AIOKafkaConsumer, count: int) -> None:
        while len(consumer.assignment()) != count:
            await consumer.getmany(timeout_ms=50)

    async def run() -> None:
        first, second = (
            AIOKafkaConsumer(
                topic,
                bootstrap_servers=kafka_bootstrap,
                group_id=group,
                enable_auto_commit=False,
                heartbeat_interval_ms=200,
            )
            for _ in range(2)
        )
        await first.start()
        await asyncio.wait_for(owning(first, 4), 20)
        await asyncio.gather(second.start(), asyncio.wait_for(owning(first, 2), 20))
        await asyncio.wait_for(owning(second, 2), 20)
        partition = min(second.assignment())
        await second.commit({partition: (3, "from the second")})
        await second.stop()
        await asyncio.wait_for(owning(first, 4), 20)
        assert await first.committed(partition) == 3
        await first.stop()

    asyncio.run(run())


def test_a_waiting_reader_gets_a_record_when_it_is_written(
    kafka_bootstrap: str, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    consumer = KafkaConsumer(bootstrap_servers=kafka_bootstrap, fetch_max_wait_ms=20_000)
    consumer.assign([kafka.TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    consumer.poll(100)
    writer = threading.Timer(0.3, raw.produce, (topic, build_batch(b"late")))
    writer.start()
    began = time.monotonic()
    fetched = consumer.poll(15_000)
    writer.join()
    consumer.close()
    assert [one.value for records in fetched.values() for one in records] == [b"late"]
    assert time.monotonic() - began < 5
