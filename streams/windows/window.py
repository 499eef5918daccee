"""Windows: which offsets of a partition are staged, sealed and due. Pure: no clock, no I/O.

A `Run` is what one append put into one segment. The runs of a partition follow each other without a
hole from the committed offset. A `Window` is a half-open offset range, cut out of the runs at the
sealed ends. `Partition` has both for one partition, or says why it is `Blocked`.
"""

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal, NamedTuple

from streams.windows.seal import MIXED, NO_EPOCH, UNSEALED, Seal


class Run(NamedTuple):
    """What one append put into one segment: offsets `[first, end)` of one partition.

    `end - first` may exceed `records`: transactions and compaction leave offsets without a record.
    `bytes` is the sum of the records' values, `oldest` the lowest record timestamp (epoch ms).
    `topic_id` is the id of the topic that they were read from; empty if Kafka has no ids. The log
    had them in leader epoch `leader_epoch`.
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
    topic_id: str = ""
    leader_epoch: int = NO_EPOCH


class Totals(NamedTuple):
    """The sums of runs; `oldest` is the lowest record timestamp, None without records."""

    records: int = 0
    bytes: int = 0
    oldest: int | None = None

    def plus(self, run: Run) -> "Totals":
        """Return the totals with one more run."""
        if not run.records:
            return self
        oldest = run.oldest if self.oldest is None else min(self.oldest, run.oldest)
        return Totals(self.records + run.records, self.bytes + run.bytes, oldest)


NOTHING = Totals()


@dataclass(slots=True)
class Sums:
    """Running totals of a partition's runs, all and open, so that an append adds to them once."""

    #: Where the runs begin, and where the open ones do.
    bounds: tuple[int, int] = (-1, -1)
    #: How many runs they have.
    counted: int = 0
    staged: Totals = NOTHING
    open: Totals = NOTHING

    def count(self, run: Run) -> None:
        """Add the next run."""
        self.counted += 1
        self.staged = self.staged.plus(run)
        if run.first >= self.bounds[1]:
            self.open = self.open.plus(run)


class Counts(NamedTuple):
    """How many records a window has, and what became of them. The others add up to `records`."""

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
    #: True if another mapping version sealed it: its objects may be in the lake with other rows.
    overwrite: bool = False

    @property
    def counts(self) -> Counts:
        """Return the window's counts, as the footers of its objects carry them."""
        runs = self.runs
        return Counts(
            sum(run.records for run in runs),
            sum(run.findings for run in runs),
            sum(run.rejects for run in runs),
            sum(run.filtered for run in runs),
        )

    @property
    def bytes(self) -> int:
        """Return the bytes of the values of the window's records."""
        return sum(run.bytes for run in self.runs)

    @property
    def oldest(self) -> int:
        """Return the lowest timestamp of the window's records, epoch ms; 0 if it has none."""
        return min((run.oldest for run in self.runs if run.records), default=0)

    @property
    def topic_id(self) -> str:
        """Return the id of the topic that its records were read from; empty if there is none."""
        return self.runs[0].topic_id if self.runs else ""


class Blocked(NamedTuple):
    """Why a partition is not read, sealed, shipped or committed, and what to try.

    Going on would lose or double records, so it waits for a person, unless `kind` is "unproved":
    that one is tried again.
    """

    kind: Literal["truncated", "recreated", "overlap", "unproved"]
    reason: str
    hint: str


