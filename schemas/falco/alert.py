"""A Kafka record's value → `Alert`, in any of the forms it may have.

Owns every input form: Falco's native JSON (any key order, any of its include properties), what
falcosidekick's Kafka output writes, and either of them wrapped by Fluent Bit as an object or a
string under `log` or `message`. A value that is not an alert raises `NotAnAlertError`, whose
message is a sentence that says why; nothing else is raised.

Most alerts pass a typed decode. A value that fails it is read again, key by key, and accepted if it
has a rule and a priority.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container
from typing import Any

import msgspec

_STRINGS = ("uuid", "hostname", "message", "output", "source", "time")

_KEYS = frozenset({*_STRINGS, "rule", "priority", "output_fields", "tags", "@timestamp"})

EMPTY = (None, "", "<NA>")
"""What Falco prints for a field without a value."""


class Alert(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One Falco alert. The keys are in Falco's own order, which msgspec decodes fastest."""

    rule: str
    priority: str
    uuid: str | None = None
    hostname: str | None = None
    message: str | None = None
    output: str | None = None
    output_fields: dict[str, Any] | None = None
    source: str | None = None
    tags: tuple[str, ...] | None = None
    time: str | None = None
    wrapped_at: Any = msgspec.field(default=None, name="@timestamp")
    """Fluent Bit's own time, which it adds to the alert's keys. Not used."""


class NotAnAlertError(ValueError):
    """A value that is not an alert; the message is a sentence that says why."""


_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_any = msgspec.json.Decoder().decode

# Far more than Falco prints, and far below Python's recursion limit. A reject must not depend on
# how deep the caller's stack is, so the depth is checked before anything recurses.
_MAX_DEPTH = 100
# A string, or the start of one that never ends. Each character is read once.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def decode(value: str) -> Alert:
    """Return the alert in a record's value. Raise `NotAnAlertError`, and nothing else."""
    if is_deep(value):
        raise NotAnAlertError("The value is nested too deeply.")
    try:
        alert = _decode_alert(value)
    except msgspec.MsgspecError:
        return _decode_leniently(value)
    return alert if alert.rule and alert.priority else _decode_leniently(value)


def text(value: Any) -> str:
    """Return a field's value as text for `unmapped`: a string unchanged, anything else as JSON."""
    if value.__class__ is str or value.__class__ is int:
        return str(value)
    if value.__class__ is bool:
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_deep(value: str) -> bool:
    """Return whether JSON text nests lists and objects more than 100 deep, in linear time."""
    if value.count("[") + value.count("{") <= _MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", value)):
        if bracket in "[{":
            depth += 1
            if depth > _MAX_DEPTH:
                return True
        else:
            depth -= 1
    return False


def _decode_leniently(value: str) -> Alert:
    document = _parse(value)
    for _ in range(3):
        if not isinstance(document, dict):
            raise NotAnAlertError("The value is JSON, but not an object.")
        if "rule" in document:
            return _read(document)
        inner = document.get("log", document.get("message"))
        if inner is None:
            break
        document = _parse(inner) if isinstance(inner, str) else inner
    raise NotAnAlertError("The alert has no rule.")


def _parse(value: str) -> Any:
    if is_deep(value):
        raise NotAnAlertError("The value is nested too deeply.")
    try:
        return _decode_any(value)
    except msgspec.MsgspecError:
        return _parse_loosely(value)


def _parse_loosely(value: str) -> Any:
    """Parse JSON that msgspec refuses: lone surrogates and numbers out of range.

    A lone surrogate becomes U+FFFD, as it does in falcosidekick; a number out of range becomes its
    own text. Otherwise a crafted file name could hide the alert that contains it.
    """
    try:
        document = json.loads(value, parse_float=_float, parse_int=_integer, parse_constant=_refuse)
    except ValueError:
        raise NotAnAlertError("The value is not JSON.") from None
    plain = json.dumps(document, ensure_ascii=False)
    return _decode_any(plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _float(literal: str) -> float | str:
    number = float(literal)
    return number if math.isfinite(number) else literal


def _integer(literal: str) -> int | str:
    return int(literal) if len(literal) < 300 else literal


def _refuse(literal: str) -> Any:
    raise ValueError(literal)


def _read(document: dict[str, Any]) -> Alert:
    """Return the alert in an object with a rule; values of a wrong type join the output fields."""
    for key in ("rule", "priority"):
        if document.get(key) in EMPTY:
            raise NotAnAlertError(f"The alert has no {key}.")
        if not isinstance(document[key], str):
            raise NotAnAlertError(f"The alert's {key} is not a string.")
    misfits = {}
    strings: dict[str, str | None] = dict.fromkeys(_STRINGS)
    for key in _STRINGS:
        value = document.get(key)
        if isinstance(value, str):
            strings[key] = value
        else:
            misfits[key] = value
    fields = document.get("output_fields")
    if not isinstance(fields, dict):
        misfits["output_fields"] = fields
        fields = {}
    tags = document.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        misfits["tags"] = tags
        tags = ()
    misfits |= {key: value for key, value in document.items() if key not in _KEYS}
    return Alert(
        rule=document["rule"],
        priority=document["priority"],
        output_fields={**misfits, **fields},
        tags=tuple(tags),
        **strings,
    )


def shorten(alert: Alert, limit: int) -> dict[str, str]:
    """Take the texts longer than `limit` characters out of an alert, and return them by key.

    Fields are taken from half the limit on, because two of them may be joined.
    """
    for key in ("rule", "priority"):
        if len(getattr(alert, key)) > limit:
            raise NotAnAlertError(f"The alert's {key} is longer than {limit:,} characters.")
    taken: dict[str, str] = {}
    fields = {}
    for field, value in (alert.output_fields or {}).items():
        whole = text(value)
        if len(whole) > limit // 2 - 64:
            taken[field] = whole
        else:
            fields[field] = value
    alert.output_fields = fields
    for key in ("uuid", "hostname", "message", "output", "source"):
        whole = getattr(alert, key) or ""
        if len(whole) > limit // 2 - 64 and (
            key not in ("message", "output") or len(whole) > limit
        ):
            taken[spare_key(key, fields, taken)] = whole
            setattr(alert, key, None)
    if any(len(tag) > limit for tag in alert.tags or ()):
        taken[spare_key("tags", fields, taken)] = text(alert.tags)
        alert.tags = None
    return taken


def spare_key(key: str, *others: Container[str]) -> str:
    """Return `key`, or the first of `alert.key`, `alert.alert.key`, … that is not taken."""
    while any(key in other for other in others):
        key = f"alert.{key}"
    return key
