"""Where Falco runs and custom fields, by the settings; what an alert names itself wins."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from schemas.explain import explain
from schemas.mapping import Mapping, Options
from schemas.ocsf.columns import paths
from schemas.sources import aws_cloudtrail, gcp_auditlog
from schemas.sources.place import TARGETS, Place
from tests.alerts import PLAIN, SAMPLES, SHELL, native
from tests.schemas.fields import alerts, some
from tests.schemas.kinds import KINDS, MAPPINGS, each_kind, finding_of, mapped
from tests.schemas.ocsf.test_parts import rows_from_duckdb, with_json_as_text
from tests.schemas.ocsf_schema import errors

HERE = Place("AWS", "111122223333", "eu-central-1", "prod", "arn:aws:eks:::cluster/prod")
AWS = {
    "provider": "AWS",
    "region": "eu-central-1",
    "account": {"uid": "111122223333", "type_id": 10, "type": "AWS Account"},
}
CLUSTER = {"type": "cluster", "name": "prod", "uid": "arn:aws:eks:::cluster/prod"}
CUSTOM = tuple((f"my.{number}", target) for number, target in enumerate(TARGETS))
FIELDS = {field: f"value of {field}" for field, _ in CUSTOM}


def options(kind: tuple[str, str] = KINDS[0], **given_: Any) -> Options:
    return Options(event_class=kind[0], ocsf_version=kind[1], **given_)


FULL = {kind: Mapping(options(kind, place=HERE, fields=CUSTOM)) for kind in KINDS}
PLACED = {kind: Mapping(options(kind, place=HERE)) for kind in KINDS}


def found(more: dict[str, Any], alert: dict[str, Any] = SHELL, **given_: Any) -> dict[str, Any]:
    """Return the finding of an alert with more fields, after one without them."""
    mapping = Mapping(options(**given_))
    finding_of(mapping, native(alert))
    fields = {**alert.get("output_fields", {}), **more}
    return finding_of(mapping, native({**alert, "output_fields": fields}))


def clusters(finding: dict[str, Any]) -> list[dict[str, Any]]:
    here = [each for each in finding.get("resources", []) if each.get("type") == "cluster"]
    return [{k: v for k, v in each.items() if k in ("type", "name", "uid")} for each in here]


@each_kind
@pytest.mark.parametrize(
    ("place", "where"),
    [
        (
            HERE,
            {
                "region": "eu-central-1",
                "cloud_partition": "aws",
                "owner": {"account": {"uid": "111122223333"}},
            },
        ),
        (Place("AWS", None, "cn-north-1"), {"region": "cn-north-1", "cloud_partition": "aws-cn"}),
        (Place("GCP", "p-1"), {"owner": {"account": {"uid": "p-1"}}}),
        (Place(), {}),
    ],
)
def test_the_pod_is_where_falco_runs(kind: tuple[str, str], place: Place, where: Any) -> None:
    finding = finding_of(Mapping(options(kind, place=place)), native(SHELL))

    assert errors(kind[0], finding) == []
    pods = [each for each in finding["resources"] if each["type"] in ("Pod", "Deployment")]
    assert len(pods) == 2
    names = ("region", "cloud_partition", "owner")
    for pod in pods:
        assert {name: pod[name] for name in names if name in pod} == where


@each_kind
def test_what_a_kubernetes_audit_is_about_is_where_falco_runs(kind: tuple[str, str]) -> None:
    where = {
        "region": "eu-central-1",
        "cloud_partition": "aws",
        "owner": {"account": {"uid": "111122223333"}},
    }
    finding = finding_of(PLACED[kind], native(SAMPLES["kubernetes"]))

    assert errors(kind[0], finding) == []
    assert {each["type"] for each in finding["resources"]} == {"pods", "cluster"}
    for each in finding["resources"]:
        assert {**each, **where} == each

    elsewhere = finding_of(PLACED[kind], native(SAMPLES["okta"]))
    assert elsewhere["cloud"] == AWS
    assert not any("owner" in each for each in elsewhere.get("resources", []))
    custom = found(
        {"a": "999999999999"},
        SAMPLES["kubernetes"],
        place=HERE,
        fields=(("a", "cloud.account.uid"),),
    )
    assert custom["resources"][0]["owner"] == {"account": {"uid": "999999999999"}}
    assert custom["resources"][0]["region"] == "eu-central-1"


@each_kind
@pytest.mark.parametrize("name", SAMPLES)
def test_every_finding_says_where_falco_runs(name: str, kind: tuple[str, str]) -> None:
    before = finding_of(MAPPINGS[kind], native(SAMPLES[name]))
    finding = finding_of(PLACED[kind], native(SAMPLES[name]))

    assert finding["cloud"] == before.get("cloud", AWS)
    assert finding["metadata"]["profiles"][-1] == "cloud"
    of_cloud = before["metadata"]["log_name"] not in {"syscall", "internal"} and (
        not before["metadata"]["log_name"].startswith("k8s")
    )
    assert clusters(finding) == (clusters(before) or ([] if of_cloud else [CLUSTER]))
    assert errors(kind[0], finding) == []
    if kind[1] == "1.8.0":
        accounts = [each for each in finding["observables"] if each["type_id"] == 35]
        assert [each["value"] for each in accounts] == [finding["cloud"]["account"]["uid"]]


@each_kind
@pytest.mark.parametrize("source", [aws_cloudtrail, gcp_auditlog])
def test_a_field_of_a_cloud_keeps_the_cloud_of_the_alert(
    source: ModuleType, kind: tuple[str, str]
) -> None:
    for field in (row.field.replace("*", "x") for row in source.ROWS):
        alert = native({**SHELL, "output_fields": {field: "v"}})
        own = finding_of(MAPPINGS[kind], alert).get("cloud")
        assert own is not None, field
        assert finding_of(PLACED[kind], alert)["cloud"] == own, field


@each_kind
@some
@given(alert=alerts())
def test_nothing_of_an_alert_changes_but_what_the_settings_add(
    kind: tuple[str, str], alert: dict[str, Any]
) -> None:
    before = finding_of(MAPPINGS[kind], native(alert))
    after = finding_of(PLACED[kind], native(alert))

    if "cloud" not in before:
        assert after.pop("cloud") == AWS
        after["metadata"]["profiles"].remove("cloud")
    for name in ("resources", "observables"):
        added = [each for each in after.pop(name, []) if each not in before.get(name, [])]
        marks = ("cluster", "111122223333", str(AWS["region"]))
        assert all(any(mark in str(each) for mark in marks) for each in added)
        before.pop(name, None)
    assert after == before


@each_kind
@some
@given(alert=alerts())
def test_with_custom_fields_every_finding_is_valid_and_loses_nothing(
    kind: tuple[str, str], alert: dict[str, Any]
) -> None:
    more = {**alert, "output_fields": {**FIELDS, **(alert.get("output_fields") or {})}}
    record = native(more)
    finding = finding_of(FULL[kind], record)

    assert errors(kind[0], finding) == []
    row = mapped(FULL[kind], record)
    for value in FIELDS.values():
        assert value in row.rule + row.scene + row.body + row.unmapped


@each_kind
def test_the_lake_has_what_map_prints(kind: tuple[str, str]) -> None:
    for mapping in (FULL[kind], PLACED[kind]):
        records = [
            native({**sample, "output_fields": {**sample["output_fields"], **more}})
            for sample in SAMPLES.values()
            for more in ({}, FIELDS)
        ]
        rows = rows_from_duckdb(mapping, [mapped(mapping, each) for each in records])
        for record, row in zip(records, rows, strict=True):
            assert with_json_as_text(row) == finding_of(mapping, record)


def test_what_all_alerts_of_a_scene_share_is_not_in_their_bodies() -> None:
    row = mapped(PLACED[KINDS[0]], native(SHELL))

    assert "111122223333" in row.scene
    assert "cluster/prod" in row.scene
    assert "111122223333" not in row.body
    assert "cluster/prod" not in row.body


@pytest.mark.parametrize(
    ("provider", "version", "account"),
    [
        ("GCP", "1.1.0", {"uid": "p", "type_id": 5, "type": "GCP Account"}),
        ("GCP", "1.8.0", {"uid": "p", "type_id": 11, "type": "GCP Project"}),
        ("Azure", "1.1.0", {"uid": "p", "type_id": 99, "type": "Azure Subscription"}),
        ("Azure", "1.8.0", {"uid": "p", "type_id": 13, "type": "Azure Subscription"}),
        ("Hetzner", "1.1.0", {"uid": "p"}),
    ],
)
def test_an_account_has_the_type_of_its_cloud(
    provider: str, version: str, account: dict[str, Any]
) -> None:
    kind = ("detection_finding", version)
    mapping = Mapping(options(kind, place=Place(provider, "p", "r")))
    finding = finding_of(mapping, native(SHELL))

    assert finding["cloud"]["account"] == account
    assert errors(kind[0], finding) == []


def test_custom_fields_go_to_their_places() -> None:
    fields = (("env", "metadata.labels[]"), ("team", "metadata.labels[]"), ("a", "cluster.name"))
    finding = found({"env": "prod", "team": 7, "a": "blue"}, place=HERE, fields=fields)

    assert finding["metadata"]["labels"] == [*SHELL["tags"], "env:prod", "team:7"]
    assert clusters(finding) == [{"type": "cluster", "name": "blue"}]
    assert {"env", "team", "a"}.isdisjoint(finding.get("unmapped", {}))


def test_a_custom_field_wins_over_the_setting_and_the_alert_s_own_over_both() -> None:
    fields = (("account", "cloud.account.uid"), ("blue", "cluster.name"))
    more = {"account": "999999999999", "blue": "blue"}

    finding = found(more, place=HERE, fields=fields)
    assert finding["cloud"]["account"]["uid"] == "999999999999"
    assert finding["cloud"]["region"] == "eu-central-1"

    finding = found(more, SAMPLES["cloudtrail"], place=HERE, fields=fields)
    assert finding["cloud"]["account"]["uid"] == "123456789012"
    assert finding["unmapped"]["account"] == "999999999999"

    finding = found({**more, "ka.cluster.name": "red"}, place=HERE, fields=fields)
    assert clusters(finding) == [{"type": "cluster", "name": "red"}]
    assert finding["unmapped"]["blue"] == "blue"

    for empty in ({"account": None, "blue": ""}, {"account": "<NA>", "ka.cluster.name": None}):
        finding = found(empty, place=HERE, fields=fields)
        assert (finding["cloud"], clusters(finding)) == (AWS, [CLUSTER])


def test_another_cloud_of_a_custom_field_has_nothing_of_the_settings() -> None:
    finding = found({"c": "GCP"}, place=HERE, fields=(("c", "cloud.provider"),))
    assert finding["cloud"] == {"provider": "GCP"}


def test_a_resource_without_a_name_stays_unmapped() -> None:
    fields = (("vm", "resources[].name"), ("kind", "resources[].type"))
    finding = found({"kind": "VM"}, fields=fields)
    assert finding["unmapped"]["kind"] == "VM"
    finding = found({"kind": "VM", "vm": "vm-1"}, fields=fields)
    assert {"type": "VM", "name": "vm-1"} in finding["resources"]


@pytest.mark.parametrize(
    ("field", "target", "said"),
    [
        ("env", "resources[].cluster", "there is no such place; choose one of metadata.labels[],"),
        ("env", "message", "no custom field can go there"),
        ("env", "time", "no custom field can go there"),
        ("proc.name", "metadata.labels[]", "'proc.name' has a place already: evidences[].process"),
        ("env", "cloud.account.uid", "OCSF has no cloud without a provider"),
        ("env", "resources[].type", "OCSF has no resource without a name or uid"),
    ],
)
def test_fields_that_the_schema_does_not_take_are_refused(
    field: str, target: str, said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Mapping(options(fields=((field, target),)))


@each_kind
def test_every_place_is_an_attribute(kind: tuple[str, str]) -> None:
    assert {name for names in TARGETS.values() for name in names} <= paths(*kind)


def test_explain_says_where_a_custom_field_goes() -> None:
    fields = (("env", "metadata.labels[]"), ("a", "cluster.name"))
    mapping = Mapping(options(place=HERE, fields=fields))
    alert = {**PLAIN, "output_fields": {"env": "prod", "a": "blue", "b": "c"}}
    lines = explain(mapping, native(alert))
    assert isinstance(lines, list)
    by_name = {line.field: line for line in lines}

    assert by_name["env"].attributes == ("metadata.labels[]",)
    assert by_name["env"].why == "By the settings: metadata.labels[]."
    assert by_name["a"].attributes == ("resources[].name",)
    assert by_name["b"].attributes == ("unmapped",)
