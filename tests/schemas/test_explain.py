"""Every key and field of an alert is explained, and what is said is true of its finding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from schemas.explain import Explanation, explain
from schemas.mapping import Filtered, Mapping, Options, Reject
from schemas.ocsf.columns import paths
from tests.alerts import PLAIN, SAMPLES, SHELL, native
from tests.schemas.fields import alerts
from tests.schemas.kinds import LEGACY, MAPPINGS, NEW, OLD, each_kind, finding_of


def explained(mapping: Mapping, value: bytes) -> list[Explanation]:
    found = explain(mapping, value)
    assert isinstance(found, list), found
    return found


def lines(mapping: Mapping, **changes: Any) -> dict[str, Explanation]:
    return {line.field: line for line in explained(mapping, native({**PLAIN, **changes}))}


def fields(mapping: Mapping, **output_fields: Any) -> dict[str, Explanation]:
    given = {name.replace("__", "."): value for name, value in output_fields.items()}
    return lines(mapping, output_fields=given)


@each_kind
@pytest.mark.parametrize("name", SAMPLES)
def test_every_key_and_field_has_its_line_in_order(name: str, kind: tuple[str, str]) -> None:
    found = explained(MAPPINGS[kind], native(SAMPLES[name]))

    keys = [line.field for line in found][: -len(SAMPLES[name]["output_fields"])]
    assert [line.field for line in found[len(keys) :]] == list(SAMPLES[name]["output_fields"])
    assert set(keys) == {key for key, value in SAMPLES[name].items() if value} - {"output_fields"}
    assert all(line.attributes or line.why for line in found)
    assert all(line.why for line in found if line.attributes in ((), ("unmapped",)))


@each_kind
@settings(max_examples=60)
@given(alert=alerts())
def test_the_explanation_is_true_of_every_alert(
    kind: tuple[str, str], alert: dict[str, Any]
) -> None:
    mapping = MAPPINGS[kind]
    finding = finding_of(mapping, native(alert))
    known = paths(*kind)
    given_fields = alert.get("output_fields", {})
    found = explained(mapping, native(alert))

    for line in found[len(found) - len(given_fields) :]:
        unmapped = line.field in finding.get("unmapped", {})
        assert (line.attributes == ("unmapped",)) == unmapped, line
        if not unmapped:
            for name in line.attributes:
                assert name in known or name.startswith("evidence."), line


def test_each_ancestors_field_has_its_own_reason() -> None:
    found = lines(NEW, output_fields={"proc.aexepath[2]": "/sbin/init", "proc.aexe[3]": "/init"})

    assert found["proc.aexepath[2]"].why.startswith("From 1.4 the parent first")
    assert found["proc.aexe[3]"].why.startswith("If absolute")


def test_it_says_where_and_why() -> None:
    found = lines(OLD, **SHELL)

    assert found["proc.name"].attributes == (
        "evidences[].process.name",
        "actor.process.name",
        "evidences[].actor.process.name",
    )
    assert found["container.name"].attributes == ("evidences[].process.container.name",)
    assert found["proc.cwd"].attributes == ("evidences[].data",)
    assert found["user.loginuid"][2:] == ((), "It says that there is none.")
    client = fields(OLD, okta__client__ip="203.0.113.7", okta__security__isp="acme")
    assert client["okta.security.isp"].why == "OCSF 1.1.0 has no evidences[].src_endpoint.isp."
    shell = lines(OLD, output_fields={"user.shell": "/bin/sh"})["user.shell"]
    assert shell.why == "OCSF has no place for it."
    assert found["container.privileged"].attributes == ("resources[].data",)
    assert found["container.id"][2:] == ((), "It repeats another value.")
    assert found["user.loginname"] == ("user.loginname", "<NA>", (), "The field has no value.")
    assert found["tags"].attributes == (
        "metadata.labels[]",
        "finding_info.attacks[]",
        "finding_info.types[]",
        "confidence_id",
        "confidence",
        "confidence_score",
    )


def test_each_class_and_release_names_its_own_attributes() -> None:
    given_fields = {"proc__name": "sh", "proc__cwd": "/root", "container__id": "3ad7b26ded6d"}
    old, new, legacy = (fields(mapping, **given_fields) for mapping in (OLD, NEW, LEGACY))

    assert old["container.id"].attributes == ("evidences[].process.container.uid",)
    assert new["container.id"].attributes == ("evidences[].container.uid",)
    assert legacy["container.id"].attributes == ("evidence.process.container.uid",)
    assert new["proc.cwd"].attributes == ("evidences[].process.working_directory",)
    assert legacy["proc.name"].attributes == ("process.name", "evidence.process.name")
    assert legacy["rule"].attributes == (
        "finding.title",
        "analytic.name",
        "analytic.uid",
        "metadata.event_code",
    )
    assert lines(LEGACY, hostname="node-1")["hostname"].attributes == (
        "metadata.loggers[].device.hostname",
        "resources[].name",
        "resources[].uid",
    )


def test_an_attribute_that_another_field_fills_is_not_claimed() -> None:
    given_fields = {"fd__name": "/etc/shadow", "evt__arg__path": "shadow", "evt__type": "openat"}
    found = fields(OLD, **given_fields)

    assert found["fd.name"].attributes == ("evidences[].file.path",)
    assert found["evt.arg.path"].attributes == ("evidences[].data",)


def test_equal_values_of_two_fields_are_both_found() -> None:
    found = fields(OLD, k8s__pod__name="web", k8smeta__pod__name="web")

    assert found["k8s.pod.name"].attributes == found["k8smeta.pod.name"].attributes
    assert found["k8s.pod.name"].attributes == ("resources[].name",)


def test_a_value_that_does_not_fit_is_said_to_be_unmapped() -> None:
    (line,) = [line for line in fields(OLD, proc__pid="many").values() if line.field == "proc.pid"]

    assert line.attributes == ("unmapped",)
    assert line.why.startswith("It does not fit evidences[].process.pid here.")


def test_the_message_takes_precedence_over_the_output() -> None:
    found = lines(OLD, message="Shell", output="20:46: Notice Shell")

    assert found["message"].attributes == ("message", "finding_info.desc")
    assert found["output"].attributes == ()
    assert lines(OLD, output="Shell")["output"].attributes == ("message", "finding_info.desc")


def test_a_reject_or_filtered_alert_is_not_explained() -> None:
    assert explain(OLD, b"{}") == Reject("The alert has no rule.")
    assert explain(Mapping(Options(minimum_priority="error")), native(PLAIN)) == Filtered(
        "minimum_priority", PLAIN["rule"]
    )
