"""The parts that a finding is staged in, and how to join them again.

Most of a finding repeats in other findings: its rule, and its *scene*, which is the host,
container, workload, user and program. So a finding is three JSON objects, `rule`, `scene` and
`body`, which has the rest. A batch stages each text once, however many findings have it. So that a
body repeats too, the values that differ from one run of a program to the next are not in it: they
are staged in columns of their own (`Own`, `_SLOTS`). Each attribute belongs to one part
(`_OWNERS`; by default the body), except `resources` and `observables`, which may be in several.
Attributes that follow from others are not staged at all (`_REPEATED`, `_COPIES`, `_UIDS`, and each
`*_time_dt`, which is its `*_time` as a timestamp). In the parts, the list `evidences` is split into
`evidence`, its first element, and `more`.

`joined` joins the parts in Python, for `falcolake map` and the tests; `select` does the same in
SQL, for the objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from schemas.falco.moment import of_milliseconds
from schemas.ocsf import columns as tables
from schemas.ocsf.releases import OBSERVABLE_TYPES, RELEASES

PARTS: Final = ("rule", "scene", "body")
"""The parts of a finding."""

SHARED: Final = (*PARTS, "unmapped")
"""The texts that findings may share: the parts, and the object of unmapped fields."""


class Own(NamedTuple):
    """The values of a finding that are staged in columns of their own."""

    uid: str = ""
    original_time: str | None = None
    logged_time: int | None = None
    """Milliseconds since the epoch, like each time here."""
    raw_data_size: int | None = None
    """Bytes of the record's value; from 1.4."""
    message: str | None = None
    request_uid: str | None = None
    """Of a cloud's call; the finding's uid if its audit log has none."""
    event_uid: str | None = None
    """Of the only related event."""
    cmd_line: str | None = None
    pid: int | None = None
    tid: int | None = None
    namespace_pid: int | None = None
    session_uid: str | None = None
    created_time: int | None = None
    parent_cmd_line: str | None = None
    parent_pid: int | None = None


_HEAD: Final = """
    activity_id activity_name category_uid category_name class_uid class_name type_uid type_name
    timezone_offset severity_id severity confidence_id confidence status_id status state_id state
    confidence_score is_alert action_id action disposition_id disposition
    metadata.version metadata.product metadata.log_name metadata.log_provider metadata.log_level
    metadata.event_code metadata.labels metadata.profiles metadata.tenant_uid metadata.source
    metadata.log_format metadata.extensions
"""
_OWNERS: Final = MappingProxyType(
    {
        "detection_finding": {
            "rule": f"""{_HEAD} finding_info.title finding_info.data_sources finding_info.types
                finding_info.src_url finding_info.analytic finding_info.attacks""",
            "scene": """device metadata.loggers actor.user evidence.container
                evidence.process.container evidence.process.user evidence.process.group
                evidence.process.auid evidence.process.name evidence.process.file
                evidence.process.path evidence.process.working_directory
                evidence.process.session.terminal evidence.process.lineage
                evidence.process.parent_process.name evidence.process.parent_process.file
                actor.process.name""",
        },
        # Its evidence is one JSON text, so it cannot be split between parts.
        "security_finding": {
            "rule": f"""{_HEAD} analytic attacks data_sources
                finding.title finding.types finding.src_url""",
            "scene": "metadata.loggers",
        },
    }
)

