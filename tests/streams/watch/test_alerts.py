"""What is watched of an alert, in both classes, and which alerts are wanted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import Filtered, Mapping, Options, Reject
from schemas.ocsf.releases import PRIORITIES, SEVERITIES
from streams.watch.alerts import Seen, Wanted, read
from tests.alerts import SAMPLES, SHELL, falcosidekick, native

MAPPINGS = [
    Mapping(Options(event_class=name)) for name in ("detection_finding", "security_finding")
]


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize(
    ("sample", "place", "host", "source"),
    [
        ("shell", "shop/web-7d9c5b8f6d-x2k4q", "ip-10-0-12-34.ec2.internal", "syscall"),
        (
            "connection",
            "fission-function/poolmgr-go-default-516098-5bdbf8c8f5-g8gvc",
            "",
            "syscall",
        ),
        ("file", "node_1", "node_1", "syscall"),
        ("kubernetes", "kube-system/debug-tools", "falco-k8saudit-6b7f9-abcde", "k8s_audit"),
        ("cloudtrail", "acme-customer-exports", "falco-cloudtrail-0", "aws_cloudtrail"),
        ("internal", "node-1", "node-1", "internal"),
    ],
)
@pytest.mark.parametrize("form", [native, falcosidekick])
def test_what_is_watched_of_a_finding(
    mapping: Mapping, form: Any, sample: str, place: str, host: str, source: str
) -> None:
    given = SAMPLES[sample]
    if form is falcosidekick and "hostname" not in given:
        given = {**given, "hostname": host}
    seen = read(mapping, form(given), 1)
    finding = mapping.finding(form(given), 1)
    assert isinstance(seen, Seen)
    assert isinstance(finding, dict)
    assert (seen.place, seen.host) == (place, host)
    assert (seen.rule, seen.message) == (given["rule"], given["output"])
    assert (seen.time, seen.severity) == (finding["time"], finding["severity"])
    assert seen.source in {source, "syscall"}


@given(
    changes=st.dictionaries(
        st.sampled_from([*SHELL["output_fields"], "hostname", "output"]),
        st.none() | st.text() | st.integers() | st.lists(st.text(), max_size=2) | st.booleans(),
        max_size=4,
    )
)
def test_any_value_of_a_field_can_be_watched(changes: dict[str, Any]) -> None:
    alert = {**SHELL, "output_fields": SHELL["output_fields"] | changes}
    alert |= {name: changes[name] for name in ("hostname", "output") if name in changes}
    for mapping in MAPPINGS:
        assert isinstance(read(mapping, json.dumps(alert).encode(), 1), Seen)


def test_rejects_and_filtered_alerts_are_told_apart() -> None:
    mapping = Mapping(Options(minimum_priority="error"))
    assert isinstance(read(mapping, b"{", 1), Reject)
    assert isinstance(read(mapping, None, 1), Reject)
    assert isinstance(read(mapping, native(SHELL), 1), Filtered)


RULE = "Terminal shell in container"
LOW = Seen(1, 2, "Low", RULE, "syscall", "node-1", "shop", "web", "text", frozenset({"shop"}))


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Wanted(), True),
        (Wanted(severity_id=2), True),
        (Wanted(severity_id=3), False),
        (Wanted(rules=("SHELL",)), True),
        (Wanted(rules=("outbound", "shell")), True),
        (Wanted(rules=("outbound",)), False),
        (Wanted(namespaces=frozenset({"shop", "pay"})), True),
        (Wanted(namespaces=frozenset({"sho"})), False),
        (Wanted(sources=frozenset({"syscall"})), True),
        (Wanted(sources=frozenset({"k8s_audit"})), False),
        (Wanted(3, ("shell",)), False),
    ],
)
def test_every_condition_has_to_hold(wanted: Wanted, passes: bool) -> None:
    assert (LOW in wanted) is passes


def test_an_unknown_severity_passes_every_threshold() -> None:
    mapping = MAPPINGS[0]
    unknown = read(mapping, native({**SHELL, "priority": "dreadful"}), 1)
    assert isinstance(unknown, Seen)
    assert unknown in Wanted(severity_id=6)


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_threshold_is_a_severity_and_those_above(priority: str) -> None:
    found = read(MAPPINGS[0], native({**SHELL, "priority": priority}), 1)
    assert isinstance(found, Seen)
    for least in range(1, len(SEVERITIES)):
        assert (found in Wanted(severity_id=least)) is (found.severity_id >= least)
