"""The slots of alerts, and what alerts that differ only in their slots have in common.

A *slot* is a field whose value goes to one column of a finding, whatever it is (`Row.slot`): a pid,
a command line. The rest of a finding follows from the rest of the alert, and repeats whenever that
does. So it is built once, and remembered as a `Template` under a key: all of the alert but its
slots, its time and its text. Whether a template is remembered changes no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from schemas.classes.envelope import is_truncated
from schemas.falco.alert import Alert
from schemas.falco.moment import Moment
from schemas.falco.values import EMPTY
from schemas.memory import ENTRY_BYTES, Store, weigh
from schemas.ocsf.parts import Own
from schemas.ocsf.releases import INT32, INT64, Release
from schemas.sources.scene import CLOUDS, ECHOES_OF_TIME, EVENT, ROWS, Shape, getter, numbers_in

COLUMNS: Final = Own._fields[Own._fields.index("request_uid") :]
"""The columns that slots fill."""

_BYTES: Final = 24 << 20
"""The most bytes of keys and templates that are remembered."""
_MOST_SEEN: Final = 50_000
"""The most keys that are known to have come once."""
_PATIENCE: Final = 64
"""After so many alerts in a row without a template, only one in `_RETRIED` is looked up."""
_RETRIED: Final = 16

_Key = tuple[Any, ...]
_VALUES: Final = 1
"""Where a key has the values of the other fields."""


def _text(value: Any) -> str | None:
    return value if value.__class__ is str else None


def _number_or_text(value: Any) -> str | None:
    return str(value) if value.__class__ is int else _text(value)


def _int32(value: Any) -> int | None:
    return value if value.__class__ is int and -INT32 <= value < INT32 else None


def _int64(value: Any) -> int | None:
    return value if value.__class__ is int and -INT64 <= value < INT64 else None


def _milliseconds(value: Any) -> int | None:
    return value // 1_000_000 if value.__class__ is int and 0 <= value < INT64 else None


def _hashable(value: Any) -> Any:
    """Return a list of texts as a tuple. A list of numbers is not safe: 1 and True are equal."""
    if value.__class__ is list and all(item.__class__ is str for item in value):
        return tuple(value)
    return value


# Any other value is left to the builders.
_TAKE: Final[dict[str, Callable[[Any], Any]]] = {
    "cmd_line": _text,
    "parent_cmd_line": _text,
    "request_uid": _text,
    "event_uid": _text,
    "session_uid": _number_or_text,
    "created_time": _milliseconds,
}
_SLOTS: Final = {row.field: row.slots for row in ROWS if row.slots}
# What they are added to differs from alert to alert.
_LASTING: Final = frozenset({"proc.duration", "proc.ppid.duration"})
# Of slots that stand in for others: who else fills their column.
_FIRST: Final = {"ct.id": "ct.requestid"}


class Template(NamedTuple):
    """What findings have in common if their alerts differ only in slots; see `Finding`."""

    rule: str
    scene: str
    body: str
    unmapped: str


class _Remembered(NamedTuple):
    template: Template
    others: tuple[tuple[int, Any], ...]
    """Place and value of each of `COLUMNS` that another field than a slot has filled."""
    numbers: tuple[tuple[int, type], ...]
    """Place and class of each value in the key that is no text: as keys, 1 and True are equal."""


class Slots:
    """The slots of the alerts with the same field names."""

    def __init__(self, shape: Shape, release: Release) -> None:
        take = {**_TAKE, "tid": _int64 if release.modern else _int32}
        slots = {field: _SLOTS[field] for field in shape.names if field in _SLOTS}
        self._slots: tuple[tuple[str, int, Callable[[Any], Any]], ...] = tuple(
            (field, COLUMNS.index(slot), take.get(slot, _int32))
            for field, several in slots.items()
            for slot in several
        )
        self._needed = tuple(_FIRST[field] for field in slots if field in _FIRST)
        self._times = tuple(field for field in shape.names if field in ECHOES_OF_TIME)
        apart = {*slots, *self._times}
        others = [field for field in shape.names if field not in apart]
        self._others = getter(tuple(others))
        self._shape = shape
        self._modern = release.modern
        self.has_lists = False
        """Whether a value was a list; the mapping sets it."""
        self.misses = 0
        """How many alerts there were since the last that had a template; the mapping resets it."""

    def read(self, alert: Alert, moment: Moment, raw: str) -> tuple[list[Any], _Key] | None:
        """Return the values for `COLUMNS`, and all of an alert but its slots, time and text.

        Return None if a slot or a field of time has a value that only the builders understand, or
        if alerts like this repeat too seldom to look for a template.
        """
        self.misses += 1
        if self.misses > _PATIENCE and self.misses % _RETRIED:
            return None
        given = alert.output_fields or {}
        values: list[Any] = [None] * len(COLUMNS)
        empty = 0
        for field, place, take in self._slots:
            value = given[field]
            if value in EMPTY:
                empty |= 1 << place
            elif (taken := take(value)) is None:
                return None
            else:
                values[place] = taken
        for field in self._needed:
            if given.get(field) in EMPTY:
                return None
        for field in self._times:
            value = given[field]
            if value != moment.ns and value != alert.time:
                return None
        others = self._others(given)
        if self.has_lists:
            others = tuple([_hashable(value) for value in others])
        key = (
            self._shape,
            others,
            empty,
            alert.rule,
            alert.priority,
            alert.hostname,
            alert.source,
            alert.tags,
            bool(alert.uuid),
            self._modern and is_truncated(raw),
        )
        return values, key


class Templates:
    """The templates that are remembered: of each key that came more than once."""

    def __init__(self) -> None:
        self._store = Store[_Key, _Remembered](_BYTES)
        self._seen: set[int] = set()

    def clear(self) -> None:
        """Forget all templates."""
        self._store.clear()

    def get(self, key: _Key, slots: list[Any]) -> Template | None:
        """Return the template of a key if it is remembered, and complete the values of `COLUMNS`.

        Raises TypeError if a key like this cannot be.
        """
        found = self._store.get(key)
        if found is None:
            return None
        given = key[_VALUES]
        for place, kind in found.numbers:
            if given[place].__class__ is not kind:
                return None
        for place, value in found.others:
            slots[place] = value
        return found.template

    def add(self, key: _Key, slots: list[Any], template: Template, built: Sequence[Any]) -> None:
        """Remember what was built of an alert, if its key came before.

        `built` has the values for `COLUMNS` that the builders found: a slot that they have not put
        into its column is somewhere in the template.
        """
        number = hash(key)
        if number not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(number)
            return
        numbers = numbers_in(key[_VALUES])
        # 0.0 and -0.0 are equal too, and have the same class.
        if any(kind is float for _, kind in numbers):
            return
        found = list(enumerate(zip(built, slots, strict=True)))
        if any(slot is not None and value != slot for _, (value, slot) in found):
            return
        others = tuple(
            (place, value) for place, (value, slot) in found if slot is None and value is not None
        )
        size = weigh(*key[1:], *template, *others) + ENTRY_BYTES
        self._store.add(key, _Remembered(template, others, numbers), size)


def has_slots(shape: Shape) -> bool:
    """Return whether alerts with these fields may have slots.

    Only syscalls' builders see them, and no duration decides a time; or only one cloud's do, and
    its evidence is the first.
    """
    builders = {build for build, _ in shape.builders}
    clouds = builders & CLOUDS
    if not clouds:
        return _LASTING.isdisjoint(shape.names)
    return len(clouds) == 1 and not (shape.repeating or builders - clouds - EVENT)
