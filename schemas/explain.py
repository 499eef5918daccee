"""Where each key and field of one alert went, and why: what `falcolake map --explain` shows.

Has no knowledge of the mapping: a `Row` says where a field may go, and mapping the alert again
without the field shows where it went. Pure, but slow: meant for a few alerts that a person reads.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from schemas.classes.envelope import KEY_ROWS
from schemas.classes.security_finding import places_of
from schemas.falco.alert import Alert, read
from schemas.falco.values import EMPTY, is_none, text
from schemas.mapping import Filtered, Mapping, Reject
from schemas.ocsf.columns import paths
from schemas.sources.draft import Row
from schemas.sources.scene import rows_of

_NO_VALUE = "The field has no value."
_NONE = "It says that there is none."
_NO_PLACE = "OCSF has no place for it."
_REPEATS = "It repeats another value."

# An alert cannot be mapped without them, or not as the same source: assume that every attribute
# of their rows is theirs.
_DECISIVE = frozenset({"rule", "priority", "time", "source"})


class Explanation(NamedTuple):
    """Where one field went, and why."""

    field: str
    """A field of `output_fields`, or one of the alert's own keys."""
    value: str
    attributes: tuple[str, ...]
    """The OCSF attributes that hold it, or `("unmapped",)`; empty if it was dropped."""
    why: str


def explain(
    mapping: Mapping, value: bytes, timestamp: int = -1
) -> list[Explanation] | Reject | Filtered:
    """Return an explanation for each key of an alert, then for each field in the alert's order."""
    finding = mapping.finding(value, timestamp)
    if not isinstance(finding, dict):
        return finding
    _, alert = read(value)
    asked = _Asked(mapping, timestamp, alert, finding)
    keys = [asked.key(row) for row in KEY_ROWS if getattr(alert, row.field, None)]
    return keys + [asked.field(field) for field in alert.output_fields or {}]


class _Asked:
    """An alert and its finding, to ask about one field at a time."""

    def __init__(
        self, mapping: Mapping, timestamp: int, alert: Alert, finding: dict[str, Any]
    ) -> None:
        self._mapping = mapping
        self._timestamp = timestamp
        self._finding = finding
        self._fields = alert.output_fields or {}
        self._keys: dict[str, Any] = {
            row.field: getattr(alert, row.field) for row in KEY_ROWS if getattr(alert, row.field)
        }
        # Without a uuid the uid depends on the alert's keys: fix it, so that leaving out a key
        # changes nothing else.
        self._uid = finding["metadata"]["uid"]
        self._version: str = finding["metadata"]["version"]

    def key(self, row: Row) -> Explanation:
        """Explain one of the alert's own keys."""
        value = self._keys[row.field]
        shown = text(list(value) if isinstance(value, tuple) else value)
        other = {} if row.field in _DECISIVE else self._without(row.field, self._keys)
        used = self._used([row], shown, other)
        if not used and any(row.field == name.split(".")[-1] for name in self._unmapped()):
            used = ("unmapped",)
        return Explanation(row.field, shown, used, row.why or ("" if used else _REPEATS))

    def field(self, field: str) -> Explanation:
        """Explain a field of `output_fields`."""
        value = self._fields[field]
        shown = text(value)
        if value in EMPTY:
            return Explanation(field, shown, (), _NO_VALUE)
        rows = rows_of(field) + self._mapping.custom_rows(field)
        why = next((row.why for row in rows if row.why), "")
        if field in self._unmapped():
            return Explanation(field, shown, ("unmapped",), self._why_not(rows, why))
        used = self._used(rows, shown, self._without(field, self._fields))
        if used:
            return Explanation(field, shown, used, why)
        return Explanation(field, shown, (), _NONE if is_none(field, value) else _REPEATS)

    def _unmapped(self) -> dict[str, str]:
        found: dict[str, str] = self._finding.get("unmapped", {})
        return found

    def _why_not(self, rows: list[Row], why: str) -> str:
        wanted = dict.fromkeys(name for row in rows for name in row.attributes)
        if not wanted:
            return why or _NO_PLACE
        first = next(iter(wanted))
        if not paths("detection_finding", self._version) & {self._moved(name) for name in wanted}:
            return f"OCSF {self._version} has no {first}."
        return f"It does not fit {first} here. {why}".rstrip()

    def _without(self, field: str, among: dict[str, Any]) -> dict[str, Any]:
        """Return the finding of the same alert without one key or field."""
        rest = {name: value for name, value in among.items() if name != field}
        keys, fields = (rest, self._fields) if among is self._keys else (self._keys, rest)
        alert = {"uuid": self._uid, **keys, "output_fields": fields}
        found = self._mapping.finding(json.dumps(alert).encode(), self._timestamp)
        return found if isinstance(found, dict) else {}

    def _used(self, rows: list[Row], shown: str, other: dict[str, Any]) -> tuple[str, ...]:
        """Return the attributes that differ in `other`, or that hold the value in both."""
        used: dict[str, None] = {}
        for name in dict.fromkeys(name for row in rows for name in row.attributes):
            for place in self._places(name):
                steps = place.replace("[]", "").split(".")
                here = _values(self._finding, steps)
                if here and (here != _values(other, steps) or shown in map(_text, here)):
                    used[place] = None
        return tuple(used)

    def _places(self, name: str) -> tuple[str, ...]:
        """Return where this class and release have the attribute of a row."""
        moved = self._moved(name)
        return places_of(moved) if self._finding["class_uid"] == 2001 else (moved,)

    def _moved(self, name: str) -> str:
        if self._version != "1.1.0":
            return name
        return name.replace("evidences[].container", "evidences[].process.container")


def _values(value: Any, steps: list[str]) -> list[Any]:
    """Return the values at a path, from every element of the lists along it."""
    if isinstance(value, list):
        return [found for item in value for found in _values(item, steps)]
    if not steps:
        return [value]
    if not isinstance(value, dict) or steps[0] not in value:
        return []
    return _values(value[steps[0]], steps[1:])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else text(value)
