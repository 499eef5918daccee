"""Which builders an alert needs, by the names of its fields.

A rule prints the same fields every time. So what their names say is worked out once for each list
of names: a `Shape`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from schemas.falco.alert import text
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
from schemas.sources.draft import ANY, TEXT, Builder, Draft, Names, Row


def _apart(build: Builder) -> Builder:
    """Give a builder an evidence of its own: beside a syscall's, it is a second one."""

    def build_apart(draft: Draft, release: Release) -> None:
        first, draft.evidence = draft.evidence, {}
        build(draft, release)
        if first or draft.in_scene:
            if draft.evidence:
                draft.more_evidences += (draft.evidence,)
            draft.evidence = first

    return build_apart


OF_HOST = frozenset({"syscall", "internal"})
"""The sources whose alerts are about the host that Falco runs on."""

# What these make of a pod, a user, a program and a call is the same for alert after alert: the
# scene.
_REPEATING: tuple[tuple[Builder, tuple[Row, ...]], ...] = (
    (syscall_container.build, syscall_container.ROWS),
    (syscall_user.build, syscall_user.ROWS),
    (syscall_process.build_program, syscall_process.PROGRAM_ROWS),
    (syscall_event.build_call, syscall_event.CALL_ROWS),
)
_REPEATING_ROWS = tuple(row for _, rows in _REPEATING for row in rows)

# Those of the rest, in the order they run: the event comes last, for its arguments are read before.
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

TIMES = ("evt.time", "evt.time.iso8601", "evt.datetime", "evt.rawtime")
_ECHOES = frozenset({*TIMES, "ct.time", "okta.published", "gcp.time", "evt.source", "evt.hostname"})

_COMMON_ROWS = (
    Row("evt.hostname", ("device.hostname",), "If the alert has no hostname."),
    Row("evt.source", ("metadata.log_name",), "If the alert has no source."),
    Row("evt.pluginname", ("metadata.product.feature.name",), "Without it: the source."),
    *(Row(field, ("time",), "If the alert has no time.", ANY) for field in TIMES),
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
    """The rows that speak of `field`, those with its full name before the patterns."""
    exact = [row for row in rows if row.field == field]
    wide = [row for row in rows if row.field.endswith("*") and field.startswith(row.field[:-1])]
    return exact + wide


class _Fields:
    """The fields that some rows speak of. A look-up costs the same however many rows there are."""

    def __init__(self, rows: Iterable[Row]) -> None:
        fields = [row.field for row in rows]
        self._exact = frozenset(fields)
        self._beginnings = tuple(field[:-1] for field in fields if field.endswith("*"))

    def __contains__(self, field: str) -> bool:
        return field in self._exact or field.startswith(self._beginnings)


_KNOWN = _Fields(ROWS)
_REPEATING_FIELDS = _Fields(_REPEATING_ROWS)
_REPEATING_FIELDS_WITHOUT_CALL = _Fields(
    row for row in _REPEATING_ROWS if row not in syscall_event.CALL_ROWS
)
_FIELDS_OF_BUILDERS = tuple((build, _Fields(rows)) for build, rows in _BUILDERS)


_KIND_OF = {row.field: row.kind for row in reversed(ROWS)}
_KINDS_OF_BEGINNINGS = tuple((row.field[:-1], row.kind) for row in ROWS if row.field.endswith("*"))


def _is_text(field: str) -> bool:
    """Whether the builders read `field` as text, by the row with the closest name."""
    kind = _KIND_OF.get(field)
    if kind is None and field in _KNOWN:
        kind = next(kind for start, kind in _KINDS_OF_BEGINNINGS if field.startswith(start))
    return kind == TEXT


def _kinds(fields: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    return tuple((field, _is_text(field)) for field in fields)


class Shape(Names):
    """What the names of an alert's fields say."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        known = tuple(field for field in fields if field in _KNOWN)
        # A call's result as a number is often another one: a descriptor, a count of bytes.
        has_number = "evt.rawres" in fields
        repeating = _REPEATING_FIELDS_WITHOUT_CALL if has_number else _REPEATING_FIELDS
        self.repeating = tuple(field for field in known if field in repeating)
        """The fields of the container, the Kubernetes workload, the user, program and call."""
        self.repeating_values = _getter(self.repeating)
        self.repeating_kinds = _kinds(self.repeating)
        apart = frozenset(self.repeating)
        self.others = _kinds(field for field in fields if field not in apart)
        """The rest, each with whether it is read as text."""
        found = (
            (build, tuple(field for field in known if field in theirs))
            for build, theirs in _FIELDS_OF_BUILDERS
        )
        self.builders = tuple((build, theirs) for build, theirs in found if theirs)
        """The builders, each with the fields of this shape that call for it."""
        self.echoes = tuple(field for field in fields if field in _ECHOES)
        """The fields that as a rule only repeat the alert's time, source or host."""
        self.arguments = tuple(field for field in fields if field.startswith("evt.arg"))
        self.generations = syscall_process.generations_of(fields)


class Scene:
    """What an alert shares with others of its host, container, workload, user and program."""

    def __init__(
        self,
        values: tuple[Any, ...],
        shape: Shape,
        source: str,
        hostname: str | None,
        release: Release,
    ) -> None:
        """Made of the values of `shape.repeating`, the source and the host, and nothing else."""
        given = dict(zip(shape.repeating, values, strict=True))
        draft = Draft(present(given, shape.repeating_kinds), shape, source, "", 0, release.names)
        for build, _ in _REPEATING:
            build(draft, release)
        self.hostname = hostname
        self.of_host = source in OF_HOST
        if hostname is not None and self.of_host:
            if source == "syscall" and not draft.resources:
                draft.resource(release, 3, type="Host", name=hostname, uid=hostname)
            if release.modern or is_hostname(hostname):
                draft.observe("device.hostname", 1, hostname)
        self.evidence = draft.evidence
        self.process: dict[str, Any] = draft.evidence.pop("process", {})
        # The process's uid is the finding's own.
        self.process.pop("uid", None)
        self.actor = draft.actor
        self.resources = draft.resources
        self.observables = draft.observables
        self.profiles = draft.profiles
        self.program = draft.program
        self.operation = draft.operation
        # A container needs a process beside or around it, and a process a pid or a uid.
        self.needs_process = bool(self.process or self.program or self.evidence.keys() - {"api"})
        self.left = draft.unmapped()
        self.numbers = tuple(
            (place, value.__class__)
            for place, value in enumerate(values)
            if value is not None and value.__class__ is not str
        )
        """Where the values are numbers: 1, 1.0 and True are equal, but not the same."""
        self.text = ""
        """The finding's part `scene`, as JSON; the class makes it."""

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


def _getter(fields: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if len(fields) > 1:
        return itemgetter(*fields)
    return lambda given: tuple(given[field] for field in fields)


def present(given: dict[str, Any], wanted: tuple[tuple[str, bool], ...]) -> dict[str, Any]:
    """The wanted fields that have a value; those that a builder reads as text are text."""
    found = {}
    for field, is_text in wanted:
        value = given[field]
        if value.__class__ is str:
            if value and value != "<NA>":
                found[field] = value
        elif value is not None:
            if is_text:
                found[field] = str(value) if value.__class__ is int else text(value)
            else:
                found[field] = value
    return found
