"""Records of any size, built to cost more than their size: patterns, lists and look-ups repeat."""

import json
from collections.abc import Callable
from typing import Any

from tests.alerts import SMALL


def alert(fields: dict[str, Any] | None = None, **keys: Any) -> bytes:
    return json.dumps({**SMALL, "output_fields": fields or {}, **keys}).encode()


def many(template: str, **keys: Any) -> Callable[[int], bytes]:
    """Build alerts with enough numbered fields to reach a size."""
    each = len(template) + 14
    return lambda size: alert({template.format(n): "x" for n in range(size // each)}, **keys)


FORMS: dict[str, Callable[[int], bytes]] = {
    "a string that never ends": lambda size: b"[" * 101 + b'"' + b'\\"' * (size // 2),
    "empty lists": lambda size: b"[]" * (size // 2),
    "empty strings": lambda size: b"[" * 101 + b'""' * (size // 2),
    "brackets": lambda size: b"[" * size,
    "labels one by one": many("container.label.{}", source="syscall"),
    "labels of one container": lambda size: alert(
        {"container.id": "c", **{f"container.label.{n}": "x" for n in range(size // 30)}}
    ),
    "labels in one text": lambda size: alert(
        {"container.id": "c", "container.labels": "a:b," * (size // 4)}
    ),
    "ancestors": many("proc.aname[{}]"),
    "ancestors of another form": many("proc.aname_{}"),
    "unknown fields": many("x{}"),
    "unknown keys": lambda size: alert({}, **{f"x{n}": 1 for n in range(size // 10)}),
    "arguments": many("evt.arg.x{}"),
    "CloudTrail's request": many("ct.request.x{}", source="aws_cloudtrail"),
    "Kubernetes' request": many("ka.req.x{}", source="k8s_audit"),
    "containers of a pod": lambda size: alert(
        {"ka.req.pod.containers.image": "a," * (size // 2), "ka.verb": "create"},
        source="k8s_audit",
    ),
    "addresses": lambda size: alert(
        {"ka.sourceips": "10.0.0.1," * (size // 9), "ka.verb": "get"}, source="k8s_audit"
    ),
    "authorizations": lambda size: alert(
        {
            "gcp.user": "a",
            "gcp.methodName": "x",
            "gcp.authorizationInfo": json.dumps([{"granted": True}] * (size // 24)),
        },
        source="gcp_auditlog",
    ),
    "files of a commit": lambda size: alert({"github.files": "a," * (size // 2)}, source="github"),
    "tags": lambda size: alert(tags=[f"T{n % 1000:04d}" for n in range(size // 9)]),
    "tags of many tactics": lambda size: alert(
        tags=[f"T{kind}{n:04d}" for kind in ("A", "") for n in range(min(10_000, size // 20))]
        + [f"T{n // 1000:04d}.{n % 1000:03d}" for n in range(size // 40)]
    ),
    "digits": lambda size: alert({"a": 1}).replace(b": 1}", b": " + b"9" * size + b"}"),
    "a fraction": lambda size: alert({"a": 1}).replace(b": 1}", b": 1." + b"9" * size + b"}"),
    "lone surrogates": lambda size: alert({"a": "X"}).replace(b"X", b"\\ud800" * (size // 6)),
    "depth": lambda size: alert({f"k{n}": "X" for n in range(size // 205)}).replace(
        b'"X"', b"[" * 95 + b"]" * 95
    ),
    "a time": lambda size: alert(time="2026-07-04T20:46:44." + "1" * size + "Z"),
    "the same key": lambda size: b'{"rule":"a",' * (size // 12),
    "NUL": lambda size: b"\0" * size,
    "blanks": lambda size: b" " * size,
    "not UTF-8": lambda size: b"\xf0" * size,
}
FIELDS = (
    *("proc.cmdline", "proc.exepath", "proc.pid", "user.uid", "fd.name", "fd.sip", "fd.sip.name"),
    *("container.id", "container.full_id", "container.image.digest", "evt.time", "s3.uri"),
    *("ct.src", "okta.client.ip", "gcp.callerIP", "gcp.user"),
)
TEXTS = (":1->", "1", "-", "a-", "/", "arn:", '{"a":', '["', "\\", "a.", "@a.", " ", "😀")


def long_field(field: str, text: str) -> Callable[[int], bytes]:
    return lambda size: alert({field: text * (size // len(text))})


LONG = {f"{field} {text}": long_field(field, text) for field in FIELDS for text in TEXTS}
