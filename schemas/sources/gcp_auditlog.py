"""Google Cloud audit logs: `gcp.*`."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.falco.alert import is_deep
from schemas.ocsf.releases import Release, is_email, is_ip
from schemas.sources.draft import ANY, Draft, Row, plain

_API = "evidences[].api"
_USER = "evidences[].actor.user"

_RESOURCES = (
    "gcp.resourceName",
    "gcp.storage.bucket",
    "gcp.cloudfunctions.function",
    "gcp.cloudsql.databaseId",
    "gcp.compute.instanceId",
)

_AUTHORIZED = "With a user; from a JSON list of granted and permission."

ROWS = (
    Row("gcp.location", ("cloud.region",)),
    Row("gcp.projectId", ("cloud.account.uid", "cloud.project_uid"), "project_uid before 1.4."),
    Row("gcp.methodName", (f"{_API}.operation",)),
    Row("gcp.serviceName", (f"{_API}.service.name",), "With a method."),
    Row("gcp.request", (f"{_API}.request.data",), "With a method.", ANY),
    Row("gcp.policyDelta", (f"{_API}.request.data",), "With a method.", ANY),
    Row(
        "gcp.user",
        (f"{_USER}.name", f"{_USER}.email_addr"),
        "email_addr: if it is an e-mail address.",
    ),
    Row("gcp.authorizationInfo", ("evidences[].actor.authorizations[]",), _AUTHORIZED, ANY),
    Row("gcp.callerIP", ("evidences[].src_endpoint.ip",)),
    Row("gcp.userAgent", ("evidences[].http_request.user_agent",), "From 1.4."),
    *(Row(field, ("resources[].name",)) for field in _RESOURCES),
    Row("gcp.resourceType", ("resources[].type",), "With a name."),
    Row("gcp.resourceLabels", ("resources[].labels[]",), "With a name; key=value.", ANY),
)


def build(draft: Draft, release: Release) -> None:
    """Add the cloud, the call, who made it, and its resources."""
    fields = draft.fields
    if draft.cloud is None:
        _cloud(draft, release)
    _api(draft)
    _actor(draft)
    if is_ip(str(fields.get("gcp.callerIP", ""))):
        address = fields.pop("gcp.callerIP")
        draft.evidence["src_endpoint"] = {"ip": address}
        draft.observe("evidences[].src_endpoint.ip", 2, address)
    if release.modern and draft.evidence and "gcp.userAgent" in fields:
        agent = fields.pop("gcp.userAgent")
        draft.evidence["http_request"] = {"user_agent": agent}
        draft.observe("evidences[].http_request.user_agent", 16, agent)
    _resources(draft, release)


def _cloud(draft: Draft, release: Release) -> None:
    fields = draft.fields
    cloud: dict[str, Any] = {"provider": "GCP"}
    if (location := fields.pop("gcp.location", None)) is not None:
        cloud["region"] = location
    if (project := fields.pop("gcp.projectId", None)) is not None:
        if release.modern:
            cloud["account"] = {"uid": project, "type_id": 11, "type": "GCP Project"}
        else:
            cloud["account"] = {"uid": project, "type_id": 5, "type": "GCP Account"}
            cloud["project_uid"] = project
    draft.cloud = cloud


def _api(draft: Draft) -> None:
    fields = draft.fields
    operation = fields.pop("gcp.methodName", None)
    if operation is None:
        return
    api: dict[str, Any] = {"operation": operation}
    if (service := fields.pop("gcp.serviceName", None)) is not None:
        api["service"] = {"name": service}
    request: dict[str, Any] = {"uid": draft.uid}
    names = [name for name in ("gcp.request", "gcp.policyDelta") if name in fields]
    if names:
        request["data"] = {name: plain(fields.pop(name)) for name in names}
    api["request"] = request
    draft.evidence["api"] = api


def _actor(draft: Draft) -> None:
    fields = draft.fields
    name = fields.pop("gcp.user", None)
    if name is None:
        return
    user = {"name": name}
    if is_email(name):
        user["email_addr"] = name
    draft.observe("evidences[].actor.user.name", 4, name)
    actor: dict[str, Any] = {"user": user}
    if authorizations := _authorizations(fields.get("gcp.authorizationInfo")):
        actor["authorizations"] = authorizations
        del fields["gcp.authorizationInfo"]
    draft.evidence["actor"] = actor


def _authorizations(value: Any) -> list[dict[str, Any]] | None:
    """Return the authorizations in the audit log's list, or None if any of it does not fit."""
    found = []
    items = from_json(value)
    for item in items if isinstance(items, list) else [None]:
        if not isinstance(item, dict) or not item.keys() <= {"granted", "permission"}:
            return None
        authorization: dict[str, Any] = {}
        if "granted" in item:
            if item["granted"].__class__ is not bool:
                return None
            authorization["decision"] = "granted" if item["granted"] else "denied"
        if "permission" in item:
            if not item["permission"] or item["permission"].__class__ is not str:
                return None
            authorization["policy"] = {"name": item["permission"]}
        found.append(authorization)
    return found if all(found) else None


def from_json(value: Any) -> Any:
    """Return a field's value, parsed as JSON if it is text; None if it cannot be parsed."""
    if value.__class__ is not str:
        return value
    if is_deep(value):
        return None
    try:
        return msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return None


def _resources(draft: Draft, release: Release) -> None:
    fields = draft.fields
    names = [name for name in _RESOURCES if name in fields]
    for place, field in enumerate(names):
        kind = labels = None
        if place == 0:
            kind = fields.pop("gcp.resourceType", None)
            pairs = from_json(fields.get("gcp.resourceLabels"))
            if isinstance(pairs, dict) and all(isinstance(v, str) for v in pairs.values()):
                labels = [f"{key}={value}" for key, value in pairs.items()] or None
            if labels:
                del fields["gcp.resourceLabels"]
        draft.resource(release, 1, type=kind, name=fields.pop(field), labels=labels)
