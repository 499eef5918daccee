"""Google Cloud audit logs: `gcp.*`."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.falco.alert import is_deep
from schemas.ocsf.releases import Release, is_email, is_ip
from schemas.sources.draft import ANY, DATA, Draft, Row, plain
from schemas.sources.place import cloud_of

_API = "evidences[].api"
_USER = "evidences[].actor.user"

_REQUESTS = ("gcp.request", "gcp.policyDelta")

_RESOURCES = (
    "gcp.resourceName",
    "gcp.storage.bucket",
    "gcp.cloudfunctions.function",
    "gcp.cloudsql.databaseId",
    "gcp.compute.instanceId",
)

_AUTHORIZED = "With a user; from a JSON list. Also data if its items have more keys."
_DATA = "data: without a method."

ROWS: tuple[Row, ...] = (
    Row("gcp.location", ("cloud.region",)),
    Row(
        "gcp.projectId",
        ("cloud.account.uid", "resources[].owner.account.uid", "cloud.project_uid"),
        "project_uid before 1.4.",
    ),
    Row("gcp.methodName", (f"{_API}.operation",)),
    Row("gcp.serviceName", (f"{_API}.service.name",), "With a method."),
    *(Row(field, (f"{_API}.request.data", DATA), _DATA, ANY) for field in _REQUESTS),
    Row(
        "gcp.user",
        (f"{_USER}.name", f"{_USER}.email_addr"),
        "email_addr: if it is an e-mail address.",
    ),
    Row("gcp.authorizationInfo", ("evidences[].actor.authorizations[]", DATA), _AUTHORIZED, ANY),
    Row("gcp.callerIP", ("evidences[].src_endpoint.ip",)),
    Row("gcp.userAgent", ("evidences[].http_request.user_agent", DATA), "Before 1.4: data."),
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
    pop = draft.fields.pop
    draft.cloud = cloud_of("GCP", pop("gcp.projectId", None), pop("gcp.location", None), release)


def _api(draft: Draft) -> None:
    fields = draft.fields
    data = {name: plain(fields.pop(name)) for name in _REQUESTS if name in fields}
    operation = fields.pop("gcp.methodName", None)
    if operation is None:
        if data:
            draft.evidence["data"] = data
        return
    api: dict[str, Any] = {"operation": operation}
    if (service := fields.pop("gcp.serviceName", None)) is not None:
        api["service"] = {"name": service}
    request: dict[str, Any] = {"uid": draft.uid}
    if data:
        request["data"] = data
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
    authorizations, is_all = _authorizations(fields.get("gcp.authorizationInfo"))
    if authorizations:
        actor["authorizations"] = authorizations
        if is_all:
            del fields["gcp.authorizationInfo"]
    draft.evidence["actor"] = actor


def _authorizations(value: Any) -> tuple[list[dict[str, Any]], bool]:
    """Return the authorizations in the audit log's list, and whether they are all that it has."""
    found: list[dict[str, Any]] = []
    items = from_json(value)
    if not isinstance(items, list):
        return found, False
    is_all = True
    for item in items:
        granted = permission = None
        if isinstance(item, dict):
            granted, permission = item.get("granted"), item.get("permission")
            rest = item.keys() - {"granted", "permission"}
            is_all = is_all and not any(item[key] for key in rest)
        authorization: dict[str, Any] = {}
        if granted.__class__ is bool:
            authorization["decision"] = "granted" if granted else "denied"
        if permission and permission.__class__ is str:
            authorization["policy"] = {"name": permission}
        if authorization:
            found.append(authorization)
        is_all = is_all and len(authorization) == sum(
            each is not None for each in (granted, permission)
        )
    return found, is_all


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
    account = (draft.cloud or {}).get("account")
    owner = {"account": {"uid": account["uid"]}} if account else None
    for place, field in enumerate(names):
        kind = labels = None
        if place == 0:
            kind = fields.pop("gcp.resourceType", None)
            pairs = from_json(fields.get("gcp.resourceLabels"))
            if isinstance(pairs, dict) and all(isinstance(v, str) for v in pairs.values()):
                labels = [f"{key}={value}" for key, value in pairs.items()] or None
            if labels:
                del fields["gcp.resourceLabels"]
        name = fields.pop(field)
        draft.resource(release, 1, type=kind, name=name, labels=labels, owner=owner)
