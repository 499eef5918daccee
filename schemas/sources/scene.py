"""Which builders an alert needs, by the names of its fields, and the scene that they share.

A rule prints the same fields every time, so what follows from the names is computed once for each
list of names: a `Shape`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from schemas.falco.alert import spare_key
from schemas.falco.values import text
from schemas.ocsf.releases import Release, is_hostname
from schemas.sources import (
    aws_cloudtrail,
    gcp_auditlog,
    github,
    k8s_audit,
    okta,
    syscall_container,
    syscall_event,
    syscall_file,
    syscall_network,
    syscall_process,
    syscall_user,
)
from schemas.sources.draft import ANY, DATA, TEXT, Builder, Draft, Names, Row
from schemas.sources.place import BEGINNINGS, Shared, add_cluster, locate


def _apart(build: Builder) -> Builder:
    """Return a builder that adds a separate evidence if a syscall already has the first one."""

    def build_apart(draft: Draft, release: Release) -> None:
        first, draft.evidence = draft.evidence, {}
        build(draft, release)
        if first or draft.in_scene:
            if draft.evidence:
                draft.more_evidences += (draft.evidence,)
            draft.evidence = first

    return build_apart


OF_HOST = frozenset({"syscall", "internal"})
"""The sources whose alerts are about the host that runs Falco."""

# What these build from the pod, user, program and call repeats from alert to alert: the scene.
_REPEATING: tuple[tuple[Builder, tuple[Row, ...]], ...] = (
    (syscall_container.build, syscall_container.ROWS),
    (syscall_user.build, syscall_user.ROWS),
    (syscall_process.build_program, syscall_process.PROGRAM_ROWS),
    (syscall_event.build_call, syscall_event.CALL_ROWS),
)
_REPEATING_ROWS = tuple(row for _, rows in _REPEATING for row in rows)

# The others, in the order they run: the event is last, because others read its arguments too.
_BUILDERS: tuple[tuple[Builder, tuple[Row, ...]], ...] = (
    (syscall_process.build, syscall_process.ROWS),
    (syscall_file.build, syscall_file.ROWS),
    (syscall_network.build, syscall_network.ROWS),
    (_apart(k8s_audit.build), k8s_audit.ROWS),
    (_apart(aws_cloudtrail.build), aws_cloudtrail.ROWS),
    (_apart(gcp_auditlog.build), gcp_auditlog.ROWS),
    (_apart(okta.build), okta.ROWS),
    (_apart(github.build), github.ROWS),
    (syscall_event.build, (*syscall_event.CALL_ROWS, *syscall_event.ROWS)),
)

EVENT = frozenset({syscall_event.build})
"""The builder of what has no attribute, which every alert may need."""
CLOUDS = frozenset(build for build, _ in _BUILDERS) - {
    *(syscall_process.build, syscall_file.build, syscall_network.build, *EVENT)
}
"""The builders of the sources that are not syscalls."""

TIMES = ("evt.time", "evt.time.iso8601", "evt.datetime", "evt.rawtime")
ECHOES_OF_TIME = frozenset({*TIMES, "ct.time", "okta.published", "gcp.time"})
_ECHOES = ECHOES_OF_TIME | {"evt.source", "evt.hostname"}

_COMMON_ROWS = (
    Row("evt.hostname", ("device.hostname",), "If the alert has no hostname."),
    Row("evt.source", ("metadata.log_name",), "If the alert has no source."),
    Row("evt.pluginname", ("metadata.product.feature.name",), "If missing: the source."),
    Row("falco.version", ("metadata.product.version",), "If missing: the setting."),
    *(Row(field, ("time",), "If the alert has no time that can be read.", ANY) for field in TIMES),
    *(
        Row(field, (), "Dropped if it repeats the alert's time.")
        for field in ("ct.time", "okta.published", "gcp.time")
    ),
)

ROWS: tuple[Row, ...] = tuple(
    dict.fromkeys(
        [*_COMMON_ROWS, *_REPEATING_ROWS, *(row for _, rows in _BUILDERS for row in rows)]
    )
)


def rows_of(field: str, rows: Iterable[Row] = ROWS) -> list[Row]:
    """Return the rows for `field`: first those with its exact name, then the patterns."""
    exact = [row for row in rows if row.field == field]
    wide = [row for row in rows if row.field.endswith("*") and field.startswith(row.field[:-1])]
    return exact + wide


# The first part of a field's name → the source that prints such fields.
_SOURCES = {
    "ka": "k8s_audit",
    "ct": "aws_cloudtrail",
    "okta": "okta",
    "github": "github",
    "gcp": "gcp_auditlog",
}
# Names of objects whose attributes are fields: `proc`, `container.image`.
_OBJECTS = frozenset(
    field[:place]
    for field in (row.field.replace("[", ".") for row in ROWS)
    for place, character in enumerate(field)
    if character == "."
)
_UNDOTTED = {row.field.replace(".", "_"): row.field for row in ROWS if "*" not in row.field}
_UNDOTTED_BEGINNINGS = tuple(
    (row.field[:-1].replace(".", "_"), row.field[:-1]) for row in ROWS if row.field.endswith("*")
)
_UNDOTTED_STARTS = tuple(start for start, _ in _UNDOTTED_BEGINNINGS)
_MAYBE_UNDOTTED = frozenset({*_UNDOTTED, *_UNDOTTED_STARTS})
# A longer name is not one of Falco's: the object stays whole.
_LONGEST_NAME = 100


class _Facts(NamedTuple):
    """What a field's name says."""

    known: bool
    """Whether there is a row for it."""
    is_text: bool
    """Whether the builders read it as text, by the row with the closest name."""
    repeating: bool
    repeating_without_call: bool
    data: bool
    """Whether it goes to the evidence's `data` if no builder takes it; the event's builder does."""
    builders: frozenset[Builder]
    source: str | None
    """The source that prints it, if only one does."""
    places: bool
    """Whether it says where an alert comes from."""
    may_be_foreign: bool
    """Whether a pipeline may have changed the name; see `as_dotted`."""


