"""The acting process of the syscall source, its parent and its ancestors.

All of it goes to `evidences[].process`, and a short copy to `actor`, which Athena reads without
UNNEST. `schemas.ocsf.parts` adds another to `evidences[].actor`, where AWS's own findings have it.
OCSF requires a pid or a uid of a process. Stock rules print no pid; then the process gets a uid
made from the finding's, when the parts are joined. What differs from run to run goes to
`Draft.own`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from schemas.falco.values import is_none
from schemas.ocsf.releases import INT64, Release, executable, file_of
from schemas.sources.draft import ANY, DATA, Draft, Program, Row

_PROCESS = "evidences[].process"
_ACTOR = "evidences[].actor.process"
_PARENT = f"{_PROCESS}.parent_process"

_NO_PID = "If missing: the process gets a uid made from the finding's."
_LINEAGE = "From 1.4 the parent first. Before 1.4 only path or name, the oldest first."

PROGRAM_ROWS: tuple[Row, ...] = (
    Row("proc.name", (f"{_PROCESS}.name", "actor.process.name", f"{_ACTOR}.name")),
    Row("proc.exepath", (f"{_PROCESS}.file.path", f"{_PROCESS}.path", f"{_ACTOR}.file.path")),
    Row(
        "proc.exe",
        (f"{_PROCESS}.file.path", DATA),
        "argv[0]: the path if it is absolute and there is no proc.exepath, else data.",
    ),
    Row("proc.cwd", (f"{_PROCESS}.working_directory", DATA), "Before 1.4: data."),
    Row("proc.tty", (f"{_PROCESS}.session.terminal",), "0: no terminal, left out."),
    Row("proc.exe_ino", (f"{_PROCESS}.file.uid",), "With a path."),
    Row(
        "proc.exe_ino.mtime",
        (f"{_PROCESS}.file.modified_time",),
        "With a path; in milliseconds.",
        ANY,
    ),
    *(
        Row(f"proc.hash.{name}", (f"{_PROCESS}.file.hashes[].value",), "With a path.")
        for name in ("sha256", "sha1", "md5")
    ),
    Row("proc.pname", (f"{_PARENT}.name",)),
    Row("proc.pexepath", (f"{_PARENT}.file.path",)),
    *(
        Row(field, (f"{_PROCESS}.ancestry[]", f"{_PROCESS}.lineage[]"), _LINEAGE, ANY)
        for field in ("proc.aname*", "proc.aexepath*")
    ),
    Row(
        "proc.aexe*",
        (f"{_PROCESS}.ancestry[]", f"{_PROCESS}.lineage[]"),
        "If absolute, and there is no proc.aexepath for this ancestor.",
        ANY,
    ),
)
"""What every run of a program has in common."""

ROWS: tuple[Row, ...] = (
    Row(
        "proc.pid",
        (f"{_PROCESS}.pid", "actor.process.pid", f"{_ACTOR}.pid"),
        _NO_PID,
        ANY,
        ("pid",),
    ),
    Row(
        "proc.cmdline",
        (f"{_PROCESS}.cmd_line", "actor.process.cmd_line", f"{_ACTOR}.cmd_line"),
        slots=("cmd_line",),
    ),
    Row("proc.exeline", (f"{_PROCESS}.cmd_line",), "If there is no proc.cmdline."),
    Row("proc.vpid", (f"{_PROCESS}.namespace_pid",), "", ANY, ("namespace_pid",)),
    Row("proc.sid", (f"{_PROCESS}.session.uid",), slots=("session_uid",)),
    Row("thread.tid", (f"{_PROCESS}.ptid", f"{_PROCESS}.tid"), "ptid from 1.6.", ANY, ("tid",)),
    Row("proc.pid.ts", (f"{_PROCESS}.created_time",), "In milliseconds.", ANY, ("created_time",)),
    Row(
        "proc.duration",
        (f"{_PROCESS}.created_time",),
        "The alert's time minus this, if there is no proc.pid.ts.",
        ANY,
    ),
    Row("proc.ppid", (f"{_PARENT}.pid",), _NO_PID, ANY, ("parent_pid",)),
    Row("proc.pcmdline", (f"{_PARENT}.cmd_line",), slots=("parent_cmd_line",)),
    Row("proc.pvpid", (f"{_PARENT}.namespace_pid",), "", ANY),
    Row("proc.ppid.ts", (f"{_PARENT}.created_time",), "In milliseconds.", ANY),
    Row(
        "proc.ppid.duration",
        (f"{_PARENT}.created_time",),
        "The alert's time minus this, if there is no proc.ppid.ts.",
        ANY,
    ),
    Row("proc.acmdline*", (f"{_PROCESS}.ancestry[]",), "From 1.4.", ANY),
    Row("proc.apid*", (f"{_PROCESS}.ancestry[]",), "From 1.4.", ANY),
    Row("proc.env", (), "It may contain secrets in plain text."),
    Row("proc.args", (), "It is part of the command line."),
    Row("proc.pexe", (), "argv[0] of the parent, whose path is proc.pexepath."),
    Row("proc.sname", (), "A session has no name in OCSF."),
    Row("proc.exe_ino.ctime", (), "The inode's change is not the file's creation."),
    Row("proc.exe_ino.ctime_duration_proc_start", (), "As proc.exe_ino.ctime."),
    *(
        Row(f"thread.cap_{name}", (), "OCSF has no capabilities.")
        for name in ("effective", "permitted")
    ),
)

_HASHES = ("proc.hash.sha256", "proc.hash.sha1", "proc.hash.md5")
# proc.aname[2], or proc.aname_2 after falcosidekick's bracket replacer.
_ANCESTOR = re.compile(
    r"proc\.a(name|exepath|exe|cmdline|pid)(?:\[(\d{1,3})\]|[_.:-](\d{1,3})[_.:-]?)", re.ASCII
)
_ANCESTOR_ATTRIBUTES = {
    "name": "name",
    "exepath": "path",
    "exe": "exe",
    "cmdline": "cmd_line",
    "pid": "pid",
}


def build_program(draft: Draft, release: Release) -> None:
    """Add the program that ran, its parent and its ancestors, to the scene."""
    fields = draft.fields
    process: dict[str, Any] = {}
    if (name := fields.pop("proc.name", None)) is not None:
        process["name"] = name
        draft.actor["process"] = {"name": name}
        draft.observe("evidences[].process.name", 9, name)
    _file(draft, release, process)
    if release.modern and (folder := fields.pop("proc.cwd", None)) is not None:
        process["working_directory"] = folder
    if not is_none("proc.tty", terminal := fields.pop("proc.tty", None)):
        process["session"] = {"terminal": terminal}
    parent, nearest = _parent_program(draft, process)
    ancestors: tuple[dict[str, Any], ...] = ()
    if release.modern:
        ancestors = tuple(_ancestor(draft, each) for each in draft.shape.generations)
    elif lineage := _lineage(draft, nearest):
        process["lineage"] = lineage
    if process or any(ancestors):
        draft.process().update(process)
        draft.program = Program(parent, ancestors)


def _parent_program(draft: Draft, process: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Add the parent's program. Return the parent as an ancestor, and its path or name."""
    pop = draft.fields.pop
    parent: dict[str, Any] = {}
    ancestor: dict[str, Any] = {}
    name, path = pop("proc.pname", None), pop("proc.pexepath", None)
    if name is not None:
        parent["name"] = ancestor["name"] = name
    if path is not None:
        parent["file"] = executable(path)
        ancestor["path"] = path
    if parent:
        process["parent_process"] = parent
    return ancestor, path or name


