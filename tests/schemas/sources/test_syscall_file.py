"""Files that a syscall touched."""

from __future__ import annotations

from tests.schemas.sources.rows import HEX, SAME, Case, E, check, each

CASES = [
    Case("fd.name", "/etc/shadow", {}, (f"{E}.file.path", SAME), None),
    Case(
        "fd.name",
        "pipe:[7]",
        {"fd.type": "pipe"},
        (f"{E}.file.path", SAME),
        (f"{E}.file.type_id", 6),
    ),
    Case(
        "fd.type", "inotify", {"fd.name": "x"}, (f"{E}.file.type", SAME), (f"{E}.file.type_id", 99)
    ),
    Case("fd.type", "unix", {"fd.name": "a->b /run/x"}, (f"{E}.file.path", "/run/x"), None),
    Case(
        "fd.directory", "/etc", {"fd.name": "/etc/shadow"}, (f"{E}.file.parent_folder", SAME), None
    ),
    Case("fd.filename", "shadow", {}, (f"{E}.file.name", SAME), None),
    Case("fd.type", "directory", {"fd.name": "/etc"}, (f"{E}.file.type_id", 2), None),
    Case("fd.ino", 9, {"fd.name": "/etc"}, (f"{E}.file.uid", "9"), None),
    Case("fd.hash.sha256", HEX, {"fd.name": "/etc"}, (f"{E}.file.hashes.0.value", SAME), None),
    Case("fd.hash.sha1", HEX[:40], {"fd.name": "/etc"}, (f"{E}.file.hashes.0.value", SAME), None),
    Case("fd.hash.md5", HEX[:32], {"fd.name": "/etc"}, (f"{E}.file.hashes.0.value", SAME), None),
    Case("fs.path.name", "/a", {}, (f"{E}.file.path", SAME), None),
    Case("fs.path.target", "/b", {}, (f"{E}.file.path", SAME), None),
    *(
        Case(f"krsi.{name}", "/b", {}, (f"{E}.file.path", SAME), None)
        for name in ("path", "name", "newpath", "linkpath")
    ),
    *(
        Case(f"krsi.{name}", "/c", {"krsi.path": "/b"}, ("evidences.1.file.path", SAME), None)
        for name in ("oldpath", "target")
    ),
    Case("fs.path.source", "/c", {"fs.path.target": "/b"}, ("evidences.1.file.path", SAME), None),
    *(
        Case(
            f"evt.arg.{name}",
            "/a",
            {},
            (f"{E}.file.path", SAME),
            (f"{E}.data", {f"evt.arg.{name}": "/a"}),
        )
        for name in ("path", "pathname", "filename", "newpath", "linkpath", "name")
    ),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