def _facts(field: str) -> _Facts:
    rows = rows_of(field)
    repeating = {row for row in rows if row in _REPEATING_ROWS}
    data = any(DATA in row.attributes for row in rows)
    builders = {build for build, theirs in _BUILDERS if rows_of(field, theirs)}
    return _Facts(
        known=bool(rows),
        is_text=bool(rows) and rows[0].kind == TEXT,
        repeating=bool(repeating),
        repeating_without_call=bool(repeating.difference(syscall_event.CALL_ROWS)),
        data=data,
        builders=frozenset(builders | {syscall_event.build} if data else builders),
        source=_SOURCES.get(field.partition(".")[0]),
        places=field.startswith(BEGINNINGS),
        may_be_foreign=(field in _OBJECTS and not rows) or field in _MAYBE_UNDOTTED,
    )


class _AllFacts(dict[str, _Facts]):
    """Facts by field. A look-up takes the same time however many rows there are.

    Of a field with no row of its own, the longest known beginning decides: the other rows that it
    has begin in the same way.
    """

    def __init__(self) -> None:
        rows = dict.fromkeys(row.field for row in ROWS)
        names = (*rows, *_UNDOTTED, *_OBJECTS, *_SOURCES)
        super().__init__((name, _facts(name)) for name in names if not name.endswith("*"))
        beginnings = {
            *(field[:-1] for field in rows if field.endswith("*")),
            *(f"{name}." for name in _SOURCES),
            *_UNDOTTED_STARTS,
            *BEGINNINGS,
        }
        self._of = {beginning: _facts(beginning) for beginning in beginnings}
        self._none = _facts("")
        # By their first parts, so that few are compared with a field. The longest come first.
        parts: dict[str, list[str]] = {_first_part(name): [] for name in (*self, *beginnings)}
        for beginning in beginnings:
            parts[_first_part(beginning)].append(beginning)
        either = (
            re.escape(part) + _either(*(each[len(part) :] for each in parts[part]), "")
            for part in sorted(parts, key=len, reverse=True)
        )
        self.beginning = re.compile("|".join(either)).match
        """Matches the longest beginning of a field, or no more than the first part of its name."""

    def __missing__(self, field: str) -> _Facts:
        found = self.beginning(field)
        return self._none if found is None else self._of.get(found[0], self._none)

    def telling(self, fields: Iterable[str]) -> list[tuple[str, _Facts]]:
        """Return each field that may have facts, with them."""
        of, none = self._of, self._none
        return [
            (field, self.get(field) or of.get(found[0], none))
            for field in fields
            if (found := self.beginning(field))
        ]