# A syscall's user and call are in the scene, a cloud's actor and call in the body: one evidence
# never has both. The cloud that the settings name is in the scene, the alert's own in the body.
_EITHER: Final = frozenset(
    {
        "evidence.actor.user",
        "evidence.actor.session",
        "evidence.actor.authorizations",
        "evidence.api",
        "cloud",
    }
)
_CONCATENATED: Final = frozenset({"resources", "observables"})
_ENVELOPE: Final = {
    "metadata.uid": "uid",
    "metadata.original_time": "original_time",
    "metadata.logged_time": "logged_time",
    "message": "message",
}
_SLOTS: Final = MappingProxyType(
    {
        "detection_finding": {
            **_ENVELOPE,
            "raw_data_size": "raw_data_size",
            "evidence.process.cmd_line": "cmd_line",
            "evidence.process.pid": "pid",
            "evidence.process.tid": "tid",
            "evidence.process.ptid": "tid",
            "evidence.process.namespace_pid": "namespace_pid",
            "evidence.process.session.uid": "session_uid",
            "evidence.process.created_time": "created_time",
            "evidence.process.parent_process.cmd_line": "parent_cmd_line",
            "evidence.process.parent_process.pid": "parent_pid",
            "actor.process.cmd_line": "cmd_line",
            "actor.process.pid": "pid",
        },
        "security_finding": _ENVELOPE,
    }
)
"""The attributes whose values are staged in columns of `Own`."""
_UIDS: Final = MappingProxyType(
    {
        "detection_finding": {
            "evidence.process.uid": ("pid", ""),
            "evidence.process.parent_process.uid": ("parent_pid", ":parent"),
            "actor.process.uid": ("pid", ""),
        },
        "security_finding": {},
    }
)
"""Of a process without this pid: its uid, made from the finding's, and how that ends.

A body has none, but a place for it, so that a process without other attributes is there too.
"""
_COLUMNS: Final = "columns"
"""The owner of the attributes that are staged in columns of `Own`."""
_PROCESS: Final = "falco:"
_FORWARDED: Final = "metadata.original_event_uid"
"""The finding's uid if it came with the alert. A body has an empty text there."""
_REQUEST: Final = "evidence.api.request"
_RELATED: Final = "finding_info.related_events"
_ANCESTRY: Final = "evidence.process.ancestry"
_ANCESTOR: Final = MappingProxyType(
    {
        name: tables.duckdb_type(type_, "1.8.0")
        for name, type_ in tables.members("ancestor", "1.8.0")
    }
)
OF_PARENT: Final = (("pid", "parent_pid"), ("cmd_line", "parent_cmd_line"))
"""What a process's parent has from columns. With any of them, the first ancestor is the parent."""
_OBSERVED: Final = (
    ("cmd_line", 13, "evidences[].process.cmd_line"),
    ("pid", 15, "evidences[].process.pid"),
)
"""Columns of `Own` that are observables too, with their types and names; from 1.3."""
MORE: Final = '"more":'
"""A body has this text in it if its finding has more evidences than the first."""
_REPEATED: Final = MappingProxyType(
    {
        "metadata.processed_time": "metadata.logged_time",
        **{
            f"{info}.{name}": of
            for info in ("finding_info", "finding")
            for name, of in (
                ("uid", "metadata.uid"),
                ("desc", "message"),
                ("created_time", "time"),
                ("modified_time", "time"),
                ("first_seen_time", "time"),
                ("last_seen_time", "time"),
            )
        },
    }
)
_TIME: Final = MappingProxyType(
    {"time": '"time"', "time_dt": 'make_timestamp_ms("time")::TIMESTAMP_MS'}
)

_COPIES: Final = MappingProxyType(
    {
        "evidence.actor.process": "evidence.process",
        "evidence.actor.process.file": "evidence.process.file",
    }
)
"""Objects with some attributes of another: where AWS's own findings have the process."""

# The milliseconds that a `datetime_t` can be: the years 1 to 9999.
_FIRST_MOMENT: Final = -62_135_596_800_000
_LAST_MOMENT: Final = 253_402_300_799_999

# Staged in separate columns.
_BESIDE: Final = ("raw_data", "unmapped")


def uid_of_process(uid: str, ending: str = "") -> str:
    """Return the uid of a process that has no pid, made from its finding's: OCSF requires one."""
    return f"{_PROCESS}{uid}{ending}"


