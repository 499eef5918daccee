"""Connections of the syscall source: `fd.*` → endpoints and `connection_info`.

The client is the source, the server the destination. Stock rules print only the connection's name,
`10.0.0.5:39526->10.0.0.1:443`, and none of the fields like `fd.cip`, so the name is read too.
"""

from __future__ import annotations

import re
from typing import Any

from schemas.ocsf.releases import Release, is_hostname, is_ip
from schemas.sources.draft import ANY, Draft, Row

_SRC = "evidences[].src_endpoint"
_DST = "evidences[].dst_endpoint"
_INFO = "evidences[].connection_info"

_HOSTNAMES = (f"{_SRC}.hostname", f"{_DST}.hostname", f"{_SRC}.name", f"{_DST}.name")

ROWS: tuple[Row, ...] = (
    Row("fd.cip", (f"{_SRC}.ip",), "The client is the source."),
    Row("fd.cport", (f"{_SRC}.port",), "With its address.", ANY),
    Row("fd.sip", (f"{_DST}.ip",), "The server is the destination."),
    Row("fd.sport", (f"{_DST}.port",), "With its address.", ANY),
    Row(
        "fd.name",
        (f"{_SRC}.ip", f"{_SRC}.port", f"{_DST}.ip", f"{_DST}.port"),
        "10.0.0.5:39526->10.0.0.1:443 is read if there is no fd.cip or fd.sip.",
    ),
    Row("fd.lip", (f"{_SRC}.ip", f"{_DST}.ip"), "Last resort; which one: decided by fd.is_server."),
    Row(
        "fd.lport",
        (f"{_SRC}.port", f"{_DST}.port"),
        "Last resort; which one: decided by fd.is_server.",
        ANY,
    ),
    Row("fd.rip", (f"{_SRC}.ip", f"{_DST}.ip"), "Last resort; which one: decided by fd.is_server."),
    Row(
        "fd.rport",
        (f"{_SRC}.port", f"{_DST}.port"),
        "Last resort; which one: decided by fd.is_server.",
        ANY,
    ),
    Row("krsi.cip", (f"{_SRC}.ip",), "If there is no fd.cip."),
    Row("krsi.cport", (f"{_SRC}.port",), "With its address.", ANY),
    Row("krsi.sip", (f"{_DST}.ip",), "If there is no fd.sip."),
    Row("krsi.sport", (f"{_DST}.port",), "With its address.", ANY),
    Row(
        "fd.cip.name", (f"{_SRC}.hostname", f"{_SRC}.name"), "name: if it is not a valid host name."
    ),
    Row(
        "fd.sip.name", (f"{_DST}.hostname", f"{_DST}.name"), "name: if it is not a valid host name."
    ),
    Row("fd.lip.name", _HOSTNAMES, "Which one: decided by fd.is_server."),
    Row("fd.rip.name", _HOSTNAMES, "Which one: decided by fd.is_server."),
    Row("fd.sproto", (f"{_DST}.svc_name",)),
    Row(
        "fd.l4proto",
        (f"{_INFO}.protocol_name", f"{_INFO}.protocol_num"),
        "protocol_num: for icmp, tcp and udp.",
    ),
    Row("fd.type", (f"{_INFO}.protocol_ver_id",), "For ipv4 and ipv6."),
    Row("fd.is_server", (f"{_INFO}.direction_id",), "If missing: decided by evt.type."),
)

# Longer than two addresses with ports. `(.+)` tries every position of the arrow.
_LONGEST_NAME = 100
_NAME = re.compile(r"(.+):(\d{1,5})->(.+):(\d{1,5})", re.ASCII)
_SIDES = (("fd.lip", "ip"), ("fd.lport", "port"), ("fd.rip", "ip"), ("fd.rport", "port"))
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
_VERSIONS = {
    "ipv4": (4, "Internet Protocol version 4 (IPv4)"),
    "ipv6": (6, "Internet Protocol version 6 (IPv6)"),
}
_DIRECTIONS = ("Unknown", "Inbound", "Outbound")
_INBOUND = frozenset({"accept", "accept4", "listen"})


