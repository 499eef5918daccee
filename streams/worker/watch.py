"""The watch: looks each second at what the worker waits for, and reports who goes away.

It logs, writes the journal and publishes the metric. See `waits` for what counts as away.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from streams import clock
from streams.errors import FalcolakeError, Unavailable
from streams.lake.errors import WRITER
from streams.worker.logs import facts
from streams.worker.metrics import Metrics
from streams.worker.waits import LATER, Peer, Turn, Wait, Waits, lasting

log = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK: Final = 1.0

LAKE: Final = Peer("lake", "the lake", WRITER.unreachable)


class Watch:
    """Watches the waits of one process, and reports to its metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self.waits = Waits()
        self._metrics = metrics
        self._noted: set[Wait] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="watch")

    def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(LOOK)

    def look(self, now: float) -> None:
        """Report what has changed since the last look."""
        for turn in self.waits.look(now):
            self._say(turn)
        since = dict.fromkeys(("kafka", "lake"), 0.0)
        for each in self.waits.away(now):
            since[each.peer.kind] = max(since[each.peer.kind], now - each.since)
        for kind, seconds in since.items():
            self._metrics.away(kind, seconds or None)
        long = {wait for wait in self.waits.long(now) if wait.size is not None}
        for wait in long - self._noted:
            log.info(
                "waiting for %s for %s: %s",
                wait.peer.name,
                lasting(now - wait.began),
                wait,
                extra=facts(partition=wait.partition, seconds=round(now - wait.began, 1)),
            )
        self._noted = long

    def _say(self, turn: Turn) -> None:
        peer, span = turn.peer, lasting(turn.seconds)
        known = facts(peer=peer.name, seconds=round(turn.seconds, 1), reason=turn.what)
        if not turn.back:
            since = at(turn.seconds)
            log.warning(
                "%s has not answered for %s, since %s UTC: %s. Try: %s",
                *(peer.name, span, since, turn.what, peer.hint),
                extra=known,
            )
            self._metrics.noted("away", f"{peer.name} is away since {since} UTC: {turn.what}")
            return
        text = f"{peer.name} is back after {span}"
        if not turn.answered:
            text = f"{peer.name} was away for {span}, and nobody waits for it any more"
        log.info("%s", text, extra=known)
        self._metrics.noted("back", text)

    @contextmanager
    def waiting(
        self,
        peer: Peer,
        what: str,
        *,
        partition: int | None = None,
        size: int | None = None,
        moved: Callable[[], int] = lambda: 0,
        extra: float = 0.0,
        linger: float = LATER,
    ) -> Iterator[Wait]:
        """Register what the block waits for. An error means no answer, but for a refusal."""
        wait = Wait(peer, what, time.monotonic(), partition, size, moved, extra, linger)
        self.waits.begin(wait)
        try:
            yield wait
        except FalcolakeError as error:
            if isinstance(error, Unavailable):
                self.waits.failed(wait, time.monotonic(), error.message)
            else:
                self.waits.answered(wait)
            raise
        except Exception:
            self.waits.failed(wait, time.monotonic())
            raise
        except BaseException:  # cancelled
            now = time.monotonic()
            if wait.is_overdue(now):
                self.waits.failed(wait, now)
            else:
                self.waits.drop(wait)
            raise
        else:
            self.waits.answered(wait)


def at(seconds: float) -> str:
    """Return the UTC time of day that was so many seconds ago."""
    return time.strftime("%H:%M:%S", time.gmtime(clock.now_ms() / 1000 - seconds))
