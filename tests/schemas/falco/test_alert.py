"""Every form that an alert comes in gives the same finding."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.mapping import Mapping, Options
from tests.alerts import SAMPLES, SHELL, falcosidekick, fluent_bit, native
from tests.schemas.kinds import OLD, each_kind, finding_of
from tests.schemas.ocsf_schema import errors


def said(record: bytes) -> dict[str, Any]:
    """Return the finding without what differs between two deliveries."""
    whole = finding_of(OLD, record, 7)
    text = json.dumps({key: whole[key] for key in whole if key != "raw_data"})
    finding: dict[str, Any] = json.loads(text.replace(whole["metadata"]["uid"], "UID"))
    del finding["metadata"]["original_time"]
    return finding


@each_kind
@pytest.mark.parametrize("form", [native, falcosidekick])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_valid_in_both_forms(
    name: str, form: Callable[[Any], bytes], kind: tuple[str, str]
) -> None:
    mapping = Mapping(Options(event_class=kind[0], ocsf_version=kind[1], product_version="0.42.0"))
    record = form(SAMPLES[name])
    finding = finding_of(mapping, record, 1_795_442_608_000)

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

    finding = finding_of(OLD, native(alert))

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
    "value", ["7", "7.0", "1e3", "-0.0", "1.5", "9" * 30, '"7"', "true", "[7]"]
)
def test_a_value_is_read_alike_whatever_is_nested_in_another_field(value: str) -> None:
    fields = {**SHELL["output_fields"], "a": "VALUE"}
    flat = native({**SHELL, "output_fields": fields}).replace(b'"VALUE"', value.encode())
    nested = native({**SHELL, "output_fields": {**fields, "b": [[]]}})
    deeper = said(nested.replace(b'"VALUE"', value.encode()))

    assert deeper["unmapped"].pop("b") == "[[]]"
    assert deeper == said(flat)
