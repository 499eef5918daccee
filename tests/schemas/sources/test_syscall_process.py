"""The process, its parent and its ancestors."""

from __future__ import annotations

from tests.schemas.kinds import NEW, OLD
from tests.schemas.sources.rows import (
    HEX,
    IN_DATA,
    NOW,
    PARENT,
    SAME,
    UNMAPPED,
    Case,
    P,
    check,
    each,
    finding_of,
)

CASES = [
    Case("proc.name", "bash", {}, (f"{P}.name", SAME), None),
    Case("proc.pid", 23987, {}, (f"{P}.pid", SAME), ("actor.process.pid", SAME)),
    Case("proc.exepath", "/usr/bin/bash", {}, (f"{P}.file.path", SAME), (f"{P}.path", SAME)),
    Case("proc.exe", "/bin/sh", {}, (f"{P}.file.path", SAME), None),
    Case("proc.exe", "-bash", {}, (IN_DATA, SAME), None),
    Case("proc.exe", "/tmp/sh", {"proc.exepath": "/bin/sh"}, (IN_DATA, SAME), None),
    Case("proc.is_exe_upper_layer", True, {}, (IN_DATA, SAME), None),
    Case("proc.tty", 0, {}, (f"{P}.session", None), None),
    Case("proc.cmdline", "bash -i", {}, (f"{P}.cmd_line", SAME), ("actor.process.cmd_line", SAME)),
    Case("proc.exeline", "bash -i", {}, (f"{P}.cmd_line", SAME), None),
    Case("proc.vpid", 57, {}, (f"{P}.namespace_pid", SAME), None),
    Case("thread.tid", 23987, {}, (f"{P}.tid", SAME), (f"{P}.ptid", SAME)),
    Case("thread.tid", 2**31, {}, (UNMAPPED, "2147483648"), (f"{P}.ptid", SAME)),
    Case("proc.cwd", "/root/", {}, (IN_DATA, SAME), (f"{P}.working_directory", SAME)),
    Case("proc.pid.ts", NOW * 10**6 + 5, {}, (f"{P}.created_time", NOW), None),
    Case("proc.duration", 80 * 10**6, {}, (f"{P}.created_time", NOW - 80), None),
    Case("proc.tty", 34816, {}, (f"{P}.session.terminal", "34816"), None),
    Case("proc.sid", 1, {}, (f"{P}.session.uid", "1"), None),
    Case("proc.exe_ino", 77, {"proc.exepath": "/bin/sh"}, (f"{P}.file.uid", "77"), None),
    Case(
        "proc.exe_ino.mtime",
        NOW * 10**6,
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.modified_time", NOW),
        None,
    ),
    Case(
        "proc.hash.sha256",
        HEX,
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.hashes.0.value", SAME),
        None,
    ),
    Case(
        "proc.hash.sha1",
        HEX[:40],
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.hashes.0.algorithm", "SHA-1"),
        None,
    ),
    Case(
        "proc.hash.md5",
        HEX[:32],
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.hashes.0.algorithm_id", 1),
        None,
    ),
    Case("proc.pname", "runc", {}, (f"{PARENT}.name", SAME), None),
    Case("proc.ppid", 23950, {}, (f"{PARENT}.pid", SAME), None),
    Case("proc.pcmdline", "runc init", {}, (f"{PARENT}.cmd_line", SAME), None),
    Case("proc.pexepath", "/usr/bin/runc", {}, (f"{PARENT}.file.path", SAME), None),
    Case("proc.pvpid", 1, {}, (f"{PARENT}.namespace_pid", SAME), None),
    Case("proc.ppid.ts", NOW * 10**6, {}, (f"{PARENT}.created_time", NOW), None),
    Case("proc.ppid.duration", 10**9, {}, (f"{PARENT}.created_time", NOW - 1000), None),
    Case(
        "proc.aname[2]",
        "systemd",
        {},
        (f"{P}.lineage", ["systemd"]),
        (f"{P}.ancestry.0.name", SAME),
    ),
    Case(
        "proc.aname_3", "systemd", {}, (f"{P}.lineage", ["systemd"]), (f"{P}.ancestry.0.name", SAME)
    ),
    Case(
        "proc.aexepath[2]",
        "/sbin/init",
        {},
        (f"{P}.lineage", ["/sbin/init"]),
        (f"{P}.ancestry.0.path", SAME),
    ),
    Case(
        "proc.aexe[2]",
        "/sbin/init",
        {"proc.aname[2]": "init"},
        (f"{P}.lineage", ["/sbin/init"]),
        (f"{P}.ancestry.0.path", SAME),
    ),
    Case("proc.aexe[2]", "init", {"proc.aname[2]": "init"}, (UNMAPPED, SAME), None),
    Case(
        "proc.aexe[2]",
        "/init",
        {"proc.aexepath[2]": "/sbin/init"},
        (UNMAPPED, SAME),
        None,
    ),
    Case("proc.acmdline[2]", "init 3", {}, (UNMAPPED, SAME), (f"{P}.ancestry.0.cmd_line", SAME)),
    Case("proc.apid[2]", 1, {}, (UNMAPPED, "1"), (f"{P}.ancestry.0.pid", SAME)),
    Case("proc.env", "TOKEN=secret", {}, (UNMAPPED, SAME), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)


def test_a_process_without_pid_has_a_uid_made_of_the_findings() -> None:
    finding = finding_of(OLD, {"proc.name": "sh", "proc.pname": "init"})
    process = finding["evidences"][0]["process"]

    assert process["uid"] == finding["actor"]["process"]["uid"]
    assert process["uid"] == "falco:" + finding["metadata"]["uid"]
    assert process["parent_process"]["uid"] == process["uid"] + ":parent"


def test_ancestors_are_in_order_and_the_parent_is_one_of_them() -> None:
    fields = {
        "proc.aname[3]": "systemd",
        "proc.aname[2]": "containerd-shim",
        "proc.pname": "runc",
        "proc.pexepath": "/usr/bin/runc",
    }

    old = finding_of(OLD, fields)["evidences"][0]["process"]
    new = finding_of(NEW, fields)["evidences"][0]["process"]

    assert old["lineage"] == ["systemd", "containerd-shim", "/usr/bin/runc"]
    assert new["ancestry"] == [
        {"name": "runc", "path": "/usr/bin/runc"},
        {"name": "containerd-shim"},
        {"name": "systemd"},
    ]


def test_a_field_without_a_name_is_nothing_of_an_ancestor() -> None:
    fields = {"proc.aname[2]": "systemd", "": "of no field"}
    for mapping in (OLD, NEW):
        finding = finding_of(mapping, fields)
        assert finding["unmapped"][""] == "of no field"
        assert "of no field" not in f"{finding['evidences'][0]['process']}"