def _either(*texts: str) -> str:
    return f"(?:{'|'.join(re.escape(each) for each in sorted(texts, key=len, reverse=True))})"


def _first_part(name: str) -> str:
    return re.split(r"[._]", name)[0]


_FACTS = _AllFacts()


def as_dotted(given: dict[str, Any]) -> dict[str, Any]:
    """Return fields under Falco's dotted names, where a pipeline nested them or took out the dots.

    A field that is also there under its dotted name keeps the name that the pipeline made.
    """
    made: dict[str, Any] = {}
    for name, value in given.items():
        if value.__class__ is dict and name in _OBJECTS:
            _flatten(name, value, given, made)
        else:
            dotted = _dotted(name)
            made[name if dotted in given or dotted in made else dotted] = value
    return made


def _flatten(
    prefix: str, value: dict[str, Any], given: dict[str, Any], made: dict[str, Any]
) -> None:
    for key, inner in value.items():
        name = f"{prefix}.{key}"
        is_object = inner.__class__ is dict and (name in _OBJECTS or not _FACTS[name].known)
        if is_object and inner and len(name) <= _LONGEST_NAME:
            _flatten(name, inner, given, made)
        else:
            made[spare_key(name, given, made)] = inner


def _dotted(name: str) -> str:
    if "." in name or "_" not in name:
        return name
    known = _UNDOTTED.get(name)
    if known is not None:
        return known
    if not name.startswith(_UNDOTTED_STARTS):
        return name
    for start, beginning in _UNDOTTED_BEGINNINGS:
        if name.startswith(start):
            rest = name[len(start) :]
            return f"{beginning}.{rest[1:]}" if rest.startswith("_") else beginning + rest
    return name


class Shape(Names):
    """What follows from the names of an alert's fields."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.names = fields
        # An alert may have thousands of names that say nothing: they are looked at here alone.
        telling = _FACTS.telling(fields)
        known = [each for each in telling if each[1].known]
        self.placing = tuple([field for field, of in telling if of.places])
        # A result that is a number differs from alert to alert: a descriptor, a count of bytes.
        has_number = not frozenset(syscall_event.RESULTS).isdisjoint(fields)
        self.repeating = tuple(
            field
            for field, of in known
            if (of.repeating_without_call if has_number else of.repeating)
        )
        """The fields of the container, Kubernetes workload, user, program and call."""
        self.repeating_values = getter(self.repeating)
        apart = frozenset(self.repeating)
        self.others = tuple([field for field in fields if field not in apart]) if apart else fields
        """The other fields."""
        self.texts = frozenset(field for field, of in known if of.is_text)
        """The fields that are read as text."""
        found: dict[Builder, list[str]] = {build: [] for build, _ in _BUILDERS}
        for field, of in known:
            for build in of.builders:
                found[build].append(field)
        self.builders = tuple((build, tuple(theirs)) for build, theirs in found.items() if theirs)
        """The builders to run, each with the fields that trigger it."""
        self.is_foreign = any(
            of.may_be_foreign and ((field in _OBJECTS and not of.known) or _dotted(field) != field)
            for field, of in telling
        )
        """Whether a pipeline may have changed the names of the fields; see `as_dotted`."""
        self.source = next((of.source for _, of in telling if of.source), "syscall")
        """The alert's source, if the alert does not say it."""
        self.echoes = tuple(field for field, _ in known if field in _ECHOES)
        """The fields that usually only repeat the alert's time, source or host."""
        self.data = tuple(field for field, of in known if of.data)
        self.generations = syscall_process.generations_of(
            field for field, _ in known if field.startswith("proc.a")
        )


