"""The types of settings: what is accepted, and the message if a value is not.

Each is an annotated type for the models in `sections`. A message says what would be right and
never repeats the value, so that it cannot show a secret.
"""

import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field

UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def _like(pattern: str | re.Pattern[str], rule: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def _folded(fold: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: fold(value.strip()) if isinstance(value, str) else value)


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value)
    if match is None or match[2] not in UNITS:
        raise ValueError("a duration is a number of seconds, or a number with ms, s, m or h")
    return float(match[1]) * UNITS[match[2]]


def _servers(value: Any) -> Any:
    """Return text or a list as text; a host without a port gets Kafka's default port."""
    entries = value if isinstance(value, list) else str(value).split(",")
    servers = [str(entry).strip() for entry in entries]
    if not all(servers):
        raise ValueError("a comma-separated list of host:port, without empty entries")
    return ",".join(_server(server) for server in servers)


def _server(server: str) -> str:
    match = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", server)
    if match is None or not 0 < int(match[2] or 9092) < 65536:
        raise ValueError("a comma-separated list of host:port, without a scheme")
    return f"{match[1]}:{match[2] or 9092}"


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) or ".." in name:
        raise ValueError(
            "a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, "
            "and no s3:// or path"
        )
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name
    raise ValueError("a bucket name must not look like an IP address")


def _prefix(prefix: str) -> str:
    if prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError("a prefix neither begins nor ends with a slash")
    segments = prefix.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError("a prefix is not empty and has no empty, '.' or '..' segment")
    if not re.fullmatch(r"[A-Za-z0-9_.=/-]{1,400}", prefix):
        raise ValueError("a prefix has at most 400 letters, digits and the characters _ . = - /")
    return prefix


#: What botocore takes for a host: labels of letters, digits and hyphens, or an IPv6 address.
LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
AUTHORITY = re.compile(
    rf"(?:(?=[^:]{{1,255}}(?::|$)){LABEL}(?:\.{LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::\d{{1,5}})?"
)


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
        if parts.netloc.startswith("["):
            ipaddress.IPv6Address(parts.hostname or "")
    except ValueError:
        raise ValueError("an endpoint is a URL like https://host or http://host:9000") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an endpoint is a URL that begins with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("an endpoint has no user name or password; use AWS credentials")
    if parts.query or parts.fragment or parts.path not in {"", "/"}:
        raise ValueError("an endpoint is a scheme, a host and a port, without a path")
    if not AUTHORITY.fullmatch(parts.netloc) or url != url.strip() or not url.isprintable():
        raise ValueError(
            "an endpoint's host has letters, digits, dots and hyphens; S3 takes no underscores"
        )
    return url


def _path(value: Any) -> Any:
    if value == "":
        raise ValueError("a path, not an empty text")
    if not isinstance(value, str | Path):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError("names a user without a home directory") from error


def _json(value: Any) -> Any:
    """Return text as the JSON in it, as variables have it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("it must be JSON") from None


def _listed(value: Any) -> Any:
    found = _json(value)
    return [found] if isinstance(found, dict) else found


def _cluster(value: Any) -> Any:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return {"name": value}
    return _json(value)


def _priority(value: str) -> str:
    value = value.strip().lower()
    return "informational" if value == "info" else value


Seconds = Annotated[
    float,
    BeforeValidator(_duration, json_schema_input_type=float | str),
    Field(gt=0, allow_inf_nan=False),
]
Size = Annotated[ByteSize, Field(ge=1)]
Servers = Annotated[str, BeforeValidator(_servers, json_schema_input_type=str | list[str])]
Topic = Annotated[
    str,
    _like(
        r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}",
        "a topic name has 1 to 249 letters, digits, dots, underscores and hyphens",
    ),
]
Name = Annotated[str, _like(r"[^\x00-\x1f]*\S[^\x00-\x1f]*", "a name, not an empty text")]
Bucket = Annotated[str, AfterValidator(_bucket)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Region = Annotated[
    str, _like(r"[a-z]{2}(-[a-z]+){1,3}-\d{1,2}", "an AWS region is like eu-central-1")
]
#: Security Lake asks for the second form for what is outside AWS.
ACCOUNT_ID = re.compile(r"\d{12}|external(?:_[A-Za-z0-9._-]{1,64})?", re.ASCII)
AccountId = Annotated[
    str,
    _like(
        ACCOUNT_ID,
        "an AWS account id has 12 digits; outside AWS it is external, or external_ and an id "
        "of up to 64 letters, digits and . _ -",
    ),
]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
#: What `streams.control.fleet` takes for a link.
PageUrl = Annotated[
    str,
    _like(
        r"(?=.{1,300}\Z)https?://[A-Za-z0-9_.\-\[\]:]+(?:/[A-Za-z0-9_.\-~/%]*)?",
        "an address of the web, for example https://falco.example.com/falcolake-0/",
    ),
]
RoleArn = Annotated[
    str,
    _like(
        r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
        "a role ARN is like arn:aws:iam::123456789012:role/name",
    ),
]
#: Part of findings, where OCSF before 1.4 allows 65,535 characters.
Short = Annotated[
    str,
    _like(r"(?=.{1,1000}\Z)[^\x00-\x1f]*\S[^\x00-\x1f]*", "a name has 1 to 1,000 characters"),
]
#: Of a file's values; in a variable each of them is JSON text.
Json = BeforeValidator(_json, json_schema_input_type=str | dict[str, Any])
Listed = BeforeValidator(
    _listed, json_schema_input_type=str | dict[str, Any] | list[dict[str, Any]]
)
#: One text or a list of them.
Patterns = Annotated[
    tuple[Short, ...],
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value,
        json_schema_input_type=str | list[str],
    ),
]
ClusterName = BeforeValidator(_cluster, json_schema_input_type=str | dict[str, Any])
FilePath = Annotated[Path, BeforeValidator(_path)]
Upper = _folded(str.upper)
Lower = _folded(str.lower)
Priority = _folded(_priority)
