"""What every class has around its evidence: severity, metadata, description, times.

Owns the split between what all alerts of a rule share, which is built once, and what each alert
adds; see `schemas.ocsf.parts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from schemas.falco.alert import Alert
from schemas.ocsf.attack import attacks, others
from schemas.ocsf.releases import (
    CONFIDENCE_SCORES,
    CONFIDENCES,
    MATURITY_CONFIDENCE_IDS,
    SEVERITIES,
    SEVERITY_IDS,
    Release,
    is_hostname,
)
from schemas.sources.draft import Row

_encode = msgspec.json.Encoder().encode

_LONGEST_NAME = 200
_MATURITY_TAGS = frozenset(MATURITY_CONFIDENCE_IDS)
# A hyphen separates words in a text fragment, so it is encoded too.
_ENCODED = re.compile(rb"[^A-Za-z0-9_.~]")
_TIMES = (
    "time",
    "time_dt",
    "metadata.original_time",
    *(
        f"finding_info.{name}_time{form}"
        for name in ("created", "modified", "first_seen", "last_seen")
        for form in ("", "_dt")
    ),
)
KEY_ROWS = (
    Row(
        "uuid",
        ("metadata.uid", "finding_info.uid", "metadata.original_event_uid"),
        "If missing: a UUIDv5 of hostname, time, rule and output. original_event_uid from 1.7.",
    ),
    Row(
        "rule",
        (
            "finding_info.title",
            "finding_info.analytic.name",
            "finding_info.analytic.uid",
            "metadata.event_code",
            "finding_info.src_url",
        ),
        "A rule's name is its only identity. src_url: Falco's page, for its own rules.",
    ),
    Row(
        "priority",
        ("severity_id", "severity", "is_alert", "metadata.log_level"),
        "Severity as in falcosidekick; log_level is the priority itself. is_alert from 1.4.",
    ),
    Row("time", _TIMES, "In milliseconds; original_time keeps the nanoseconds."),
    Row(
        "source",
        (
            "metadata.log_name",
            "metadata.source",
            "finding_info.data_sources[]",
            "finding_info.analytic.category",
            "metadata.product.feature.uid",
            "metadata.product.feature.name",
        ),
        "syscalls becomes syscall. feature.name: the plugin if named. metadata.source from 1.7.",
    ),
    Row(
        "hostname",
        (
            *("device.hostname", "device.name"),
            *("metadata.loggers[].device.hostname", "metadata.loggers[].device.name"),
            *("resources[].name", "resources[].uid"),
        ),
        "Syscall alerts: the affected device. Plugins: only the host that runs Falco.",
    ),
    Row("message", ("message", "finding_info.desc"), "The output without time and priority."),
    Row("output", ("message", "finding_info.desc"), "If the alert has no message."),
    Row(
        "tags",
        (
            *("metadata.labels[]", "finding_info.attacks[]", "finding_info.types[]"),
            *("confidence_id", "confidence", "confidence_score"),
        ),
        "attacks: MITRE ATT&CK; confidence: maturity_*; types: all others.",
    ),
)
"""Where an alert's own keys go, as opposed to its output fields."""


@dataclass(frozen=True, slots=True)
class Product:
    """What the settings say about this deployment's Falco."""

    version: str | None
    tenant_uid: str | None


class RuleKey(NamedTuple):
    """What findings must have in common to share the part `rule`."""

    name: str
    priority: str
    source: str
    feature: str
    """The plugin, or the source if the alert names no plugin."""
    tags: tuple[str, ...]
    profiles: tuple[str, ...]
    """The OCSF profiles whose attributes the findings have."""
    version: str | None
    """Falco's version, if the alert names it."""


def quote(value: Any) -> str:
    """Return `value` as JSON text."""
    return _encode(value).decode()


