"""What every class says around its evidence: severity, metadata, the finding's description, times.

Owns the split between what is the same for all alerts of a rule, made once, and what each alert
adds; see `schemas.ocsf.parts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from schemas.falco.alert import Alert
from schemas.ocsf.attack import attacks, is_attack
from schemas.ocsf.releases import (
    CONFIDENCES,
    MATURITY_CONFIDENCE_IDS,
    SEVERITIES,
    SEVERITY_IDS,
    Release,
    is_hostname,
)
from schemas.sources.draft import Row

_encode = msgspec.json.Encoder().encode

_TIMES = (
    "time",
    "time_dt",
    "metadata.original_time",
    *(f"finding_info.{name}_time" for name in ("created", "first_seen", "last_seen")),
    "finding_info.created_time_dt",
)
KEY_ROWS = (
    Row(
        "uuid",
        ("metadata.uid", "finding_info.uid", "metadata.original_event_uid"),
        "Without one: a UUIDv5 of hostname, time, rule and output. original_event_uid from 1.7.",
    ),
    Row(
        "rule",
        (
            "finding_info.title",
            "finding_info.analytic.name",
            "finding_info.analytic.uid",
            "metadata.event_code",
        ),
        "The name is the only identity that a rule has.",
    ),
    Row(
        "priority",
        ("severity_id", "severity", "is_alert", "metadata.log_level"),
        "As falcosidekick maps it; the word itself is the log_level. is_alert from 1.4.",
    ),
    Row("time", _TIMES, "In milliseconds; original_time keeps the nanoseconds."),
    Row(
        "source",
        (
            "metadata.log_name",
            "metadata.source",
            "finding_info.data_sources[]",
            "finding_info.analytic.category",
            "metadata.product.feature.name",
        ),
        "syscalls is syscall; feature: the plugin, if it is named. metadata.source from 1.7.",
    ),
    Row(
        "hostname",
        (
            *("device.hostname", "device.name"),
            *("metadata.loggers[].device.hostname", "metadata.loggers[].device.name"),
            *("resources[].name", "resources[].uid"),
        ),
        "The affected device of syscall alerts; for plugins only the host that runs Falco.",
    ),
    Row("message", ("message", "finding_info.desc"), "The output without time and priority."),
    Row("output", ("message", "finding_info.desc"), "If the alert has no message."),
    Row(
        "tags",
        (
            *("metadata.labels[]", "finding_info.attacks[]", "finding_info.types[]"),
            *("confidence_id", "confidence"),
        ),
        "attacks: MITRE ATT&CK; confidence: maturity_*; types: the others.",
    ),
)
"""Where the keys of an alert go that are no output fields."""


@dataclass(frozen=True, slots=True)
class Product:
    """What a deployment says about its Falco."""

    version: str | None
    tenant_uid: str | None


class RuleKey(NamedTuple):
    """What the findings that share a `Rule` have in common."""

    name: str
    priority: str
    source: str
    feature: str
    """The plugin, or the source where no plugin is named."""
    tags: tuple[str, ...]
    profiles: tuple[str, ...]
    """The OCSF profiles whose attributes the findings have."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """How a record came in."""

    text: str
    size: int
    """Bytes."""
    timestamp: int
    """Kafka's, in milliseconds; -1 if it has none."""


def quote(value: Any) -> str:
    """`value` as JSON text."""
    return _encode(value).decode()


def severity_of(key: RuleKey) -> dict[str, Any]:
    """Severity, and confidence where the rule's maturity tells it."""
    level = key.priority.lower()
    severity_id = SEVERITY_IDS.get("informational" if level == "info" else level, 0)
    made: dict[str, Any] = {"severity_id": severity_id, "severity": SEVERITIES[severity_id]}
    if confidence_id := max((MATURITY_CONFIDENCE_IDS.get(tag, 0) for tag in key.tags), default=0):
        made["confidence_id"] = confidence_id
        made["confidence"] = CONFIDENCES[confidence_id]
    return made


def analytic_of(key: RuleKey) -> dict[str, Any]:
    """The rule as OCSF's analytic. Its name is the only identity that a Falco rule has."""
    name = key.name
    return {"name": name, "uid": name, "type_id": 1, "type": "Rule", "category": key.source}


def attacks_of(key: RuleKey) -> list[dict[str, Any]]:
    """The tactics and techniques that the rule is tagged with."""
    return attacks(key.tags)


def types_of(key: RuleKey) -> list[str]:
    """The tags that say what kind of rule it is; the source, if none do."""
    plain = [
        tag for tag in key.tags if tag and not is_attack(tag) and tag not in MATURITY_CONFIDENCE_IDS
    ]
    return plain or [key.source]


def rule_metadata_of(key: RuleKey, release: Release, product: Product) -> dict[str, Any]:
    """The part of `metadata` that all findings of a rule share."""
    made: dict[str, Any] = {"name": "Falco", "vendor_name": "Falcosecurity"}
    if product.version:
        made["version"] = product.version
    made["feature"] = {"name": key.feature}
    metadata: dict[str, Any] = {
        "version": release.version,
        "product": made,
        "log_name": key.source,
        "log_provider": "Falco",
        "log_level": key.priority,
        "event_code": key.name,
        "profiles": key.profiles,
    }
    if key.tags:
        metadata["labels"] = key.tags
    if product.tenant_uid:
        metadata["tenant_uid"] = product.tenant_uid
    if release.modern:
        metadata["source"] = key.source
        metadata["log_format"] = "JSON"
    return metadata


def metadata_of(alert: Alert, received: Received, uid: str, release: Release) -> dict[str, Any]:
    """The part of `metadata` that is the finding's own."""
    metadata: dict[str, Any] = {"uid": uid}
    if alert.time:
        metadata["original_time"] = alert.time
    if received.timestamp >= 0:
        metadata["logged_time"] = received.timestamp
    if release.modern:
        if alert.uuid:
            metadata["original_event_uid"] = uid
        # falcosidekick ends the strings that it cuts so.
        if "[...]" in received.text:
            metadata["is_truncated"] = True
    return metadata


def loggers_of(hostname: str, release: Release) -> list[dict[str, Any]]:
    """`metadata.loggers`: the host that Falco runs on, where the alert is not about it."""
    attribute = "hostname" if release.modern or is_hostname(hostname) else "name"
    return [{"name": "Falco", "device": {attribute: hostname, "type_id": 0, "type": "Unknown"}}]


def message_of(alert: Alert) -> str | None:
    """What the alert says: without time and priority before it, if Falco sent it so."""
    return alert.message or alert.output or None


def hostname_of(alert: Alert, fields: dict[str, Any]) -> str | None:
    """The host's name; `evt.hostname` says it where the alert does not."""
    hostname = alert.hostname or None
    if "evt.hostname" in fields and hostname in (None, fields["evt.hostname"]):
        hostname = fields.pop("evt.hostname")
    return hostname
