"""The ledger: what this worker holds of its partitions, from a batch's arrival to its commit.

Takes batches (maps them and appends them to staging), decides when windows are sealed and tells
Kafka so before anything is put, hands sealed windows to shipping, pauses Kafka when there is no
room. It keeps the protocol's order; the order of its steps is what survives kill -9. All state
changes happen on one event loop, between awaits or under the lock; mapping and DuckDB run in a
thread. After a crash it is rebuilt from what the segments hold and what Kafka has committed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

from schemas import mapping as mappings
from streams import clock, faults
from streams.errors import FalcolakeError, Unavailable
from streams.staging.staging import Staging
from streams.windows.batch import Batch, Found, Lost, split, tabulate
from streams.windows.progress import Bounds, Progress, Tracker
from streams.windows.room import BATCH_BYTES, Room, Usage
from streams.windows.window import (
    MIXED,
    Limits,
    Partition,
    Run,
    Window,
    is_due,
    is_flushing,
    is_full,
    read_seal,
    resume,
)
from streams.worker.metrics import Metrics

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between a pause and the first try to read on; doubled by each that does not last.
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


class Kafka(Protocol):
    """What the ledger needs of the consumer, see `BatchConsumer`."""

    @property
    def answers(self) -> bool: ...
    async def commit_offsets(
        self, assignment: int, offsets: Mapping[int, tuple[int, str]]
    ) -> None: ...
    async def seek_again(self, epoch: int, positions: Mapping[int, int]) -> None: ...
    async def log_start(self, partition: int) -> int: ...
    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]: ...
    async def beat(self) -> None: ...


class Pause(NamedTuple):
    """Why reading is paused, what to try, and since when (monotonic)."""

    reason: str
    hint: str
    since: float


class Ledger:
    """The partitions of one worker. `kafka` is set once the consumer exists."""

    kafka: Kafka

    def __init__(
        self,
        staging: Staging,
        mapping: mappings.Mapping,
        limits: Limits,
        room: Room,
        metrics: Metrics,
    ) -> None:
        self.staging = staging
        self.mapping = mapping
        self.limits = limits
        self.room = room
        self.metrics = metrics
        self.epoch = 0
        self.assignment = 0
        self.pause: Pause | None = None
        self._draining = False
        self._for_room = False
        self._pause_until = 0.0
        self._pause_seconds = SHORTEST_PAUSE
        self.partitions: dict[int, Partition] = {}
        self.wanted: frozenset[int] | None = None
        self.usage: Usage | None = None
        self._tracker = Tracker()
        self._lost_until: dict[int, int] = {}
        self._targets: dict[int, int] = {}
        self._lock = asyncio.Lock()
        self._left: list[Run] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="staging")

    @property
    def paused(self) -> bool:
        """Whether nothing is read for now."""
        return self._draining or self.pause is not None

    @property
    def pause_reason(self) -> str:
        """Why reading is paused, and what to try; empty if it is not."""
        return f"{self.pause.reason}. {self.pause.hint}" if self.pause else ""

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def open(self) -> None:
        """Open staging and read what an earlier run left in it."""
        self._left = await self._run(self.staging.open)
        if self._left:
            log.info(
                "staging holds %d records of %d partitions from before",
                sum(run.records for run in self._left),
                len({run.partition for run in self._left}),
            )

    async def close(self) -> None:
        """Let go of staging; what is staged stays for the next run."""
        async with self._lock:
            self.assignment = self.epoch = self.epoch + 1
            self.partitions = {}
            await self._run(self.staging.close)
        self._thread.shutdown()

    # ---- assignment

    async def assign(self, found: Mapping[int, Found]) -> tuple[int, dict[int, int]]:
        """Take over these partitions, and no others; return the epoch and where to read on.

        Keeps of staging what still fits the committed offsets and seals, drops the rest.
        """
        async with self._lock:
            held = [*self._left, *(r for p in self.partitions.values() for r in p.runs)]
            self._left = []
            self.assignment = self.epoch = self.epoch + 1
            self.partitions = {
                number: self._take(number, state, [r for r in held if r.partition == number])
                for number, state in found.items()
            }
            await self._run(self.staging.roll)
            await self._run(self.staging.keep_only, self._kept())
            self._choose()
            positions = {number: p.position for number, p in self.partitions.items()}
            self._tracker.note({n: Bounds(each.start, each.end, None) for n, each in found.items()})
            self.metrics.assigned(positions)
            self.show()
        log.info(
            "assigned partitions %s, reading on from %s",
            sorted(positions),
            {n: positions[n] for n in sorted(positions)},
        )
        return self.epoch, positions

    def _take(self, number: int, found: Found, held: Iterable[Run]) -> Partition:
        committed = found.start if found.committed is None else found.committed
        if found.start > committed:
            self._report_lost(number, committed, found.start)
        seal = read_seal(found.metadata, committed)
        inherited = seal.version if seal.ends and seal.version != self.mapping.version else ""
        partition = Partition(
            number,
            committed,
            max(committed, found.start),
            self.mapping.version,
            inherited,
            list(seal.ends),
            # Beyond Kafka's end is what an earlier topic of that name had.
            resume(committed, found.start, seal.ends, [r for r in held if r.end <= found.end]),
            highwater=found.end,
        )
        if partition.open_runs:
            partition.opened = time.monotonic()
        return partition

    def _choose(self) -> None:
        """Read inherited windows one partition after the other.

        Side by side they could fill staging with none of them whole, and so with none to ship.
        """
        unfinished = [
            number
            for number, partition in sorted(self.partitions.items())
            if partition.next_end() is not None and not partition.caught_up
        ]
        self.wanted = frozenset(unfinished[:1]) or None

    def _report_lost(self, number: int, expected: int, start: int) -> None:
        expected = max(expected, self._lost_until.get(number, 0))
        if start <= expected:
            return  # said at an earlier assignment, and not committed past since
        self._lost_until[number] = start
        self.metrics.lost(number, start - expected)
        log.error(
            "partition %d: Kafka's retention deleted offsets %d to %d before they were read: "
            "lengthen the topic's retention or add workers",
            number,
            expected,
            start - 1,
        )

    def _kept(self) -> list[Run]:
        return [run for partition in self.partitions.values() for run in partition.runs]

    # ---- append

    async def append(self, batch: Batch) -> None:
        """Map a batch and stage it; batches of an earlier assignment are dropped.

        Does not raise for want of room: it pauses, and the batch is read again afterwards.
        """
        self.metrics.consumed(len(batch.records))
        async with self._lock:
            partition = self.partitions.get(batch.partition)
            if batch.epoch != self.epoch or self.paused or partition is None:
                return
            partition.highwater = batch.highwater
            try:
                if await self._in_sequence(batch, partition):
                    await self._append_pieces(batch, partition)
                    self._pause_seconds = SHORTEST_PAUSE
                    self._check_room()
            except FalcolakeError as error:
                self._pause(str(error), error.hint)

    async def _in_sequence(self, batch: Batch, partition: Partition) -> bool:
        position = partition.position
        oldest = batch.records[0].offset if batch.records else batch.end
        if batch.first != position or oldest < position:
            self._pause(
                f"partition {batch.partition}: got offset {oldest} where {position} was expected",
                "was the topic truncated or made anew? Then start a new group or reset its offsets",
                for_room=False,
            )
            return False
        if oldest > position:
            start = await self.kafka.log_start(batch.partition)
            if start > position:
                self._report_lost(batch.partition, position, start)
        return True

    async def _append_pieces(self, batch: Batch, partition: Partition) -> None:
        if partition.sealable and is_full(partition, self.limits):
            await self._seal_or_grow()  # full since before a crash, or since a seal that failed
        room = self.limits.max_rows - partition.open_records
        for first, end, records in split(batch, partition.ends, room, self.limits.max_rows):
            began = time.monotonic()
            rows = await self._run(tabulate, self.mapping, batch.partition, first, end, records)
            mapped = time.monotonic()
            run = await self._run(self.staging.append, rows)
            if not partition.open_runs and first >= partition.sealed_end:
                partition.opened = time.monotonic()
            partition.runs.append(run)
            self.metrics.staged(rows, mapped - began, time.monotonic() - mapped)
            if partition.sealable and is_full(partition, self.limits):
                await self._seal_or_grow()
        if self.wanted is not None:
            before = self.wanted
            self._choose()
            if self.wanted != before:
                await self._run(self.staging.roll)

    # ---- room

    def _check_room(self) -> None:
        usage = self._measure()
        lack = self.room.lack(self.staging.path, usage, self._window_bytes(usage))
        if lack is not None:
            self._pause(*lack)

    def _measure(self) -> Usage:
        """Measure and publish what staging takes. Raises a FalcolakeError."""
        self.usage = self.staging.usage()
        self.metrics.usage(self.usage)
        return self.usage

    def _window_bytes(self, usage: Usage) -> int:
        """The most that a window's records have; not counted while there is room for any."""
        limit = self.limits.max_bytes
        if usage.free >= BATCH_BYTES + limit:
            return limit
        return min(limit, sum(run.bytes for run in self._kept()))

    def _pause(self, reason: str, hint: str, *, for_room: bool = True) -> None:
        """Stop reading; if it is `for_room`, what is open is sealed, so that it can be shipped."""
        self._for_room = for_room
        now = time.monotonic()
        if self.pause is None:
            log.warning("reading is paused: %s. %s", reason, hint)
            self._pause_until = now + self._pause_seconds
            self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE)
            self.metrics.paused(f"{reason}. {hint}")
        self.pause = Pause(reason, hint, self.pause.since if self.pause else now)

    async def resume_if_room(self) -> None:
        """Read on after a pause, from where staging really ends, if there is room again."""
        if self._draining or self.pause is None or time.monotonic() < self._pause_until:
            return
        try:
            usage = self._measure()
        except FalcolakeError:
            return
        if not self.room.is_back(usage, self._window_bytes(usage)):
            return
        async with self._lock:
            self.epoch += 1
            positions = {number: p.position for number, p in self.partitions.items()}
            try:
                await self.kafka.seek_again(self.epoch, positions)
            except Lost:
                return  # the assignment that follows seeks
            self.pause, self._for_room = None, False
            self.metrics.paused(None)
        log.info("reading goes on from %s", positions)

    # ---- seal

    async def seal_due(self) -> None:
        """Seal all open windows if one of them is due, or a flush asks for it.

        While windows wait to be shipped, age alone seals no further ones: an outage of the lake
        then ends with few large objects.
        """
        now, monotonic = clock.now_ms(), time.monotonic()
        async with self._lock:
            if (
                self._for_room
                or self._draining
                or is_flushing(self.partitions.values(), self._targets)
                or any(
                    is_full(p, self.limits)
                    or (not p.ends and is_due(p, self.limits, now, monotonic))
                    for p in self.partitions.values()
                    if p.sealable
                )
            ):
                await self._seal_or_grow()

    def flush(self, ends: Mapping[int, int]) -> None:
        """Seal up to these offsets, by partition, as soon as they are staged.

        It holds for partitions of other workers too, should they come here.
        """
        for number, end in ends.items():
            self._targets[number] = max(end, self._targets.get(number, 0))

    def flushing(self) -> bool:
        """Whether something that a flush asks of these partitions is not committed yet."""
        return any(
            self._targets.get(number, 0) > partition.committed
            for number, partition in self.partitions.items()
        )

    async def _seal_or_grow(self) -> None:
        """Seal what is open; where Kafka does not take the seal the windows just grow."""
        opened = {number: p for number, p in self.partitions.items() if p.sealable}
        if not opened:
            return
        seals = {n: (p.committed, p.seal_with(p.position).encode()) for n, p in opened.items()}
        try:
            with faults.around("seal"):
                await self.kafka.commit_offsets(self.assignment, seals)
        except (Lost, Unavailable) as error:
            log.warning("windows not sealed, trying again: %s", f"{error}" or "rebalancing")
            return
        for partition in opened.values():
            partition.ends.append(partition.position)
            partition.opened, partition.sealed_at = None, time.monotonic()
        self.metrics.sealed(len(opened))
        await self._run(self.staging.roll)

    # ---- draining

    async def drain(self) -> None:
        """Read nothing more, and seal all that is staged; for a worker that leaves."""
        async with self._lock:
            self._draining = True

    def undrained(self) -> int:
        """How many staged records are not in the lake, and could be.

        Not those of a window that another worker sealed and that is not staged whole: whoever has
        the partition next reads it anew.
        """
        left = sum(run.records for run in self._left)
        for partition in self.partitions.values():
            left += partition.open_records
            left += sum(window.counts.records for window in partition.sealed_windows())
        return left

    # ---- shipping's side

    def waiting(self) -> dict[int, Window]:
        """Return the oldest sealed window of each partition that is staged whole."""
        ready = {}
        for number, partition in self.partitions.items():
            window = next(partition.sealed_windows(), None)
            if window is not None:
                ready[number] = window
        return ready

    def holds(self, assignment: int, window: Window) -> bool:
        """Whether a window, taken in an assignment, is still this worker's to ship."""
        partition = self.partitions.get(window.partition)
        return (
            assignment == self.assignment
            and partition is not None
            and partition.committed == window.first
        )

    async def claim(self, assignment: int, window: Window) -> None:
        """Say in Kafka, once, that windows another mapping version sealed are being overwritten.

        Raises as `commit` does.
        """
        async with self._lock:
            if not self.holds(assignment, window):
                raise Lost
            partition = self.partitions[window.partition]
            if partition.inherited != MIXED:
                metadata = partition.claim().encode()
                claimed = {window.partition: (partition.committed, metadata)}
                with faults.around("claim"):
                    await self.kafka.commit_offsets(assignment, claimed)
                partition.inherited = MIXED

    async def commit(self, assignment: int, window: Window) -> None:
        """Commit the end of a shipped window, then forget its rows.

        Raises Lost if the partition is no longer this worker's, Unavailable if Kafka does not
        answer.
        """
        async with self._lock:
            if not self.holds(assignment, window):
                raise Lost
            partition = self.partitions[window.partition]
            left = partition.seal_after(window.end).encode()
            with faults.around("commit"):
                await self.kafka.commit_offsets(assignment, {window.partition: (window.end, left)})
            partition.commit(window.end)
            await self._run(self.staging.keep_only, self._kept())

    # ---- what it tells

    async def ask_bounds(self) -> None:
        """Ask Kafka for the bounds of the partitions; without an answer the last ones hold."""
        with contextlib.suppress(Unavailable):
            self._tracker.note(await self.kafka.bounds(list(self.partitions)))

    def progress(self) -> list[Progress]:
        """How far each partition is."""
        return self._tracker.look(self.partitions, clock.now_ms())

    def show(self) -> None:
        """Publish how far the partitions are, and what staging takes."""
        self.metrics.progress(self.progress())
        with contextlib.suppress(FalcolakeError):
            self._measure()