def joined(
    event_class: str, version: str, rule: Any, scene: Any, body: Any, own: Own
) -> dict[str, Any]:
    """Return the finding joined from its parts; `body` must have `time` and `time_dt`."""
    observed = {"observables": seen} if (seen := _observed(version, own)) else {}
    finding: dict[str, Any] = _merged(_merged(_merged(rule, scene), observed), body)
    _fill(finding, event_class, version, own)
    if event_class == "detection_finding":
        first = [finding.pop("evidence")] if "evidence" in finding else []
        for evidence in first:
            _copy_process(evidence, version)
        if evidences := first + finding.pop("more", []):
            finding["evidences"] = evidences
    for path, of in _REPEATED.items():
        parent, _, name = path.partition(".")
        value: Any = finding
        for step in of.split("."):
            value = value.get(step) if value else None
        if value is not None and parent in finding:
            finding[parent][name] = value
    _add_moments(finding, _moments(tables.attributes(event_class, version), version))
    return finding


def _observed(version: str, own: Own) -> list[dict[str, Any]]:
    """Return the observables that are columns."""
    if not RELEASES[version].from_1_3:
        return []
    return [
        {"name": name, "type_id": id_, "type": OBSERVABLE_TYPES[id_], "value": str(value)}
        for column, id_, name in _OBSERVED
        if (value := getattr(own, column)) is not None
    ]


def _fill(finding: dict[str, Any], event_class: str, version: str, own: Own) -> None:
    """Add the values of columns, and what follows from them."""
    tree = _tree(event_class, version)
    for path, column in _SLOTS[event_class].items():
        value = getattr(own, column)
        if value is not None and path in tree:
            *steps, name = path.split(".")
            holder = finding
            for step in steps:
                holder = holder.setdefault(step, {})
            holder[name] = value
    for path, (pid, ending) in _UIDS[event_class].items():
        process = _at(finding, path.removesuffix(".uid"))
        if process is not None and getattr(own, pid) is None:
            process["uid"] = uid_of_process(own.uid, ending)
    if _at(finding, _FORWARDED) is not None:
        finding["metadata"]["original_event_uid"] = own.uid
    if event_class == "detection_finding":
        _fill_evidence(finding, own)


def _fill_evidence(finding: dict[str, Any], own: Own) -> None:
    if (request := _at(finding, _REQUEST)) is not None:
        request["uid"] = own.request_uid or own.uid
    if own.event_uid is not None:
        _at(finding, _RELATED)[0]["uid"] = own.event_uid
    if ancestry := _at(finding, _ANCESTRY):
        parent = {name: getattr(own, column) for name, column in OF_PARENT}
        ancestry[0] |= {name: value for name, value in parent.items() if value is not None}


def _at(finding: Any, path: str) -> Any:
    """Return the value at a path; None if there is none."""
    for step in path.split("."):
        finding = finding.get(step) if finding is not None else None
    return finding


def _copy_process(evidence: dict[str, Any], version: str) -> None:
    if process := evidence.get("process"):
        copy = _some_of(process, "actor_process", version)
        if "file" in copy:
            copy["file"] = _some_of(copy["file"], "actor_file", version)
        evidence["actor"] = {**evidence.get("actor", {}), "process": copy}


def _some_of(value: dict[str, Any], type_: str, version: str) -> dict[str, Any]:
    return {name: value[name] for name, _ in tables.members(type_, version) if name in value}


class _Moments(NamedTuple):
    """Where an object has moments: its own `*_time_dt`, and its members that have some."""

    own: tuple[str, ...]
    inner: tuple[tuple[str, bool, _Moments], ...]  # name, whether it is a list, its moments


@cache
def _moments(attributes: tables.Attributes, version: str) -> _Moments:
    inner = [
        (name, type_.endswith("[]"), _moments(members, version))
        for name, type_ in attributes
        if (members := tables.members(type_.removesuffix("[]"), version))
    ]
    return _Moments(
        tuple(name for name, _ in attributes if _is_moment(name)),
        tuple(each for each in inner if any(each[2])),
    )


def _add_moments(value: Any, moments: _Moments) -> None:
    """Add to each `*_time` its `*_time_dt`."""
    for name in moments.own:
        ms = value.get(name.removesuffix("_dt"))
        if ms is not None and _FIRST_MOMENT <= ms <= _LAST_MOMENT:
            value[name] = of_milliseconds(ms)
    for name, several, its in moments.inner:
        if member := value.get(name):
            for each in member if several else [member]:
                _add_moments(each, its)