def build(draft: Draft, release: Release) -> None:
    """Add the endpoints of a connection and what is known about it."""
    fields = draft.fields
    # If Falco does not say which end this is, the caller of connect is the client.
    serves = fields.get("fd.is_server")
    src: dict[str, Any] = {}
    dst: dict[str, Any] = {}
    _take_address(draft, src, "fd.cip", "fd.cport")
    _take_address(draft, dst, "fd.sip", "fd.sport")
    _take_address(draft, src, "krsi.cip", "krsi.cport")
    _take_address(draft, dst, "krsi.sip", "krsi.sport")
    _read_name(draft, src, dst)
    local, remote = (dst, src) if serves == "true" else (src, dst)
    _take_address(draft, local, "fd.lip", "fd.lport")
    _take_address(draft, remote, "fd.rip", "fd.rport")
    _repeated(draft, src, dst)
    _take_hostname(draft, src, "fd.cip.name")
    _take_hostname(draft, dst, "fd.sip.name")
    _take_hostname(draft, local, "fd.lip.name")
    _take_hostname(draft, remote, "fd.rip.name")
    if (service := fields.pop("fd.sproto", None)) is not None:
        dst["svc_name"] = service
    _place(draft, src, dst)
    _connection_info(draft, bool(src or dst))


def _take_address(draft: Draft, endpoint: dict[str, Any], ip: str, port: str) -> None:
    fields = draft.fields
    if "ip" in endpoint or not is_ip(fields.get(ip, "")):
        return
    endpoint["ip"] = fields.pop(ip)
    if port in fields and (number := draft.integer(port, 0, 65_536)) is not None:
        endpoint["port"] = number


def _read_name(draft: Draft, src: dict[str, Any], dst: dict[str, Any]) -> None:
    name = draft.fields.get("fd.name", "")
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    if match is None:
        return
    ends = [(match[1], int(match[2])), (match[3], int(match[4]))]
    if not all(is_ip(ip) and port < 65_536 for ip, port in ends):
        return
    for endpoint, (ip, port) in zip((src, dst), ends, strict=True):
        if not endpoint or endpoint == {"ip": ip}:
            endpoint.update(ip=ip, port=port)
    if [(end.get("ip"), end.get("port")) for end in (src, dst)] == ends:
        del draft.fields["fd.name"]


def _repeated(draft: Draft, src: dict[str, Any], dst: dict[str, Any]) -> None:
    """Drop the local and remote addresses that repeat those of the endpoints."""
    fields = draft.fields
    for field, kind in _SIDES:
        if field in fields and fields[field] in (src.get(kind), dst.get(kind)):
            del fields[field]


def _take_hostname(draft: Draft, endpoint: dict[str, Any], field: str) -> None:
    if field not in draft.fields or "hostname" in endpoint or "name" in endpoint:
        return
    name = draft.fields.pop(field)
    endpoint["hostname" if is_hostname(name) else "name"] = name


def _place(draft: Draft, src: dict[str, Any], dst: dict[str, Any]) -> None:
    if src:
        draft.evidence["src_endpoint"] = src
        if "ip" in src:
            draft.observe("evidences[].src_endpoint.ip", 2, src["ip"])
    if dst:
        draft.evidence["dst_endpoint"] = dst
        if "ip" in dst:
            draft.observe("evidences[].dst_endpoint.ip", 2, dst["ip"])
        if "hostname" in dst:
            draft.observe("evidences[].dst_endpoint.hostname", 1, dst["hostname"])


def _connection_info(draft: Draft, connected: bool) -> None:
    fields = draft.fields
    version = _VERSIONS.get(fields.get("fd.type", ""))
    if not connected and version is None:
        return
    serves = fields.get("fd.is_server")
    operation = draft.operation or fields.get("evt.type")
    if serves == "true" or (serves is None and operation in _INBOUND):
        direction = 1
    elif serves == "false" or (serves is None and operation == "connect"):
        direction = 2
    else:
        direction = 0
    if serves in ("true", "false"):
        del fields["fd.is_server"]
    info: dict[str, Any] = {"direction_id": direction, "direction": _DIRECTIONS[direction]}
    if (protocol := fields.pop("fd.l4proto", None)) is not None:
        info["protocol_name"] = protocol
        if protocol in _PROTOCOLS:
            info["protocol_num"] = _PROTOCOLS[protocol]
    if version is not None:
        del fields["fd.type"]
        info["protocol_ver_id"], info["protocol_ver"] = version
    draft.evidence["connection_info"] = info
