"""Scans: records of given offset ranges read once, outside any group. Changes nothing in Kafka."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams.errors import Unavailable
from streams.kafka.client import client_options
from streams.kafka.errors import explaining
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

#: Polls in a row without a record before Kafka counts as silent.
PATIENCE = 30
POLL_MS = 1000


@contextmanager
def open_consumer(settings: Settings) -> "Iterator[KafkaConsumer]":
    """Open a consumer of no group; Kafka's errors inside the block become falcolake's."""
    with explaining(settings), new_consumer(settings) as client:
        yield client


def new_consumer(settings: Settings) -> "KafkaConsumer":
    """Open a consumer of no group; its errors are kafka-python's own."""
    from kafka import KafkaConsumer

    options = client_options(settings)
    return KafkaConsumer(**options, auto_offset_reset="earliest", enable_auto_commit=False)


def bounds(
    client: "KafkaConsumer", topic: str
) -> "tuple[dict[TopicPartition, int], dict[TopicPartition, int]]":
    """Give the first and the next offset of each partition of a topic."""
    from kafka import TopicPartition

    places = [TopicPartition(topic, number) for number in client.partitions_for_topic(topic) or ()]
    return client.beginning_offsets(places), client.end_offsets(places)


def scan(
    client: "KafkaConsumer", ranges: "Mapping[TopicPartition, tuple[int, int]]"
) -> "Iterator[ConsumerRecord]":
    """Yield the records of `[first, end)` of each partition, as far as Kafka still has them.

    Raises Unavailable if the ends are not reached.
    """
    waiting = {place: end for place, (first, end) in ranges.items() if first < end}
    client.assign(list(waiting))
    for place in waiting:
        client.resume(place)  # an earlier scan of it with this client paused it at its end
        client.seek(place, ranges[place][0])
    patience = PATIENCE
    while waiting:
        batches = client.poll(timeout_ms=POLL_MS)
        for place, records in batches.items():
            yield from (record for record in records if record.offset < ranges[place][1])
        for place in [place for place, end in waiting.items() if client.position(place) >= end]:
            client.pause(place)
            del waiting[place]
        patience = PATIENCE if batches else patience - 1
        if not patience:
            names = ", ".join(f"{place.topic}-{place.partition}" for place in waiting)
            raise Unavailable(f"Kafka does not give the records of {names}", "try again")


def first_records(
    client: "KafkaConsumer", ranges: "Mapping[TopicPartition, tuple[int, int]]"
) -> "dict[TopicPartition, ConsumerRecord]":
    """Give the first record of `[first, end)` of each partition that has one there.

    Offsets without a record are transaction markers, or what compaction took.
    """
    found = {}
    for place, bounds in ranges.items():
        record = next(scan(client, {place: bounds}), None)
        if record is not None:
            found[place] = record
    return found
