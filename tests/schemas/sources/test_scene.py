"""Every row of the mapping is tested, and none claims what never happens."""

from __future__ import annotations

import pytest

from schemas.ocsf.columns import paths
from schemas.sources.scene import ROWS, rows_of
from tests.schemas.kinds import NEW, OLD
from tests.schemas.sources import (
    test_aws_cloudtrail,
    test_gcp_auditlog,
    test_github,
    test_k8s_audit,
    test_okta,
    test_syscall_container,
    test_syscall_event,
    test_syscall_file,
    test_syscall_network,
    test_syscall_process,
    test_syscall_user,
)
from tests.schemas.sources.rows import NOW, SAME, UNMAPPED, Case, check, each, explained, finding_of

CASES = [
    Case("falco.version", "0.44.1", {}, ("metadata.product.version", SAME), None),
    Case("evt.hostname", "node-1", {}, ("device.hostname", SAME), None),
    Case("evt.source", "okta", {"source": None}, ("metadata.log_name", SAME), None),
    Case("evt.pluginname", "json", {}, ("metadata.product.feature.name", SAME), None),
    Case("evt.time", NOW * 10**6, {"time": None}, ("time", NOW), None),
    Case("evt.time.iso8601", NOW * 10**6, {"time": None}, ("time", NOW), None),
    Case("evt.datetime", NOW * 10**6, {"time": None}, ("time", NOW), None),
    Case("evt.rawtime", NOW * 10**6, {"time": None}, ("time", NOW), None),
    Case("ct.time", "2026-07-04T20:46:44.180672852Z", {}, ("unmapped", None), None),
    Case("okta.published", "2026-07-04T20:46:44.180672852Z", {}, ("unmapped", None), None),
    Case("gcp.time", "2020-07-04T20:46:44Z", {}, (UNMAPPED, SAME), None),
]
ALL_CASES = [
    *CASES,
    *(
        case
        for module in (
            test_syscall_container,
            test_syscall_user,
            test_syscall_process,
            test_syscall_event,
            test_syscall_file,
            test_syscall_network,
            test_k8s_audit,
            test_aws_cloudtrail,
            test_gcp_auditlog,
            test_okta,
            test_github,
        )
        for case in module.CASES
    ),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)


def test_every_row_is_tested() -> None:
    tested = {case.field for case in ALL_CASES}

    missing = [
        row.field
        for row in ROWS
        if row.attributes and not any(row in rows_of(name) for name in tested)
    ]

    assert missing == []


def test_every_attribute_that_a_row_names_is_reached() -> None:
    """docs/mapping.md is made of the rows, so a row must not claim what never happens."""
    reached: dict[str, set[str]] = {}
    for case in ALL_CASES:
        for mapping in (OLD, NEW):
            found = explained(mapping, {**case.others, case.field: case.value})
            for field, attributes in found.items():
                names = (
                    name.replace("evidences[].process.container", "evidences[].container")
                    for name in attributes
                )
                reached.setdefault(field, set()).update(names)

    never = [
        (row.field, name)
        for row in ROWS
        for name in row.attributes
        if not any(name in found for field, found in reached.items() if row in rows_of(field))
    ]

    assert never == []


@pytest.mark.parametrize("field", [row.field for row in ROWS if not row.attributes])
def test_a_field_without_attribute_is_unmapped(field: str) -> None:
    for mapping in (OLD, NEW):
        assert finding_of(mapping, {field: "some text"})["unmapped"] == {field: "some text"}


def test_every_tested_field_has_a_row_that_says_so() -> None:
    assert [case.field for case in ALL_CASES if not rows_of(case.field)] == []
    # A field without an exact row matches a pattern; these are all of them.
    instances = {case.field for case in ALL_CASES} - {row.field for row in ROWS}
    assert instances == {
        "container.label.app",
        "container.label[app]",
        "evt.args",
        "proc.is_exe_upper_layer",
        "json.value[/a/b]",
        "jevt.value[/a/b]",
        *(f"{k8s}.pod.label{app}" for k8s in ("k8s", "k8smeta") for app in (".app", "[app]")),
        "ka.req.pod.host_network",
        "ka.uri.param[command]",
        "ct.request",
        "ct.response",
        "ct.request.name",
        "ct.response.x",
        "proc.aname[2]",
        "proc.aname_3",
        "proc.aexepath[2]",
        "proc.aexe[2]",
        "proc.acmdline[2]",
        "proc.apid[2]",
    }


def test_every_row_names_attributes_that_exist() -> None:
    known = paths("detection_finding", "1.1.0") | paths("detection_finding", "1.8.0")
    known |= {
        path.replace("evidences[].process.container", "evidences[].container") for path in known
    }

    unknown = {name for row in ROWS for name in row.attributes} - known

    assert unknown == set()
