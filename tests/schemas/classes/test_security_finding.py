"""A Security Finding, to the last attribute."""

from __future__ import annotations

import pytest

from schemas.classes.security_finding import places_of
from schemas.ocsf.columns import paths
from tests.schemas.classes.expected import (
    CONFIDENCE,
    HOST,
    OF_RULE,
    PLUGIN,
    PLUGIN_INFO,
    STATE,
    analytic,
    finding_in,
    head,
    info,
    metadata,
    of_plugin,
    resource,
)


def test_a_plugins_security_finding() -> None:
    assert finding_in("security_finding", "1.1.0", PLUGIN) == {
        **head(2001, "Security Finding", 3, "Medium"),
        **CONFIDENCE,
        **STATE,
        **OF_RULE,
        "message": PLUGIN["message"],
        "metadata": of_plugin("1.1.0"),
        "finding": PLUGIN_INFO,
        "unmapped": {"x": "1"},
    }


def test_a_hosts_security_finding() -> None:
    found = finding_in("security_finding", "1.1.0", HOST)
    uid = found["metadata"]["uid"]
    device = {"hostname": "node-1", "type_id": 0, "type": "Unknown"}
    where = "metadata.loggers[].device.hostname"
    assert found == {
        **head(2001, "Security Finding", 2, "Low"),
        **STATE,
        "message": HOST["output"],
        "metadata": metadata("1.1.0", HOST, uid=uid, loggers=[{"name": "Falco", "device": device}]),
        "finding": info(HOST, uid, HOST["output"], ["syscall"]),
        "data_sources": ["syscall"],
        "analytic": analytic(HOST),
        "resources": [resource("1.1.0")],
        "observables": [{"name": where, "type_id": 1, "type": "Hostname", "value": "node-1"}],
    }


@pytest.mark.parametrize(
    ("attribute", "places"),
    [
        ("evidences[].process.pid", ("process.pid", "evidence.process.pid")),
        ("evidences[].file.path", ("evidence.file.path", "evidence.others[].file.path")),
        ("finding_info.analytic.name", ("analytic.name",)),
        ("finding_info.attacks[].tactic.uid", ("attacks[].tactic.uid",)),
        ("finding_info.data_sources[]", ("data_sources[]",)),
        ("finding_info.title", ("finding.title",)),
        ("device.hostname", ("metadata.loggers[].device.hostname",)),
        ("actor.user.name", ()),
        ("severity_id", ("severity_id",)),
    ],
)
def test_a_security_finding_has_its_attributes_elsewhere(
    attribute: str, places: tuple[str, ...]
) -> None:
    assert places_of(attribute) == places
    in_columns = {name for name in places if not name.startswith("evidence.")}  # one JSON text
    assert in_columns <= paths("security_finding", "1.1.0")
