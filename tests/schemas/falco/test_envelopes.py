"""An alert is found in whatever a pipeline puts around it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from schemas.falco.envelopes import LEVELS
from schemas.mapping import Reject
from tests.alerts import INTERNAL, SHELL, native
from tests.schemas.kinds import OLD, finding_of

TEXT = native(SHELL).decode()


def said(record: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the finding without what the envelope changes, and what only the envelope says."""
    alone = finding_of(OLD, native(SHELL), 7)
    finding = finding_of(OLD, native(record), 7)
    for each in (finding, alone):
        del each["raw_data"]
    unmapped = finding.pop("unmapped", {})
    own = alone.pop("unmapped", {})
    assert finding == alone
    assert own.items() <= unmapped.items()
    return finding, {name: value for name, value in unmapped.items() if name not in own}


ENVELOPES: dict[str, tuple[Any, dict[str, str]]] = {
    "Filebeat": (
        {
            "@timestamp": "2026-07-10T12:00:01Z",
            "log": {"offset": 4711},
            "message": TEXT,
            "host": {"name": "node-1"},
        },
        {"log": '{"offset":4711}', "host": '{"name":"node-1"}'},
    ),
    "Fluent Bit, Merge_Log_Key": (
        {"stream": "stdout", "falco": SHELL, "kubernetes": {"pod_name": "falco-x"}},
        {"stream": "stdout", "kubernetes": '{"pod_name":"falco-x"}'},
    ),
    "Fluent Bit, Keep_Log": (
        {**SHELL, "stream": "stdout", "log": TEXT + "\n"},
        {"stream": "stdout"},
    ),
    "Fluent Bit, Merge_Log_Key and Keep_Log": ({"log": TEXT, "log_processed": SHELL}, {}),
    "systemd": ({"PRIORITY": "5", "MESSAGE": TEXT}, {"PRIORITY": "5"}),
    "Kafka Connect": (
        {"schema": {"type": "string"}, "payload": TEXT},
        {"schema": '{"type":"string"}'},
    ),
    "CloudEvents": (
        {
            "specversion": "1.0",
            "id": "1",
            "source": "https://falco.org",
            "type": "falco.rule.output.v1",
            "time": SHELL["time"],
            "rule": SHELL["rule"],
            "priority": SHELL["priority"],
            "data": SHELL,
        },
        {
            "specversion": "1.0",
            "id": "1",
            "envelope.source": "https://falco.org",
            "type": "falco.rule.output.v1",
        },
    ),
    "CloudEvents, base64": (
        {
            "specversion": "1.0",
            "type": "a",
            "data_base64": base64.b64encode(TEXT.encode()).decode(),
        },
        {"specversion": "1.0", "type": "a"},
    ),
    "Elastic's original": (
        {**SHELL, "event": {"original": TEXT, "kind": "alert"}},
        {"event": '{"kind":"alert"}'},
    ),
    "the message is a copy": ({**SHELL, "message": TEXT}, {}),
    "ECS, whose rule is an object": (
        {"rule": {"name": "a"}, "event": SHELL},
        {"envelope.rule": '{"name":"a"}'},
    ),
    "a rule, but no alert": (
        {"rule": "a", "priority": "b", "message": TEXT},
        {"envelope.rule": "a", "envelope.priority": "b"},
    ),
    "text in text": ({"a": json.dumps({"message": TEXT})}, {}),
    "text in quotes": (TEXT, {}),
    "a name of one of the alert's fields": (
        {"proc.name": "x", "log": SHELL},
        {"envelope.proc.name": "x"},
    ),
    "nothing of its own": ({"log": SHELL, "stream": "", "a": None}, {}),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_the_alert_is_found_and_the_rest_is_kept(name: str) -> None:
    record, own = ENVELOPES[name]

    assert said(record)[1] == own


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("levels", range(LEVELS + 2))
def test_so_many_envelopes_are_opened(levels: int, as_text: bool) -> None:
    record: Any = SHELL
    for _ in range(levels):
        record = {"any": json.dumps(record) if as_text else record}

    if levels <= LEVELS:
        said(record)
    else:
        assert OLD.map(native(record), 0) == Reject("The alert has no rule.")


def test_two_different_alerts_are_not_guessed_at() -> None:
    record = native({"a": SHELL, "b": INTERNAL})

    assert OLD.map(record, 0) == Reject("The alert has no rule.")


def test_the_known_keys_go_before_others() -> None:
    found = finding_of(OLD, native({"a": INTERNAL, "log": SHELL}), 7)

    assert found["finding_info"]["title"] == SHELL["rule"]
    assert json.loads(found["unmapped"]["a"])["rule"] == INTERNAL["rule"]


def test_a_field_of_the_alerts_keys_is_not_lost() -> None:
    found = finding_of(OLD, native({**SHELL, "proc.name": "other"}), 7)

    assert found["unmapped"]["alert.proc.name"] == "other"
