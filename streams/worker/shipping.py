"""Shipping: from a sealed window in staging to objects in the lake.

Per window: COPY and put every object → dead-letter every reject → commit the end → forget the rows.
After a crash each step can be repeated safely: the same window makes the same keys and the same
rows. Windows of a partition ship in order, partitions in parallel. If the lake, the dead-letter
topic or Kafka fails, nothing is dropped: the window is held and tried again, with growing waits of
up to a minute.
"""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from streams import faults
from streams.background import in_background
from streams.backoff import Backoff
from streams.errors import FalcolakeError, Unavailable
from streams.lake.store import Lake
from streams.staging.objects import Objects
from streams.staging.parquet import Group
from streams.windows.batch import Lost, Rejected
from streams.windows.window import Window
from streams.worker.ledger import Ledger, Shipment
from streams.worker.logs import facts
from streams.worker.metrics import Metrics
from streams.worker.waits import Wait
from streams.worker.watch import LAKE, Watch

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many puts may run at once. Exports run one at a time: each keeps a core busy, and they share
#: DuckDB's memory.
PUTS = 4

#: Seconds between tries to ship a window that is held.
SHORTEST_HOLD = 0.5
LONGEST_HOLD = 60.0

#: Seconds that a stopping worker waits for commits, then for puts: a lake that does not answer
#: takes minutes to time out.
STOP_PATIENCE = 5.0

STOOD_STILL = (
    "nothing to do if it was paused: it asks Kafka whether the window is still its own, and tries "
    "again; if this repeats, look for a machine that is overloaded, or a slow group coordinator"
)


class DeadLetters(Protocol):
    """Where rejects go."""

    async def send(self, partition: int, rejects: Sequence[Rejected]) -> None:
        """Return once all of them are durable; raise a FalcolakeError if they are not."""
        ...


@dataclass(slots=True)
class Hold:
    """Why, and since when, a partition's window cannot be shipped. Times are monotonic seconds."""

    reason: str
    hint: str
    since: float
    backoff: Backoff
    until: float = 0.0


