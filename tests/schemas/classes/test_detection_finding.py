"""A Detection Finding, to the last attribute."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts import SAMPLES, SHELL, native
from tests.schemas.classes.expected import (
    CONFIDENCE,
    HOST,
    MODERN,
    OF_RULE,
    PLUGIN,
    PLUGIN_INFO,
    STATUS,
    UUID,
    analytic,
    finding_in,
    head,
    info,
    metadata,
    of_plugin,
    resource,
)
from tests.schemas.kinds import NEW, OLD, finding_of
from tests.schemas.sources.rows import finding_of as with_fields


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
        expected |= {**MODERN, "raw_data_size": len(native(PLUGIN))}
        expected["metadata"] |= {
            "source": "custom",
            "log_format": "JSON",
            "original_event_uid": UUID,
            "is_truncated": True,
            "profiles": ["datetime", "security_control"],
        }
    assert finding_in("detection_finding", version, PLUGIN) == expected


@pytest.mark.parametrize("version", ["1.1.0", "1.8.0"])
def test_a_hosts_detection_finding(version: str) -> None:
    found = finding_in("detection_finding", version, HOST)
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
        expected |= {**MODERN, "raw_data_size": len(native(HOST))}
        expected["metadata"] |= {"source": "syscall", "log_format": "JSON"}
    assert found == expected


@pytest.mark.parametrize(("version", "attribute"), [("1.1.0", "name"), ("1.8.0", "hostname")])
def test_an_invalid_host_name_before_ocsf_1_4_is_a_name(version: str, attribute: str) -> None:
    found = finding_in("detection_finding", version, {**HOST, "hostname": "node_1"})
    assert found["device"][attribute] == "node_1"
    assert ("observables" in found) == (version == "1.8.0")
    found = finding_in("detection_finding", version, {**PLUGIN, "hostname": "node_1"})
    assert found["metadata"]["loggers"][0]["device"][attribute] == "node_1"


def test_only_a_syscall_alert_is_about_the_host_that_falco_runs_on() -> None:
    shell, kubernetes = (
        finding_of(OLD, native(SHELL)),
        finding_of(OLD, native(SAMPLES["kubernetes"])),
    )

    assert shell["device"]["hostname"] == SHELL["hostname"]
    assert "loggers" not in shell["metadata"]
    assert "device" not in kubernetes
    assert (
        kubernetes["metadata"]["loggers"][0]["device"]["hostname"] == "falco-k8saudit-6b7f9-abcde"
    )


def test_a_host_name_that_ocsf_1_1_refuses_is_the_devices_name() -> None:
    assert finding_of(OLD, native(SAMPLES["file"]))["device"]["name"] == "node_1"


@pytest.mark.parametrize(
    ("fields", "profiles"),
    [
        ({}, []),
        ({"proc.name": "sh"}, ["host"]),
        (
            {"group.gid": 1, "proc.vpid": 1, "user.name": "x"},
            ["host", "linux/linux_users", "container"],
        ),
        ({"ct.region": "eu-west-1"}, ["cloud"]),
    ],
)
def test_profiles_are_those_that_are_used(fields: dict[str, Any], profiles: list[str]) -> None:
    assert with_fields(OLD, fields)["metadata"]["profiles"] == ["datetime", *profiles]
    assert with_fields(NEW, fields)["metadata"]["profiles"] == [
        "datetime",
        "security_control",
        *profiles,
    ]