def begin(draft: Draft, process: dict[str, Any], program: Program) -> None:
    """Add to the finding's body what a program in its scene requires."""
    draft.program = program
    draft.actor["process"] = {}
    if program.parent:
        process["parent_process"] = {}
    if any(program.ancestors):
        process["ancestry"] = [each for each in (program.parent, *program.ancestors) if each]


def build(draft: Draft, release: Release) -> None:
    """Add what is specific to this run of the program, and a short copy to the actor."""
    fields = draft.fields
    pop = fields.pop
    had_process = "process" in draft.evidence
    process = draft.process()
    draft.actor.setdefault("process", {})
    if "proc.pid" in fields and (pid := draft.integer("proc.pid")) is not None:
        draft.own["pid"] = pid
    cmd_line = pop("proc.cmdline", None)
    if cmd_line is None:
        cmd_line = pop("proc.exeline", None)
    if cmd_line is not None:
        draft.own["cmd_line"] = cmd_line
    _details(draft, release)
    _parent(draft, process)
    if release.modern and draft.shape.generations:
        _ancestry(draft, process)
    if not process and not draft.own and draft.program is None:
        # None of the fields describes a process.
        del draft.actor["process"]
        if not had_process:
            del draft.evidence["process"]


def _file(draft: Draft, release: Release, process: dict[str, Any]) -> None:
    fields = draft.fields
    path = fields.pop("proc.exepath", None)
    if path is None:
        path = fields.get("proc.exe")
        if path is None or not path.startswith("/"):
            return
        del fields["proc.exe"]
    if release.modern:
        process["path"] = path
        draft.observe("evidences[].process.file.path", 45, path)
    more: dict[str, Any] = {}
    if (inode := fields.pop("proc.exe_ino", None)) is not None:
        more["uid"] = inode
    if "proc.exe_ino.mtime" in fields:
        modified = draft.milliseconds("proc.exe_ino.mtime")
        if modified is not None:
            more["modified_time"] = modified
    draft.take_hashes(more, _HASHES)
    process["file"] = {**file_of(path), **more} if more else executable(path)