def _is_moment(path: str) -> bool:
    return path.endswith("_time_dt")


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {
            key: _merged(one[key], value) if key in one else value for key, value in other.items()
        }
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    return other


@cache
def structures(event_class: str, version: str, *, more: bool = True) -> MappingProxyType[str, str]:
    """Return the structure of each of `SHARED`, for DuckDB's `from_json`.

    Without `more`, that of a body has no evidences after the first, which are a third of it.
    """
    tree = _tree(event_class, version)
    unmapped = json.dumps(tables.columns(event_class, version)["unmapped"])
    found = {part: dict(_members(event_class, tree, part)) for part in PARTS}
    if not more:
        found["body"].pop("more", None)
    return MappingProxyType(
        {part: json.dumps(members) for part, members in found.items()} | {"unmapped": unmapped}
    )


def met(*, more: bool) -> frozenset[str]:
    """Return the paths that `select` joins with values of another part.

    `more` says whether there may be a finding with more evidences than the first.
    """
    return _EITHER | _CONCATENATED | ({"evidence", "more"} if more else set())


def select(
    event_class: str, version: str, text_limit: int | None, rows: str, *, more: bool = True
) -> str:
    """Return SQL that turns `rows` into the columns of `columns.columns`.

    `rows` has the columns time and raw_data, those of `Own`, and those of `SHARED` as `parsed`
    reads them. Without `more`, no body may have `MORE` in it. A value too long for the release is
    in `unmapped`.
    """
    wanted, evidence = _wanted(event_class, version, text_limit, more)
    return f"SELECT {wanted} FROM (SELECT *{evidence} FROM {rows})"  # noqa: S608 - no input


def parsed(event_class: str, version: str, part: str, text: str, *, more: bool = True) -> str:
    """Return SQL that reads the column `text`, one of `SHARED`, for `select` with the same `more`.

    `from_json` silently turns a value that does not fit its type into NULL, and a malformed row
    fails the query: the mapping makes sure that neither happens. A JSON attribute becomes text
    because its column is text. Without unmapped fields there is no map.
    """
    made = f"from_json({text}, '{structures(event_class, version, more=more)[part]}')"
    return f"CASE WHEN {text} <> '{{}}' THEN {made} END" if part == "unmapped" else made


@cache
def _wanted(event_class: str, version: str, text_limit: int | None, more: bool) -> tuple[str, str]:
    """Return SQL for all columns, and for the column `evidence` that they need."""
    types = tables.columns(event_class, version)
    raw_data = "raw_data"
    if text_limit is not None:
        # strlen counts bytes and is cheap; length counts characters.
        fits = f"strlen(raw_data) <= {text_limit} OR length(raw_data) <= {text_limit}"
        raw_data = f"CASE WHEN {fits} THEN raw_data END"
    special = {
        "raw_data": raw_data,
        "unmapped": "unmapped",
        **({"observables": _observables()} if RELEASES[version].from_1_3 else {}),
    }
    tree = _tree(event_class, version)
    evidence = ""
    if "evidences" in types:
        absent, members = _struct(event_class, tree, "evidence")
        if more:
            special["evidences"] = _EVIDENCES
            evidence = f", CASE WHEN {absent} THEN NULL ELSE {members} END AS evidence"
        else:
            # One CASE: where it differs from row to row, each copies all that is inside.
            special["evidences"] = f"CASE WHEN {absent} THEN NULL ELSE [{members}] END"
    wanted = ", ".join(
        f'{special.get(name) or _expression(event_class, tree, name)} AS "{name}"' for name in types
    )
    return wanted, evidence


