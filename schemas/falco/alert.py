"""A Kafka record's value → `Alert`, in any of the forms it may have.

Owns every input form: Falco's native JSON (any key order, any of its include properties), what
falcosidekick's Kafka output writes, and either of them in `envelopes`. A value that is not an alert
raises `NotAnAlertError`, whose message is a sentence that says why; nothing else is raised.

Most alerts pass a typed decode, and most of those nest nothing in their fields. A value that fails
it is read again, key by key, and accepted if it has a rule and a priority.
"""

from __future__ import annotations

import base64
import json
import re
from array import array
from collections.abc import Container
from itertools import accumulate
from typing import Any

import msgspec

from schemas.falco import envelopes, reasons
from schemas.falco.values import EMPTY, number, text

_STRINGS = ("uuid", "hostname", "message", "output", "source", "time")


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


_Scalar = str | int | bool | None


class _FlatAlert(Alert, gc=False, forbid_unknown_fields=True):
    """An alert that cannot be deep. Fractions are left to `Alert`, whose decoder has the hook."""

    output_fields: dict[str, _Scalar | list[_Scalar]] | None = None
    wrapped_at: _Scalar = msgspec.field(default=None, name="@timestamp")


class NotAnAlertError(ValueError):
    """A value that is not an alert; the message is a sentence that says why."""


_decode_flat = msgspec.json.Decoder(_FlatAlert).decode
_decode_alert = msgspec.json.Decoder(Alert, float_hook=number).decode
_decode_any = msgspec.json.Decoder(float_hook=number).decode

# Far more than Falco prints, and far below Python's recursion limit. A reject must not depend on
# how deep the caller's stack is, so the depth is checked before anything recurses.
_MAX_DEPTH = 100
# A string, or the start of one that never ends. Each character is read once.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# Of each bracket, the step that it makes: as a signed byte, 1 deeper or -1 back.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def read(value: bytes) -> tuple[str, Alert]:
    """Return a record's value as text, and the alert in it. Raise `NotAnAlertError` if it has none.

    In an alert that is not UTF-8, what cannot be read is U+FFFD, and its bytes are kept as the
    field `raw_data_base64`: the name of a file must not hide the alert about it.
    """
    try:
        raw = value.decode()
    except UnicodeDecodeError:
        raw = value.decode(errors="replace")
    else:
        return raw, decode(raw)
    try:
        alert = decode(raw)
    except NotAnAlertError:
        raise NotAnAlertError(reasons.of_bytes(value)) from None
    fields = alert.output_fields or {}
    name = spare_key("raw_data_base64", fields)
    alert.output_fields = {**fields, name: base64.b64encode(value).decode()}
    return raw, alert


def decode(value: str) -> Alert:
    """Return the alert in a record's value. Raise `NotAnAlertError`, and nothing else."""
    try:
        alert: Alert = _decode_flat(value)
    except msgspec.MsgspecError:
        if is_deep(value):
            raise NotAnAlertError("The value is nested too deeply.") from None
        try:
            alert = _decode_alert(value)
        except msgspec.MsgspecError:
            return _decode_leniently(value)
    if not (alert.rule and alert.priority) or (alert.tags and "" in alert.tags):
        return _decode_leniently(value)
    if alert.message and alert.message.startswith("{"):  # It may be a copy of the alert.
        return _decode_leniently(value)
    return alert


def is_deep(value: str) -> bool:
    """Return whether JSON text nests lists and objects more than 100 deep, in linear time."""
    if value.count("[") + value.count("{") <= _MAX_DEPTH:
        return False
    brackets = _STRING.sub("", value).encode(errors="replace").translate(_STEPS, _NO_BRACKETS)
    return _MAX_DEPTH + 1 in accumulate(array("b", brackets))


def _decode_leniently(value: str) -> Alert:
    document = _parse(value)
    found = envelopes.find(document, _parse)
    if found is None and isinstance(document, dict) and not envelopes.is_cloud_event(document):
        found = document if "rule" in document else None
    if found is None:
        raise NotAnAlertError(reasons.of_document(document, _parse))
    return _read(found)


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
        document = json.loads(value, parse_float=number, parse_int=_integer, parse_constant=_refuse)
    except ValueError:
        raise NotAnAlertError(reasons.of_text(value)) from None
    plain = json.dumps(document, ensure_ascii=False)
    return _decode_any(plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


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
    if "output_fields" not in document and isinstance(document.get("outputFields"), dict):
        document["output_fields"] = document.pop("outputFields")  # protobuf's JSON
    fields = document.get("output_fields")
    if not isinstance(fields, dict):
        misfits["output_fields"] = fields
        fields = {}
    tags = document.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        misfits["tags"] = tags
        tags = ()
    return Alert(
        rule=document["rule"],
        priority=document["priority"],
        output_fields={**misfits, **_unknown(document, fields), **fields},
        tags=tuple(filter(None, tags)),
        **strings,
    )


def _unknown(document: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that an alert does not have, by names that its fields do not have."""
    found = document.copy()
    for key in envelopes.ALERT_KEYS:
        found.pop(key, None)
    if fields.keys().isdisjoint(found.keys()):
        return found
    return {spare_key(key, fields): value for key, value in found.items()}


def shorten(alert: Alert, limit: int) -> dict[str, str]:
    """Take the texts longer than `limit` characters out of an alert, and return them by key.

    Fields are taken from half the limit on, because two of them may be joined.
    """
    for key in ("rule", "priority"):
        if len(getattr(alert, key)) > limit:
            raise NotAnAlertError(f"The alert's {key} is longer than {limit:,} characters.")
    most = limit // 2 - 64
    fields = alert.output_fields or {}
    taken = {
        field: whole
        for field, value in fields.items()
        if value.__class__ is not int  # which has at most 300 digits
        and len(whole := value if value.__class__ is str else text(value)) > most
    }
    if taken:
        fields = {field: value for field, value in fields.items() if field not in taken}
        alert.output_fields = fields
    for key in ("uuid", "hostname", "message", "output", "source"):
        whole = getattr(alert, key) or ""
        if len(whole) > most and (key not in ("message", "output") or len(whole) > limit):
            taken[spare_key(key, fields, taken)] = whole
            setattr(alert, key, None)
    if max(map(len, alert.tags or ()), default=0) > limit:
        taken[spare_key("tags", fields, taken)] = text(alert.tags)
        alert.tags = None
    return taken


def spare_key(key: str, *others: Container[str]) -> str:
    """Return `key`, or the first of `alert.key`, `alert.alert.key`, … that is not taken."""
    while True:
        for other in others:
            if key in other:
                break
        else:
            return key
        key = f"alert.{key}"
