"""At least one alert for each stock rule, source and form, and for each field Falco can print.

Covers what the random alerts of `test_mapping.py` may miss: every finding is valid, and has each
field's value.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import Any

from schemas.ocsf.attack import tactics
from schemas.ocsf.releases import MATURITY_CONFIDENCE_IDS, PRIORITIES
from streams import samples
from tests.alerts import PLAIN, native
from tests.schemas.fields import field_types, marked, traces
from tests.schemas.kinds import MAPPINGS, each_kind, finding_of, mapped, text_of
from tests.schemas.ocsf_schema import errors

START = 1_795_442_607_123_456_789
NOW = START // 10**6
#: Enough alerts to have every rule, although some fire rarely.
DRAWN = 12_000
RULES = 82


@cache
def one_of_each_rule() -> dict[tuple[str, str, str], bytes]:
    """Return an alert for each form, source and rule of the samples."""
    found: dict[tuple[str, str, str], bytes] = {}
    for form in ("native", "falcosidekick"):
        for value in samples.alerts(3, DRAWN, START, form):
            alert = json.loads(value)
            found.setdefault((form, alert.get("source", "old"), alert["rule"]), value)
    return found


def test_every_family_of_rules_has_an_alert() -> None:
    rules: dict[str, set[str]] = defaultdict(set)
    tags: set[str] = set()
    for (form, source, rule), value in one_of_each_rule().items():
        rules[f"{form} {source}"].add(rule)
        tags.update(json.loads(value).get("tags") or ())

    assert len({rule for _, _, rule in one_of_each_rule()}) == RULES
    for form, old in (("native", "old"), ("falcosidekick", "syscalls")):
        assert {each.split()[1] for each in rules if each.startswith(form)} == {
            *samples.SOURCES,
            old,
        }
        assert len(rules[f"{form} syscall"]) >= 40
        assert len(rules[f"{form} k8s_audit"]) >= 15
    assert tags >= {f"mitre_{name}" for name in ("execution", "persistence", "credential_access")}
    assert tags >= {f"maturity_{name}" for name in ("stable", "incubating", "sandbox")}


@each_kind
def test_every_rule_is_valid_in_both_forms(kind: tuple[str, str]) -> None:
    mapping = MAPPINGS[kind]
    for rule, value in one_of_each_rule().items():
        finding = finding_of(mapping, value, NOW)
        assert errors(kind[0], finding) == [], rule
        assert finding["raw_data"].encode() == value


@each_kind
def test_every_tactic_maturity_and_priority_is_valid(kind: tuple[str, str]) -> None:
    names = {uid: f"mitre_{name.lower().replace(' ', '_')}" for uid, name in tactics().items()}
    for uid, tag in names.items():
        for written in (tag, uid, f"{uid}-{tag}"):
            finding = finding_of(MAPPINGS[kind], native({**PLAIN, "tags": [written]}), NOW)
            assert errors(kind[0], finding) == []
            (attack,) = finding.get("finding_info", finding)["attacks"]
            assert attack["tactic"]["uid"] == uid
    for tag, confidence_id in MATURITY_CONFIDENCE_IDS.items():
        finding = finding_of(MAPPINGS[kind], native({**PLAIN, "tags": [tag]}), NOW)
        assert errors(kind[0], finding) == []
        assert finding["confidence_id"] == confidence_id
    for priority in PRIORITIES:
        finding = finding_of(MAPPINGS[kind], native({**PLAIN, "priority": priority}), NOW)
        assert errors(kind[0], finding) == []


def classes() -> dict[str, dict[str, Any]]:
    """Return every field that Falco and its plugins can print, by class: evt, proc, fd, ka, …"""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for number, (field, (_, type_)) in enumerate(field_types().items()):
        found[field.split(".")[0]][field] = marked(field, type_, number)
    return found


def check(kind: tuple[str, str], source: str, fields: dict[str, Any]) -> None:
    """Check that the finding is valid and has each field's value."""
    value = native({**PLAIN, "source": source, "output_fields": fields})
    found = mapped(MAPPINGS[kind], value, NOW)
    finding = finding_of(MAPPINGS[kind], value, NOW)
    assert errors(kind[0], finding) == [], fields
    text = text_of(found)
    lost = [name for name in fields if not any(part in text for part in traces(name, fields[name]))]
    assert lost == []
    resources = finding.get("resources", [])
    assert not [each for each in resources if resources.count(each) > 1]


def source_of(field: str) -> str:
    source = field_types()[field][0]
    return "syscall" if source == "*" else source


def test_the_list_of_falcos_fields_is_complete() -> None:
    found = classes()
    assert sum(map(len, found.values())) == len(field_types()) >= 630
    assert found.keys() >= {"evt", "proc", "thread", "user", "group", "container", "fd", "fs"}
    assert found.keys() >= {"k8s", "k8smeta", "ka", "ct", "s3", "ec2", "ecr", "iam", "gcp", "okta"}
    assert found.keys() >= {"github", "fdlist", "krsi", "json", "jevt", "anomaly"}


@each_kind
def test_every_field_alone_is_valid_and_there(kind: tuple[str, str]) -> None:
    for fields in classes().values():
        for field, value in fields.items():
            check(kind, source_of(field), {field: value})


@each_kind
def test_all_fields_of_a_class_are_valid_and_there(kind: tuple[str, str]) -> None:
    for fields in classes().values():
        check(kind, source_of(next(iter(fields))), fields)


@each_kind
def test_all_fields_of_a_source_are_valid_and_there(kind: tuple[str, str]) -> None:
    by_source: dict[str, dict[str, Any]] = defaultdict(dict)
    for fields in classes().values():
        for field, value in fields.items():
            by_source[source_of(field)][field] = value
    for source, fields in by_source.items():
        check(kind, source, fields)
