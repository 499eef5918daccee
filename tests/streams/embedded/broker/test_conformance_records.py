"""Produce, fetch and offsets as Kafka does them, seen on the wire."""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any

import kafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.structs import TopicPartition
from crc32c import crc32c
from kafka import KafkaAdminClient
from kafka.protocol.producer import InitProducerIdRequest, InitProducerIdResponse
from kafka.record.memory_records import MemoryRecords

from streams.kafka import epochs
from streams.worker import epoch_ends
from tests.streams.embedded.raw_kafka import Connect, RawClient, build_batch
from tests.waiting import wait_until

#: COORDINATOR_LOAD_IN_PROGRESS: Apache Kafka has just started, and has no block of ids yet.
LOADING = 14


def values_in(partition: Any) -> list[bytes]:
    records = MemoryRecords(bytes(partition.records))
    return [record.value for batch in records for record in batch]


def producer_id(raw: RawClient) -> int:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
    answers: list[Any] = []

    def ready() -> bool:
        answers.append(raw.call(request, InitProducerIdResponse, 1))
        return bool(answers[-1].error_code != LOADING)

    wait_until(ready, 30, "a block of producer ids")
    answer = answers[-1]
    assert (answer.error_code, answer.producer_epoch) == (0, 0)
    return answer.producer_id


