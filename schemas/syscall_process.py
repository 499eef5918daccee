"""The acting process of the syscall source, its parent and its ancestors.

The whole goes to `evidences[].process`; a short copy to `actor`, so that Athena finds it without
UNNEST. Stock rules print no pid, and a process needs a pid or a uid: the finding's own uid serves.
"""

from __future__ import annotations

import re
from typing import Any

from schemas.draft import ANY, Draft, Row
from schemas.ocsf import INT64, Release, executable, file_of, fingerprint

_PROCESS = "evidences[].process"
_PARENT = f"{_PROCESS}.parent_process"

_NO_PID = "Without it OCSF wants a uid: one made of the finding's."
_LINEAGE = "From 1.4 the parent first; before, path or name, the oldest first."

ROWS = (
    Row("proc.name", (f"{_PROCESS}.name", "actor.process.name")),
    Row("proc.pid", (f"{_PROCESS}.pid", "actor.process.pid"), _NO_PID, ANY),
    Row("proc.exepath", (f"{_PROCESS}.file.path", f"{_PROCESS}.path")),
    Row("proc.exe", (f"{_PROCESS}.file.path",), "If absolute, and there is no proc.exepath."),
    Row("proc.cmdline", (f"{_PROCESS}.cmd_line", "actor.process.cmd_line")),
    Row("proc.exeline", (f"{_PROCESS}.cmd_line",), "If there is no proc.cmdline."),
    Row("proc.vpid", (f"{_PROCESS}.namespace_pid",), "", ANY),
    Row("thread.tid", (f"{_PROCESS}.ptid", f"{_PROCESS}.tid"), "ptid from 1.6.", ANY),
    Row("proc.cwd", (f"{_PROCESS}.working_directory",), "From 1.4."),
    Row("proc.pid.ts", (f"{_PROCESS}.created_time",), "Nanoseconds to milliseconds.", ANY),
    Row(
        "proc.duration",
        (f"{_PROCESS}.created_time",),
        "The alert's time less it; if there is no proc.pid.ts.",
        ANY,
    ),
    Row("proc.tty", (f"{_PROCESS}.session.terminal",), "0 is no terminal."),
    Row("proc.sid", (f"{_PROCESS}.session.uid",)),
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
    Row("proc.ppid", (f"{_PARENT}.pid",), _NO_PID, ANY),
    Row("proc.pcmdline", (f"{_PARENT}.cmd_line",)),
    Row("proc.pexepath", (f"{_PARENT}.file.path",)),
    Row("proc.pvpid", (f"{_PARENT}.namespace_pid",), "", ANY),
    Row("proc.ppid.ts", (f"{_PARENT}.created_time",), "Nanoseconds to milliseconds.", ANY),
    Row("proc.ppid.duration", (f"{_PARENT}.created_time",), "The alert's time less it.", ANY),
    *(
        Row(field, (f"{_PROCESS}.ancestry[]", f"{_PROCESS}.lineage[]"), _LINEAGE, ANY)
        for field in ("proc.aname*", "proc.aexepath*")
    ),
    Row("proc.acmdline*", (f"{_PROCESS}.ancestry[]",), "From 1.4.", ANY),
    Row("proc.apid*", (f"{_PROCESS}.ancestry[]",), "From 1.4.", ANY),
    Row(
        "proc.aexe*",
        (f"{_PROCESS}.ancestry[]", f"{_PROCESS}.lineage[]"),
        "If absolute, and there is no proc.aexepath of this ancestor.",
        ANY,
    ),
    Row("proc.env", (), "May hold secrets in the clear."),
)

_HASHES = ("proc.hash.sha256", "proc.hash.sha1", "proc.hash.md5")
# proc.aname[2], and what falcosidekick's bracket replacer makes of it: proc.aname_2.
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


def build(draft: Draft, release: Release) -> None:
    """Add the process to the evidence, and a short copy to the actor."""
    fields = draft.fields
    pop = fields.pop
    process = draft.process()
    short: dict[str, Any] = {}
    if (name := pop("proc.name", None)) is not None:
        process["name"] = short["name"] = name
        draft.observe("evidences[].process.name", 9, name)
    pid = draft.integer("proc.pid") if "proc.pid" in fields else None
    if pid is not None:
        process["pid"] = short["pid"] = pid
        del process["uid"]
    else:
        short["uid"] = process["uid"]
    cmd_line = pop("proc.cmdline", None)
    if cmd_line is None:
        cmd_line = pop("proc.exeline", None)
    if cmd_line is not None:
        process["cmd_line"] = short["cmd_line"] = cmd_line
    draft.actor["process"] = short
    _file(draft, release, process)
    _details(draft, release, process)
    parent_path = _parent(draft, process)
    if draft.shape.generations:
        _ancestors(draft, release, process, parent_path)
    if process.keys() == {"uid"} and not draft.in_scene:
        # There were only fields that say nothing of a process.
        del draft.evidence["process"], draft.actor["process"]
        return
    if release.modern:
        if cmd_line is not None:
            draft.observe("evidences[].process.cmd_line", 13, cmd_line)
        if pid is not None:
            draft.observe("evidences[].process.pid", 15, str(pid))


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
    hashes = []
    for field in _HASHES:
        if field in fields and (found := fingerprint(fields[field])):
            hashes.append(found)
            del fields[field]
    if hashes:
        more["hashes"] = hashes
    process["file"] = {**file_of(path), **more} if more else executable(path)


