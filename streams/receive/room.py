"""Room: how many bytes of requests are in memory, those that wait for Kafka included."""

import asyncio
import contextlib
from collections import deque


class Room:
    """Room for so many bytes; who comes first is served first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, size: int) -> bool:
        """Take room if there is enough now."""
        if self.taken + size > self.most:
            return False
        self.taken += size
        return True

    async def take(self, size: int) -> None:
        """Take room as soon as there is enough; `size` must not be more than there ever is."""
        if not self._waiting and self.try_take(size):
            return
        turn = asyncio.get_running_loop().create_future()
        entry = size, turn
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiting.remove(entry)
                self._serve()  # a smaller one may have waited behind it
            else:
                self.give_back(size)
            raise

    def give_back(self, size: int) -> None:
        """Return room, for those who wait."""
        self.taken -= size
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.cancelled() and not self.try_take(size):
                return
            self._waiting.popleft()
            if not turn.cancelled():
                turn.set_result(None)
