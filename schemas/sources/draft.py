"""A finding under construction: the fields of one alert, and the objects built from them so far.

Owns the rule that nothing is lost: a builder *takes* each field that it maps out of `fields`, and
what is left at the end goes to `unmapped`. So every field is either mapped or unmapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas.falco.values import text
from schemas.ocsf.releases import (
    INT32,
    INT64,
    OBSERVABLE_TYPES,
    OTHER_FILE,
    Observable,
    Release,
    fingerprint,
)

TEXT = "text"
ANY = "any"

DATA = "evidences[].data"
"""JSON, keyed by Falco field: evidence that OCSF has no attribute for, or not in this release."""


class Row(NamedTuple):
    """Where one Falco field goes: a row of docs/mapping.md, and what triggers its builder.

    A field that ends in `*` stands for every field with that prefix. A builder runs only for alerts
    with a field of one of its rows; a TEXT field reaches it as a string, whatever Falco sent. A row
    without attributes sends the field to `unmapped` on purpose.
    """

    field: str
    attributes: tuple[str, ...]
    why: str = ""
    kind: str = TEXT
    slots: tuple[str, ...] = ()
    """The columns of `schemas.ocsf.parts.Own` that get the value, whatever it is."""


class Program(NamedTuple):
    """What the body of a finding needs to know about the program in its scene."""

    parent: dict[str, Any]
    """The parent as an ancestor."""
    ancestors: tuple[dict[str, Any], ...]
    """One for each of the shape's generations; from 1.4."""


class Names:
    """What a builder needs to know about the names of an alert's fields; `Shape` computes it."""

    names: tuple[str, ...]
    """All of them."""
    placing: tuple[str, ...]
    """Those that say where the alert comes from; see `schemas.sources.place.BEGINNINGS`."""
    data: tuple[str, ...]
    """The fields that go to the evidence's `data` if no builder has taken them."""
    generations: tuple[dict[str, str], ...]
    """Attribute → field for each ancestor that the fields name, nearest first."""


class Draft:
    """What the builders of one alert read from and add to."""

    cloud: dict[str, Any] | None = None
    related: tuple[dict[str, Any], ...] = ()
    """Events that the alert came from."""
    more_evidences: tuple[dict[str, Any], ...] = ()
    """Evidences after the first."""
    profiles: tuple[str, ...] = ()
    """The OCSF profiles whose attributes a builder used."""
    program: Program | None = None
    """The program that ran, if the scene has one."""
    operation: str | None = None
    """The syscall, if the scene has it."""
    in_scene = False
    """Whether the scene has evidence, and so a first evidence whatever the builders add."""

    def __init__(
        self,
        fields: dict[str, Any],
        shape: Names,
        source: str,
        uid: str,
        ns: int,
        names: Mapping[str, str],
    ) -> None:
        """Take `fields` that have a value, the alert's time `ns`, and `names` as in `Release`."""
        self.fields = fields
        self.shape = shape
        self.source = source
        self.uid = uid
        self.ns = ns
        self.names = names
        self.evidence: dict[str, Any] = {}
        self.own: dict[str, Any] = {}
        """Values for columns of `schemas.ocsf.parts.Own`, by their names."""
        self.actor: dict[str, Any] = {}
        self.resources: list[Any] = []
        self.observables: list[Observable] = []

    def integer(self, field: str, least: int = -INT32, end: int = INT32) -> int | None:
        """Take `field` if it is an integer in [least, end); otherwise leave it and return None."""
        value: Any = self.fields.get(field)
        if value.__class__ is not int:
            value = _parse(value)
        if value is None or not least <= value < end:
            return None
        del self.fields[field]
        number: int = value
        return number

    def milliseconds(self, field: str) -> int | None:
        """Take `field` if it is nanoseconds since the epoch, and return milliseconds."""
        value = self.integer(field, 0, INT64)
        return None if value is None else value // 1_000_000

    def take(self, target: dict[str, Any], pairs: tuple[tuple[str, str], ...]) -> None:
        """Move each field of the (field, attribute) pairs that the alert has into `target`."""
        pop = self.fields.pop
        for field, attribute in pairs:
            if (value := pop(field, None)) is not None:
                target[attribute] = value

    def take_hashes(self, target: dict[str, Any], names: tuple[str, ...]) -> None:
        """Take the fields that are hashes into `target` as fingerprints."""
        hashes = []
        for name in names:
            if name in self.fields and (found := fingerprint(self.fields[name])):
                hashes.append(found)
                del self.fields[name]
        if hashes:
            target["hashes"] = hashes

    def first(self, *names: str) -> Any:
        """Take the first of `names` that the alert has, and every other with the same value."""
        fields = self.fields
        found: Any = None
        for name in names:
            if name in fields and (found is None or fields[name] == found):
                found = fields.pop(name)
        return found

    def process(self) -> dict[str, Any]:
        """Return the acting process."""
        made: dict[str, Any] = self.evidence.setdefault("process", {})
        return made

    def observe(self, name: str, type_id: int, value: str) -> None:
        """Add an observable."""
        path = self.names.get(name, name)
        self.observables.append(Observable(path, type_id, OBSERVABLE_TYPES[type_id], value))

    def other_file(self, file: dict[str, Any], release: Release) -> None:
        """Add a file as another evidence, after the first."""
        self.more_evidences += ({"file": file},)
        self.observe(OTHER_FILE, 7, file["name"])
        if release.modern:
            self.observe("evidences[].file.path", 45, file["path"])

    def profile(self, name: str) -> None:
        """Record that an attribute of this profile is used."""
        if name not in self.profiles:
            self.profiles += (name,)

    def resource(self, release: Release, role_id: int, **attributes: Any) -> None:
        """Add a resource without the attributes that are None. Role 1 is Target, 3 is Affected."""
        resource = {name: value for name, value in attributes.items() if value is not None}
        if release.modern:
            resource["role_id"] = role_id
            resource["role"] = "Target" if role_id == 1 else "Affected"
        self.resources.append(resource)

    def unmapped(self) -> dict[str, str]:
        """Return the fields that no builder took, as text."""
        return {
            field: value
            if value.__class__ is str
            else str(value)
            if value.__class__ is int
            else text(value)
            for field, value in self.fields.items()
        }


Builder = Callable[[Draft, Release], None]


def plain(value: Any) -> Any:
    """Return a value as JSON that every reader accepts: large integers and objects as text."""
    kind = value.__class__
    if kind is str:
        return value
    if kind is list:
        return [plain(item) for item in value]
    if kind is dict or (kind is int and not -INT64 <= value < INT64):
        return text(value)
    return value


def texts(value: Any) -> list[str]:
    """Return a list's items as text; split a string like `(a,b)`, as Falco prints lists."""
    if value.__class__ is list:
        return [text(item) for item in value if item not in (None, "", "<NA>")]
    if value.__class__ is not str:
        return []
    if value.startswith("(") and value.endswith(")"):
        value = value[1:-1]
    return [item.strip() for item in value.split(",") if item.strip()]


def _parse(value: Any) -> int | None:
    """Return the integer that prints as exactly `value`, or None."""
    if value.__class__ is not str or len(value) > 20:
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if str(number) == value else None
