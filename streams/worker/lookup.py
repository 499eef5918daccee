"""Looks into the lake for partitions without a committed offset, and tells the ledger.

It needs the rights to list and to read, which a worker otherwise does without. While the lake
cannot be read, the partitions stay blocked, and it tries again with growing waits. A lake that does
not answer keeps no worker from stopping: the look is in a daemon thread.
"""

import asyncio
import logging
import time
from functools import partial

from streams.background import in_background
from streams.backoff import Backoff
from streams.errors import FalcolakeError
from streams.lake import tails
from streams.lake.reader import LakeReader
from streams.windows.batch import Lost
from streams.worker.ledger import Ledger
from streams.worker.watch import LAKE, Watch

log = logging.getLogger(__name__)

#: Seconds between tries.
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 60.0


class Lookup:
    """The look into the lake of one worker; one at a time."""

    def __init__(
        self,
        ledger: Ledger,
        reader: LakeReader,
        topic: str,
        watch: Watch,
        shortest_wait: float = SHORTEST_WAIT,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._topic = topic
        self._watch = watch
        self._backoff = Backoff(shortest_wait, LONGEST_WAIT)
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start a look, unless nothing is undecided, one is under way or it is too early."""
        assignment, numbers = self._ledger.undecided()
        if not numbers:
            self._backoff.reset()
            self._until = 0.0
        elif (self._task is None or self._task.done()) and time.monotonic() >= self._until:
            self._task = asyncio.create_task(self._look(assignment, numbers), name="lookup")

    async def stop(self) -> None:
        """Abandon a look."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self, assignment: int, numbers: frozenset[int]) -> None:
        log.info(
            "partitions %s have no committed offset: looking for their last windows in the lake",
            sorted(numbers),
        )
        find = partial(tails.find, self._reader, self._topic, numbers)
        try:
            with self._watch.waiting(LAKE, "list the lake", moved=self._reader.requests.total):
                found = await asyncio.wrap_future(in_background(find, "lookup"))
            await self._ledger.go_on(assignment, {number: found.get(number) for number in numbers})
        except Lost:
            pass  # another assignment, which looks again
        except FalcolakeError as error:
            await self._failed(assignment, numbers, error)
        except Exception as error:
            log.exception("looking into the lake failed")
            await self._failed(
                assignment, numbers, FalcolakeError(repr(error), "please report this")
            )

    async def _failed(
        self, assignment: int, numbers: frozenset[int], error: FalcolakeError
    ) -> None:
        self._until = time.monotonic() + self._backoff.next()
        await self._ledger.unproved(assignment, numbers, error)
