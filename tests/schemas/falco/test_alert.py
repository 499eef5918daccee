"""Every form that an alert comes in gives the same finding."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.mapping import Mapping, Options, Reject
from tests.schemas.ocsf_schema import errors
from tests.schemas.samples import SAMPLES, SHELL, falcosidekick, fluent_bit, native

KINDS = (
    ("detection_finding", "1.1.0"),
    ("detection_finding", "1.8.0"),
    ("security_finding", "1.1.0"),
)
MAPPING = Mapping(Options())


def said(record: bytes) -> dict[str, Any]:
    """The finding without what tells one delivery from another."""
    finding = MAPPING.finding(record, 7)
    assert isinstance(finding, dict), finding
    text = json.dumps({key: finding[key] for key in finding if key != "raw_data"})
    finding = json.loads(text.replace(finding["metadata"]["uid"], "UID"))
    del finding["metadata"]["original_time"]
    return finding


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("form", [native, falcosidekick])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_valid_in_both_forms(
    name: str, form: Callable[[Any], bytes], kind: tuple[str, str]
) -> None:
    mapping = Mapping(Options(event_class=kind[0], ocsf_version=kind[1], product_version="0.42.0"))
    record = form(SAMPLES[name])
    finding = mapping.finding(record, 1_795_442_608_000)

    assert isinstance(finding, dict), finding
    assert errors(kind[0], finding) == []
    assert finding["raw_data"] == record.decode()
    assert finding["metadata"]["logged_time"] == 1_795_442_608_000


@pytest.mark.parametrize("name", SAMPLES)
def test_falcosidekick_says_what_falco_says(name: str) -> None:
    assert said(falcosidekick(SAMPLES[name])) == said(native(SAMPLES[name]))


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "object"])
@pytest.mark.parametrize("key", ["log", "message", None])
@pytest.mark.parametrize("name", SAMPLES)
def test_fluent_bit_says_what_falco_says(name: str, key: str | None, as_text: bool) -> None:
    record = native(SAMPLES[name])

    assert said(fluent_bit(record, key, as_text=as_text)) == said(record)


def test_keys_may_come_in_any_order() -> None:
    for keys in itertools.islice(itertools.permutations(SHELL), 0, 5040, 97):
        assert said(native({key: SHELL[key] for key in keys})) == said(native(SHELL))


@pytest.mark.parametrize("left_out", range(16))
def test_falco_may_leave_out_any_of_its_optional_properties(left_out: int) -> None:
    optional = ("output", "output_fields", "tags", "hostname")
    alert = {**SHELL, "message": "A shell was spawned"}
    for place, key in enumerate(optional):
        if left_out >> place & 1:
            del alert[key]

    finding = MAPPING.finding(native(alert), -1)

    assert isinstance(finding, dict)
    assert errors("detection_finding", finding) == []
    assert finding["message"] == finding["finding_info"]["desc"] == "A shell was spawned"
    assert ("evidences" in finding) == ("output_fields" in alert)
    assert ("device" in finding) == ("hostname" in alert)
    assert ("labels" in finding["metadata"]) == ("tags" in alert)
    assert "logged_time" not in finding["metadata"]


def test_the_output_is_the_message_when_there_is_no_other() -> None:
    assert said(native(SHELL))["message"] == SHELL["output"]


def test_falcosidekicks_bracket_replacer_changes_nothing() -> None:
    fields = {
        key.replace("[", "_").replace("]", ""): v for key, v in SHELL["output_fields"].items()
    }

    assert said(native({**SHELL, "output_fields": fields})) == said(native(SHELL))


def test_custom_fields_are_kept_as_they_are() -> None:
    fields = {**SHELL["output_fields"], "cluster": "prod", "team.name": "a b", "n": 1.5}

    unmapped = said(native({**SHELL, "output_fields": fields}))["unmapped"]

    assert unmapped | {"cluster": "prod", "team.name": "a b", "n": "1.5"} == unmapped


def test_a_top_level_value_of_a_wrong_type_is_kept() -> None:
    finding = said(native({**SHELL, "tags": "T1059", "output": 7, "new_key": {"a": 1}}))

    assert finding["unmapped"]["tags"] == "T1059"
    assert finding["unmapped"]["output"] == "7"
    assert finding["unmapped"]["new_key"] == '{"a":1}'


def test_a_lone_surrogate_does_not_hide_an_alert() -> None:
    record = native({**SHELL, "output": "X"}).replace(b'"X"', rb'"a\ud800b \ud83d\ude00"')

    assert said(record)["message"] == "a\ufffdb 😀"


@pytest.mark.parametrize(
    ("source", "rule", "expected"),
    [
        ("syscall", "a", "syscall"),
        ("syscalls", "a", "syscall"),
        ("", "a", "syscall"),
        (None, "Falco internal: x", "internal"),
        ("syscalls", "Falco internal: x", "internal"),
        ("internal", "Falco internal: x", "internal"),
        ("k8s_audit_eks", "a", "k8s_audit_eks"),
    ],
)
def test_the_source_is_found(source: str | None, rule: str, expected: str) -> None:
    finding = said(native({**SHELL, "source": source, "rule": rule}))

    assert finding["metadata"]["log_name"] == expected
    assert finding["finding_info"]["data_sources"] == [expected]


def test_only_a_syscall_alert_is_about_the_host_that_falco_runs_on() -> None:
    shell, kubernetes = said(native(SHELL)), said(native(SAMPLES["kubernetes"]))

    assert shell["device"]["hostname"] == SHELL["hostname"]
    assert "loggers" not in shell["metadata"]
    assert "device" not in kubernetes
    assert (
        kubernetes["metadata"]["loggers"][0]["device"]["hostname"] == "falco-k8saudit-6b7f9-abcde"
    )


def test_a_host_name_that_ocsf_1_1_refuses_is_the_devices_name() -> None:
    assert said(native(SAMPLES["file"]))["device"]["name"] == "node_1"


def test_delivered_again_an_alert_has_the_same_uid() -> None:
    uids = {MAPPING.finding(native(SHELL), at)["metadata"]["uid"] for at in (1, 2)}
    others = {
        MAPPING.finding(native({**SHELL, **change}), 1)["metadata"]["uid"]
        for change in ({"hostname": "b"}, {"rule": "b"}, {"output": "b"}, {"time": CLOSE})
    }

    assert len(uids) == 1
    assert len(others | uids) == 5
    assert {uid[14] for uid in others | uids} == {"5"}


CLOSE = "2026-11-23T14:03:27.123456788Z"


def test_the_aws_account_and_region_may_be_the_alerts() -> None:
    record = native(SAMPLES["cloudtrail"])
    options = {"region": "us-west-2", "account_id": "999999999999"}

    ours = Mapping(Options(**options)).map(record, 0)
    its = Mapping(Options(**options, location="alert")).map(record, 0)

    assert (ours.region, ours.account_id) == ("us-west-2", "999999999999")
    assert (its.region, its.account_id) == ("eu-west-1", "123456789012")


@pytest.mark.parametrize(
    "text", ["2026", "yesterday", "2026-07-04T20:46:44.1e5Z", "٢٠٢٦-07-04T20:46:44Z"]
)
def test_what_is_no_time_is_a_reject(text: str) -> None:
    assert MAPPING.map(native({**SHELL, "time": text}), 0) == Reject("The alert has no valid time.")


@pytest.mark.parametrize(
    ("text", "ms", "day"),
    [
        ("1970-01-01T00:00:00Z", 0, "19700101"),
        ("1969-12-31T23:59:59.999999999Z", -1, "19691231"),
        ("2026-07-04T20:46:44.180672852Z", 1_783_198_004_180, "20260704"),
        ("2026-07-04T20:46:44.1806728529999Z", 1_783_198_004_180, "20260704"),
        ("2026-07-04T20:46:44.18Z", 1_783_198_004_180, "20260704"),
        ("2026-07-05T00:46:44.18+04:00", 1_783_198_004_180, "20260704"),
        ("2026-07-04T20:46:44.180672852+0000", 1_783_198_004_180, "20260704"),
        ("0001-01-01T00:00:00.000Z", -62_135_596_800_000, "00010101"),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999, "99991231"),
    ],
)
def test_a_time_is_rounded_down_to_its_millisecond(text: str, ms: int, day: str) -> None:
    found = MAPPING.map(native({**SHELL, "time": text}), 0)
    finding = MAPPING.finding(native({**SHELL, "time": text}), 0)

    assert (found.time, found.event_day) == (ms, day)
    assert finding["time"] == finding["finding_info"]["created_time"] == ms
    assert finding["time_dt"].startswith(f"{day[:4]}-{day[4:6]}-{day[6:]}T")
    assert finding["time_dt"].endswith(f".{ms % 1000:03d}Z")
    assert finding["metadata"]["original_time"] == text
