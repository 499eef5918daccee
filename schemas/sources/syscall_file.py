"""Files that a syscall touched: `fd.*`, `fs.path.*`, arguments → `evidences[].file`."""

from __future__ import annotations

from typing import Any

from schemas.ocsf.releases import Release, file_of
from schemas.sources.draft import ANY, Draft, Row

_FILE = "evidences[].file"
_KRSI = ("krsi.path", "krsi.name", "krsi.newpath", "krsi.linkpath")
_KRSI_OTHERS = ("krsi.oldpath", "krsi.target")
_SOURCES = ("fs.path.source", *_KRSI_OTHERS)
_ARGUMENTS = (
    "evt.arg.path",
    "evt.arg.pathname",
    "evt.arg.filename",
    "evt.arg.newpath",
    "evt.arg.linkpath",
    "evt.arg.name",
)

ROWS: tuple[Row, ...] = (
    Row("fd.name", (f"{_FILE}.path",), "If it is a path; for connections see the network."),
    Row("fd.directory", (f"{_FILE}.parent_folder",), "With a path or name."),
    Row("fd.filename", (f"{_FILE}.name",)),
    Row(
        "fd.type",
        (f"{_FILE}.type_id", f"{_FILE}.type"),
        "With a path or name; not for ipv4 and ipv6.",
    ),
    Row("fd.ino", (f"{_FILE}.uid",), "With a path or name."),
    *(
        Row(f"fd.hash.{name}", (f"{_FILE}.hashes[].value",), "With a path or name.")
        for name in ("sha256", "sha1", "md5")
    ),
    Row("fd.nameraw", (), "The path before it was resolved."),
    Row("fs.path.name", (f"{_FILE}.path",), "If there is no fd.name."),
    Row("fs.path.target", (f"{_FILE}.path",), "If there is no fd.name and no fs.path.name."),
    Row("fs.path.source", (f"{_FILE}.path",), "In another element of evidences."),
    *(Row(field, (f"{_FILE}.path",), "The first, if there is no other path.") for field in _KRSI),
    *(Row(field, (f"{_FILE}.path",), "In another element of evidences.") for field in _KRSI_OTHERS),
    *(
        Row(field, (f"{_FILE}.path", "evidences[].data"), "file: if there is no other path.", ANY)
        for field in _ARGUMENTS
    ),
)

_HASHES = ("fd.hash.sha256", "fd.hash.sha1", "fd.hash.md5")
_TYPES = {
    "file": (1, "Regular File"),
    "directory": (2, "Folder"),
    "unix": (5, "Local Socket"),
    "pipe": (6, "Named Pipe"),
}
_UNKNOWN = (0, "Unknown")
_SOCKETS = frozenset({"ipv4", "ipv6"})


def build(draft: Draft, release: Release) -> None:
    """Add the file, and the source of a rename or link as a second evidence."""
    fields = draft.fields
    for field in _SOURCES:
        source = fields.pop(field, None)
        if source is not None:
            draft.other_file(file_of(source, *_UNKNOWN), release)
    kind = fields.get("fd.type")
    if kind in _SOCKETS:
        return
    path = _path(draft)
    name = fields.get("fd.filename")
    if path is None and name is None:
        return
    type_id, type_ = _UNKNOWN if kind is None else _TYPES.get(kind) or (99, kind)
    fields.pop("fd.type", None)
    if path is None:
        file: dict[str, Any] = {"name": name, "type_id": type_id, "type": type_}
    else:
        file = file_of(path, type_id, type_)
    if name is not None:
        file["name"] = fields.pop("fd.filename")
    draft.take(file, (("fd.directory", "parent_folder"), ("fd.ino", "uid")))
    draft.take_hashes(file, _HASHES)
    draft.evidence["file"] = file
    draft.observe("evidences[].file.name", 7, file["name"])
    if release.modern and path is not None:
        draft.observe("evidences[].file.path", 45, path)


def _path(draft: Draft) -> str | None:
    """Return the path of the file, taken from the first field that has one."""
    fields = draft.fields
    name: str | None = fields.get("fd.name")
    if name is not None:
        if name.startswith("/"):
            draft.first("fd.name", "fs.path.name", "fs.path.target")
            return name
        if fields.get("fd.type") == "unix" and " /" in name:
            # "ffff9d->ffff9e /run/containerd.sock": the addresses stay in unmapped.
            return name[name.index(" /") + 1 :]
        if "fd.type" in fields and "->" not in name:
            return str(draft.first("fd.name"))
        return None
    path = draft.first("fs.path.name", "fs.path.target")
    if path is None:
        path = draft.first(*_KRSI)
    if path is not None:
        return str(path)
    for argument in _ARGUMENTS:
        value = fields.get(argument)
        if value.__class__ is str:
            return str(value)
    return None
