"""Batches: the records that one fetch returned of one partition, and what mapping makes of them.

A batch covers offsets `[first, end)`, but not every offset has a record: transactions and
compaction leave gaps. `split` cuts a batch where windows end, `tabulate` maps its records. Nothing
here survives a crash, and no record can make it fail.
"""

import bisect
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

import xxhash

from schemas.mapping import Filtered, Finding, Mapping, Reject
from streams.windows.seal import NO_EPOCH

#: Most bytes of records to map and stage at once, unless one record has more: a fetch may be many
#: times larger than it was on the wire.
PIECE_BYTES = 8_000_000

#: Bytes of a record's digest. Among a million different records, two have the same digest once in
#: 37 million times; whoever chooses records so that they have can only make the count wrong.
DIGEST_BYTES = 8

Digest = bytes

#: The digest of a record without a value.
NO_VALUE: Digest = bytes(DIGEST_BYTES)


class Record(Protocol):
    """One Kafka record, as both aiokafka and kafka-python return it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch; -1 if it has none."""

    @property
    def key(self) -> bytes | None:
        """None if it has none."""

    @property
    def value(self) -> bytes | None:
        """None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Names and values, in order; a name may repeat."""


def size_of(record: Record) -> int:
    """Return the bytes of a record's key, value and headers."""
    size = len(record.value or b"") + len(record.key or b"")
    if record.headers:
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
    return size


@dataclass(slots=True)
class Batch:
    """The records of offsets `[first, end)`, read in `epoch`.

    `records` may be empty: transaction markers and aborted records move the position too.
    `highwater` was the partition's last stable offset at the fetch: no more could be read then.
    `leader_epoch` is that of the last record, or marker, before `end`.
    """

    partition: int
    first: int
    end: int
    records: Sequence[Record]
    epoch: int
    highwater: int
    leader_epoch: int = NO_EPOCH


class Rejected(NamedTuple):
    """A record that waits for the dead-letter topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    reason: str
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(slots=True)
class Rows:
    """What mapping made of the records of `[first, end)`, ready for staging.

    `topic_id` is the id of the topic that they were read from; empty if Kafka has no ids. The log
    had them in leader epoch `leader_epoch`.
    """

    partition: int
    first: int
    end: int
    topic_id: str = ""
    leader_epoch: int = NO_EPOCH
    findings: list[Finding] = field(default_factory=list)
    #: The offset of each finding's record.
    offsets: list[int] = field(default_factory=list)
    #: The timestamp of each finding's record.
    timestamps: list[int] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    filtered: int = 0
    #: What filtered them, and how many of each Falco rule.
    filtered_by: Counter[Filtered] = field(default_factory=Counter)
    bytes: int = 0
    oldest: int = 0
    #: The digest of each record's value; equal values have equal digests.
    digests: list[Digest] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Return how many records were mapped: findings + rejects + filtered."""
        return len(self.findings) + len(self.rejects) + self.filtered


def tabulate(
    mapping: Mapping,
    partition: int,
    first: int,
    end: int,
    records: Sequence[Record],
    topic_id: str = "",
    leader_epoch: int = NO_EPOCH,
) -> Rows:
    """Map the records of offsets `[first, end)` of a partition."""
    rows = Rows(partition, first, end, topic_id, leader_epoch)
    add, at, refuse = rows.findings.append, rows.offsets.append, rows.rejects.append
    recorded, note = rows.timestamps.append, rows.digests.append
    one, digest = mapping.map, xxhash.xxh3_64_digest
    size = 0
    for record in records:
        value = record.value
        found = one(value, record.timestamp)
        note(NO_VALUE if value is None else digest(value))
        size += size_of(record)
        if isinstance(found, Reject):
            refuse(
                Rejected(
                    record.offset,
                    record.timestamp,
                    record.key,
                    value,
                    found.reason,
                    tuple(record.headers),
                )
            )
        elif isinstance(found, Filtered):
            rows.filtered += 1
            rows.filtered_by[found] += 1
        else:
            add(found)
            at(record.offset)
            recorded(record.timestamp)
    rows.bytes = size
    rows.oldest = min((record.timestamp for record in records), default=0)
    return rows


def split(
    batch: Batch,
    ends: Sequence[int],
    room: int,
    max_rows: int,
    max_bytes: int = PIECE_BYTES,
) -> Iterator[tuple[int, int, Sequence[Record]]]:
    """Cut a batch at sealed ends, where the open window reaches `max_rows` records, and by size.

    `room` is how many records the open window can still take; zero or less if it has too many
    already. Yields (first, end, records); `ends` may grow between two of them.
    """
    first, index, records = batch.first, 0, batch.records
    while first < batch.end:
        cut = min((end for end in ends if end > first), default=batch.end)
        cut = min(cut, batch.end)
        stop = bisect.bisect_left(records, cut, lo=index, key=lambda record: record.offset)
        is_open = not ends or first >= ends[-1]
        piece = records[index:stop]
        if is_open and room > 0:
            piece = piece[:room]
        piece = piece[: _fitting(piece, max_bytes)]
        if len(piece) < stop - index:
            cut = piece[-1].offset + 1
        if is_open:
            room = room - len(piece) or max_rows
        yield first, cut, piece
        first, index = cut, index + len(piece)


def _fitting(records: Sequence[Record], max_bytes: int) -> int:
    """Return how many of the records have at most `max_bytes` together, or 1."""
    sizes = itertools.accumulate(map(size_of, records))
    return next((max(1, n) for n, size in enumerate(sizes) if size > max_bytes), len(records))


class Found(NamedTuple):
    """The state of a partition in Kafka at assignment.

    `committed` is None in a new group; `start` and `end` are the log's first and next offset.
    `topic_id` is the topic's id; empty if Kafka has no ids.
    `stable` is where the first open transaction begins; None if none is open.
    `noted_end` is where the log ends in the leader epoch of the metadata; None if there is no such
    epoch, or Kafka has none. `staged_ends` is where it ends in each epoch that staged runs have.
    """

    committed: int | None
    metadata: str
    start: int
    end: int
    topic_id: str = ""
    stable: int | None = None
    noted_end: int | None = None
    staged_ends: Dictionary[int, int] = MappingProxyType({})

    @property
    def readable(self) -> int:
        """Return the offset up to which records can be read."""
        return self.end if self.stable is None else self.stable


class Lost(Exception):  # noqa: N818 - what happened to the partition
    """The partitions may belong to another worker by now: drop what was meant for them."""
