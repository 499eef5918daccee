"""The ledger: what this worker holds of its partitions, from a batch's arrival to its commit.

It keeps the protocol's order: append, seal, commit. It maps batches and appends them to staging,
tells Kafka which windows are sealed before anything is put, and commits what has been shipped. What
to keep at an assignment is decided in `takeover`, when reading pauses in `pause`.

The order of its steps is what survives kill -9. State changes on one event loop only, between
awaits or under the lock; mapping and DuckDB run in a thread. After a crash the ledger is rebuilt
from what the segments hold and what Kafka has committed.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

import schemas.mapping
from streams import clock, faults
from streams.backoff import Backoff
from streams.errors import FalcolakeError, Unavailable
from streams.staging.staging import Staging
from streams.windows.batch import Batch, Found, Lost, Record, Rows, split, tabulate
from streams.windows.lookup import Tail, decide, recreated
from streams.windows.progress import Bounds, Delay, Progress, Tracker
from streams.windows.room import Room, Usage
from streams.windows.seal import MIXED, NO_EPOCH
from streams.windows.window import (
    Blocked,
    Limits,
    Partition,
    Run,
    Window,
    is_due,
    is_flushing,
    is_full,
)
from streams.worker.alarms import Alarms
from streams.worker.metrics import Metrics
from streams.worker.pause import Headroom, Pause
from streams.worker.takeover import go_on, look_at_end, take_over, to_read

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a pause of reading lasts at least; longer each time that it ends too soon.
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

#: Seconds from asking for a claim in which a put may begin, and after which Kafka is asked again.
#: They are fewer than Kafka takes to give the partitions of a silent worker to others.
CLAIM_HOLDS = 5.0
CLAIM_IS_FRESH = 2.5


class Kafka(Protocol):
    """What the ledger needs of the consumer, see `BatchConsumer`."""

    @property
    def answers(self) -> bool: ...
    async def commit_offsets(
        self, assignment: int, offsets: Mapping[int, tuple[int, str]]
    ) -> None: ...
    async def seek_again(self, epoch: int, positions: Mapping[int, int]) -> None: ...
    async def log_start(self, partition: int) -> int: ...
    async def topic_id(self, partition: int) -> str: ...
    async def bounds(self, epochs: Mapping[int, int]) -> dict[int, Bounds]: ...
    async def epoch_end(self, partition: int, leader_epoch: int) -> int | None: ...
    async def beat(self) -> None: ...


class Shipment(NamedTuple):
    """A sealed window to ship, and the assignment in which it is this worker's."""

    assignment: int
    window: Window


class Piece(NamedTuple):
    """Records of offsets `[first, end)`, to be mapped and staged at once."""

    partition: Partition
    first: int
    end: int
    records: Sequence[Record]
    leader_epoch: int


def _tabulate_all(mapping: schemas.mapping.Mapping, pieces: Iterable[Piece]) -> list[Rows]:
    return [
        tabulate(mapping, partition.number, first, end, records, partition.topic_id, leader_epoch)
        for partition, first, end, records, leader_epoch in pieces
    ]


