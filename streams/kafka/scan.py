"""Reads records of given offset ranges once, outside any group. Changes nothing in Kafka.

Records of aborted transactions are never returned, and the end of a partition is its last stable
offset: where the first transaction that is still open begins.

Partitions are numbers here: only this folder and the worker know the clients' own types.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streams.errors import Unavailable
from streams.kafka.client import check_refusal, client_options, waiting_for
from streams.kafka.errors import explaining
from streams.kafka.markers import accept_empty
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from streams.kafka.client import Consumer

#: Polls in a row without progress before Kafka counts as silent.
PATIENCE = 30
POLL_MS = 1000


@contextmanager
def open_consumer(settings: Settings, **options: Any) -> "Iterator[Consumer]":
    """Open a consumer of no group; Kafka's errors inside the block become falcolake's.

    `options` are kafka-python's, besides those that every scan has.
    """
    check_refusal(settings)
    with explaining(settings), new_consumer(settings, **options) as client:
        yield client


def new_consumer(settings: Settings, **options: Any) -> "Consumer":
    """Open a consumer of no group; its errors are kafka-python's own."""
    from kafka import KafkaConsumer

    ours = {"enable_auto_commit": False, "isolation_level": "read_committed"}
    options = {"auto_offset_reset": "earliest"} | options | ours
    with waiting_for(settings):
        client = KafkaConsumer(**client_options(settings), **options)
    # kafka-python does not pass its own option on. A topic that is deleted meanwhile must stay so.
    client._cluster.config["allow_auto_create_topics"] = False
    return accept_empty(client)


def bounds(client: "Consumer", topic: str) -> dict[int, tuple[int, int]]:
    """Return where each partition begins and ends; nothing if there is no such topic."""
    from kafka import TopicPartition

    places = [TopicPartition(topic, number) for number in client.partitions_for_topic(topic) or ()]
    begins, ends = client.beginning_offsets(places), client.end_offsets(places)
    return {place.partition: (begins[place], ends[place]) for place in places}


def beginning(client: "Consumer", topic: str, partition: int) -> int:
    """Return the first offset that Kafka still has of a partition."""
    from kafka import TopicPartition

    place = TopicPartition(topic, partition)
    begin: int = client.beginning_offsets([place])[place]
    return begin


def offsets_at(
    client: "Consumer", topic: str, partitions: Iterable[int], moment: int
) -> dict[int, int | None]:
    """Return the first offset whose record is not older than epoch ms; None if all are older."""
    from kafka import TopicPartition

    places = [TopicPartition(topic, number) for number in partitions]
    found = client.offsets_for_times(dict.fromkeys(places, max(0, moment)))
    return {
        place.partition: at.offset if (at := found.get(place)) is not None else None
        for place in places
    }


def scan(
    client: "Consumer", topic: str, ranges: Mapping[int, tuple[int, int]]
) -> "Iterator[ConsumerRecord]":
    """Yield the records of `[first, end)` of each partition, as far as Kafka still has them.

    Raises Unavailable if the ends are not reached.
    """
    from kafka import TopicPartition

    waiting = {
        TopicPartition(topic, number): end for number, (first, end) in ranges.items() if first < end
    }
    client.assign(list(waiting))
    for place in waiting:
        client.resume(place)  # an earlier scan of it with this client paused it at its end
        client.seek(place, ranges[place.partition][0])
    patience, before = PATIENCE, -1
    while waiting:
        batches = client.poll(timeout_ms=POLL_MS)
        for place, records in batches.items():
            end = ranges[place.partition][1]
            yield from (record for record in records if record.offset < end)
        positions = {place: client.position(place) for place in waiting}
        for place, position in positions.items():
            if position >= waiting[place]:
                client.pause(place)
                del waiting[place]
        # Aborted transactions move the position too, without a record.
        reached = sum(positions.values())
        patience, before = (PATIENCE if reached != before else patience - 1), reached
        if waiting and not patience:
            names = ", ".join(f"{place.topic}-{place.partition}" for place in waiting)
            raise Unavailable(
                f"Kafka does not send the records of {names}",
                "try again; a transaction that is open holds back all that follows it",
            )


def first_records(
    client: "Consumer", topic: str, ranges: Mapping[int, tuple[int, int]]
) -> "dict[int, ConsumerRecord]":
    """Return the first record of `[first, end)` of each partition that has one there.

    Offsets without a record are transaction markers, or what compaction removed.
    """
    found = {}
    for number, bounds in ranges.items():
        record = next(scan(client, topic, {number: bounds}), None)
        if record is not None:
            found[number] = record
    return found


class Tail:
    """Follows one partition from an offset on."""

    def __init__(self, client: "Consumer", topic: str, partition: int, offset: int) -> None:
        from kafka import TopicPartition

        self._client = client
        self._place = TopicPartition(topic, partition)
        client.assign([self._place])
        client.seek(self._place, offset)

    def poll(self, milliseconds: int) -> list[bytes | None]:
        """Return the values of the records that come, waiting at most this long for the first."""
        found = self._client.poll(timeout_ms=milliseconds).get(self._place, ())
        return [record.value for record in found]