def severity_of(key: RuleKey) -> dict[str, Any]:
    """Return the severity, and the confidence if a maturity tag gives one."""
    level = key.priority.lower()
    severity_id = SEVERITY_IDS.get("informational" if level == "info" else level, 0)
    made: dict[str, Any] = {"severity_id": severity_id, "severity": SEVERITIES[severity_id]}
    maturity = _MATURITY_TAGS.intersection(key.tags)
    if confidence_id := max((MATURITY_CONFIDENCE_IDS[tag] for tag in maturity), default=0):
        made["confidence_id"] = confidence_id
        made["confidence"] = CONFIDENCES[confidence_id]
        made["confidence_score"] = CONFIDENCE_SCORES[confidence_id]
    return made


def page_of(key: RuleKey) -> str | None:
    """Return the address of Falco's page of rules at this rule; None if it is not one of Falco's.

    Falco requires a maturity tag of its own rules. The fragment makes browsers show the rule's row.
    """
    if len(key.name) > _LONGEST_NAME or _MATURITY_TAGS.isdisjoint(key.tags):
        return None
    text = key.name.encode("utf-8", "replace")
    name = _ENCODED.sub(lambda found: b"%%%02X" % found[0][0], text).decode()
    return f"https://falcosecurity.github.io/rules/#:~:text={name}"


def analytic_of(key: RuleKey) -> dict[str, Any]:
    """Return the rule as an OCSF analytic. Its name is also its uid, as Falco has no other."""
    name = key.name
    return {"name": name, "uid": name, "type_id": 1, "type": "Rule", "category": key.source}


def attacks_of(key: RuleKey) -> list[dict[str, Any]]:
    """Return the tactics and techniques that the rule is tagged with."""
    return attacks(key.tags)


def types_of(key: RuleKey) -> list[str]:
    """Return the tags that say what kind of rule it is, or the source if there are none."""
    plain = [tag for tag in others(key.tags) if tag and tag not in _MATURITY_TAGS]
    return plain or [key.source]


def rule_metadata_of(key: RuleKey, release: Release, product: Product) -> dict[str, Any]:
    """Return the part of `metadata` that all findings of a rule share."""
    made: dict[str, Any] = {"uid": "falco", "name": "Falco", "vendor_name": "Falcosecurity"}
    if version := key.version or product.version:
        made["version"] = version
    made["feature"] = {"uid": key.source, "name": key.feature}
    metadata: dict[str, Any] = {
        "version": release.version,
        "product": made,
        "log_name": key.source,
        "log_provider": "Falco",
        "log_level": key.priority,
        "event_code": key.name,
        "profiles": key.profiles,
    }
    # OCSF's own extensions have its version.
    if any(profile.startswith("linux/") for profile in key.profiles):
        metadata["extensions"] = [{"name": "linux", "uid": "1", "version": release.version}]
    if key.tags:
        metadata["labels"] = key.tags
    if product.tenant_uid:
        metadata["tenant_uid"] = product.tenant_uid
    if release.modern:
        metadata["source"] = key.source
        metadata["log_format"] = "JSON"
    return metadata


def metadata_of(alert: Alert, raw: str) -> dict[str, Any]:
    """Return what the body has of `metadata` from 1.4; see `schemas.ocsf.parts`."""
    metadata: dict[str, Any] = {}
    if alert.uuid:
        metadata["original_event_uid"] = ""
    if is_truncated(raw):
        metadata["is_truncated"] = True
    return metadata


def is_truncated(text: str) -> bool:
    """Return whether falcosidekick has truncated strings of an alert: it ends them like this."""
    return "[...]" in text


def loggers_of(hostname: str, release: Release) -> list[dict[str, Any]]:
    """Return `metadata.loggers`: the host that runs Falco, for alerts not about that host."""
    attribute = "hostname" if release.modern or is_hostname(hostname) else "name"
    return [{"name": "Falco", "device": {attribute: hostname, "type_id": 0, "type": "Unknown"}}]


def hostname_of(alert: Alert, fields: dict[str, Any]) -> str | None:
    """Return the host's name, from `evt.hostname` if the alert has none."""
    hostname = alert.hostname or None
    if "evt.hostname" in fields and hostname in (None, fields["evt.hostname"]):
        hostname = fields.pop("evt.hostname")
    return hostname