class Ledger:
    """The partitions of one worker. `kafka` is set once the consumer exists."""

    kafka: Kafka

    def __init__(
        self,
        staging: Staging,
        mapping: schemas.mapping.Mapping,
        limits: Limits,
        room: Room,
        metrics: Metrics,
        shortest_pause: float = SHORTEST_PAUSE,
    ) -> None:
        self.epoch = 0
        self.pause: Pause | None = None
        self.partitions: dict[int, Partition] = {}
        self.wanted: frozenset[int] | None = None
        self.usage: Usage | None = None
        self.alarms = Alarms(metrics)
        #: Called after each assignment, before anything of it is read.
        self.on_assigned: Callable[[], object] = lambda: None
        self._staging = staging
        self._mapping = mapping
        self._limits = limits
        self._headroom = Headroom(room, staging.path, limits.max_bytes)
        self._metrics = metrics
        self._assignment = 0
        self._draining = False
        self._backoff = Backoff(shortest_pause, LONGEST_PAUSE)
        self._tracker = Tracker()
        self._targets: dict[int, int] = {}
        self._lock = asyncio.Lock()
        self._left: list[Run] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="staging")

    @property
    def paused(self) -> bool:
        """Whether reading is paused, or has ended with a drain."""
        return self._draining or self.pause is not None

    @property
    def pause_reason(self) -> str:
        """Return why reading is paused, and what to try; empty if it is not."""
        return str(self.pause or "")

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def open(self) -> None:
        """Open staging and read what an earlier run left in it."""
        self._left = await self._run(self._staging.open)
        if self._left:
            log.info(
                "staging holds %d records of %d partitions from an earlier run",
                sum(run.records for run in self._left),
                len({run.partition for run in self._left}),
            )

    async def close(self) -> None:
        """Release staging; what is staged stays for the next run."""
        async with self._lock:
            self._assignment = self.epoch = self.epoch + 1
            self.partitions = {}
            await self._run(self._staging.close)
        self._thread.shutdown()

    # ---- assignment

    async def assign(self, found: Mapping[int, Found]) -> tuple[int, dict[int, int]]:
        """Take over these partitions, and no others; return the epoch and where to read on.

        Staging keeps what still fits the committed offsets and seals, and drops the rest.
        """
        async with self._lock:
            held = [*self._left, *self._staged()]
            self._left = []
            self._assignment = self.epoch = self.epoch + 1
            version = self._mapping.version
            self.partitions = take_over(found, held, version, time.monotonic())
            self.alarms.took_over(found, self.partitions)
            await self._run(self._staging.roll)
            await self._forget()
            self.wanted = to_read(self.partitions)
            positions = self._positions()
            bounds = {
                n: Bounds(each.start, each.end, None, each.stable) for n, each in found.items()
            }
            self._tracker.note(bounds, clock.now_ms())
            self._metrics.assigned(positions)
            self.alarms.show_blocked(self.partitions, time.monotonic())
            self.show()
        log.info(
            "assigned partitions %s, reading on from %s",
            sorted(positions),
            {n: positions[n] for n in sorted(positions)},
        )
        self.on_assigned()
        return self.epoch, positions

    def staged_epochs(self) -> dict[int, set[int]]:
        """Return the leader epochs of the staged records, by partition, where they are known.

        Staging may still have records that an earlier worker dropped, because the log had lost
        them. So each epoch counts, not just the last.
        """
        found: dict[int, set[int]] = {}
        for run in itertools.chain(self._left, self._staged()):
            if run.leader_epoch != NO_EPOCH:
                found.setdefault(run.partition, set()).add(run.leader_epoch)
        return found

    def _staged(self) -> Iterator[Run]:
        """Yield the runs that are staged and not committed."""
        return (run for partition in self.partitions.values() for run in partition.runs)

    def _staged_bytes(self) -> int:
        """Return the bytes of the records that are staged and not committed."""
        return sum(partition.staged.bytes for partition in self.partitions.values())

    def _positions(self) -> dict[int, int]:
        """Return the offset to read next, by partition."""
        return {number: partition.position for number, partition in self.partitions.items()}

    async def _forget(self) -> None:
        """Drop the segments that nothing uncommitted needs."""
        await self._run(self._staging.keep_only, list(self._staged()))

    # ---- append

    async def append(self, *batches: Batch) -> None:
        """Map the batches of one fetch and stage them; batches of an earlier epoch are dropped.

        Without room, or an answer from Kafka, reading pauses and they are read again later.
        """
        async with self._lock:
            try:
                if await self._append_in_turn(batches):
                    self._backoff.reset()
                    self._check_room()
            except FalcolakeError as error:
                self._pause(str(error), error.hint)

    async def _append_in_turn(self, batches: Iterable[Batch]) -> bool:
        """Stage batches, small ones of several partitions in one commit.

        Return whether there were any, and all in sequence.
        """
        pieces: list[Piece] = []
        found, in_sequence = False, True
        for batch in batches:
            self._metrics.consumed(len(batch.records))
            partition = self.partitions.get(batch.partition)
            if batch.epoch != self.epoch or self.paused or partition is None or partition.blocked:
                continue
            partition.highwater = batch.highwater
            if not await self._in_sequence(batch, partition):
                in_sequence = False
                continue  # it is blocked now; or reading pauses, and the others are read again too
            found = True
            if is_full(partition, self._limits) and partition.sealable:
                await self._seal_or_grow()  # full since before a crash, or a seal that failed
            max_rows = self._limits.max_rows
            room = max_rows - partition.open_records
            for first, end, records in split(batch, partition.ends, room, max_rows):
                pieces.append(Piece(partition, first, end, records, batch.leader_epoch))
                if end < batch.end:  # where a piece ends, its window may
                    await self._stage(pieces)
        await self._stage(pieces)
        return found and in_sequence

    async def _stage(self, pieces: list[Piece]) -> None:
        """Map and stage these pieces, in one commit, and empty the list."""
        if not pieces:
            return
        began = time.monotonic()
        rows = await self._run(_tabulate_all, self._mapping, pieces)
        mapped = time.monotonic()
        runs = await self._run(self._staging.append_all, rows)
        staged = time.monotonic()
        for piece, run in zip(pieces, runs, strict=True):
            partition = piece.partition
            if not partition.is_open and run.first >= partition.sealed_end:
                partition.opened = staged
            partition.runs.append(run)
            partition.leader_epoch = max(partition.leader_epoch, run.leader_epoch)
        for each in rows:
            share = 1 / len(rows)
            self._metrics.staged(each, (mapped - began) * share, (staged - mapped) * share)
        full = any(is_full(p, self._limits) and p.sealable for p, *_ in pieces)
        pieces.clear()
        if full:
            await self._seal_or_grow()
        if self.wanted is not None:
            before, self.wanted = self.wanted, to_read(self.partitions)
            if self.wanted != before:
                await self._run(self._staging.roll)

    async def _in_sequence(self, batch: Batch, partition: Partition) -> bool:
        position = partition.position
        oldest = batch.records[0].offset if batch.records else batch.end
        if batch.first != position:
            self._pause(
                f"partition {batch.partition}: got offset {oldest} where {position} was expected",
                "nothing is lost, it is read again; please report this if it stays so",
                for_room=False,
            )
            return False
        if oldest < position:
            # Kafka had no such position, so the consumer began again at the log's start. If the log
            # is longer again by now, it may have other records from there on.
            end = await self._log_end(partition.number)
            await self._look_at_end(partition, end if end < position else oldest)
            return False
        known, start = partition.leader_epoch, position
        if oldest > position:
            start = await self.kafka.log_start(batch.partition)
        if known > NO_EPOCH and (batch.leader_epoch > known or start > position):
            # Another leader: its log may have lost its end, and may be longer again.
            epoch_end = await self.kafka.epoch_end(batch.partition, known)
            if epoch_end is not None and epoch_end < partition.read_end:
                await self._look_at_end(partition, epoch_end)
                return False
        if oldest > position:
            self.alarms.skipped(batch.partition, position, start)
        if start > position:
            # What retention has deleted unread may be of later leaders.
            partition.leader_epoch = NO_EPOCH
        return True

    async def _log_end(self, number: int) -> int:
        return (await self.kafka.bounds({number: NO_EPOCH}))[number].end

    # ---- blocked partitions

    async def _look_at_end(self, partition: Partition, end: int) -> None:
        """Take note of where a log ends; what it has lost is not shipped. Under the lock."""
        before = partition.cut
        lost = look_at_end(partition, end)
        if partition.cut != before:
            await self._show_blocked()
        if lost:
            self.alarms.vanished(partition.number, lost)
            await self._forget()
            self._pause(
                f"partition {partition.number}: Kafka lost the end of the log, from offset {end}",
                "what was staged of it is dropped; reading resumes from there",
                for_room=False,
            )

    async def note_cuts(self) -> None:
        """Write into the commit metadata where logs were cut, so that the next owner knows.

        Without an answer it is tried again.
        """
        async with self._lock:
            cut = {n: p for n, p in self.partitions.items() if not p.cut_noted}
            if not cut:
                return
            seals = {number: (p.committed, p.seal().encode()) for number, p in cut.items()}
            try:
                await self.kafka.commit_offsets(self._assignment, seals)
            except (Lost, Unavailable) as error:
                log.warning("cut not noted, trying again: %s", f"{error}" or "rebalancing")
                return
            for partition in cut.values():
                partition.cut_noted = True

    async def block(self, number: int, blocked: Blocked) -> None:
        """Take nothing more of a partition and drop what is staged of it; under the lock."""
        self.partitions[number].block(blocked)
        await self._show_blocked()

    async def _show_blocked(self) -> None:
        self.alarms.show_blocked(self.partitions, time.monotonic())
        self.wanted = to_read(self.partitions)
        await self._forget()

    def blocked(self) -> dict[int, Blocked]:
        """Return the partitions that are blocked, and why."""
        return {n: p.blocked for n, p in self.partitions.items() if p.blocked is not None}

    # ---- partitions without a committed offset

    def undecided(self) -> tuple[int, frozenset[int]]:
        """Return the assignment, and its partitions of which the lake must say where to go on."""
        found = {n for n, each in self.blocked().items() if each.kind == "unproved"}
        return self._assignment, frozenset() if self._draining else frozenset(found)

    async def unproved(
        self, assignment: int, numbers: Iterable[int], error: FalcolakeError
    ) -> None:
        """Record why the lake could not say where these partitions go on."""
        async with self._lock:
            if assignment == self._assignment:
                for number in numbers:
                    self.partitions[number].blocked = Blocked("unproved", error.message, error.hint)
                self.alarms.show_blocked(self.partitions, time.monotonic())

    async def go_on(self, assignment: int, tails: Mapping[int, Tail | None]) -> None:
        """Go on with partitions where their last windows in the lake end, or block them.

        The offset is committed first, so that nobody has to look again. Raises Lost or Unavailable;
        the partitions are then still undecided.
        """
        async with self._lock:
            if assignment != self._assignment:
                raise Lost
            going: dict[int, Partition] = {}
            for number, tail in tails.items():
                partition = self.partitions[number]
                start, topic_id = partition.start, partition.topic_id
                if tail is not None and tail.end > partition.highwater:  # as it was at assignment
                    partition.highwater = await self._log_end(number)
                where = decide(tail, topic_id, start, partition.highwater)
                if isinstance(where, Blocked):
                    await self.block(number, where)
                else:
                    going[number] = go_on(partition, where, start, time.monotonic())
            if not going:
                return
            seals = {n: (each.committed, each.seal().encode()) for n, each in going.items()}
            await self.kafka.commit_offsets(assignment, seals)
            self.partitions.update(going)
            self.alarms.show_blocked(self.partitions, time.monotonic())
            for number, each in going.items():
                self.alarms.skipped(number, each.reached, each.start)
            await self._forget()
            self.wanted = to_read(self.partitions)
            self.epoch += 1
            positions = self._positions()
            await self.kafka.seek_again(self.epoch, positions)
        log.info("the lake says where to go on: reading from %s", {n: positions[n] for n in going})

    async def prove(self, shipment: Shipment) -> None:
        """Block the partition if its topic is no longer the one that its records were read from.

        The id is asked for after the last record of the window was read: if it is still the same,
        they all are of this topic. Raises Lost if not, Unavailable without an answer.
        """
        number = shipment.window.partition
        before = self._held(shipment).topic_id
        now = await self.kafka.topic_id(number) if before else ""
        if now == before:
            return
        async with self._lock:
            self._held(shipment)
            await self.block(number, recreated("what was read is", before, now))
        raise Lost

    # ---- pauses

    def _check_room(self) -> None:
        lack = self._headroom.lack(self._measure(), self._staged_bytes())
        if lack is not None:
            self._pause(*lack)

    def _measure(self) -> Usage:
        """Measure and publish what staging takes. Raises a FalcolakeError."""
        self.usage = self._staging.usage()
        self._metrics.usage(self.usage)
        return self.usage

    def _pause(self, reason: str, hint: str, *, for_room: bool = True) -> None:
        """Stop reading; if it is `for_room`, what is open is sealed, so that it can be shipped."""
        if self.pause is not None:
            self.pause = self.pause._replace(reason=reason, hint=hint, for_room=for_room)
            return
        now = time.monotonic()
        self.pause = Pause(reason, hint, now, now + self._backoff.next(), for_room)
        log.warning("reading is paused: %s", self.pause)
        self._metrics.paused(str(self.pause))

    async def resume_if_room(self) -> None:
        """Resume reading after a pause, from where staging really ends, if there is room again."""
        if self._draining or self.pause is None:
            return
        try:
            usage = self._measure()
        except FalcolakeError:
            return
        staged = self._staged_bytes()
        if not self._headroom.may_resume(self.pause, time.monotonic(), usage, staged):
            return
        async with self._lock:
            self.epoch += 1
            positions = self._positions()
            try:
                await self.kafka.seek_again(self.epoch, positions)
            except Lost:
                return  # the assignment that follows seeks
            self.pause = None
            self._metrics.paused(None)
        log.info("reading resumes from %s", positions)

    # ---- seal

    async def seal_due(self) -> None:
        """Seal all open windows if one of them is due, or a flush asks for it.

        While windows wait to be shipped, age alone seals no more of them, so that an outage of the
        lake ends with few large objects.
        """
        now, monotonic = clock.now_ms(), time.monotonic()
        async with self._lock:
            if (
                (self.pause is not None and self.pause.for_room)
                or self._draining
                or is_flushing(self.partitions.values(), self._targets)
                or any(
                    p.sealable  # this makes a seal, and is asked last
                    for p in self.partitions.values()
                    if is_full(p, self._limits)
                    or (not p.ends and is_due(p, self._limits, now, monotonic))
                )
            ):
                await self._seal_or_grow()

    def flush(self, ends: Mapping[int, int]) -> None:
        """Seal up to these offsets, by partition, as soon as they are staged.

        This includes partitions that other workers have now and this one may get later.
        """
        for number, end in ends.items():
            self._targets[number] = max(end, self._targets.get(number, 0))

    def flushing(self) -> bool:
        """Whether anything that a flush asked of these partitions is not committed yet."""
        return any(
            self._targets.get(number, 0) > partition.committed
            for number, partition in self.partitions.items()
        )

    async def _seal_or_grow(self) -> None:
        """Seal what is open; if Kafka does not accept the seal, the windows just grow."""
        opened = {number: p for number, p in self.partitions.items() if p.sealable}
        if not opened:
            return
        seals = {n: (p.committed, p.seal_with(p.position).encode()) for n, p in opened.items()}
        try:
            with faults.around("seal"):
                await self.kafka.commit_offsets(self._assignment, seals)
        except (Lost, Unavailable) as error:
            log.warning("windows not sealed, trying again: %s", f"{error}" or "rebalancing")
            return
        for partition in opened.values():
            partition.ends.append(partition.position)
            partition.opened, partition.sealed_at = None, time.monotonic()
        self._metrics.sealed(len(opened))
        await self._run(self._staging.roll)

    # ---- draining

    async def drain(self) -> None:
        """Read no more, and seal all that is staged; for a worker that leaves."""
        async with self._lock:
            self._draining = True

    def undrained(self) -> int:
        """Return how many staged records are not in the lake, and could be.

        Records of a window that another worker sealed do not count until all of it is staged: the
        partition's next owner reads them again.
        """
        left = sum(run.records for run in self._left)
        for partition in self.partitions.values():
            left += partition.open_records
            left += sum(window.counts.records for window in partition.sealed_windows())
        return left

    # ---- shipping's side

    def waiting(self) -> dict[int, Shipment]:
        """Return the oldest sealed window of each partition, if all of it is staged."""
        ready = {}
        for number, partition in self.partitions.items():
            window = next(partition.sealed_windows(), None)
            if window is not None:
                ready[number] = Shipment(self._assignment, window)
        return ready

    def holds(self, shipment: Shipment) -> bool:
        """Whether a window is still this worker's to ship."""
        assignment, window = shipment
        partition = self.partitions.get(window.partition)
        return (
            assignment == self._assignment
            and partition is not None
            and partition.blocked is None
            and partition.committed == window.first
        )

    def _held(self, shipment: Shipment) -> Partition:
        """Return the partition of a window. Raises Lost if it is no longer this worker's."""
        if not self.holds(shipment):
            raise Lost
        return self.partitions[shipment.window.partition]

    async def claim(self, shipment: Shipment) -> float:
        """Record in Kafka that windows sealed by another mapping are being overwritten.

        Returns until when a put of them may begin, in monotonic seconds: nothing in S3 refuses one
        that comes after the next owner's, so Kafka is asked again if its answer is not fresh.
        Raises as `commit` does.
        """
        assignment, window = shipment
        async with self._lock:
            partition, now = self._held(shipment), time.monotonic()
            if partition.claimed is None or now - partition.claimed > CLAIM_IS_FRESH:
                metadata = partition.claim().encode()
                claimed = {window.partition: (partition.committed, metadata)}
                with faults.around("claim"):
                    await self.kafka.commit_offsets(assignment, claimed)
                partition.inherited, partition.claimed = MIXED, now
            return partition.claimed + CLAIM_HOLDS

    async def commit(self, shipment: Shipment) -> None:
        """Commit the end of a shipped window, then forget its rows.

        Raises Lost if the partition is no longer this worker's, Unavailable if Kafka does not
        answer.
        """
        assignment, window = shipment
        async with self._lock:
            partition = self._held(shipment)
            left = partition.seal_after(window.end).encode()
            with faults.around("commit"):
                await self.kafka.commit_offsets(assignment, {window.partition: (window.end, left)})
            partition.commit(window.end)
            await self._forget()

    # ---- what it reports

    async def ask_bounds(self) -> None:
        """Ask Kafka for the bounds of the partitions; without an answer keep the last ones.

        An end before what was read is the first sign of a log that lost its end. One that is just
        as long again, and a topic that was recreated, would show only once a record comes: so ends
        of leader epochs and the topic's id are compared here too. A flush of before goes no further
        than to the end of now: what was beyond it is lost.
        """
        epoch, before, targets = self.epoch, self._positions(), dict(self._targets)
        read = {number: partition.read_end for number, partition in self.partitions.items()}
        with contextlib.suppress(Unavailable):
            epochs = {number: self.partitions[number].leader_epoch for number in before}
            found = await self.kafka.bounds(epochs)
            self._tracker.note(found, clock.now_ms())
            for number in targets.keys() & found.keys():
                if self._targets[number] == targets[number]:
                    self._targets[number] = min(targets[number], found[number].end)
            async with self._lock:
                for number, bounds in found.items():
                    if epoch != self.epoch:
                        break
                    partition = self.partitions[number]
                    known, now = partition.topic_id, bounds.topic_id
                    if known and now and known != now and partition.blocked is None:
                        await self.block(number, recreated("what was read is", known, now))
                    elif bounds.end < before[number]:
                        await self._look_at_end(partition, bounds.end)
                    elif bounds.epoch_end is not None and bounds.epoch_end < read[number]:
                        await self._look_at_end(partition, bounds.epoch_end)
        self.alarms.show_delays(self.delays())

    def delays(self) -> list[Delay]:
        """Return the transactions that have been open for long, as Kafka last answered."""
        return self._tracker.delays(clock.now_ms())

    def progress(self) -> list[Progress]:
        """Return how far each partition is."""
        return self._tracker.look(self.partitions, clock.now_ms())

    def show(self) -> None:
        """Publish how far the partitions are, and what staging takes."""
        self._metrics.progress(self.progress())
        with contextlib.suppress(FalcolakeError):
            self._measure()
