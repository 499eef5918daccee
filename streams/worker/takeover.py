"""Takeover: what a worker keeps of a partition that is assigned to it, and where it reads on. Pure.

It works from what Kafka has committed and what staging still holds. The committed metadata says
where earlier workers sealed windows: exactly those windows are cut again. A staged run is kept if
it continues from the committed offset without a hole; everything else is read again.

Kafka can lose the end of a log: an unclean leader election, a broker that lost its disk. New
records then get offsets that the lake has already. The log's end shows that, and when the log is
longer again, where it ends in the leader epoch that was noted (KIP-101). Below what is committed or
sealed that blocks the partition, for every later owner too: the commit metadata remembers it. What
is only staged is dropped and read again, since staging is a cache of the log.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from streams.windows.batch import Found
from streams.windows.lookup import GoOn, recreated
from streams.windows.seal import NO_EPOCH, read_seal
from streams.windows.window import Blocked, Partition, Run, Sums, resume

#: Until the lake has been looked into.
LOOKING = Blocked(
    "unproved",
    "Kafka has no committed offset of it: looking for its last window in the lake",
    "wait: this takes seconds, or minutes for millions of objects",
)


def take_over(
    found: Mapping[int, Found], held: Iterable[Run], version: str, monotonic: float
) -> dict[int, Partition]:
    """Return the state of newly assigned partitions.

    `held` are the runs in staging, `version` is this worker's mapping version. Raises
    Misconfigured if a newer falcolake sealed windows.
    """
    runs: dict[int, list[Run]] = {}
    for run in held:
        runs.setdefault(run.partition, []).append(run)
    return {
        number: _take(number, state, runs.get(number, ()), version, monotonic)
        for number, state in found.items()
    }


def _take(
    number: int, found: Found, held: Iterable[Run], version: str, monotonic: float
) -> Partition:
    committed = found.start if found.committed is None else found.committed
    seal = read_seal(found.metadata, committed)
    # Kafka lost the records of a run beyond its end, or it is of a deleted topic of the same name,
    # also without ids. One beyond the last stable offset may hold records of a transaction that
    # will be aborted: old versions read them.
    ends = found.staged_ends
    held = [
        run
        for run in held
        if run.topic_id == found.topic_id
        and run.end <= min(found.readable, ends.get(run.leader_epoch, run.end))
    ]
    runs = resume(committed, found.start, seal.ends, held)
    partition = Partition(
        number,
        committed,
        max(committed, found.start),
        version,
        inherited=seal.version if seal.ends and seal.version != version else "",
        ends=list(seal.ends),
        runs=runs,
        topic_id=found.topic_id,
        leader_epoch=_whole_in(seal.leader_epoch, runs),
        highwater=found.readable,
        cut=seal.cut,
    )
    if found.committed is None:
        partition.blocked = LOOKING  # its runs stay staged until then
    elif seal.topic_id and found.topic_id and seal.topic_id != found.topic_id:
        offset = f"the committed offset {committed} is"
        partition.block(recreated(offset, seal.topic_id, found.topic_id))
    else:
        partition.cut = seal.cut_at(committed, found.noted_end)
        partition.cut_noted = partition.cut == seal.cut
        if partition.cut is not None:
            partition.block(truncated(partition, partition.cut))
    look_at_end(partition, found.end)
    if partition.is_open:
        partition.opened = monotonic
    return partition


def _whole_in(noted: int, runs: Iterable[Run]) -> int:
    """Return a leader epoch in which the log had all of these runs, after `noted`; or `NO_EPOCH`.

    Runs without records and epoch are of offsets that retention had deleted, of whatever leaders.
    """
    epoch = noted
    for run in runs:
        known = bool(run.records) or run.leader_epoch != NO_EPOCH
        epoch = max(epoch, run.leader_epoch) if known else NO_EPOCH
    return epoch


def go_on(partition: Partition, where: GoOn, start: int, monotonic: float) -> Partition:
    """Return the state of a partition that goes on `where` the lake says.

    `start` is the log's first offset. Staged runs are kept if they continue from there.
    """
    going = replace(
        partition,
        committed=where.committed,
        start=max(where.committed, start),
        inherited="" if where.version == partition.version else where.version,
        ends=list(where.ends),
        runs=resume(where.committed, start, where.ends, partition.runs),
        blocked=None,
        _sums=Sums(),
    )
    going.opened = monotonic if going.is_open else None
    return going


def look_at_end(partition: Partition, end: int) -> range:
    """Compare a partition with the end of its log; return the staged offsets that Kafka lost.

    Those are no longer staged. If the log ends before what is committed or sealed, the partition is
    blocked instead.
    """
    if partition.blocked is not None and partition.blocked.kind != "truncated":
        return range(0)
    if end < (partition.sealed_end if partition.cut is None else partition.cut):
        partition.cut, partition.cut_noted = end, False
        partition.block(truncated(partition, end))
    position = partition.position
    if partition.blocked is not None or end >= position:
        return range(0)
    partition.drop_after(end)
    partition.start = min(partition.start, end)  # it may be longer again, from there on
    return range(end, position)


def truncated(partition: Partition, cut: int) -> Blocked:
    """Return why a partition is blocked whose log was cut."""
    until = "is committed" if partition.sealed_end == partition.committed else "is sealed"
    return Blocked(
        "truncated",
        f"Kafka lost the end of the log: it was cut to offset {cut}, and all before "
        f"{partition.sealed_end} {until}, so new records have offsets that the lake has already",
        f"stop the workers, run `falcolake adopt --partition {partition.number}`, which publishes "
        "such records again at the topic's end, and start the workers",
    )


def to_read(partitions: Mapping[int, Partition]) -> frozenset[int] | None:
    """Return the partitions to read for now, or None for all of them.

    Blocked ones are not read. Windows that earlier workers sealed are read one partition after the
    other. Side by side they could fill staging before one of them is complete, and so before one
    can be shipped.
    """
    readable = {n: each for n, each in sorted(partitions.items()) if each.blocked is None}
    unfinished = [
        number
        for number, partition in readable.items()
        if partition.next_end() is not None and not partition.caught_up
    ]
    if unfinished:
        return frozenset(unfinished[:1])
    return None if len(readable) == len(partitions) else frozenset(readable)


class Losses:
    """The offsets that Kafka's retention deleted before they were read, each reported once."""

    def __init__(self) -> None:
        self._until: dict[int, int] = {}

    def at_takeover(self, partition: Partition, found: Found) -> range:
        """Return the offsets lost since the last commit, without those reported before."""
        return self.between(partition.number, partition.reached, found.start)

    def between(self, number: int, expected: int, start: int) -> range:
        """Return the lost offsets where `expected` comes next and Kafka starts at `start`."""
        first = max(expected, self._until.get(number, 0))
        if first < start:
            self._until[number] = start
        return range(first, max(first, start))
