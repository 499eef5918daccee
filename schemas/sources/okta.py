"""Okta's system log: `okta.*`."""

from __future__ import annotations

from math import isfinite
from typing import Any

from schemas.falco.values import is_none
from schemas.ocsf.releases import Release, is_email, is_ip
from schemas.sources.draft import ANY, DATA, Draft, Row

_API = "evidences[].api"
_USER = "evidences[].actor.user"
_SRC = "evidences[].src_endpoint"
_TARGET = "evidences[].user"

_PLACES = (
    ("okta.client.geo.city", "city"),
    ("okta.client.geo.state", "region"),
    ("okta.client.geo.country", "country"),
    ("okta.client.geo.postalcode", "postal_code"),
)
_DEVICES = {"Unknown": (0, "Unknown"), "Tablet": (4, "Tablet"), "Mobile": (5, "Mobile")}
_SYSTEMS = (
    ("windows phone", 101, "Windows Mobile"),
    ("windows mobile", 101, "Windows Mobile"),
    ("windows", 100, "Windows"),
    ("android", 201, "Android"),
    ("mac", 300, "macOS"),
    ("ipados", 302, "iPadOS"),
    ("ios", 301, "iOS"),
    ("linux", 200, "Linux"),
)
_TARGETS = (
    ("okta.target.group.name", "okta.target.group.id", "Group"),
    ("okta.target.group.alternateid", None, "Group"),
    ("okta.target.app.alternateid", None, "App"),
    ("okta.app", None, "App"),
    ("okta.targets.displayName", None, None),
)

_CLIENT = "With the client's address."
_USER_RESOURCE = "A resource before 1.3."
_EMAIL = "email_addr: if it is an e-mail address."

_NO_TYPE = "data: without an event type."

ROWS: tuple[Row, ...] = (
    Row("okta.evt.type", (f"{_API}.operation",), 'Service "okta".'),
    Row(
        "okta.transaction.id",
        (f"{_API}.request.uid",),
        "If missing: the finding's uid.",
        slots=("request_uid",),
    ),
    Row("okta.result", (f"{_API}.response.message", DATA), _NO_TYPE),
    Row("okta.reason", (f"{_API}.response.error", DATA), _NO_TYPE),
    Row("okta.severity", (DATA,)),
    Row("okta.actor.id", (f"{_USER}.uid",)),
    Row("okta.actor.alternateid", (f"{_USER}.name", f"{_USER}.email_addr"), _EMAIL),
    Row("okta.actor.name", (f"{_USER}.full_name",), "Also name, if there is no alternateid."),
    Row("okta.actor.Type", (f"{_USER}.type",), "With an actor; type_id is 99, Other."),
    Row("okta.org", (f"{_USER}.org.name",), "With an actor."),
    Row("okta.authentication.sessionid", ("evidences[].actor.session.uid",)),
    Row("okta.client.ip", (f"{_SRC}.ip",)),
    *(Row(field, (f"{_SRC}.location.{attribute}",), _CLIENT) for field, attribute in _PLACES),
    *(
        Row(
            f"okta.client.geo.{short}",
            (f"{_SRC}.location.{name}", f"{_SRC}.location.coordinates[]"),
            "With both lat and lon; from 1.2 also with a city, state, country or postal code.",
            ANY,
        )
        for short, name in (("lat", "lat"), ("lon", "long"))
    ),
    Row("okta.client.device", (f"{_SRC}.type_id", f"{_SRC}.type"), _CLIENT),
    Row("okta.client.zone", (f"{_SRC}.zone",), _CLIENT),
    Row("okta.useragent.os", (f"{_SRC}.os.name", f"{_SRC}.os.type_id"), _CLIENT),
    Row("okta.security.asnumber", (f"{_SRC}.autonomous_system.number",), "From 1.2.", ANY),
    Row("okta.security.asorg", (f"{_SRC}.autonomous_system.name",), "From 1.2."),
    Row("okta.security.isp", (f"{_SRC}.isp",), "From 1.5."),
    Row("okta.security.domain", (f"{_SRC}.domain",), _CLIENT),
    Row("okta.useragent.raw", ("evidences[].http_request.user_agent", DATA), "Before 1.4: data."),
    Row("okta.requesturi", ("evidences[].http_request.url.path", DATA), "Before 1.4: data."),
    Row("okta.target.user.id", (f"{_TARGET}.uid", "resources[].uid"), _USER_RESOURCE),
    Row("okta.target.user.name", (f"{_TARGET}.full_name", "resources[].name"), _USER_RESOURCE),
    Row("okta.target.user.alternateid", (f"{_TARGET}.name", "resources[].name"), _USER_RESOURCE),
    Row("okta.target.group.id", ("resources[].uid",)),
    *(Row(field, ("resources[].name",)) for field, _, _ in _TARGETS),
)


def build(draft: Draft, release: Release) -> None:
    """Add the event, who caused it and from where, and its targets."""
    _api(draft)
    _actor(draft)
    _endpoint(draft, release)
    _target_user(draft, release)
    if release.modern and draft.evidence:
        request: dict[str, Any] = {}
        if (uri := draft.fields.pop("okta.requesturi", None)) is not None:
            request["url"] = {"path": uri}
        if (agent := draft.fields.pop("okta.useragent.raw", None)) is not None:
            request["user_agent"] = agent
            draft.observe("evidences[].http_request.user_agent", 16, agent)
        if request:
            draft.evidence["http_request"] = request
    for field, uid_field, kind in _TARGETS:
        name = draft.fields.pop(field, None)
        uid = draft.fields.pop(uid_field, None) if uid_field else None
        if name is not None or uid is not None:
            draft.resource(release, 1, type=kind, name=name, uid=uid)
            if uid is not None:
                draft.observe("resources[].uid", 10, uid)