def test_offsets_are_dense_and_in_the_order_of_acknowledgement(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    answers = [raw.produce(topic, build_batch(*[b"v"] * count)) for count in (3, 1, 2)]
    assert [answer.base_offset for answer in answers] == [0, 3, 4]
    fetched = raw.fetch(topic, 0)
    assert fetched.high_watermark == fetched.last_stable_offset == 6
    assert [batch.base_offset for batch in MemoryRecords(bytes(fetched.records))] == [0, 3, 4]


def test_what_was_written_is_read_back(raw: RawClient, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    raw.produce(topic, build_batch(b"one", b"two"))
    raw.produce(topic, build_batch(b"three", gzip=True))
    assert values_in(raw.fetch(topic, 0)) == [b"one", b"two", b"three"]


def test_a_fetch_begins_with_the_batch_that_holds_its_offset(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    for number in range(4):
        raw.produce(topic, build_batch(b"%d-a" % number, b"%d-b" % number))
    assert values_in(raw.fetch(topic, 5))[:2] == [b"2-a", b"2-b"]


def test_a_batch_larger_than_the_fetch_limit_still_comes_complete(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    raw.produce(topic, build_batch(b"x" * 5000))
    raw.produce(topic, build_batch(b"y" * 5000))
    first = next(iter(MemoryRecords(bytes(raw.fetch(topic, 0, max_bytes=100).records))))
    assert first.base_offset == 0
    assert first.size_in_bytes > 5000


def test_a_fetch_at_the_end_is_empty_and_beyond_it_out_of_range(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    raw.produce(topic, build_batch(b"v"))
    assert raw.fetch(topic, 1).error_code == 0
    assert not raw.fetch(topic, 1).records
    assert raw.fetch(topic, 2).error_code == 1
    assert raw.fetch(topic, -5).error_code == 1


def test_a_fetch_waits_for_min_bytes_and_then_answers_at_once(
    raw: RawClient, connect: Connect, kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    topic, writer = make_topic(), connect(kafka_bootstrap)
    batch = build_batch(b"x" * 1000)
    began = time.monotonic()
    raw.send_fetch(topic, 0, max_wait_ms=30_000, min_bytes=len(batch) + 1)
    writer.produce(topic, batch)
    raw.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.socket.recv(1)
    raw.socket.settimeout(20)
    writer.produce(topic, batch)
    assert len(values_in(raw.receive_fetch())) == 2
    assert time.monotonic() - began < 10


def test_a_fetch_without_records_answers_when_its_time_is_up(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    began = time.monotonic()
    assert raw.fetch(topic, 0, max_wait_ms=300, min_bytes=1).error_code == 0
    assert 0.25 < time.monotonic() - began < 5


def test_unknown_partitions_are_refused(raw: RawClient, make_topic: Callable[..., str]) -> None:
    topic = make_topic(partitions=1)
    assert raw.produce(topic, build_batch(b"v"), partition=1).error_code == 3
    assert raw.produce("no-such-topic", build_batch(b"v")).error_code == 3
    assert raw.fetch("no-such-topic", 0).error_code == 3
    assert raw.list_offset("no-such-topic", -1).error_code == 3


def test_a_flipped_bit_is_refused_and_nothing_is_stored(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    batch = bytearray(build_batch(b"value"))
    batch[-3] ^= 1
    assert raw.produce(topic, bytes(batch)).error_code == 2
    assert raw.list_offset(topic, -1).offset == 0


def test_a_batch_over_the_topics_limit_is_refused(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(max_message_bytes="2000")
    assert raw.produce(topic, build_batch(b"x" * 3000)).error_code == 10
    assert raw.produce(topic, build_batch(b"x" * 1000)).error_code == 0


def test_only_acks_of_none_one_or_all_exist(raw: RawClient, make_topic: Callable[..., str]) -> None:
    assert raw.produce(make_topic(), build_batch(b"v"), acks=2).error_code == 21


def test_a_wrong_record_count_is_refused(raw: RawClient, make_topic: Callable[..., str]) -> None:
    batch = bytearray(build_batch(b"v"))
    struct.pack_into(">i", batch, 57, 5)
    struct.pack_into(">I", batch, 17, crc32c(bytes(batch[21:])))
    assert raw.produce(make_topic(), bytes(batch)).error_code == 87


def test_a_retried_batch_is_stored_once(raw: RawClient, make_topic: Callable[..., str]) -> None:
    topic, writer = make_topic(), producer_id(raw)
    batches = [
        build_batch(b"a", b"b", producer_id=writer, epoch=0, sequence=2 * number)
        for number in range(6)
    ]
    first = [raw.produce(topic, batch).base_offset for batch in batches]
    again = [raw.produce(topic, batch) for batch in batches[1:]]
    assert first == [0, 2, 4, 6, 8, 10]
    assert [(answer.error_code, answer.base_offset) for answer in again] == [
        (0, offset) for offset in first[1:]
    ]
    assert raw.list_offset(topic, -1).offset == 12


def test_a_gap_in_the_sequence_is_refused(raw: RawClient, make_topic: Callable[..., str]) -> None:
    topic, writer = make_topic(), producer_id(raw)
    assert (
        raw.produce(topic, build_batch(b"v", producer_id=writer, epoch=0, sequence=0)).error_code
        == 0
    )
    gap = raw.produce(topic, build_batch(b"v", producer_id=writer, epoch=0, sequence=2))
    assert gap.error_code == 45
    assert raw.list_offset(topic, -1).offset == 1


def test_a_producers_older_epoch_is_fenced_and_a_newer_one_begins_at_zero(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic, writer = make_topic(), producer_id(raw)

    def produce(epoch: int, sequence: int) -> int:
        batch = build_batch(b"v", producer_id=writer, epoch=epoch, sequence=sequence)
        return raw.produce(topic, batch).error_code

    assert [produce(1, 0), produce(0, 1), produce(2, 7), produce(2, 0)] == [0, 47, 45, 0]


def test_producer_ids_are_given_once(raw: RawClient) -> None:
    assert producer_id(raw) != producer_id(raw)


@pytest.mark.parametrize("gzip", [False, True])
def test_offsets_for_times_are_exact_inside_a_batch(
    raw: RawClient, make_topic: Callable[..., str], gzip: bool
) -> None:
    topic, now = make_topic(), int(time.time() * 1000)
    times = [[now + 1000 * (3 * batch + record) for record in range(3)] for batch in range(3)]
    for batch in times:
        raw.produce(topic, build_batch(b"a", b"b", b"c", timestamps=batch, gzip=gzip))

    def at(timestamp: int) -> tuple[int, int]:
        answer = raw.list_offset(topic, timestamp)
        return answer.offset, answer.timestamp

    assert at(now) == (0, now)
    assert at(now + 3001) == (4, now + 4000)
    assert at(now + 8000) == (8, now + 8000)
    assert at(now + 8001) == (-1, -1)


def test_the_latest_timestamp_has_an_offset(raw: RawClient, make_topic: Callable[..., str]) -> None:
    topic, now = make_topic(), int(time.time() * 1000)
    raw.produce(topic, build_batch(b"a", b"b", timestamps=[now + 5, now + 9]))
    raw.produce(topic, build_batch(b"c", timestamps=[now]))
    answer = raw.list_offset(topic, -3)
    assert (answer.offset, answer.timestamp) == (1, now + 9)


def test_the_ends_of_an_empty_partition_are_both_zero(
    raw: RawClient, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    assert (raw.list_offset(topic, -2).offset, raw.list_offset(topic, -1).offset) == (0, 0)


def test_where_a_log_ends_in_a_leader_epoch(
    kafka_bootstrap: str, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    """As both of our clients ask."""
    topic = make_topic(2)
    raw.produce(topic, build_batch(b"a", b"b", b"c"))
    now = raw.list_offset(topic, -1).leader_epoch
    assert now >= 0
    (batch,) = MemoryRecords(bytes(raw.fetch(topic, 0).records))
    assert batch.leader_epoch == now
    with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
        places = [kafka.TopicPartition(topic, number) for number in range(2)]
        assert epochs.epoch_ends(admin, dict.fromkeys(places, now)) == {places[0]: 3, places[1]: 0}
        assert epochs.epoch_ends(admin, {places[0]: now + 7}) == {places[0]: 0}

    async def ask(epoch: int) -> dict[TopicPartition, int]:
        client = AIOKafkaClient(bootstrap_servers=kafka_bootstrap)
        await client.bootstrap()
        try:
            (node,) = {broker.nodeId for broker in client.cluster.brokers()}
            return await epoch_ends.ask(client, node, {TopicPartition(topic, 0): epoch})
        finally:
            await client.close()

    assert asyncio.run(ask(now)) == {TopicPartition(topic, 0): 3}
    assert asyncio.run(ask(now + 7)) == {TopicPartition(topic, 0): 0}
