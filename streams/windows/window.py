"""Windows: which offsets of a partition are staged, sealed, due. Pure: no clock, no I/O.

A `Run` is what one append put into one segment; the runs of a partition follow each other without a
hole from the committed offset. A `Window` is a half-open offset range cut out of them at the sealed
ends. `Partition` holds both for one partition, and `Seal` is what the commit metadata says, so that
after a crash the next owner, here or elsewhere, cuts the same windows.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.errors import Misconfigured

#: Kafka's default for `offset.metadata.max.bytes`.
METADATA_BYTES = 4096

#: In place of a version: more than one mapping may have put these windows, so everybody overwrites.
MIXED = "*"


class Run(NamedTuple):
    """What one append put into one segment: offsets `[first, end)` of one partition.

    `end - first` may exceed `records`: transactions and compaction leave offsets without a record.
    `bytes` adds up the records' values, `oldest` is the lowest record timestamp (epoch ms).
    """

    segment: int
    partition: int
    first: int
    end: int
    records: int
    findings: int
    rejects: int
    filtered: int
    bytes: int
    oldest: int


class Counts(NamedTuple):
    """How many records a window has, and what became of them: records = the sum of the others."""

    records: int
    findings: int
    rejects: int
    filtered: int


@dataclass(frozen=True, slots=True)
class Window:
    """Offsets `[first, end)` of one partition, with the runs that hold them."""

    partition: int
    first: int
    end: int
    runs: tuple[Run, ...]
    #: True if the seal is of another mapping version: its objects may be there with other rows.
    overwrite: bool = False

    @property
    def counts(self) -> Counts:
        """The window's counts, as the footers of its objects carry them."""
        runs = self.runs
        return Counts(
            sum(run.records for run in runs),
            sum(run.findings for run in runs),
            sum(run.rejects for run in runs),
            sum(run.filtered for run in runs),
        )

    @property
    def bytes(self) -> int:
        """Bytes of the values of the window's records."""
        return sum(run.bytes for run in self.runs)

    @property
    def oldest(self) -> int:
        """The lowest timestamp of the window's records, epoch ms; 0 if it has none."""
        return min((run.oldest for run in self.runs if run.records), default=0)


class Seal(NamedTuple):
    """The commit metadata: the ends of the sealed windows not yet committed, oldest first.

    `version` is the mapping's version that sealed them.
    """

    version: str
    ends: tuple[int, ...]

    def encode(self) -> str:
        """Write the metadata text; empty if nothing is sealed."""
        if not self.ends:
            return ""
        return json.dumps(
            {"v": 1, "m": self.version, "ends": list(self.ends)}, separators=(",", ":")
        )

    @property
    def fits(self) -> bool:
        """Whether Kafka takes metadata of this length."""
        return len(self.encode()) <= METADATA_BYTES


UNSEALED = Seal("", ())


def read_seal(metadata: str, committed: int) -> Seal:
    """Read commit metadata; what is not ours (another tool committed) seals nothing.

    Raises Misconfigured for metadata of a newer falcolake: guessing could double findings.
    """
    try:
        found = json.loads(metadata or "{}")
    except (ValueError, RecursionError):
        return UNSEALED
    if not isinstance(found, dict) or "v" not in found:
        return UNSEALED
    ends, version = found.get("ends"), found.get("m")
    if (
        found["v"] != 1
        or not isinstance(version, str)
        or not isinstance(ends, list)
        or not all(type(end) is int for end in ends)
    ):
        raise Misconfigured(
            f"the group's commit metadata is of a newer falcolake: {metadata[:100]}",
            "upgrade this worker; do not run an older version beside a newer one",
        )
    return Seal(version, tuple(sorted(end for end in set(ends) if end > committed)))


