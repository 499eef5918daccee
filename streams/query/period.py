"""The time that a query is about, and what follows for keys and rows. Pure."""

from typing import NamedTuple

from streams.audit.proof import day


class Period(NamedTuple):
    """The times `[first, end)` of findings, epoch ms; None is no bound."""

    first: int | None = None
    end: int | None = None

    def has(self, event_day: str) -> bool:
        """Return whether findings of an event day, yyyymmdd, can be of the period."""
        early = self.first is not None and event_day < day(self.first)
        return not early and (self.end is None or event_day <= day(self.end - 1))

    def condition(self) -> str:
        """Return the period as a condition in SQL."""
        bounds = []
        if self.first is not None:
            bounds.append(f"time >= {self.first}")
        if self.end is not None:
            bounds.append(f"time < {self.end}")
        return " AND ".join(bounds) or "true"

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return self != Period()


ALWAYS = Period()