class Scene:
    """What an alert shares with others of its host, container, workload, user and program."""

    def __init__(
        self,
        values: tuple[Any, ...],
        shape: Shape,
        source: str,
        hostname: str | None,
        release: Release,
        shared: Shared,
    ) -> None:
        """Build the scene from the values of `shape.repeating`, the source and the host only.

        `shared` is what the settings add for this shape and source.
        """
        given = dict(zip(shape.repeating, values, strict=True))
        fields = present(given, shape.repeating, shape.texts)
        draft = Draft(fields, shape, source, "", 0, release.names)
        for build, _ in _REPEATING:
            build(draft, release)
        self.hostname = hostname
        self.of_host = source in OF_HOST
        if hostname is not None and self.of_host:
            if source == "syscall" and not draft.resources:
                draft.resource(release, 3, type="Host", name=hostname, uid=hostname)
            if release.modern or is_hostname(hostname):
                draft.observe("device.hostname", 1, hostname)
        self.shared = shared
        if shared.cluster is not None:
            add_cluster(draft, shared.cluster, release)
        if shared.cloud is not None:
            locate(draft, shared.cloud)
        if shared.cloud is not None and release.modern and "account" in shared.cloud:
            draft.observe("cloud.account.uid", 35, shared.cloud["account"]["uid"])
        self.evidence = draft.evidence
        self.process: dict[str, Any] = draft.evidence.pop("process", {})
        self.actor = draft.actor
        self.resources = draft.resources
        self.observables = draft.observables
        self.profiles = draft.profiles
        self.program = draft.program
        self.operation = draft.operation
        # OCSF requires a process with a container, and a pid or a uid of a process.
        self.needs_process = bool(self.process or self.program or self.evidence.keys() - {"api"})
        self.left = draft.unmapped()
        self.numbers = numbers_in(values)
        """Place and class of each value that is not text: as keys, 1, 1.0 and True are equal."""
        self.text = ""
        """The finding's part `scene` as JSON; the mapping sets it."""

    def begin(self, draft: Draft) -> None:
        """Prepare the draft of an alert in this scene."""
        draft.in_scene = bool(self.process or self.evidence)
        if self.needs_process:
            process = draft.process()
            if self.program is not None:
                syscall_process.begin(draft, process, self.program)
        draft.operation = self.operation
        draft.profiles = self.profiles
        if self.left:
            draft.fields.update(self.left)


def numbers_in(values: tuple[Any, ...]) -> tuple[tuple[int, type], ...]:
    """Return place and class of each value that is neither text nor None."""
    return tuple(
        (place, value.__class__)
        for place, value in enumerate(values)
        if value is not None and value.__class__ is not str
    )


def getter(fields: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return a function that returns the values of fields, as a tuple."""
    if len(fields) > 1:
        return itemgetter(*fields)
    if fields:
        return lambda given: (given[fields[0]],)
    return lambda _: ()


def present(
    given: dict[str, Any], wanted: tuple[str, ...], texts: frozenset[str]
) -> dict[str, Any]:
    """Return the wanted fields that have a value, those of `texts` as text."""
    found = {}
    for field in wanted:
        value = given[field]
        if value.__class__ is str:
            if value and value != "<NA>":
                found[field] = value
        elif value is not None:
            if field in texts:
                found[field] = str(value) if value.__class__ is int else text(value)
            else:
                found[field] = value
    return found
