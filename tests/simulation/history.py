"""The history of a run: who did what, in virtual time."""

from collections.abc import Callable
from typing import NamedTuple


class Event(NamedTuple):
    """One line of a history; `at` is in virtual seconds."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.who:<8} {self.what}"


class History:
    """What has happened so far. `now` returns the virtual time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.events: list[Event] = []
        self._now = now

    def note(self, who: str, what: str) -> None:
        """Add a line."""
        self.events.append(Event(self._now(), who, what))

    def __str__(self) -> str:
        return "\n".join(map(str, self.events))
