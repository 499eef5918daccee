"""Two alerts, and the parts that their findings must consist of."""

from __future__ import annotations

from typing import Any

from schemas.mapping import Mapping, Options
from tests.alerts import native
from tests.schemas.kinds import finding_of
from tests.schemas.ocsf_schema import errors

UUID = "bcc55fc3-c0ab-434f-9921-d76f232ce0aa"
MS = 1_783_198_004_180
TEXT = "2026-07-04T20:46:44.180Z"
LOGGED = MS + 900
LOGGED_TEXT = "2026-07-04T20:46:45.080Z"
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


def finding_in(event_class: str, version: str, alert: dict[str, Any]) -> dict[str, Any]:
    options = Options(
        event_class=event_class, ocsf_version=version, product_version="0.42.0", tenant_uid="acme"
    )
    finding = finding_of(Mapping(options), native(alert), LOGGED)
    assert errors(event_class, finding) == []
    assert finding.pop("raw_data") == native(alert).decode()
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
CONFIDENCE = {"confidence_id": 2, "confidence": "Medium", "confidence_score": 60}
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
    "modified_time": MS,
    "modified_time_dt": TEXT,
    "first_seen_time": MS,
    "first_seen_time_dt": TEXT,
    "last_seen_time": MS,
    "last_seen_time_dt": TEXT,
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
            "uid": "falco",
            "name": "Falco",
            "vendor_name": "Falcosecurity",
            "version": "0.42.0",
            "feature": {"uid": source, "name": source},
        },
        "log_name": source,
        "log_provider": "Falco",
        "log_level": alert["priority"],
        "event_code": alert["rule"],
        "original_time": alert["time"],
        "logged_time": LOGGED,
        "logged_time_dt": LOGGED_TEXT,
        "processed_time": LOGGED,
        "processed_time_dt": LOGGED_TEXT,
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
            "uid": "falco",
            "name": "Falco",
            "vendor_name": "Falcosecurity",
            "version": "0.42.0",
            "feature": {"uid": "custom", "name": "watcher"},
        },
        loggers=[
            {
                "name": "Falco",
                "device": {"hostname": "falco-0", "type_id": 0, "type": "Unknown"},
            }
        ],
        **changes,
    )


def resource(version: str) -> dict[str, Any]:
    role = {"role_id": 3, "role": "Affected"} if version == "1.8.0" else {}
    return {"type": "Host", "name": "node-1", "uid": "node-1", **role}


RULE_URL = "https://falcosecurity.github.io/rules/#:~:text=Somebody%20did%20something"
PLUGIN_INFO = info(PLUGIN, UUID, PLUGIN["message"], ["cloud"]) | {"src_url": RULE_URL}
OF_RULE = {"data_sources": ["custom"], "analytic": analytic(PLUGIN), "attacks": ATTACKS}