@dataclass(slots=True)
class Partition:
    """One assigned partition: what of it is committed, sealed and staged.

    `committed` is the group's offset. `start` is later only if Kafka's retention deleted the
    records between. Nothing of a `blocked` partition is read, sealed or shipped.
    """

    number: int
    committed: int
    start: int
    version: str
    inherited: str = ""
    ends: list[int] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    #: When the open window got its first run here, in monotonic seconds; None if it is empty.
    opened: float | None = None
    #: When this worker last sealed the partition, in monotonic seconds; None if never.
    sealed_at: float | None = None
    #: When this worker last asked Kafka for a claim that it got, in monotonic seconds, or None.
    claimed: float | None = None
    highwater: int = 0
    blocked: Blocked | None = None
    #: The topic's id at assignment; empty if Kafka has no ids.
    topic_id: str = ""
    #: A leader epoch in which the log had everything before `position`.
    leader_epoch: int = NO_EPOCH
    #: The lowest end of the log that was seen below `sealed_end`; None if never.
    cut: int | None = None
    #: Whether the commit metadata says so.
    cut_noted: bool = True
    _sums: Sums = field(default_factory=Sums, repr=False, compare=False)

    @property
    def position(self) -> int:
        """Return the offset to read next."""
        return self.runs[-1].end if self.runs else max(self.start, self.committed)

    @property
    def read_end(self) -> int:
        """Return the end of what was read, up to which the log was whole in `leader_epoch`.

        It is below the position where retention deleted what would come next.
        """
        return max(self.sealed_end, self.runs[-1].end if self.runs else 0)

    @property
    def reached(self) -> int:
        """Return up to where nothing is missing, from the committed offset on."""
        whole = bool(self.runs) and self.runs[0].first == self.committed
        return self.runs[-1].end if whole else self.committed

    @property
    def sealed_end(self) -> int:
        """Return where the open window begins; the lake has what is before it, or may have it."""
        return self.ends[-1] if self.ends else self.committed

    @property
    def open_runs(self) -> list[Run]:
        """Return the runs of the open window."""
        return self.runs[self._index(self.sealed_end) :]

    @property
    def is_open(self) -> bool:
        """Whether the open window has a run."""
        return bool(self.runs) and self.runs[-1].first >= self.sealed_end

    @property
    def open(self) -> Totals:
        """Return the totals of the open window."""
        return self._counted().open

    @property
    def staged(self) -> Totals:
        """Return the totals of all that is staged."""
        return self._counted().staged

    @property
    def open_records(self) -> int:
        """Return how many records the open window has."""
        return self.open.records

    def _counted(self) -> Sums:
        """Return the sums. They are counted again only after a seal or a commit."""
        bounds = self.committed, self.sealed_end
        if self._sums.bounds != bounds or self._sums.counted > len(self.runs):
            self._sums = Sums(bounds)
        for run in self.runs[self._sums.counted :]:
            self._sums.count(run)
        return self._sums

    def _index(self, offset: int) -> int:
        """Return the index of the first run that does not begin before an offset."""
        return bisect.bisect_left(self.runs, offset, key=attrgetter("first"))

    @property
    def caught_up(self) -> bool:
        """Whether all that Kafka had at the last fetch is staged."""
        return self.position >= self.highwater

    def next_end(self) -> int | None:
        """Return the first sealed end after the position, which the next run must not pass."""
        return next((end for end in self.ends if end > self.position), None)

    @property
    def sealable(self) -> bool:
        """Whether the open window has records and its seal would fit into the metadata."""
        return self.blocked is None and self.open_records > 0 and self.seal_with(self.position).fits

    def block(self, blocked: Blocked) -> None:
        """Take nothing more of this partition, and keep nothing of it: Kafka may have it again."""
        self.blocked, self.runs, self.opened = blocked, [], None

    def drop_after(self, end: int) -> None:
        """Keep no run that ends after an offset."""
        self.runs = [run for run in self.runs if run.end <= end]
        self._sums = Sums()
        if not self.is_open:
            self.opened = None

    def seal_with(self, end: int) -> Seal:
        """Return the seal that adds a window ending at `end` to those that wait."""
        version = MIXED if self.inherited else self.version
        return self._sealed(version, (*self.ends, end))

    def seal(self) -> Seal:
        """Return the seal as it is; with where the log was cut, if it was."""
        version = self.inherited or self.version
        return self._sealed(version, self.ends)._replace(cut=self.cut)

    def claim(self) -> Seal:
        """Return the seal to commit before this version overwrites windows of another one.

        Without it the version that sealed them, if it came back, would put only absent objects and
        leave objects of two mappings in one window.
        """
        return self._sealed(MIXED, self.ends)

    def seal_after(self, end: int) -> Seal:
        """Return the seal that remains once the window ending at `end` is committed."""
        rest = [e for e in self.ends if e > end]
        if not rest:
            return self._sealed(UNSEALED.version, ())
        return self._sealed(MIXED if self.inherited else self.version, rest)

    def _sealed(self, version: str, ends: Iterable[int]) -> Seal:
        return Seal(version, tuple(ends), topic_id=self.topic_id, leader_epoch=self.leader_epoch)

    def sealed_windows(self) -> Iterator[Window]:
        """Yield the sealed windows that are completely staged, oldest first."""
        if self.blocked is not None:
            return
        first = self.committed
        for end in self.ends:
            if end > self.position:
                return
            runs = tuple(self.runs[self._index(first) : self._index(end)])
            yield Window(self.number, first, end, runs, overwrite=bool(self.inherited))
            first = end

    def commit(self, end: int) -> list[Run]:
        """Record that everything before `end` is committed; return the runs no longer needed."""
        done = [run for run in self.runs if run.end <= end]
        self.runs = self.runs[len(done) :]
        self.committed, self.start = end, max(self.start, end)
        self.ends = [e for e in self.ends if e > end]
        if not self.ends:
            self.inherited = ""
        return done


