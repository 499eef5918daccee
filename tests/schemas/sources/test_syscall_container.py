"""Containers and Kubernetes workloads of the syscall source."""

from __future__ import annotations

import pytest

from schemas.mapping import Mapping
from tests.schemas.kinds import NEW, OLD
from tests.schemas.sources.rows import (
    C_NEW,
    C_OLD,
    HEX,
    SAME,
    UID,
    UNMAPPED,
    Case,
    check,
    each,
    finding_of,
)

CONTAINER = {"container.id": "3ad7b26ded6d"}
POD = {"k8s.pod.name": "web-x"}

CASES = [
    Case("container.id", "3ad7b26ded6d", {}, (f"{C_OLD}.uid", SAME), (f"{C_NEW}.uid", SAME)),
    Case("container.full_id", HEX, {}, (f"{C_OLD}.uid", SAME), (f"{C_NEW}.uid", SAME)),
    Case("container.name", "web", {}, (f"{C_OLD}.name", SAME), (f"{C_NEW}.name", SAME)),
    Case(
        "container.type", "cri-o", CONTAINER, (f"{C_OLD}.runtime", SAME), (f"{C_NEW}.runtime", SAME)
    ),
    Case(
        "container.image",
        "nginx:1",
        CONTAINER,
        (f"{C_OLD}.image.name", SAME),
        (f"{C_NEW}.image.name", SAME),
    ),
    Case(
        "container.image.repository",
        "nginx",
        CONTAINER,
        (f"{C_OLD}.image.name", SAME),
        (f"{C_NEW}.image.name", SAME),
    ),
    Case(
        "container.image.id",
        "sha256:1",
        CONTAINER,
        (f"{C_OLD}.image.uid", SAME),
        (f"{C_NEW}.image.uid", SAME),
    ),
    Case(
        "container.image.tag",
        "1.27",
        {**CONTAINER, "container.image.repository": "nginx"},
        (f"{C_OLD}.image.tag", SAME),
        (f"{C_NEW}.image.labels", ["1.27"]),
    ),
    Case(
        "container.image.digest",
        "sha256:" + HEX,
        CONTAINER,
        (f"{C_OLD}.hash.value", HEX),
        (f"{C_NEW}.hash.value", HEX),
    ),
    Case(
        "container.labels",
        "a=1,b=2",
        CONTAINER,
        ("resources.0.data", {"container.labels": "a=1,b=2"}),
        (f"{C_NEW}.labels", ["a=1", "b=2"]),
    ),
    Case(
        "container.label.app",
        "web",
        {**CONTAINER, "container.labels": "a:1,app:web"},
        ("resources.0.data", {"container.labels": "a:1,app:web", "container.label.app": "web"}),
        (f"{C_NEW}.labels", ["a:1", "app:web"]),
    ),
    Case(
        "container.label[app]",
        "web",
        CONTAINER,
        ("resources.0.data", {"container.label[app]": "web"}),
        (f"{C_NEW}.labels", ["app:web"]),
    ),
    Case(
        "container.label.app",
        "web",
        CONTAINER,
        ("resources.0.data", {"container.label.app": "web"}),
        (f"{C_NEW}.labels", ["app:web"]),
    ),
    Case("container.label.app", "web", {}, (UNMAPPED, SAME), None),
    *(
        Case(field, value, others, ("resources.0.data", {field: value}), None)
        for others in (POD, CONTAINER)
        for field, value in (
            ("container.privileged", True),
            ("container.mounts", "/a:/b::true:rw"),
            ("container.ip", "10.0.0.9"),
            ("container.start_ts", 1_783_198_004_180_672_852),
            ("container.host_pid", False),
            ("container.host_network", True),
            ("container.host_ipc", False),
            ("k8s.pod.ip", "10.0.0.9"),
            ("k8smeta.pod.ip", "10.0.0.9"),
            ("k8s.pod.sandbox_id", "3ad7b26ded6d"),
            ("k8s.pod.full_sandbox_id", "3ad7b26ded6d8e7b"),
            ("k8s.ns.labels", "team:shop"),
            ("k8smeta.ns.labels", ["team:shop"]),
            ("k8smeta.ns.uid", UID),
        )
    ),
    Case("container.privileged", "true", {}, (UNMAPPED, SAME), None),
    Case("k8s.pod.name", "web-x", {}, ("resources.0.name", SAME), None),
    Case("k8smeta.pod.name", "web-x", {}, ("resources.0.name", SAME), None),
    Case("k8s.pod.uid", UID, CONTAINER, (f"{C_OLD}.pod_uuid", SAME), (f"{C_NEW}.pod_uuid", SAME)),
    Case("k8smeta.pod.uid", UID, {}, ("resources.0.uid", SAME), None),
    Case(
        "k8smeta.pod.uid", UID, CONTAINER, (f"{C_OLD}.pod_uuid", SAME), (f"{C_NEW}.pod_uuid", SAME)
    ),
    Case("k8s.pod.id", UID, {}, ("resources.0.uid", SAME), None),
    Case("k8s.pod.labels", "a=1,b=2", POD, ("resources.0.labels", ["a=1", "b=2"]), None),
    Case("k8smeta.pod.labels", "a=1", POD, ("resources.0.labels", ["a=1"]), None),
    Case("k8s.pod.labels", "a:1, b:2,c", POD, ("resources.0.labels", ["a:1", "b:2,c"]), None),
    Case("k8smeta.pod.labels", ["a:1", "b:2"], POD, ("resources.0.labels", ["a:1", "b:2"]), None),
    Case("k8s.pod.labels", {"a": "1", "b": 2}, POD, ("resources.0.labels", ["a:1", "b:2"]), None),
    *(
        Case(f"{meta}.pod.label{name}", "web", POD, ("resources.0.labels", ["app:web"]), None)
        for meta in ("k8s", "k8smeta")
        for name in (".app", "[app]")
    ),
    *(
        Case(
            f"{meta}.{short}.labels",
            "a:1",
            {f"k8s.{short}.name": "web"},
            ("resources.0.labels", ["a:1"]),
            None,
        )
        for meta in ("k8s", "k8smeta")
        for short in ("deployment", "rs", "rc", "svc")
    ),
    Case("k8smeta.svc.name", ["web", "api"], {}, ("resources.1.name", "api"), None),
    Case("k8smeta.svc.uid", [UID, HEX], {}, ("resources.1.uid", HEX), None),
    Case("k8s.ns.name", "shop", POD, ("resources.0.namespace", SAME), None),
    Case("k8smeta.ns.name", "shop", POD, ("resources.0.namespace", SAME), None),
    *(
        Case(f"{meta}.{short}.{name}", "web", {}, (f"resources.0.{to}", SAME), None)
        for short in ("deployment", "rs", "rc", "svc")
        for meta, name, to in (
            ("k8s", "name", "name"),
            ("k8smeta", "name", "name"),
            ("k8s", "id", "uid"),
            ("k8smeta", "uid", "uid"),
        )
    ),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("mapping", [OLD, NEW], ids=["1.1.0", "1.8.0"])
def test_a_host_process_has_no_container(mapping: Mapping) -> None:
    names = ("container.id", "container.full_id", "container.name", "container.type")
    finding = finding_of(mapping, dict.fromkeys(names, "host"))

    assert finding.keys().isdisjoint({"evidences", "resources", "unmapped"})
    finding = finding_of(mapping, {"container.id": "3ad7b26ded6d", "container.name": "host"})
    assert "3ad7b26ded6d" in str(finding["evidences"])
    assert finding["resources"][0]["name"] == "host"
