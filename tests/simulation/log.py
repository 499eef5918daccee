"""A topic in Kafka: what its partitions have, had and lost.

A log begins at `start` and ends at `end`. Not every offset has a record: transactions leave markers
and compaction leaves holes. Retention moves the start, an unclean leader election moves the end
back. A topic that is deleted and created again has another id and empty logs.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

#: What becomes of a record: filed under one of two days, a dead letter, or filtered.
Kind = Literal["day1", "day2", "reject", "filtered"]


class Record(NamedTuple):
    """A record, or a transaction's marker. `value` is its own in the whole run."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    kind: Kind = "day1"
    transaction: int = 0
    marker: bool = False


class Written(NamedTuple):
    """Where a record was written."""

    topic_id: str
    partition: int
    record: Record


@dataclass(slots=True)
class PartitionLog:
    """The log of one partition."""

    start: int = 0
    end: int = 0
    records: list[Record] = field(default_factory=list)
    #: Where the open transactions begin.
    open: dict[int, int] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)
    #: The leader epochs, and where each begins.
    epochs: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    @property
    def stable(self) -> int:
        """Return the last stable offset."""
        return min(self.open.values(), default=self.end)

    def append(self, value: bytes, timestamp: int, kind: Kind, transaction: int = 0) -> Record:
        """Write a record at the end."""
        record = Record(self.end, timestamp, value, kind=kind, transaction=transaction)
        if transaction:
            self.open.setdefault(transaction, self.end)
        self.records.append(record)
        self.end += 1
        return record

    def finish(self, transaction: int, *, commit: bool) -> None:
        """Write a transaction's marker."""
        if self.open.pop(transaction, None) is None:
            return
        if not commit:
            self.aborted.add(transaction)
        self.records.append(Record(self.end, 0, b"", transaction=transaction, marker=True))
        self.end += 1

    def skip(self, count: int) -> None:
        """Leave a hole, as compaction does."""
        self.end += count

    def retain(self, start: int) -> None:
        """Delete what is before an offset."""
        self.start = max(self.start, min(start, self.stable))
        self.records = self.records[self._index(self.start) :]

    def cut(self, end: int) -> None:
        """Lose what is at an offset and after it, as an unclean leader election does.

        The markers of what is left are written again: the transaction's coordinator knows them.
        """
        end = max(self.start, end)
        lost = self.records[self._index(end) :]
        self.records, self.end = self.records[: self._index(end)], end
        last, _ = self.epochs[-1]
        self.epochs = [(number, first) for number, first in self.epochs if first < end]
        self.epochs.append((last + 1, end))
        self.open = {number: first for number, first in self.open.items() if first < end}
        left = {record.transaction for record in self.records}
        for number in (each.transaction for each in lost if each.marker):
            if number in left:
                self.open[number] = end
                self.finish(number, commit=number not in self.aborted)

    def epoch_before(self, end: int) -> int:
        """Return the leader epoch of the last record before an offset; -1 if there is none."""
        return max((number for number, first in self.epochs if first < end), default=-1)

    def epoch_end(self, epoch: int) -> int:
        """Return where the log ends in a leader epoch; -1 if it does not know such an epoch."""
        if epoch > self.epochs[-1][0]:
            return -1
        return next((first for number, first in self.epochs if number > epoch), self.end)

    def read(self, position: int, most: int) -> tuple[list[Record], int]:
        """Return committed records from a position on, and the position after them."""
        found: list[Record] = []
        for record in self.records[self._index(position) :]:
            if record.offset >= self.stable or len(found) >= most:
                break
            position = record.offset + 1
            if self.is_committed(record):
                found.append(record)
        else:
            position = max(position, self.stable)
        return found, position

    def is_committed(self, record: Record) -> bool:
        """Whether readers get a record of this log."""
        return (
            not record.marker
            and record.transaction not in self.aborted
            and record.transaction not in self.open
        )

    def between(self, first: int, end: int) -> list[Record]:
        """Return the committed records of offsets `[first, end)`."""
        found = self.records[self._index(first) : self._index(end)]
        return [record for record in found if self.is_committed(record)]

    def _index(self, offset: int) -> int:
        return bisect_left(self.records, offset, key=lambda record: record.offset)


class Topic:
    """The topic, through all its lives."""

    def __init__(self, partitions: int, *, epochs: bool = True) -> None:
        self.has_epochs = epochs
        self._numbers = range(partitions)
        self._lives = 0
        #: Everything that was ever written.
        self.written: list[Written] = []
        self.recreate()

    def recreate(self) -> None:
        """Delete the topic and create it again."""
        self._lives += 1
        self.id = f"topic-id-{self._lives}"
        self.logs = {number: PartitionLog() for number in self._numbers}

    def produce(
        self,
        partition: int,
        values: Iterable[tuple[bytes, Kind]],
        timestamp: int,
        transaction: int = 0,
    ) -> None:
        """Write records."""
        log = self.logs[partition]
        for value, kind in values:
            record = log.append(value, timestamp, kind, transaction)
            self.written.append(Written(self.id, partition, record))