def resume(committed: int, start: int, ends: Sequence[int], runs: Iterable[Run]) -> list[Run]:
    """Return the staged runs to keep: the chain from the committed offset, up to the first hole.

    A run that crosses the committed offset or a sealed end cannot be counted per window. The chain
    stops before it, and its records are read again. What Kafka has deleted since then is kept, too:
    nobody else has it.
    """
    by_first: dict[int, Run] = {}
    for run in runs:
        best = by_first.get(run.first)
        if best is None or run.end > best.end:
            by_first[run.first] = run
    kept: list[Run] = []
    follower = by_first.get(committed) or by_first.get(max(committed, start))
    while follower is not None and not any(follower.first < end < follower.end for end in ends):
        kept.append(follower)
        follower = by_first.get(follower.end)
    return kept


class Limits(NamedTuple):
    """When a window is due: after so many seconds, bytes of record values, or records."""

    interval: float
    max_bytes: int
    max_rows: int


def is_full(partition: Partition, limits: Limits) -> bool:
    """Whether the open window has reached its limit of bytes or records."""
    return partition.open.bytes >= limits.max_bytes or partition.open.records >= limits.max_rows


def is_due(partition: Partition, limits: Limits, now_ms: int, monotonic: float) -> bool:
    """Whether the open window is old or large enough to be sealed.

    Once the partition is caught up, age counts from the oldest record's time in Kafka, so that
    frequent rebalances cannot postpone the seal indefinitely. After a seal of this worker a full
    interval passes, so that a producer whose clock is slow cannot cause an object a second.
    """
    oldest = partition.open.oldest
    if partition.opened is None or oldest is None:
        return False
    if is_full(partition, limits) or monotonic - partition.opened >= limits.interval:
        return True
    rested = partition.sealed_at is None or monotonic - partition.sealed_at >= limits.interval
    return partition.caught_up and rested and now_ms - oldest >= limits.interval * 1000


#: A flush seals no further window of a partition while so many wait. Windows ship in order, so it
#: would not speed anything up, and an outage would end with one object for every flush.
FLUSHED_WAITING = 2


def is_flushing(partitions: Iterable[Partition], targets: Mapping[int, int]) -> bool:
    """Whether a flush up to these offsets seals the open windows now.

    It waits until every partition is staged up to its target: windows are sealed together, and
    every seal makes an object of each partition. A target beyond the end of the log, or in a
    blocked partition, delays no other partition and seals nothing.
    """
    asked = [p for p in partitions if targets.get(p.number, 0) > p.sealed_end and p.blocked is None]
    if any(p.position < targets[p.number] and not p.caught_up for p in asked):
        return False
    return any(
        p.position >= targets[p.number] and p.sealable and len(p.ends) < FLUSHED_WAITING
        for p in asked
    )