class Shipper:
    """Ships what the ledger has sealed. `held` has the partitions that wait, and why."""

    def __init__(
        self,
        ledger: Ledger,
        objects: Objects,
        lake: Lake,
        dead_letters: DeadLetters,
        metrics: Metrics,
        shortest_hold: float = SHORTEST_HOLD,
        stop_patience: float = STOP_PATIENCE,
        watch: Watch | None = None,
    ) -> None:
        self.held: dict[int, Hold] = {}
        self._ledger = ledger
        self._objects = objects
        self._staging = objects.staging
        self._lake = lake
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._watch = watch or Watch(metrics)
        self.waits = self._watch.waits
        self._shortest_hold = shortest_hold
        self._stop_patience = stop_patience
        self._busy: set[int] = set()
        #: When the step under way began, by partition: a window that fails has waited since then.
        self._began: dict[int, float] = {}
        self._files = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._commits: set[asyncio.Task[None]] = set()
        self._exports = ThreadPoolExecutor(1, thread_name_prefix="export")
        self._puts = asyncio.Semaphore(PUTS)
        self._putting: set[Future[bool]] = set()

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._exports, work, *arguments)

    def start(self) -> None:
        """Start shipping every waiting window that is neither under way nor held."""
        ledger = self._ledger
        for number in self.held.keys() - (ledger.partitions.keys() - ledger.blocked().keys()):
            self._release(number)
        for number in self._ledger.waiting():
            hold = self.held.get(number)
            if number not in self._busy and (hold is None or time.monotonic() >= hold.until):
                self._busy.add(number)
                task = asyncio.create_task(self._ship_partition(number), name=f"ship-{number}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def try_now(self) -> None:
        """Try held windows again without further delay."""
        for hold in self.held.values():
            hold.backoff.reset()
            hold.until = 0.0

    async def stop(self) -> None:
        """Abandon what is under way, but finish commits.

        Every other step can be repeated. Kafka may have accepted a commit already: without its
        answer the window would be missing from the log and the metrics.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._commits:
            _, late = await asyncio.wait(self._commits, timeout=self._stop_patience)
            for task in late:
                task.cancel()
        await asyncio.to_thread(self._exports.shutdown, cancel_futures=True)
        await asyncio.to_thread(wait, list(self._putting), self._stop_patience)

    async def _ship_partition(self, number: int) -> None:
        """Ship the partition's waiting windows in order, until one fails."""
        try:
            self._began[number] = time.monotonic()
            while (shipment := self._ledger.waiting().get(number)) is not None:
                await self._ship_own(shipment)
                self._release(number)
        except Lost:
            log.info("partition %d: its windows are no longer shipped here", number)
        except FalcolakeError as error:
            self._hold(number, error)
        except Exception as error:
            log.exception("partition %d: shipping failed", number)
            self._hold(number, FalcolakeError(repr(error), "please report this"))
        finally:
            self._busy.discard(number)

    async def _ship_own(self, shipment: Shipment) -> None:
        """Ship one window. Once it is another worker's, its rows are gone: an error is expected."""
        try:
            await self.ship(shipment)
        except FalcolakeError as error:
            if self._ledger.holds(shipment):
                raise
            raise Lost from error

    def _hold(self, number: int, error: FalcolakeError) -> None:
        backoff = Backoff(self._shortest_hold, LONGEST_HOLD)
        since = self._began.get(number, time.monotonic())
        hold = self.held.setdefault(number, Hold("", "", since, backoff))
        hold.reason, hold.hint = error.message, error.hint
        delay = hold.backoff.next()
        hold.until = time.monotonic() + delay
        self._metrics.held(number, hold.since, error)
        log.warning(
            "partition %d: held, next try in %.1f s: %s%s",
            number,
            delay,
            error.message,
            f" ({error.hint})" if error.hint else "",
            extra=facts(partition=number, reason=error.message, hint=error.hint),
        )

    def _release(self, number: int) -> None:
        if self.held.pop(number, None) is not None:
            self._metrics.released(number)
            log.info("partition %d: ships again", number)

    def reasons(self) -> dict[int, str]:
        """Return why partitions are held, blocked or wait, and what to try, by number."""
        found = {number: (wait.complaint, wait.peer.hint) for number, wait in self.hangs().items()}
        for number, each in (self.held | self._ledger.blocked()).items():
            found[number] = each.reason, each.hint
        return {
            number: f"{reason} ({hint})" if hint else reason
            for number, (reason, hint) in found.items()
        }

    def hangs(self) -> dict[int, Wait]:
        """Return the puts that the lake does not answer, by partition; not those that are held."""
        return {
            wait.partition: wait
            for wait in reversed(self.waits.overdue("lake", time.monotonic()))
            if wait.partition is not None and wait.partition not in self.held
        }

    async def ship(self, shipment: Shipment) -> None:
        """Ship one window. Raises Lost or a FalcolakeError; it can then be shipped again."""
        began, window = time.monotonic(), shipment.window
        objects: dict[str, int] = {}
        await self._ledger.prove(shipment)
        if window.overwrite:
            await self._ledger.claim(shipment)
        repeated = await self._run(self._objects.repeated, window)
        for group, _ in await self._run(self._objects.groups, window):
            if not self._ledger.holds(shipment):
                raise Lost
            key, size = await self._put(shipment, group)
            objects[key] = size
        first = window.first
        while rejects := await self._run(self._staging.rejects, window, first):
            self._began[window.partition] = time.monotonic()
            await self._dead_letters.send(window.partition, rejects)
            first = rejects[-1].offset + 1
        commit = asyncio.create_task(self._commit(shipment, objects, repeated, began))
        self._commits.add(commit)
        commit.add_done_callback(self._commits.discard)
        await asyncio.shield(commit)

    async def _commit(
        self, shipment: Shipment, objects: dict[str, int], repeated: int, began: float
    ) -> None:
        self._began[shipment.window.partition] = time.monotonic()
        await self._ledger.commit(shipment)
        seconds = time.monotonic() - began
        self._metrics.shipped(shipment.window, objects, repeated, seconds)
        self._log_shipped(shipment.window, objects, repeated, seconds)

    def _log_shipped(
        self, window: Window, objects: dict[str, int], repeated: int, seconds: float
    ) -> None:
        counts = window.counts
        log.info(
            "shipped %s-%d [%d, %d) in %.2f s: %d findings, %d rejects, %d filtered; "
            "%d repeated; %d bytes as %s",
            self._objects.topic,
            window.partition,
            window.first,
            window.end,
            seconds,
            counts.findings,
            counts.rejects,
            counts.filtered,
            repeated,
            sum(objects.values()),
            " ".join(objects),
            extra=facts(
                topic=self._objects.topic,
                partition=window.partition,
                first=window.first,
                end=window.end,
                seconds=round(seconds, 3),
                **counts._asdict(),
                repeated=repeated,
                bytes=sum(objects.values()),
                keys=list(objects),
            ),
        )

    async def _put(self, shipment: Shipment, group: Group) -> tuple[str, int]:
        """Export one object and put it; return its key and its bytes."""
        window = shipment.window
        key = self._lake.key(self._objects.key(window, group))
        # Every try has another file: an abandoned one may still be writing to its own.
        file = self._staging.target(next(self._files))
        try:
            await self._run(self._export, window, group, file)
            size = file.stat().st_size
            async with self._puts:
                until = await self._ledger.claim(shipment) if window.overwrite else math.inf
                began = self._began[window.partition] = time.monotonic()
                with (
                    faults.around("put"),
                    self._watch.waiting(
                        LAKE, f"put {key}", partition=window.partition, size=size
                    ) as wait,
                ):
                    put = self._begin(
                        partial(
                            self._put_until,
                            until,
                            key,
                            file,
                            overwrite=window.overwrite,
                            begun=wait.follow,
                        )
                    )
                    written = await asyncio.wrap_future(put)
        finally:
            file.unlink(missing_ok=True)
        self._metrics.put(size, time.monotonic() - began, written)
        if not written:
            log.info("%s was in the lake already", key)
        return key, size

    def _put_until(self, until: float, key: str, file: Path, **options: Any) -> bool:
        """Put a file if a moment, in monotonic seconds, has not passed: a process may be paused."""
        if time.monotonic() > until:
            raise Unavailable(f"too late to overwrite {key}: this worker stood still", STOOD_STILL)
        return self._lake.put(key, file, **options)

    def _export(self, window: Window, group: Group, file: Path) -> None:
        began = time.monotonic()
        self._objects.export(window, group, file)
        self._metrics.exported(time.monotonic() - began)

    def _begin(self, put: Callable[[], bool]) -> Future[bool]:
        future = in_background(put, "put")
        self._putting.add(future)
        future.add_done_callback(self._putting.discard)
        return future