def _details(draft: Draft, release: Release) -> None:
    fields, own = draft.fields, draft.own
    if "proc.pid.ts" in fields or "proc.duration" in fields:
        _created(draft, own, "proc.pid.ts", "proc.duration")
    if "thread.tid" in fields:
        if release.modern:
            tid = draft.integer("thread.tid", -INT64, INT64)
        else:
            tid = draft.integer("thread.tid")
        if tid is not None:
            own["tid"] = tid
    if "proc.vpid" in fields and (vpid := draft.integer("proc.vpid")) is not None:
        own["namespace_pid"] = vpid
        draft.profile("container")
    if (sid := fields.pop("proc.sid", None)) is not None:
        own["session_uid"] = sid


def _created(draft: Draft, process: dict[str, Any], since: str, lasting: str) -> None:
    created = draft.milliseconds(since) if since in draft.fields else None
    if created is None and (lasted := draft.integer(lasting, 0, INT64)) is not None:
        created = (draft.ns - lasted) // 1_000_000
    if created is not None:
        process["created_time"] = created


def _parent(draft: Draft, process: dict[str, Any]) -> None:
    fields, own = draft.fields, draft.own
    parent: dict[str, Any] = process.get("parent_process", {})
    if "proc.ppid" in fields and (pid := draft.integer("proc.ppid")) is not None:
        own["parent_pid"] = pid
    if (cmd_line := fields.pop("proc.pcmdline", None)) is not None:
        own["parent_cmd_line"] = cmd_line
    if "proc.pvpid" in fields and (vpid := draft.integer("proc.pvpid")) is not None:
        parent["namespace_pid"] = vpid
        draft.profile("container")
    if "proc.ppid.ts" in fields or "proc.ppid.duration" in fields:
        _created(draft, parent, "proc.ppid.ts", "proc.ppid.duration")
    if parent or "parent_pid" in own or "parent_cmd_line" in own:
        process["parent_process"] = parent


def generations_of(fields: Iterable[str]) -> tuple[dict[str, str], ...]:
    """Return attribute → field for each ancestor in fields like `proc.aname[2]`, nearest first.

    Generation 1 is skipped: it is the parent, which has other fields.
    """
    generations: dict[int, dict[str, str]] = {}
    for field in fields:
        match = _ANCESTOR.fullmatch(field)
        if match and (number := int(match[2] or match[3])) > 1:
            attribute = _ANCESTOR_ATTRIBUTES[match[1]]
            generations.setdefault(number, {}).setdefault(attribute, field)
    return tuple(generations[number] for number in sorted(generations))


def _lineage(draft: Draft, nearest: str | None) -> list[str]:
    """Return the path or name of each ancestor, oldest first: all that OCSF has before 1.4."""
    lineage = []
    for generation in reversed(draft.shape.generations):
        value = _path(draft, generation) or _take(draft, generation, "name")
        if value is not None:
            lineage.append(value)
    return [*lineage, nearest] if lineage and nearest else lineage


def _ancestor(draft: Draft, generation: dict[str, str]) -> dict[str, Any]:
    """Return the name and path of an ancestor's program."""
    ancestor: dict[str, Any] = {}
    if (name := _take(draft, generation, "name")) is not None:
        ancestor["name"] = name
    if (path := _path(draft, generation)) is not None:
        ancestor["path"] = path
    return ancestor


def _ancestry(draft: Draft, process: dict[str, Any]) -> None:
    """Add the ancestors, parent first: those of the scene, each with its own pid and cmd_line.

    The parent's own are in columns: `schemas.ocsf.parts` adds them to the first ancestor.
    """
    generations = draft.shape.generations
    parent, named = draft.program or Program({}, ({},) * len(generations))
    has_parent = bool(parent) or "parent_pid" in draft.own or "parent_cmd_line" in draft.own
    others = []
    for generation, ancestor in zip(generations, named, strict=True):
        whole = dict(ancestor)
        if (cmd_line := _take(draft, generation, "cmd_line")) is not None:
            whole["cmd_line"] = cmd_line
        if "pid" in generation and (pid := draft.integer(generation["pid"])) is not None:
            whole["pid"] = pid
        others.append(whole)
    if any(others):
        first = [parent] if has_parent else []
        process["ancestry"] = first + [ancestor for ancestor in others if ancestor]


def _path(draft: Draft, generation: dict[str, str]) -> str | None:
    """Return the path of an ancestor's program; `exe`, its argv[0], may be one."""
    path = _take(draft, generation, "path")
    if path is None and "exe" in generation:
        given = draft.fields.get(generation["exe"])
        if given.__class__ is str and given.startswith("/"):
            return _take(draft, generation, "exe")
    return path


def _take(draft: Draft, generation: dict[str, str], attribute: str) -> str | None:
    field = generation.get(attribute)
    value = None if field is None else draft.fields.get(field)
    if field is None or value.__class__ is not str:
        return None
    del draft.fields[field]
    return str(value)
