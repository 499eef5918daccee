"""How often names occur in a sliding window: what `falcolake top` counts.

Bounded whatever comes in: names are cut, and a table that has too many keeps the most frequent ones
and adds up the others. So a stranger's million different names neither fill the memory nor hide a
name that is really frequent.
"""

import heapq
from collections import Counter, defaultdict
from typing import Any, Final, NamedTuple

from streams.watch.alerts import Seen

#: Names of a table that survive when it is full, which is at twice as many.
MOST_NAMES: Final = 500
#: Characters of a name.
LONGEST: Final = 200
#: Parts of the window; they leave it one by one.
SLOTS: Final = 30

TABLES: Final = ("rule", "namespace", "host")


class Row(NamedTuple):
    """A name, "" for alerts without one, and how many alerts of the window have it."""

    name: str
    alerts: int
    per_second: float


class Table(NamedTuple):
    """The most frequent names, and how many alerts have others."""

    rows: list[Row]
    others: int


class Tally:
    """Counts names by slot; the caller chooses the numbers of the slots."""

    def __init__(self, most_names: int = MOST_NAMES) -> None:
        self._most = most_names
        self._slots: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._totals = Counter[str]()
        self._others = Counter[int]()

    def add(self, slot: int, name: str) -> None:
        """Count a name once."""
        if len(name) > LONGEST:
            name = f"{name[: LONGEST - 1]}…"
        self._totals[name] += 1
        self._slots[slot][name] += 1
        if len(self._totals) >= 2 * self._most:
            self._shrink()

    def forget(self, before: int) -> None:
        """Drop the slots before a slot."""
        for slot in [each for each in self._slots if each < before]:
            self._totals -= self._slots.pop(slot)  # and drops those that reach 0
        for slot in [each for each in self._others if each < before]:
            del self._others[slot]

    def most_common(self, most: int) -> tuple[list[tuple[str, int]], int]:
        """Return the most frequent names, by name where equal, and the count of all others."""
        found = heapq.nsmallest(most, self._totals.items(), key=lambda one: (-one[1], one[0]))
        total = self._totals.total() + self._others.total()
        return found, total - sum(count for _, count in found)

    def __len__(self) -> int:
        return len(self._totals)

    def _shrink(self) -> None:
        kept = dict(self._totals.most_common(self._most))
        for slot, names in self._slots.items():
            for name in names.keys() - kept.keys():
                self._others[slot] += names.pop(name)
        self._totals = Counter(kept)


class Rates:
    """Rates over a sliding window of some seconds that ends now, epoch ms.

    At `now_ms` the window is exact; later it is up to one slot longer, and the rates consider that.
    """

    def __init__(self, seconds: float, now_ms: int) -> None:
        self._origin = now_ms
        self._slot_ms = 1000 * seconds / SLOTS
        self._now = now_ms
        self._first = -SLOTS
        self._tables = {name: Tally() for name in TABLES}
        self._kinds = Tally()

    def tick(self, now_ms: int) -> None:
        """Move the window on."""
        self._now = max(self._now, now_ms)
        self._first = self._slot(self._now) - SLOTS
        for tally in (*self._tables.values(), self._kinds):
            tally.forget(self._first)

    def add(self, at_ms: int, seen: Seen) -> None:
        """Count an alert that Kafka got at a time; a time that is still to come counts as now."""
        if (slot := self._slot(at_ms)) >= self._first:
            self._kinds.add(slot, "alerts")
            for name, tally in self._tables.items():
                tally.add(slot, getattr(seen, name))

    def count(self, at_ms: int, kind: str) -> None:
        """Count a record that is not shown as an alert: `rejects`, `filtered`."""
        if (slot := self._slot(at_ms)) >= self._first:
            self._kinds.add(slot, kind)

    def _slot(self, at_ms: int) -> int:
        return int((min(at_ms, self._now) - self._origin) // self._slot_ms)

    @property
    def seconds(self) -> float:
        """Return how long the window is now."""
        return (self._now - self._origin - self._first * self._slot_ms) / 1000

    def totals(self) -> dict[str, int]:
        """Return the window's `alerts`, `rejects` and `filtered`."""
        found, _ = self._kinds.most_common(MOST_NAMES)
        return {"alerts": 0, "rejects": 0, "filtered": 0} | dict(found)

    def table(self, name: str, most: int) -> Table:
        """Return the most frequent of `TABLES`."""
        found, others = self._tables[name].most_common(most)
        return Table([Row(each, n, n / self.seconds) for each, n in found], others)

    def plain(self, most: int) -> dict[str, Any]:
        """Return everything as JSON types; the name of alerts without one is null."""
        totals = self.totals()
        found: dict[str, Any] = {"seconds": round(self.seconds, 3), **totals}
        found["per_second"] = round(totals["alerts"] / self.seconds, 3)
        for name in TABLES:
            table = self.table(name, most)
            found[f"{name}s"] = [
                {
                    "name": row.name or None,
                    "alerts": row.alerts,
                    "per_second": round(row.per_second, 3),
                }
                for row in table.rows
            ]
            found[f"other_{name}s"] = table.others
        return found