def _api(draft: Draft) -> None:
    fields = draft.fields
    operation = fields.pop("okta.evt.type", None)
    if operation is None:
        return
    api: dict[str, Any] = {
        "operation": operation,
        "service": {"name": "okta"},
        "request": {"uid": fields.pop("okta.transaction.id", None) or draft.uid},
    }
    response: dict[str, Any] = {}
    draft.take(response, (("okta.result", "message"), ("okta.reason", "error")))
    if response:
        api["response"] = response
    draft.evidence["api"] = api


def _actor(draft: Draft) -> None:
    fields = draft.fields
    user: dict[str, Any] = {}
    draft.take(user, (("okta.actor.id", "uid"), ("okta.actor.alternateid", "name")))
    if "name" in user and is_email(user["name"]):
        user["email_addr"] = user["name"]
    if (full_name := fields.pop("okta.actor.name", None)) is not None:
        user["full_name"] = full_name
        user.setdefault("name", full_name)
    actor: dict[str, Any] = {}
    if user:
        if "name" in user:
            draft.observe("evidences[].actor.user.name", 4, user["name"])
        if (kind := fields.pop("okta.actor.Type", None)) is not None:
            user["type_id"], user["type"] = 99, kind
        if (org := fields.pop("okta.org", None)) is not None:
            user["org"] = {"name": org}
        actor["user"] = user
    if (session := fields.pop("okta.authentication.sessionid", None)) is not None:
        actor["session"] = {"uid": session}
    if actor:
        draft.evidence["actor"] = actor


def _endpoint(draft: Draft, release: Release) -> None:
    """Add the client. OCSF requires an address, so without one its parts stay unmapped."""
    fields = draft.fields
    address = fields.get("okta.client.ip")
    if address is None or not is_ip(address):
        return
    del fields["okta.client.ip"]
    endpoint: dict[str, Any] = {"ip": address}
    draft.observe("evidences[].src_endpoint.ip", 2, address)
    draft.take(endpoint, (("okta.security.domain", "domain"),))
    _device(fields, endpoint)
    location: dict[str, Any] = {}
    draft.take(location, _PLACES)
    _coordinates(draft, release, location)
    if location:
        endpoint["location"] = location
    if "domain" in endpoint:
        draft.observe("evidences[].src_endpoint.domain", 1, endpoint["domain"])
    if release.modern:
        draft.take(endpoint, (("okta.security.isp", "isp"),))
    if release.from_1_3:
        system: dict[str, Any] = {}
        if "okta.security.asnumber" in fields:
            number = draft.integer("okta.security.asnumber", 0)
            if number is not None:
                system["number"] = number
        draft.take(system, (("okta.security.asorg", "name"),))
        if system:
            endpoint["autonomous_system"] = system
    draft.evidence["src_endpoint"] = endpoint


def _device(fields: dict[str, Any], endpoint: dict[str, Any]) -> None:
    if (device := fields.pop("okta.client.device", None)) is not None:
        endpoint["type_id"], endpoint["type"] = _DEVICES.get(device, (99, device))
    if not is_none("okta.client.zone", zone := fields.pop("okta.client.zone", None)):
        endpoint["zone"] = zone
    if (name := fields.pop("okta.useragent.os", None)) is not None:
        endpoint["os"] = _system_of(name)


def _system_of(name: str) -> dict[str, Any]:
    lower = name.lower()
    for start, type_id, type_ in _SYSTEMS:
        if lower.startswith(start):
            return {"name": name, "type_id": type_id, "type": type_}
    return {"name": name, "type_id": 0 if lower == "unknown" else 99, "type": name}


def _coordinates(draft: Draft, release: Release, location: dict[str, Any]) -> None:
    fields = draft.fields
    lat = _degrees(fields.get("okta.client.geo.lat"))
    long = _degrees(fields.get("okta.client.geo.lon"))
    if lat is None or long is None:
        return
    if release.from_1_3:
        # OCSF does not accept a location without a city, region, country or postal code.
        if not location:
            return
        location["lat"], location["long"] = lat, long
    else:
        location["coordinates"] = [long, lat]
    del fields["okta.client.geo.lat"], fields["okta.client.geo.lon"]


def _degrees(value: Any) -> float | None:
    if value.__class__ not in (str, int, float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and abs(number) <= 360 else None


def _target_user(draft: Draft, release: Release) -> None:
    user: dict[str, Any] = {}
    draft.take(
        user,
        (
            ("okta.target.user.id", "uid"),
            ("okta.target.user.alternateid", "name"),
            ("okta.target.user.name", "full_name"),
        ),
    )
    if not user:
        return
    if not release.from_1_3:
        name, uid, full_name = user.get("name"), user.get("uid"), user.get("full_name")
        if name is not None and full_name is not None:
            draft.fields["okta.target.user.name"] = full_name
        draft.resource(release, 1, type="User", name=name or full_name, uid=uid)
        if uid is not None:
            draft.observe("resources[].uid", 10, uid)
        return
    if "name" in user and is_email(user["name"]):
        user["email_addr"] = user["name"]
    if "uid" not in user:
        user.setdefault("name", user.get("full_name"))
    draft.evidence["user"] = user
