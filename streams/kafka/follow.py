"""Follows a whole topic from a moment on, outside any group, whatever happens to its brokers.

Changes nothing in Kafka: it commits nothing, and does not create a topic that is gone. Reads
committed records only. Records of a partition come in order; those of different partitions do not.

A broker that goes away, new partitions, a topic that is deleted and recreated, and records that
Kafka deletes before they are read are notes, not errors: reading goes on.
"""

import heapq
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.kafka.errors import (
    Reasons,
    is_kafkas,
    overheard,
    rule,
    translated,
    unanswered,
    unknown_topic,
)
from streams.kafka.scan import bounds, offsets_at, open_consumer
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

    from streams.kafka.client import Consumer

#: The longest wait for records.
POLL_MS = 500
#: Seconds between two looks at the topic and its brokers.
LOOK_EVERY = 2.0
#: The longest time that brokers may take to say where the partitions end.
LOOK_MS = 3000
#: The longest time after which a broker is tried again.
RECONNECT_MS = 1000


class Heard(NamedTuple):
    """What came in the last half second, or nothing.

    `notes` say what has happened to the topic or its brokers. `behind` is how many offsets were
    still to be read at the last look.
    """

    records: "Sequence[ConsumerRecord]"
    notes: Sequence[str] = ()
    behind: int = 0


def follow(settings: Settings, since: int | None = None) -> Generator[Heard]:
    """Yield what comes from now on, or from the first record that is not older than epoch ms.

    Never ends. Yields at least twice a second, but every few seconds while brokers do not answer.

    Raises:
        Misconfigured: there is no such topic at the beginning, or Kafka refuses the settings.
        Unavailable: Kafka does not answer at the beginning, or refuses to go on.
    """
    options = {
        "auto_offset_reset": "none",
        "metadata_max_age_ms": int(LOOK_EVERY * 1000),
        "reconnect_backoff_max_ms": RECONNECT_MS,
    }
    with open_consumer(settings, **options) as client, overheard("kafka") as reasons:
        reader = _Reader(client, settings, reasons)
        reader.begin(since)
        while True:
            yield reader.hear()


class _Reader:
    """A client with a position in each partition, and what is known of the topic."""

    def __init__(self, client: "Consumer", settings: Settings, reasons: Reasons) -> None:
        self._client = client
        self._settings = settings
        self._topic = settings.kafka.topic
        self._reasons = reasons
        self._topic_id: object = None
        self._is_there = True
        self._answers = True
        self._behind = 0
        self._looked = time.monotonic()
        self._notes: list[str] = []

    def begin(self, since: int | None) -> None:
        """Choose where to begin."""
        ranges = bounds(self._client, self._topic)
        if not ranges:
            raise unknown_topic(self._settings)
        found: Mapping[int, int | None] = {}
        if since is not None:
            found = offsets_at(self._client, self._topic, ranges, since)
        ends = {number: end for number, (_, end) in ranges.items()}
        self._seek((), ends | {number: at for number, at in found.items() if at is not None})
        self._topic_id = self._id()

    def hear(self) -> Heard:
        """Wait for records, and look at the topic and its brokers when it is time."""
        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            # A topic that is back may be another one.
            if not self._is_there or time.monotonic() >= self._looked + LOOK_EVERY:
                self._look()
                self._looked = time.monotonic()
            batches = self._poll()
        except Exception as error:
            self._go_on(error)
        notes, self._notes = self._notes, []
        # What is polled together is in order of time, as far as each partition is.
        records = heapq.merge(*batches.values(), key=lambda record: record.timestamp)
        return Heard(list(records), notes, self._behind)

    def _poll(self) -> "dict[TopicPartition, list[ConsumerRecord]]":
        from kafka.errors import LogTruncationError, OffsetOutOfRangeError

        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            batches = self._client.poll(timeout_ms=POLL_MS)
        except (LogTruncationError, OffsetOutOfRangeError):
            refreshed = self._cluster.request_update()
            self._client._net.run(self._client._manager.wait_for, refreshed, LOOK_MS)
            self._look()
            self._return()
        return batches

    def _look(self) -> None:
        """Note what has changed, and begin to read what is new."""
        numbers: set[int] = self._cluster.partitions_for_topic(self._topic) or set()
        if not numbers:
            if self._is_there:
                self._notes.append(f"the topic {self._topic} is gone; it is read when it is back")
            self._is_there = False
            return
        known = {place.partition for place in self._client.assignment()} & numbers
        found, ranges = self._id(), self._ranges(numbers)
        if found and self._topic_id and found != self._topic_id:
            known = set()
            self._notes.append(f"the topic {self._topic} was recreated; reading it from the start")
        elif new := sorted(numbers - known):
            self._notes.append(f"new partitions of {self._topic}: {', '.join(map(str, new))}")
        elif not self._is_there:
            self._notes.append(f"the topic {self._topic} is back")
        self._is_there, self._topic_id = True, found or self._topic_id
        self._seek(known, {number: ranges[number][0] for number in numbers - known})
        self._behind = sum(
            max(0, end - self._position(number)) for number, (_, end) in ranges.items()
        )
        if not self._answers:
            self._notes.append(f"Kafka at {self._settings.kafka.bootstrap_servers} answers again")
        self._answers = True

    def _go_on(self, error: Exception) -> None:
        """Note an error of Kafka, or raise it if time alone does not help."""
        if not is_kafkas(error):
            raise error
        told = self._reasons.behind(error)
        if rule(told) is not unanswered:
            raise translated(told, self._settings) from error
        if self._answers:
            self._notes.append(f"{translated(told, self._settings)}; reading goes on when it does")
        self._answers = False

    def _return(self) -> None:
        """Where the log no longer has the position, go to the nearest offset that it has."""
        numbers = {place.partition for place in self._client.assignment()}
        for number, (begin, end) in self._ranges(numbers).items():
            position = self._position(number)
            if position < begin:
                self._notes.append(f"Kafka deleted records of partition {number} unread")
                self._seek(numbers, {number: begin})
            elif position > end:
                self._notes.append(f"Kafka lost the end of partition {number}")
                self._seek(numbers, {number: end})

    def _seek(self, known: Iterable[int], offsets: Mapping[int, int]) -> None:
        """Read the known partitions on, and those of `offsets` from there."""
        self._client.assign([self._place(number) for number in {*known, *offsets}])
        for number, offset in offsets.items():
            self._client.seek(self._place(number), offset)

    def _ranges(self, numbers: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Return where partitions begin and end. Raises kafka-python's errors, and soon."""
        places = [self._place(number) for number in numbers]
        begins = self._client.beginning_offsets(places, timeout_ms=LOOK_MS)
        ends = self._client.end_offsets(places, timeout_ms=LOOK_MS)
        return {place.partition: (begins[place], ends[place]) for place in places}

    def _position(self, number: int) -> int:
        position: int = self._client.position(self._place(number), timeout_ms=LOOK_MS) or 0
        return position

    def _place(self, number: int) -> "TopicPartition":
        from kafka import TopicPartition

        return TopicPartition(self._topic, number)

    def _id(self) -> object:
        """Return the topic's id; None if there is no topic, or if Kafka has no ids (before 2.8)."""
        found = self._cluster.topic_id(self._topic)
        return found if found is not None and found.int else None

    @property
    def _cluster(self) -> Any:
        """Return what the client knows of the cluster; a thread of its own asks for it."""
        return self._client._cluster
