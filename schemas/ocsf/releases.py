"""What the event classes share: releases, severity, confidence, and the form of values.

Owns the facts of the OCSF releases that falcolake writes. Everything here is a pure function of its
arguments; the caches only speed it up. Source: the schema at https://schema.ocsf.io, releases
1.1.0, 1.3.0 and 1.8.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from posixpath import dirname
from types import MappingProxyType
from typing import Any

import msgspec

from schemas.memory import remembered

INT32 = 2**31
INT64 = 2**63

PRIORITIES = (
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "debug",
)
"""Falco's priorities, most severe first. Falco also accepts "info"."""

# As in falcosidekick's own Security Lake output, so that old and new data are comparable.
SEVERITY_IDS = MappingProxyType(dict(zip(PRIORITIES, (6, 6, 5, 4, 3, 2, 1, 1), strict=True)))
SEVERITIES = ("Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal")
CONFIDENCES = ("Unknown", "Low", "Medium", "High")
CONFIDENCE_SCORES = (0, 30, 60, 90)
"""Of 100, by confidence_id."""
MATURITY_CONFIDENCE_IDS = MappingProxyType(
    {
        "maturity_stable": 3,
        "maturity_incubating": 2,
        "maturity_sandbox": 1,
        "maturity_deprecated": 1,
    }
)

OBSERVABLE_TYPES = MappingProxyType(
    {
        1: "Hostname",
        2: "IP Address",
        4: "User Name",
        7: "File Name",
        8: "Hash",
        9: "Process Name",
        10: "Resource UID",
        13: "Command Line",
        15: "Process ID",
        16: "HTTP User-Agent",
        35: "Account Object: uid",
        45: "File Path",
        99: "Container ID",
    }
)


class Observable(msgspec.Struct, frozen=True, gc=False):
    """An `observable` object. Many values are of one alert alone, so none is cached."""

    name: str
    type_id: int
    type: str
    value: str


OTHER_FILE = "evidences[1:].file.name"
"""The files of all evidences after the first, which class 2001 has elsewhere."""


@dataclass(frozen=True, slots=True)
class Release:
    """One OCSF release: its number and the differences that matter to a Falco finding."""

    version: str
    from_1_3: bool
    """Container, user and url in evidences; lat and long; autonomous systems; observables 13-16."""
    modern: bool
    """1.4 and later: http_request and tls in evidences; ancestry; roles; is_alert."""
    text_limit: int | None
    """The most characters that a string may have; None: no limit."""
    names: Mapping[str, str] = field(default_factory=lambda: {OTHER_FILE: "evidences[].file.name"})
    """Observables whose attribute has another path in this class."""


RELEASES = MappingProxyType(
    {
        "1.1.0": Release("1.1.0", from_1_3=False, modern=False, text_limit=65_535),
        "1.3.0": Release("1.3.0", from_1_3=True, modern=False, text_limit=65_535),
        "1.8.0": Release("1.8.0", from_1_3=True, modern=True, text_limit=None),
    }
)

IN_SECURITY_LAKE = "1.3.0"
"""The newest release that Security Lake's documentation has for custom sources."""


def beyond_security_lake(version: str) -> str | None:
    """Return why Security Lake may not accept a release, or None if it does."""
    if version not in RELEASES or _numbers(version) <= _numbers(IN_SECURITY_LAKE):
        return None
    return (
        f"OCSF {version} is outside what Amazon Security Lake accepts: "
        f"{IN_SECURITY_LAKE} is the newest that it documents for custom sources"
    )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


# Labels of letters and digits, with hyphens only between them. Possessive: it never backtracks.
_LABEL = r"[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+")
_EMAIL = re.compile(r"[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9.-]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HASHES = MappingProxyType({32: (1, "MD5"), 40: (2, "SHA-1"), 64: (3, "SHA-256")})
_HEX = re.compile(r"[0-9a-fA-F]+")


_encode = msgspec.json.Encoder().encode


def json_of(value: Any) -> msgspec.Raw:
    """Return `value` as encoded JSON to embed in a finding, so that repeats are encoded once."""
    return msgspec.Raw(_encode(value))


@remembered
def is_hostname(text: str) -> bool:
    """Return whether `text` is a host name by OCSF's rule before 1.4, valid in every release."""
    return len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None


@remembered
def is_ip(text: str) -> bool:
    """Return whether `text` is an IPv4 or IPv6 address without a zone, as `ip_t` requires."""
    if len(text) > 40 or "%" in text:
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_email(text: str) -> bool:
    """Return whether `text` is an e-mail address that every release's `email_t` accepts."""
    return len(text) <= 320 and _EMAIL.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Return whether `text` is a UUID in its 36-character form."""
    return _UUID.fullmatch(text) is not None


def fingerprint(digest: str) -> dict[str, Any] | None:
    """Return a `fingerprint` object for a hexadecimal digest; a prefix "sha256:" is removed.

    None if it is not an MD5, SHA-1 or SHA-256.
    """
    digest = digest.removeprefix("sha256:")
    algorithm = _HASHES.get(len(digest))
    if algorithm is None or _HEX.fullmatch(digest) is None:
        return None
    return {"algorithm_id": algorithm[0], "algorithm": algorithm[1], "value": digest}


def file_of(path: str, type_id: int = 1, type_: str = "Regular File") -> dict[str, Any]:
    """Return a `file` object for a path."""
    file: dict[str, Any] = {
        "name": path.rstrip("/").rpartition("/")[2] or path,
        "path": path,
        "type_id": type_id,
        "type": type_,
    }
    if folder := dirname(path.rstrip("/")):
        file["parent_folder"] = folder
    return file


@remembered
def executable(path: str) -> msgspec.Raw:
    """Return the `file` object of a program, as JSON."""
    return json_of(file_of(path))
