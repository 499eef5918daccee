"""Pause: when reading stops for want of room, and when it may resume. Pure.

Measurements and the time are arguments. A pause lasts at least as long as its caller asks for;
then there must be so much room that the next batch does not end it at once.
"""

from pathlib import Path
from typing import NamedTuple

from streams.windows.room import BATCH_BYTES, Room, Usage


class Pause(NamedTuple):
    """Why reading is paused, and what to try. Times are monotonic seconds."""

    reason: str
    hint: str
    since: float
    #: Reading does not resume before this.
    until: float
    #: Whether to seal what is open, so that shipping it makes room.
    for_room: bool = True

    def __str__(self) -> str:
        return f"{self.reason}. {self.hint}"


class Headroom(NamedTuple):
    """How much room staging must leave in `path` for windows of at most `max_bytes`."""

    room: Room
    path: Path
    max_bytes: int

    def lack(self, usage: Usage, staged: int) -> tuple[str, str] | None:
        """Return why no more may be staged, and what to try; None if there is room.

        `staged` is how many bytes the staged records have.
        """
        return self.room.lack(self.path, usage, self._window_bytes(usage, staged))

    def may_resume(self, pause: Pause, now: float, usage: Usage, staged: int) -> bool:
        """Whether a pause may end."""
        is_back = self.room.is_back(usage, self._window_bytes(usage, staged))
        return now >= pause.until and is_back

    def _window_bytes(self, usage: Usage, staged: int) -> int:
        """Return the most that a window's records can have."""
        if usage.free >= BATCH_BYTES + self.max_bytes:
            return self.max_bytes
        return min(self.max_bytes, staged)