def _observables() -> str:
    """Return SQL for the observables of scene, columns and body, in this order."""
    several = []
    for column, id_, name in _OBSERVED:
        one = f"'name': '{name}', 'type_id': {id_}, 'type': '{OBSERVABLE_TYPES[id_]}'"
        one += f", 'value': {column}::VARCHAR"
        several.append(f"CASE WHEN {column} IS NULL THEN [] ELSE [{{{one}}}] END")
    parts = ("scene.observables", *several, "body.observables")
    all_ = f"list_concat({', '.join(parts)})"
    return f"CASE WHEN len({all_}) > 0 THEN {all_} END"


_EVIDENCES: Final = (
    "CASE WHEN evidence IS NULL THEN body.more WHEN body.more IS NULL THEN [evidence] "
    "ELSE list_concat([evidence], body.more) END"
)

_Tree = dict[str, str]


@cache
def _tree(event_class: str, version: str) -> MappingProxyType[str, str]:
    """Return the type of every path in the parts, including the paths inside structs."""
    found: _Tree = {}

    def walk(attributes: tables.Attributes, prefix: str) -> None:
        for name, type_ in attributes:
            found[prefix + name] = type_
            walk(tables.members(type_, version), f"{prefix}{name}.")

    attributes = tables.attributes(event_class, version)
    for name, type_ in attributes:
        if name == "evidences":
            walk((("evidence", type_.removesuffix("[]")), ("more", type_)), "")
        elif name not in _BESIDE:
            walk(((name, type_),), "")
    return MappingProxyType(
        {path: tables.duckdb_type(type_, version) for path, type_ in found.items()}
    )


@cache
def _owners(event_class: str) -> MappingProxyType[str, str]:
    spec = _OWNERS[event_class]
    return MappingProxyType({path: part for part in spec for path in spec[part].split()})


def _owner(event_class: str, tree: Mapping[str, str], path: str) -> str | None:
    """Return the part that holds all of `path`, or None if several parts do, or none all of it."""
    owners = _owners(event_class)
    inside = path + "."
    computed = (each for each in tree if each in _COPIES or _is_moment(each))
    if path in _COPIES or any(each.startswith(inside) for each in computed):
        return None
    slots = _SLOTS[event_class]
    if path in slots:
        return _COLUMNS
    if any(each.startswith(inside) for each in slots):
        return None
    steps = path.split(".")
    for end in range(len(steps), 0, -1):
        if owner := owners.get(".".join(steps[:end])):
            return owner
    either = (other for other in tree if other in _EITHER)
    split = any(other.startswith(inside) for other in (*owners, *_REPEATED, *either))
    return None if split else "body"


def _inner(tree: Mapping[str, str], path: str) -> list[str]:
    depth = path.count(".") + 1
    inside = path + "."
    return [other for other in tree if other.startswith(inside) and other.count(".") == depth]


