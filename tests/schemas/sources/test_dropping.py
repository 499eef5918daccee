"""Rules that drop alerts: which alerts they take, and that no other alert changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from schemas.mapping import Filtered, Mapping, Options
from schemas.sources.dropping import Drop
from tests.alerts import PLAIN, SAMPLES, SHELL, native
from tests.schemas.fields import alerts, some
from tests.schemas.kinds import OLD, finding_of
from tests.timing import cpu_seconds

POD = {
    **PLAIN,
    "rule": "Contact K8S API Server",
    "source": "syscall",
    "tags": ["network", "T1565"],
    "output_fields": {
        "k8s.ns.name": "kube-system",
        "container.image.repository": "registry.k8s.io/[a]/coredns",
        "container.image.tag": "v1.2",
    },
}


def is_dropped(alert: dict[str, Any], *rules: Drop) -> bool:
    found = Mapping(Options(drop=rules)).map(native(alert), 0)
    return isinstance(found, Filtered)


@pytest.mark.parametrize(
    ("name", "pattern", "taken"),
    [
        ("rule", "Contact K8S API Server", True),
        ("rule", "Contact K8S API", False),
        ("rule", "contact K8S API Server", False),
        ("rule", "Contact*", True),
        ("rule", "*API?Server", True),
        ("rule", "*", True),
        ("namespace", "kube-system", True),
        ("namespace", "kube-*", True),
        ("namespace", "kube", False),
        ("image", "registry.k8s.io/[a]/coredns", True),
        ("image", "registry.k8s.io/[a]/*", True),
        ("image", "registry.k8s.io/a/*", False),
        ("image", "*/coredns:v1.2", True),
        ("image", "*:v1.3", False),
        ("image", "coredns", False),
        ("tag", "network", True),
        ("tag", "T15*", True),
        ("tag", "v1.2", False),
        ("source", "syscall", True),
        ("source", "k8s_audit", False),
    ],
)
def test_a_condition_is_a_pattern_for_the_whole_text(name: str, pattern: str, taken: bool) -> None:
    assert is_dropped(POD, Drop(**{name: (pattern,)})) == taken


def test_all_conditions_of_a_rule_hold_for_one_pattern_each() -> None:
    both = Drop(rule=("x", "Contact*"), namespace=("default", "kube-system"))
    assert is_dropped(POD, both)
    assert not is_dropped(POD, both._replace(tag=("file",)))
    assert not is_dropped({**POD, "output_fields": {}}, both)


def test_the_first_rule_that_takes_an_alert_is_named() -> None:
    rules = (Drop(rule=("other",)), Drop(namespace=("kube-*",)), Drop(rule=("Contact*",)))
    found = Mapping(Options(drop=rules)).map(native(POD), 0)
    assert found == Filtered("namespace=kube-*", "Contact K8S API Server")


def test_what_an_alert_does_not_name_fits_no_pattern() -> None:
    for fields in ({}, {"k8s.ns.name": None}, {"k8s.ns.name": "<NA>"}, {"k8s.ns.name": ""}):
        alert = {**PLAIN, "output_fields": fields}
        for name in ("namespace", "image", "tag"):
            assert not is_dropped(alert, Drop(**{name: ("*",)}))


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"k8smeta.ns.name": "shop"}, Drop(namespace=("shop",))),
        ({"ka.target.namespace": "shop"}, Drop(namespace=("shop",))),
        ({"ka.target.namespace": "shop"}, Drop(source=("k8s_audit",))),
        ({"k8s": {"ns": {"name": "shop"}}}, Drop(namespace=("shop",))),
        ({"k8s_ns_name": "shop"}, Drop(namespace=("shop",))),
        ({"container.image": "a/nginx:1"}, Drop(image=("a/nginx:1",))),
        ({"ka.req.pod.containers.image": ["a", "b/nginx:1"]}, Drop(image=("*/nginx:*",))),
        ({"ka.req.pod.containers.image": "(a,b/nginx:1)"}, Drop(image=("*/nginx:*",))),
        ({"evt.source": "okta"}, Drop(source=("okta",))),
        ({}, Drop(source=("syscall",))),
    ],
)
def test_values_are_found_wherever_a_source_or_pipeline_puts_them(
    fields: dict[str, Any], rule: Drop
) -> None:
    assert is_dropped({**PLAIN, "output_fields": fields}, rule)


def test_a_rule_without_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Rule 2 .* no condition"):
        Mapping(Options(drop=(Drop(rule=("a",)), Drop())))


@some
@given(alert=alerts())
def test_no_other_alert_changes_and_none_is_too_odd(alert: dict[str, Any]) -> None:
    everything = tuple(Drop(**{name: ("*no such thing*",)}) for name in Drop._fields)
    record = native(alert)
    assert Mapping(Options(drop=everything)).map(record, 5) == Mapping(Options()).map(record, 5)


def test_each_source_can_be_dropped_alone() -> None:
    sources = {
        name: finding_of(OLD, native(sample))["metadata"]["log_name"]
        for name, sample in SAMPLES.items()
    }
    for source in sources.values():
        rule = Drop(source=(source,))
        assert {name: is_dropped(sample, rule) for name, sample in SAMPLES.items()} == {
            name: its == source for name, its in sources.items()
        }


def test_time_is_linear_in_the_length_of_a_value() -> None:
    rule = Drop(image=("*a*a*a*a*a*a*b",), namespace=("*",))
    fields = {"container.image.repository": "a" * 1_000_000, "k8s.ns.name": "n"}
    value = native({**SHELL, "output_fields": fields})
    mapping = Mapping(Options(drop=(rule,)))
    assert cpu_seconds(lambda: mapping.map(value, 0)) < 1