@dataclass(slots=True)
class Partition:
    """One assigned partition: what is committed, sealed and staged of it.

    `committed` is the group's offset, `start` where this worker's knowledge begins: later than
    `committed` only if Kafka's retention deleted what was between.
    """

    number: int
    committed: int
    start: int
    version: str
    inherited: str = ""
    ends: list[int] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    #: Monotonic seconds at which the open window got its first run here; None if it is empty.
    opened: float | None = None
    #: Monotonic seconds of this worker's last seal of the partition; None before the first.
    sealed_at: float | None = None
    highwater: int = 0

    @property
    def position(self) -> int:
        """The offset to read next."""
        return self.runs[-1].end if self.runs else max(self.start, self.committed)

    @property
    def sealed_end(self) -> int:
        """Where the open window begins, as far as seals say."""
        return self.ends[-1] if self.ends else self.committed

    @property
    def open_runs(self) -> list[Run]:
        """The runs of the open window."""
        return [run for run in self.runs if run.first >= self.sealed_end]

    @property
    def open_records(self) -> int:
        """How many records the open window has."""
        return sum(run.records for run in self.open_runs)

    @property
    def caught_up(self) -> bool:
        """Whether all that Kafka had at the last fetch is staged."""
        return self.position >= self.highwater

    def next_end(self) -> int | None:
        """The sealed end ahead of the position: the next run must not pass it."""
        return next((end for end in self.ends if end > self.position), None)

    @property
    def sealable(self) -> bool:
        """Whether the open window has records, and Kafka takes the seal that adds it."""
        return self.open_records > 0 and self.seal_with(self.position).fits

    def seal_with(self, end: int) -> Seal:
        """Build the seal that adds a window ending at `end` to those that wait."""
        return Seal(MIXED if self.inherited else self.version, (*self.ends, end))

    def claim(self) -> Seal:
        """Build the seal that says, before the first put, that another version overwrites these.

        Without it the version that sealed them, if it came back, would put only what is absent and
        leave objects of two mappings in one window.
        """
        return Seal(MIXED, tuple(self.ends))

    def seal_after(self, end: int) -> Seal:
        """Build the seal that is left once the window ending at `end` is committed."""
        rest = tuple(e for e in self.ends if e > end)
        return Seal(MIXED if self.inherited else self.version, rest) if rest else UNSEALED

    def sealed_windows(self) -> Iterator[Window]:
        """Yield the sealed windows that are staged whole, oldest first."""
        first = self.committed
        for end in self.ends:
            if end > self.position:
                return
            runs = tuple(run for run in self.runs if first <= run.first < end)
            yield Window(self.number, first, end, runs, overwrite=bool(self.inherited))
            first = end

    def commit(self, end: int) -> list[Run]:
        """Note that everything before `end` is committed; return the runs no longer needed."""
        done = [run for run in self.runs if run.end <= end]
        self.runs = self.runs[len(done) :]
        self.committed, self.start = end, max(self.start, end)
        self.ends = [e for e in self.ends if e > end]
        if not self.ends:
            self.inherited = ""
        return done


def resume(committed: int, start: int, ends: Sequence[int], runs: Iterable[Run]) -> list[Run]:
    """Pick the staged runs to keep: the chain from the committed offset without a hole.

    A run that crosses the committed offset or a sealed end cannot be counted per window, so the
    chain stops before it and its records are read again.
    """
    by_first: dict[int, Run] = {}
    for run in runs:
        best = by_first.get(run.first)
        if best is None or run.end > best.end:
            by_first[run.first] = run
    kept: list[Run] = []
    follower = by_first.get(max(committed, start))
    while follower is not None and not any(follower.first < end < follower.end for end in ends):
        kept.append(follower)
        follower = by_first.get(follower.end)
    return kept


class Limits(NamedTuple):
    """When a window is due: seconds, bytes of record values, records."""

    interval: float
    max_bytes: int
    max_rows: int


def is_full(partition: Partition, limits: Limits) -> bool:
    """Whether the open window has reached its size."""
    runs = partition.open_runs
    return (
        sum(run.bytes for run in runs) >= limits.max_bytes
        or sum(run.records for run in runs) >= limits.max_rows
    )


def is_due(partition: Partition, limits: Limits, now_ms: int, monotonic: float) -> bool:
    """Whether age or size asks for sealing the open window.

    Age counts from the oldest record's time in Kafka once the partition is caught up, so that
    frequent rebalances cannot put it off for ever; but after a seal of our own a full interval
    passes, so that a producer whose clock is behind cannot make an object a second.
    """
    if partition.opened is None or not partition.open_records:
        return False
    if is_full(partition, limits) or monotonic - partition.opened >= limits.interval:
        return True
    rested = partition.sealed_at is None or monotonic - partition.sealed_at >= limits.interval
    oldest = min(run.oldest for run in partition.open_runs if run.records)
    return partition.caught_up and rested and now_ms - oldest >= limits.interval * 1000


#: A flush seals no further window of a partition while so many wait: windows ship in order, so it
#: would bring nothing to the lake sooner, and an outage would end with as many objects as flushes.
FLUSHED_WAITING = 2


def is_flushing(partitions: Iterable[Partition], targets: Mapping[int, int]) -> bool:
    """Whether a flush up to these offsets asks for sealing what is open.

    Not before every partition that still has records to read up to its target has them: they are
    sealed together, and each time would make an object of each. A target beyond what Kafka has
    keeps nobody waiting, and asks for nothing.
    """
    asked = [p for p in partitions if targets.get(p.number, 0) > p.sealed_end]
    if any(p.position < targets[p.number] and not p.caught_up for p in asked):
        return False
    return any(
        p.position >= targets[p.number] and p.sealable and len(p.ends) < FLUSHED_WAITING
        for p in asked
    )