def _members(
    event_class: str, tree: Mapping[str, str], part: str, path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a part below `path`, each with its `from_json` structure."""
    for inner in _inner(tree, path) if path else [name for name in tree if "." not in name]:
        name = inner.rpartition(".")[2]
        if inner in (*_REPEATED, *_COPIES, *_TIME) or _is_moment(inner):
            continue
        owner = _owner(event_class, tree, inner)
        if (
            owner == part
            or (inner in _CONCATENATED and part != "rule")
            or (inner in _EITHER and part != "rule")
        ):
            yield name, tree[inner]
        elif owner is None and (members := dict(_members(event_class, tree, part, inner))):
            yield name, members


def _expression(event_class: str, tree: Mapping[str, str], path: str) -> str:
    """Return SQL for an attribute, from the parts and columns that have it."""
    if path in _REPEATED:
        return _expression(event_class, tree, _REPEATED[path])
    if _is_moment(path):
        return _moment(event_class, tree, path)
    if special := _special(event_class, tree, path):
        return special
    owner = _owner(event_class, tree, path)
    if owner == _COLUMNS:
        return f"{_SLOTS[event_class][path]}::{tree[path]}"
    if owner is not None:
        return f"{owner}.{path}"
    absent, members = _struct(event_class, tree, path)
    return f"CASE WHEN {absent} THEN NULL ELSE {members} END"


def _struct(event_class: str, tree: Mapping[str, str], path: str) -> tuple[str, str]:
    """Return SQL for when an object is absent, and for the object from its members."""
    of = _COPIES.get(path, path)
    inner = ", ".join(
        f"'{name}': {_expression(event_class, tree, each if each in _COPIES else f'{of}.{name}')}"
        for each, name in ((each, each.rpartition(".")[2]) for each in _inner(tree, path))
    )
    absent = " AND ".join(f"{each} IS NULL" for each in _holders(event_class, tree, of))
    return absent, f"{{{inner}}}"


def _moment(event_class: str, tree: Mapping[str, str], path: str) -> str:
    """Return SQL for a `*_time_dt`."""
    of = path.removesuffix("_dt")
    if path in _TIME or _REPEATED.get(of) == "time":
        return _TIME["time_dt"]
    ms = _expression(event_class, tree, of)
    fits = f"{ms} BETWEEN {_FIRST_MOMENT} AND {_LAST_MOMENT}"
    return f"CASE WHEN {fits} THEN make_timestamp_ms({ms})::TIMESTAMP_MS END"


def _special(event_class: str, tree: Mapping[str, str], path: str) -> str | None:
    """Return SQL for an attribute that follows from others, or that several parts have."""
    if path in _UIDS[event_class]:
        pid, ending = _UIDS[event_class][path]
        return f"CASE WHEN {pid} IS NULL THEN '{_PROCESS}' || uid || '{ending}' END"
    if path == _FORWARDED:
        return f"CASE WHEN body.{path} IS NOT NULL THEN uid END"
    if path == _RELATED:
        one = f"[{{'uid': event_uid, 'type': body.{path}[1].type}}]"
        return f"CASE WHEN event_uid IS NULL THEN body.{path} ELSE {one} END"
    if path == _ANCESTRY:
        return _ancestry()
    if path in _CONCATENATED:
        one, other = f"scene.{path}", f"body.{path}"
        return (
            f"CASE WHEN {one} IS NULL THEN {other} WHEN {other} IS NULL THEN {one} "
            f"ELSE list_concat({one}, {other}) END"
        )
    if path in _EITHER:
        return f"coalesce(scene.{path}, {_call(tree, path)})"
    return _TIME.get(path)


def _ancestry() -> str:
    """Return SQL for the ancestors, whose first is the parent if columns have some of it."""
    all_ = f"body.{_ANCESTRY}"
    given = {name: f"{all_}[1].{name}" for name in _ANCESTOR} | {
        name: f"coalesce({column}::{_ANCESTOR[name]}, {all_}[1].{name})"
        for name, column in OF_PARENT
    }
    first = ", ".join(f"'{name}': {value}" for name, value in given.items())
    has_none = " AND ".join(f"{column} IS NULL" for _, column in OF_PARENT)
    return (
        f"CASE WHEN {all_} IS NULL OR ({has_none}) THEN {all_} "
        f"ELSE list_concat([{{{first}}}], {all_}[2:]) END"
    )


def _call(tree: Mapping[str, str], path: str) -> str:
    """Return SQL for what a body has at a path; a call's request has its uid from a column."""
    if path == _REQUEST + ".uid":
        return "coalesce(request_uid, uid)"
    if not _REQUEST.startswith(path):
        return f"body.{path}"
    members = (each.rpartition(".")[2] for each in _inner(tree, path))
    inner = ", ".join(f"'{name}': {_call(tree, f'{path}.{name}')}" for name in members)
    return f"CASE WHEN body.{path} IS NOT NULL THEN {{{inner}}} END"


def _holders(event_class: str, tree: Mapping[str, str], path: str) -> Iterator[str]:
    """Yield the structs and columns that hold some of `path`; without any of them it is NULL."""
    for part in PARTS:
        if any(True for _ in _members(event_class, tree, part, path)):
            yield f"{part}.{path}"
    inside = path + "."
    slots = _SLOTS[event_class].items()
    yield from (column for each, column in slots if each in tree and each.startswith(inside))
    for copy, of in _COPIES.items():
        if copy.rpartition(".")[0] == path:
            yield from _holders(event_class, tree, of)
