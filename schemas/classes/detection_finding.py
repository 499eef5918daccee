"""Class 2004, Detection Finding: a draft → the parts of the finding."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from schemas.classes.envelope import (
    Product,
    RuleKey,
    analytic_of,
    attacks_of,
    loggers_of,
    metadata_of,
    page_of,
    rule_metadata_of,
    severity_of,
    types_of,
)
from schemas.falco.alert import Alert
from schemas.ocsf.releases import Release, is_hostname
from schemas.sources.draft import Draft
from schemas.sources.scene import Scene


def rule_of(key: RuleKey, release: Release, product: Product) -> dict[str, Any]:
    """Return the part that all findings of a rule share."""
    rule: dict[str, Any] = {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "timezone_offset": 0,
        **severity_of(key),
        "status_id": 1,
        "status": "New",
        "metadata": rule_metadata_of(key, release, product),
    }
    if release.modern:
        rule["is_alert"] = rule["severity_id"] >= 2 and key.source != "internal"
        rule["action_id"], rule["action"] = 3, "Observed"
        rule["disposition_id"], rule["disposition"] = 15, "Detected"
    info: dict[str, Any] = {
        "title": key.name,
        "data_sources": [key.source],
        "types": types_of(key),
        "analytic": analytic_of(key),
    }
    if found := attacks_of(key):
        info["attacks"] = found
    if page := page_of(key):
        info["src_url"] = page
    rule["finding_info"] = info
    return rule


def scene_of(scene: Scene, release: Release) -> dict[str, Any]:
    """Return the part shared by findings with the same host, container, user and program."""
    part: dict[str, Any] = {}
    if scene.hostname is not None:
        if scene.of_host:
            part["device"] = _device_of(scene.hostname, release)
        else:
            part["metadata"] = {"loggers": loggers_of(scene.hostname, release)}
    if scene.actor:
        part["actor"] = scene.actor
    if scene.process or scene.evidence:
        process = {"process": scene.process} if scene.process else {}
        part["evidence"] = scene.evidence | process
    if scene.shared.cloud:
        part["cloud"] = scene.shared.cloud
    if scene.resources:
        part["resources"] = scene.resources
    if scene.observables:
        part["observables"] = scene.observables
    return part


def body_of(
    alert: Alert, draft: Draft, _scene: Scene, raw: str, release: Release
) -> dict[str, Any]:
    """Return the part that neither rule nor scene has; the uids that columns have go to `own`."""
    body: dict[str, Any] = {}
    if release.modern and (metadata := metadata_of(alert, raw)):
        body["metadata"] = metadata
    _take_uids(draft)
    if draft.related:
        body["finding_info"] = {"related_events": draft.related}
    if draft.cloud and release.modern and "account" in draft.cloud:
        draft.observe("cloud.account.uid", 35, draft.cloud["account"]["uid"])
    _add_parts(body, draft)
    return body


def _take_uids(draft: Draft) -> None:
    """Move the uids of the call's request and of the only related event to columns."""
    api = draft.evidence.get("api")
    if api.__class__ is dict and "request" in api:
        uid = api["request"].pop("uid")
        if uid != draft.uid:
            draft.own["request_uid"] = uid
    if len(draft.related) == 1:
        draft.own["event_uid"] = draft.related[0].pop("uid")


def _add_parts(body: dict[str, Any], draft: Draft) -> None:
    if draft.actor:
        body["actor"] = draft.actor
    if draft.cloud:
        body["cloud"] = draft.cloud
    if draft.evidence:
        body["evidence"] = draft.evidence
    if draft.more_evidences:
        body["more"] = draft.more_evidences
    if draft.resources:
        body["resources"] = draft.resources
    if draft.observables:
        body["observables"] = draft.observables


def profiles_of(draft: Draft, scene: Scene, release: Release) -> tuple[str, ...]:
    """Return exactly the profiles whose attributes the finding has."""
    has_device = scene.of_host and scene.hostname is not None
    return _profiles(
        bool(draft.actor or scene.actor) or (has_device and not release.modern),
        draft.profiles,
        draft.cloud is not None or scene.shared.cloud is not None,
        release.modern,
    )


@lru_cache(256)
def _profiles(
    has_host: bool, used: tuple[str, ...], has_cloud: bool, modern: bool
) -> tuple[str, ...]:
    host = ("host",) if has_host else ()
    control = ("security_control",) if modern else ()
    cloud = ("cloud",) if has_cloud else ()
    return ("datetime", *control, *host, *sorted(used, reverse=True), *cloud)


def _device_of(hostname: str, release: Release) -> dict[str, Any]:
    attribute = "hostname" if release.modern or is_hostname(hostname) else "name"
    os = {"name": "Linux", "type_id": 200, "type": "Linux"}
    return {attribute: hostname, "type_id": 0, "type": "Unknown", "os": os}
