"""Okta's system log."""

from __future__ import annotations

from tests.schemas.sources.rows import (
    IN_DATA,
    REQUEST,
    RESPONSE,
    SAME,
    SRC,
    UNMAPPED,
    USER,
    Case,
    E,
    check,
    each,
)

OKTA = {"okta.evt.type": "user.session.start"}
CLIENT = {"okta.client.ip": "203.0.113.7"}

CASES = [
    Case(
        "okta.evt.type",
        "user.session.start",
        {},
        (f"{E}.api.operation", SAME),
        (f"{E}.api.service.name", "okta"),
    ),
    Case("okta.transaction.id", "t", OKTA, (f"{REQUEST}.uid", SAME), None),
    Case("okta.result", "FAILURE", OKTA, (f"{RESPONSE}.message", SAME), None),
    Case("okta.reason", "INVALID", OKTA, (f"{RESPONSE}.error", SAME), None),
    Case("okta.result", "FAILURE", {}, (IN_DATA, SAME), None),
    Case("okta.reason", "INVALID", {}, (IN_DATA, SAME), None),
    Case("okta.severity", "INFO", OKTA, (IN_DATA, SAME), None),
    Case("okta.actor.id", "00u", {}, (f"{USER}.uid", SAME), None),
    Case(
        "okta.actor.alternateid",
        "a@example.com",
        {},
        (f"{USER}.email_addr", SAME),
        (f"{USER}.name", SAME),
    ),
    Case("okta.actor.name", "Alice", {}, (f"{USER}.full_name", SAME), (f"{USER}.name", SAME)),
    Case(
        "okta.actor.Type",
        "User",
        {"okta.actor.id": "1"},
        (f"{USER}.type", SAME),
        (f"{USER}.type_id", 99),
    ),
    Case("okta.org", "acme", {"okta.actor.id": "1"}, (f"{USER}.org.name", SAME), None),
    Case("okta.authentication.sessionid", "s", {}, (f"{E}.actor.session.uid", SAME), None),
    Case("okta.client.ip", "203.0.113.7", {}, (f"{SRC}.ip", SAME), None),
    Case("okta.client.geo.city", "Paris", CLIENT, (f"{SRC}.location.city", SAME), None),
    Case("okta.client.geo.state", "IdF", CLIENT, (f"{SRC}.location.region", SAME), None),
    Case("okta.client.geo.country", "France", CLIENT, (f"{SRC}.location.country", SAME), None),
    Case(
        "okta.client.geo.postalcode", "75001", CLIENT, (f"{SRC}.location.postal_code", SAME), None
    ),
    Case(
        "okta.client.geo.lat",
        "48.85",
        {**CLIENT, "okta.client.geo.lon": "2.35", "okta.client.geo.city": "Paris"},
        (f"{SRC}.location.coordinates", [2.35, 48.85]),
        (f"{SRC}.location.lat", 48.85),
    ),
    Case(
        "okta.client.geo.lon",
        "2.35",
        {**CLIENT, "okta.client.geo.lat": "48.85", "okta.client.geo.city": "Paris"},
        (f"{SRC}.location.coordinates", [2.35, 48.85]),
        (f"{SRC}.location.long", 2.35),
    ),
    Case("okta.client.device", "Mobile", CLIENT, (f"{SRC}.type_id", 5), (f"{SRC}.type", SAME)),
    Case("okta.client.device", "Computer", CLIENT, (f"{SRC}.type_id", 99), (f"{SRC}.type", SAME)),
    Case("okta.client.zone", "office", CLIENT, (f"{SRC}.zone", SAME), None),
    Case("okta.client.zone", "null", CLIENT, (f"{SRC}.zone", None), None),
    Case(
        "okta.useragent.os",
        "Mac OS X",
        CLIENT,
        (f"{SRC}.os.type_id", 300),
        (f"{SRC}.os.name", SAME),
    ),
    Case(
        "okta.useragent.os", "Plan 9", CLIENT, (f"{SRC}.os.type_id", 99), (f"{SRC}.os.name", SAME)
    ),
    Case(
        "okta.security.asnumber",
        3215,
        CLIENT,
        (UNMAPPED, "3215"),
        (f"{SRC}.autonomous_system.number", SAME),
    ),
    Case(
        "okta.security.asorg",
        "Orange",
        CLIENT,
        (UNMAPPED, SAME),
        (f"{SRC}.autonomous_system.name", SAME),
    ),
    Case("okta.security.isp", "Orange", CLIENT, (UNMAPPED, SAME), (f"{SRC}.isp", SAME)),
    Case("okta.security.domain", "orange.fr", CLIENT, (f"{SRC}.domain", SAME), None),
    Case(
        "okta.useragent.raw",
        "Mozilla",
        OKTA,
        (IN_DATA, SAME),
        (f"{E}.http_request.user_agent", SAME),
    ),
    Case("okta.requesturi", "/login", OKTA, (IN_DATA, SAME), (f"{E}.http_request.url.path", SAME)),
    Case("okta.target.user.id", "00u", {}, ("resources.0.uid", SAME), (f"{E}.user.uid", SAME)),
    Case(
        "okta.target.user.name",
        "Bob",
        {},
        ("resources.0.name", SAME),
        (f"{E}.user.full_name", SAME),
    ),
    Case(
        "okta.target.user.alternateid",
        "bob",
        {},
        ("resources.0.name", SAME),
        (f"{E}.user.name", SAME),
    ),
    Case("okta.target.group.id", "g", {}, ("resources.0.uid", SAME), None),
    Case(
        "okta.target.group.name",
        "Admins",
        {},
        ("resources.0.name", SAME),
        ("resources.0.type", "Group"),
    ),
    Case("okta.target.group.alternateid", "g", {}, ("resources.0.name", SAME), None),
    Case(
        "okta.target.app.alternateid",
        "Slack",
        {},
        ("resources.0.name", SAME),
        ("resources.0.type", "App"),
    ),
    Case("okta.app", "Slack", {}, ("resources.0.name", SAME), None),
    Case("okta.targets.displayName", "x", {}, ("resources.0.name", SAME), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
