"""Tally: counts of a batch's findings by severity and by rule, of its rejects by reason.

It is pure and cheap: findings of a rule share one text, so a batch is counted by text, and each
text is decoded once. The number of names is bounded whatever comes in.
"""

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from schemas.mapping import Filtered
from streams.windows.batch import Rows

_RULE = attrgetter("rule")
_REASON = attrgetter("reason")

#: How many texts of rules are remembered.
_MOST_RULES = 2048

#: How many reasons are counted separately: the mapping has about twenty.
MOST_REASONS = 40
OTHER: Final = "other"

#: How many rules are counted separately among what is filtered, and how long a name is shown.
MOST_FILTERED = 100
MOST_CHARACTERS = 200

#: OCSF's severities, the worst first.
SEVERITIES: Final = (
    "Fatal",
    "Critical",
    "High",
    "Medium",
    "Low",
    "Informational",
    "Unknown",
    "Other",
)


class Tally(NamedTuple):
    """How many findings by severity and by rule, how many rejects by reason.

    And how many filtered by what filtered them, and by rule.
    """

    severities: Counter[str]
    rules: Counter[str]
    reasons: Counter[str]
    filtered: Counter[Filtered]


class Tallier:
    """Counts the batches of one worker."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}
        self._reasons: set[str] = set()
        self._filtered: set[Filtered] = set()

    def count(self, rows: Rows) -> Tally:
        """Count the rows of one batch."""
        tally = Tally(Counter(), Counter(), Counter(), Counter())
        for text, times in Counter(map(_RULE, rows.findings)).items():
            severity, rule = self._read(text)
            tally.severities[severity] += times
            tally.rules[rule] += times
        for reason, times in Counter(map(_REASON, rows.rejects)).items():
            tally.reasons[self._bounded(reason)] += times
        for found, times in rows.filtered_by.items():
            tally.filtered[self._bounded_rule(found)] += times
        return tally

    def _read(self, text: str) -> tuple[str, str]:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _MOST_RULES:
                self._known.clear()
            rule: dict[str, Any] = msgspec.json.decode(text)
            known = rule["severity"], rule["metadata"]["event_code"]
            self._known[text] = known
        return known

    def _bounded_rule(self, found: Filtered) -> Filtered:
        """Return what filtered, which the settings bound, with a rule of a bounded number."""
        found = Filtered(found.by[:MOST_CHARACTERS], found.rule[:MOST_CHARACTERS])
        if found not in self._filtered:
            if len(self._filtered) >= MOST_FILTERED:
                return Filtered(found.by, OTHER)
            self._filtered.add(found)
        return found

    def _bounded(self, reason: str) -> str:
        name = reason_name(reason)
        if name not in self._reasons:
            if len(self._reasons) >= MOST_REASONS:
                return OTHER
            self._reasons.add(name)
        return name


def reason_name(reason: str) -> str:
    """Return a reason without its details about one record, which follow a colon."""
    return reason.partition(":")[0].rstrip(".")


def most(counts: Counter[str], limit: int) -> Iterable[tuple[str, int]]:
    """Return the largest counts, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
