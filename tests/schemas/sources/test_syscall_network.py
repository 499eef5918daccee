"""Connections of the syscall source."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.kinds import NEW, OLD
from tests.schemas.sources.rows import DST, INFO, SAME, SRC, Case, at, check, each, finding_of

CASES = [
    Case("fd.cip", "10.0.0.5", {}, (f"{SRC}.ip", SAME), None),
    Case("fd.cport", 39526, {"fd.cip": "10.0.0.5"}, (f"{SRC}.port", SAME), None),
    Case("fd.sip", "10.0.0.1", {}, (f"{DST}.ip", SAME), None),
    Case("krsi.cip", "10.0.0.5", {}, (f"{SRC}.ip", SAME), None),
    Case("krsi.cport", 39526, {"krsi.cip": "10.0.0.5"}, (f"{SRC}.port", SAME), None),
    Case("krsi.sip", "10.0.0.1", {}, (f"{DST}.ip", SAME), None),
    Case("krsi.sport", 443, {"krsi.sip": "10.0.0.1"}, (f"{DST}.port", SAME), None),
    Case("fd.sport", 443, {"fd.sip": "10.0.0.1"}, (f"{DST}.port", SAME), None),
    Case(
        "fd.name",
        "10.0.0.5:39526->10.0.0.1:443",
        {},
        (f"{DST}.port", 443),
        (f"{SRC}.ip", "10.0.0.5"),
    ),
    Case(
        "fd.name", "::1:80->2001:db8::1:443", {}, (f"{DST}.ip", "2001:db8::1"), (f"{SRC}.ip", "::1")
    ),
    Case("fd.lip", "10.0.0.5", {"fd.is_server": True}, (f"{DST}.ip", SAME), None),
    Case("fd.lip", "10.0.0.5", {}, (f"{SRC}.ip", SAME), None),
    Case("fd.lport", 22, {"fd.lip": "10.0.0.5"}, (f"{SRC}.port", SAME), None),
    Case("fd.lport", 22, {"fd.lip": "10.0.0.5", "fd.is_server": True}, (f"{DST}.port", SAME), None),
    Case("fd.rip", "10.0.0.5", {"fd.is_server": True}, (f"{SRC}.ip", SAME), None),
    Case("fd.rport", 22, {"fd.rip": "10.0.0.5"}, (f"{DST}.port", SAME), None),
    Case("fd.rport", 22, {"fd.rip": "10.0.0.5", "fd.is_server": True}, (f"{SRC}.port", SAME), None),
    Case("fd.cip.name", "bad_name", {}, (f"{SRC}.name", SAME), None),
    Case("fd.sip.name", "bad_name", {}, (f"{DST}.name", SAME), None),
    Case("fd.cip.name", "client", {}, (f"{SRC}.hostname", SAME), None),
    Case("fd.sip.name", "db.example.com", {}, (f"{DST}.hostname", SAME), None),
    Case("fd.lip.name", "client", {}, (f"{SRC}.hostname", SAME), None),
    Case("fd.lip.name", "bad_name", {}, (f"{SRC}.name", SAME), None),
    Case("fd.lip.name", "server", {"fd.is_server": True}, (f"{DST}.hostname", SAME), None),
    Case("fd.lip.name", "bad_name", {"fd.is_server": True}, (f"{DST}.name", SAME), None),
    Case("fd.rip.name", "server", {}, (f"{DST}.hostname", SAME), None),
    Case("fd.rip.name", "bad_name", {}, (f"{DST}.name", SAME), None),
    Case("fd.rip.name", "client", {"fd.is_server": True}, (f"{SRC}.hostname", SAME), None),
    Case("fd.rip.name", "bad_name", {"fd.is_server": True}, (f"{SRC}.name", SAME), None),
    Case("fd.sproto", "https", {}, (f"{DST}.svc_name", SAME), None),
    Case(
        "fd.l4proto",
        "tcp",
        {"fd.cip": "10.0.0.5"},
        (f"{INFO}.protocol_num", 6),
        (f"{INFO}.protocol_name", "tcp"),
    ),
    Case("fd.type", "ipv6", {}, (f"{INFO}.protocol_ver_id", 6), None),
    Case("fd.is_server", True, {"fd.cip": "10.0.0.5"}, (f"{INFO}.direction", "Inbound"), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("fields", "direction"),
    [
        ({"evt.type": "connect"}, "Outbound"),
        ({"evt.type": "accept"}, "Inbound"),
        ({"evt.type": "accept4"}, "Inbound"),
        ({"evt.type": "listen"}, "Inbound"),
        ({"evt.type": "sendto"}, "Unknown"),
        ({"evt.type": "connect", "fd.is_server": True}, "Inbound"),
        ({"evt.type": "accept", "fd.is_server": False}, "Outbound"),
    ],
)
def test_the_direction_of_a_connection(fields: dict[str, Any], direction: str) -> None:
    for mapping in (OLD, NEW):
        info = at(finding_of(mapping, {"fd.cip": "10.0.0.5", **fields}), INFO)
        assert info["direction"] == direction
        assert info["direction_id"] == ["Unknown", "Inbound", "Outbound"].index(direction)
