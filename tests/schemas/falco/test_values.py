"""Values that pipelines changed on the way mean what Falco meant."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from schemas.falco.values import labels_of
from tests.alerts import SHELL, native
from tests.schemas.kinds import OLD, finding_of


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("0.0", "0"),
        ("-0.0", "0"),
        ("1000.0", "1000"),
        ("1e3", "1000"),
        ("1.783684800123457e+18", "1783684800123457000"),
        ("9007199254740993.0", "9007199254740993"),
        ("1.5", "1.5"),
        ("1e-3", "0.001"),
        ("1e400", "1e400"),
    ],
)
@pytest.mark.parametrize("other", ["", '"a":"\\ud800",'])
def test_a_number_without_a_fraction_is_an_integer(literal: str, expected: str, other: str) -> None:
    record = native({**SHELL, "output_fields": "X"}).replace(
        b'"X"', f'{{{other}"custom":{literal}}}'.encode()
    )

    assert finding_of(OLD, record)["unmapped"]["custom"] == expected


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("a:1,b:2", ["a:1", "b:2"]),
        ("a:1, b:2", ["a:1", "b:2"]),
        ("m:NGINX, Inc., b:2", ["m:NGINX, Inc.", "b:2"]),
        ("a=1,b=2", ["a=1", "b=2"]),
        ("web", ["web"]),
        (" , ", []),
        (["a:1", "b:2 ", None, ""], ["a:1", "b:2"]),
        ({"a": "1", "b": 2}, ["a:1", "b:2"]),
        (7, ["7"]),
    ],
)
def test_labels_come_as_text_list_or_object(value: Any, labels: list[str]) -> None:
    assert labels_of(value) == labels


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in fields.items():
        *path, last = name.split(".")
        place = made
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                return fields
        place[last] = value
    return made


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name.replace(".", "_"): value for name, value in fields.items()}


@pytest.mark.parametrize("change", [nested, plain])
def test_names_without_their_dots_are_falcos(change: Any) -> None:
    fields = {
        name: value
        for name, value in SHELL["output_fields"].items()
        if name not in ("proc.pid.ts", "user.loginuid", "proc.is_exe_upper_layer")
        and not name.startswith("proc.aname")
    }
    expected = finding_of(OLD, native({**SHELL, "output_fields": fields}))
    found = finding_of(OLD, native({**SHELL, "output_fields": change(fields)}))

    for finding in (expected, found):
        del finding["raw_data"]
    assert found == expected


def test_a_dotted_name_goes_before_a_nested_one() -> None:
    fields = {"proc.name": "a", "proc": {"name": "b", "cmdline": "c"}, "user_name": "d"}
    fields |= {"user.name": "e"}

    found = finding_of(OLD, native({**SHELL, "output_fields": fields}))

    process = found["evidences"][0]["process"]
    assert (process["name"], process["cmd_line"]) == ("a", "c")
    assert found["unmapped"] == {"alert.proc.name": "b", "user_name": "d"}


def test_objects_that_are_not_falcos_stay_whole() -> None:
    fields = {"team": {"name": "a"}, "container": {"labels": {"app": "web"}, "id": "c"}}
    fields["proc"] = {"x" * 200: {"y": 1}}

    found = finding_of(OLD, native({**SHELL, "output_fields": fields}))

    assert found["unmapped"]["team"] == '{"name":"a"}'
    assert found["resources"][0]["data"] == {"container.labels": '{"app":"web"}'}
    assert found["unmapped"]["proc." + "x" * 200] == '{"y":1}'


@pytest.mark.parametrize(
    ("field", "source"),
    [
        ("ka.verb", "k8s_audit"),
        ("ct.name", "aws_cloudtrail"),
        ("okta.app", "okta"),
        ("github.org", "github"),
        ("gcp.user", "gcp_auditlog"),
        ("proc.name", "syscall"),
    ],
)
@pytest.mark.parametrize("given", [{}, {"source": "syscalls"}, {"source": ""}])
def test_the_fields_name_the_source_if_nothing_else_does(
    field: str, source: str, given: dict[str, str]
) -> None:
    alert = {key: value for key, value in SHELL.items() if key != "source"}
    record = native({**alert, **given, "output_fields": {field: "a"}})

    assert finding_of(OLD, record)["metadata"]["log_name"] == source


def test_empty_tags_are_dropped() -> None:
    assert "labels" not in finding_of(OLD, native({**SHELL, "tags": [""]}))["metadata"]


def test_protobufs_names_are_falcos() -> None:
    alert = {("outputFields" if key == "output_fields" else key): SHELL[key] for key in SHELL}

    found, expected = finding_of(OLD, native(alert)), finding_of(OLD, native(SHELL))

    assert found["evidences"] == expected["evidences"]


def test_bytes_that_are_not_utf_8_do_not_hide_the_alert() -> None:
    record = native({**SHELL, "output_fields": {"proc.cmdline": "cat X"}})
    record = record.replace(b"cat X", b"cat \xff\xfe.txt")

    found = finding_of(OLD, record)

    assert found["evidences"][0]["process"]["cmd_line"] == "cat \ufffd\ufffd.txt"
    assert found["raw_data"] == record.decode(errors="replace")
    kept = found["unmapped"]["raw_data_base64"]
    assert base64.b64decode(kept) == record


def test_gcps_authorizations_are_mapped_and_their_details_kept() -> None:
    items = [{"granted": True, "permission": "a.b", "resource": "r", "resourceAttributes": {}}]
    fields = {"gcp.user": "a", "gcp.authorizationInfo": json.dumps(items)}

    found = finding_of(OLD, native({**SHELL, "source": "gcp_auditlog", "output_fields": fields}))

    actor = found["evidences"][0]["actor"]
    assert actor["authorizations"] == [{"decision": "granted", "policy": {"name": "a.b"}}]
    assert json.loads(found["evidences"][0]["data"]["gcp.authorizationInfo"]) == items
