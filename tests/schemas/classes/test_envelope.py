"""Whole findings, to the last attribute: what every finding says around its evidence."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.mapping import Mapping, Options
from tests.schemas.fields import encode
from tests.schemas.ocsf_schema import errors

UUID = "bcc55fc3-c0ab-434f-9921-d76f232ce0aa"
MS = 1_783_198_004_180
TEXT = "2026-07-04T20:46:44.180Z"
LOGGED = MS + 900
PLUGIN: dict[str, Any] = {
    "uuid": UUID,
    "hostname": "falco-0",
    "output": "20:46:44: Warning Somebody did [...]",
    "message": "Somebody did [...]",
    "priority": "Warning",
    "rule": "Somebody did something",
    "source": "custom",
    "tags": ["maturity_incubating", "T1059.004", "mitre_execution", "cloud"],
    "time": "2026-07-04T20:46:44.180672852Z",
    "output_fields": {"evt.pluginname": "watcher", "x": 1},
}
HOST: dict[str, Any] = {
    "hostname": "node-1",
    "output": "Something happened",
    "priority": "Notice",
    "rule": "Something",
    "source": "syscall",
    "time": PLUGIN["time"],
}
ATTACK_URL = "https://attack.mitre.org"


def mapped(event_class: str, version: str, alert: dict[str, Any]) -> dict[str, Any]:
    options = Options(
        event_class=event_class, ocsf_version=version, product_version="0.42.0", tenant_uid="acme"
    )
    finding = Mapping(options).finding(encode(alert), LOGGED)
    assert isinstance(finding, dict)
    assert errors(event_class, finding) == []
    assert finding.pop("raw_data") == encode(alert).decode()
    return finding


def head(class_uid: int, name: str, severity_id: int, severity: str) -> dict[str, Any]:
    return {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": class_uid,
        "class_name": name,
        "type_uid": class_uid * 100 + 1,
        "type_name": f"{name}: Create",
        "time": MS,
        "time_dt": TEXT,
        "timezone_offset": 0,
        "severity_id": severity_id,
        "severity": severity,
    }


STATUS = {"status_id": 1, "status": "New"}
STATE = {"state_id": 1, "state": "New"}
CONFIDENCE = {"confidence_id": 2, "confidence": "Medium"}
MODERN = {
    "is_alert": True,
    "action_id": 3,
    "action": "Observed",
    "disposition_id": 15,
    "disposition": "Detected",
}
TIMES = {
    "created_time": MS,
    "created_time_dt": TEXT,
    "first_seen_time": MS,
    "last_seen_time": MS,
}
ATTACKS = [
    {
        "version": "18.1",
        "tactic": {
            "uid": "TA0002",
            "name": "Execution",
            "src_url": f"{ATTACK_URL}/tactics/TA0002/",
        },
        "technique": {
            "uid": "T1059",
            "name": "Command and Scripting Interpreter",
            "src_url": f"{ATTACK_URL}/techniques/T1059/",
        },
        "sub_technique": {
            "uid": "T1059.004",
            "name": "Unix Shell",
            "src_url": f"{ATTACK_URL}/techniques/T1059/004/",
        },
    }
]


def metadata(version: str, alert: dict[str, Any], **changes: Any) -> dict[str, Any]:
    source = alert["source"]
    return {
        "version": version,
        "product": {
            "name": "Falco",
            "vendor_name": "Falcosecurity",
            "version": "0.42.0",
            "feature": {"name": source},
        },
        "log_name": source,
        "log_provider": "Falco",
        "log_level": alert["priority"],
        "event_code": alert["rule"],
        "original_time": alert["time"],
        "logged_time": LOGGED,
        "processed_time": LOGGED,
        "tenant_uid": "acme",
        "profiles": ["datetime"],
        **changes,
    }


def analytic(alert: dict[str, Any]) -> dict[str, Any]:
    name = alert["rule"]
    return {
        "name": name,
        "uid": name,
        "type_id": 1,
        "type": "Rule",
        "category": alert["source"],
    }


def info(alert: dict[str, Any], uid: str, desc: str, types: list[str]) -> dict[str, Any]:
    return {"uid": uid, "title": alert["rule"], "desc": desc, "types": types, **TIMES}


def of_plugin(version: str, **changes: Any) -> dict[str, Any]:
    return metadata(
        version,
        PLUGIN,
        uid=UUID,
        labels=PLUGIN["tags"],
        product={
            "name": "Falco",
            "vendor_name": "Falcosecurity",
            "version": "0.42.0",
            "feature": {"name": "watcher"},
        },
        loggers=[
            {
                "name": "Falco",
                "device": {"hostname": "falco-0", "type_id": 0, "type": "Unknown"},
            }
        ],
        **changes,
    )


PLUGIN_INFO = info(PLUGIN, UUID, PLUGIN["message"], ["cloud"])
OF_RULE = {"data_sources": ["custom"], "analytic": analytic(PLUGIN), "attacks": ATTACKS}


@pytest.mark.parametrize("version", ["1.1.0", "1.8.0"])
def test_a_plugins_detection_finding(version: str) -> None:
    expected = {
        **head(2004, "Detection Finding", 3, "Medium"),
        **CONFIDENCE,
        **STATUS,
        "message": PLUGIN["message"],
        "metadata": of_plugin(version),
        "finding_info": {**PLUGIN_INFO, **OF_RULE},
        "unmapped": {"x": "1"},
    }
    if version == "1.8.0":
        expected |= {**MODERN, "raw_data_size": len(encode(PLUGIN))}
        expected["metadata"] |= {
            "source": "custom",
            "log_format": "JSON",
            "original_event_uid": UUID,
            "is_truncated": True,
            "profiles": ["datetime", "security_control"],
        }
    assert mapped("detection_finding", version, PLUGIN) == expected


def test_a_plugins_security_finding() -> None:
    assert mapped("security_finding", "1.1.0", PLUGIN) == {
        **head(2001, "Security Finding", 3, "Medium"),
        **CONFIDENCE,
        **STATE,
        **OF_RULE,
        "message": PLUGIN["message"],
        "metadata": of_plugin("1.1.0"),
        "finding": PLUGIN_INFO,
        "unmapped": {"x": "1"},
    }


def resource(version: str) -> dict[str, Any]:
    role = {"role_id": 3, "role": "Affected"} if version == "1.8.0" else {}
    return {"type": "Host", "name": "node-1", "uid": "node-1", **role}


@pytest.mark.parametrize("version", ["1.1.0", "1.8.0"])
def test_a_hosts_detection_finding(version: str) -> None:
    found = mapped("detection_finding", version, HOST)
    uid = found["metadata"]["uid"]
    modern = version == "1.8.0"
    profiles = ["datetime", "security_control"] if modern else ["datetime", "host"]
    expected = {
        **head(2004, "Detection Finding", 2, "Low"),
        **STATUS,
        "message": HOST["output"],
        "metadata": metadata(version, HOST, uid=uid, profiles=profiles),
        "finding_info": {
            **info(HOST, uid, HOST["output"], ["syscall"]),
            "data_sources": ["syscall"],
            "analytic": analytic(HOST),
        },
        "device": {
            "hostname": "node-1",
            "type_id": 0,
            "type": "Unknown",
            "os": {"name": "Linux", "type_id": 200, "type": "Linux"},
        },
        "resources": [resource(version)],
        "observables": [
            {"name": "device.hostname", "type_id": 1, "type": "Hostname", "value": "node-1"}
        ],
    }
    if modern:
        expected |= {**MODERN, "raw_data_size": len(encode(HOST))}
        expected["metadata"] |= {"source": "syscall", "log_format": "JSON"}
    assert found == expected


def test_a_hosts_security_finding() -> None:
    found = mapped("security_finding", "1.1.0", HOST)
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


@pytest.mark.parametrize(("version", "attribute"), [("1.1.0", "name"), ("1.8.0", "hostname")])
def test_what_is_no_host_name_before_ocsf_1_4_is_a_name(version: str, attribute: str) -> None:
    found = mapped("detection_finding", version, {**HOST, "hostname": "node_1"})
    assert found["device"][attribute] == "node_1"
    assert ("observables" in found) == (version == "1.8.0")
    found = mapped("detection_finding", version, {**PLUGIN, "hostname": "node_1"})
    assert found["metadata"]["loggers"][0]["device"][attribute] == "node_1"