def _details(draft: Draft, release: Release, process: dict[str, Any]) -> None:
    fields = draft.fields
    pop = fields.pop
    if release.modern and (folder := pop("proc.cwd", None)) is not None:
        process["working_directory"] = folder
    if "proc.pid.ts" in fields or "proc.duration" in fields:
        _created(draft, process, "proc.pid.ts", "proc.duration")
    if "thread.tid" in fields:
        if release.modern:
            tid = draft.integer("thread.tid", -INT64, INT64)
        else:
            tid = draft.integer("thread.tid")
        if tid is not None:
            process["ptid" if release.modern else "tid"] = tid
    if "proc.vpid" in fields and (vpid := draft.integer("proc.vpid")) is not None:
        process["namespace_pid"] = vpid
        draft.profile("container")
    session = {}
    if fields.get("proc.tty", "0") != "0":
        session["terminal"] = pop("proc.tty")
    if (sid := pop("proc.sid", None)) is not None:
        session["uid"] = sid
    if session:
        process["session"] = session


def _created(draft: Draft, process: dict[str, Any], since: str, lasting: str) -> None:
    created = draft.milliseconds(since)
    if created is None and (lasted := draft.integer(lasting, 0, INT64)) is not None:
        created = (draft.ns - lasted) // 1_000_000
    if created is not None:
        process["created_time"] = created


def _parent(draft: Draft, process: dict[str, Any]) -> str | None:
    """Add the parent; gives its path."""
    fields = draft.fields
    pop = fields.pop
    parent: dict[str, Any] = {}
    if (name := pop("proc.pname", None)) is not None:
        parent["name"] = name
    if "proc.ppid" in fields and (pid := draft.integer("proc.ppid")) is not None:
        parent["pid"] = pid
    if (cmd_line := pop("proc.pcmdline", None)) is not None:
        parent["cmd_line"] = cmd_line
    if (path := pop("proc.pexepath", None)) is not None:
        parent["file"] = executable(path)
    if "proc.pvpid" in fields and (vpid := draft.integer("proc.pvpid")) is not None:
        parent["namespace_pid"] = vpid
        draft.profile("container")
    if "proc.ppid.ts" in fields or "proc.ppid.duration" in fields:
        _created(draft, parent, "proc.ppid.ts", "proc.ppid.duration")
    if parent:
        if "pid" not in parent:
            parent["uid"] = f"falco:{draft.uid}:parent"
        process["parent_process"] = parent
    return str(path) if path is not None else None


def generations_of(fields: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    """The fields like `proc.aname[2]`: attribute → field for each generation, the nearest first.

    The first generation is the parent, which has fields of its own.
    """
    generations: dict[int, dict[str, str]] = {}
    for field in fields:
        match = _ANCESTOR.fullmatch(field)
        if match and (number := int(match[2] or match[3])) > 1:
            attribute = _ANCESTOR_ATTRIBUTES[match[1]]
            generations.setdefault(number, {}).setdefault(attribute, field)
    return tuple(generations[number] for number in sorted(generations))


def _ancestors(
    draft: Draft, release: Release, process: dict[str, Any], parent_path: str | None
) -> None:
    parent = process.get("parent_process", {})
    if release.modern:
        first = {key: parent[key] for key in ("name", "cmd_line", "pid") if key in parent}
        if parent_path is not None:
            first["path"] = parent_path
        ancestry = [first, *(_ancestor(draft, each) for each in draft.shape.generations)]
        if any(ancestry[1:]):
            process["ancestry"] = [ancestor for ancestor in ancestry if ancestor]
        return
    # Before 1.4 an ancestor is its path or its name, the oldest first; the rest stays unmapped.
    lineage = []
    for generation in reversed(draft.shape.generations):
        value = _path(draft, generation) or _take(draft, generation, "name")
        if value is not None:
            lineage.append(value)
    if lineage:
        nearest = parent_path or parent.get("name")
        process["lineage"] = [*lineage, nearest] if nearest else lineage


def _ancestor(draft: Draft, generation: dict[str, str]) -> dict[str, Any]:
    ancestor: dict[str, Any] = {}
    for attribute in ("name", "cmd_line"):
        if (value := _take(draft, generation, attribute)) is not None:
            ancestor[attribute] = value
    if (path := _path(draft, generation)) is not None:
        ancestor["path"] = path
    if "pid" in generation and (pid := draft.integer(generation["pid"])) is not None:
        ancestor["pid"] = pid
    return ancestor


def _path(draft: Draft, generation: dict[str, str]) -> str | None:
    """The path of an ancestor's program: `exe` is its argv[0], which may be one."""
    path = _take(draft, generation, "path")
    if path is None and "exe" in generation:
        given = draft.fields.get(generation["exe"])
        if given.__class__ is str and given.startswith("/"):
            return _take(draft, generation, "exe")
    return path


def _take(draft: Draft, generation: dict[str, str], attribute: str) -> str | None:
    field = generation.get(attribute, "")
    value = draft.fields.get(field)
    if value.__class__ is not str:
        return None
    del draft.fields[field]
    return str(value)
