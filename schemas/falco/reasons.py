"""Why a value is not an alert, in a sentence that names the cause and what to change.

What depends on one record follows a colon, so that the part before it can be counted.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from schemas.falco import envelopes

_SHOWN = 60
_PRIORITIES = "Emergency|Alert|Critical|Error|Warning|Notice|Informational|Info|Debug"
# "14:03:27.123456789: Notice …", or with an ISO 8601 time.
_TEXT_OUTPUT = re.compile(
    rf"\s*+(?:\d{{4}}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:\.\d{{1,9}})?(?:Z|[+-]\d\d:?\d\d)?: "
    rf"(?:{_PRIORITIES})\b",
    re.ASCII,
)
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x82SNAPPY": "snappy",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def of_bytes(value: bytes) -> str:
    """Return why bytes that are not UTF-8 are not an alert."""
    for magic, name in _COMPRESSED.items():
        if value.startswith(magic):
            return (
                f"The value is {name} data: send plain JSON, and let the Kafka producer compress."
            )
    if value.startswith(_UTF_16):
        return "The value is UTF-16: send UTF-8."
    if _has_schema_header(value.decode("latin-1")):
        return _SCHEMA_HEADER
    return "The value is not UTF-8."


_SCHEMA_HEADER = (
    "The value has a Schema Registry header: send plain JSON, with a serializer without schemas."
)


def of_text(text: str) -> str:
    """Return why text that is not JSON is not an alert."""
    if text.startswith("\ufeff"):
        return "The value begins with a byte order mark: send UTF-8 without one."
    if text[:2] in ("{\0", "\0{"):
        return "The value is UTF-16: send UTF-8."
    if _has_schema_header(text):
        return _SCHEMA_HEADER
    if _TEXT_OUTPUT.match(text):
        return "The value is Falco's text output: set json_output: true in falco.yaml."
    return _around_json(text)


def _around_json(text: str) -> str:
    start = text.find("{")
    if start < 0:
        return "The value is not JSON."
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except ValueError:
        return _broken(text, start)
    before, after = text[:start].strip(), text[end:].strip()
    if before:
        return f"The value has text before the JSON: {_shown(before)}."
    if after.startswith("{"):
        return "The value has several JSON values: send each as a record."
    return (
        f"The value has text after the JSON: {_shown(after)}."
        if after
        else "The value is not JSON."
    )


def _broken(text: str, start: int) -> str:
    if start and text[:start].strip():
        return "The value is not JSON."
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as found:
        if "truncated" in str(found):
            return "The value is cut off: the JSON has no end."
    return "The value is not JSON."


def of_document(document: Any, parse: envelopes.Parse) -> str:
    """Return why a JSON value without an alert inside is not an alert."""
    if isinstance(document, list):
        if document and isinstance(document[0], dict):
            return f"The value is an array: send each of its {len(document):,} items as a record."
        return "The value is an array: send an alert, which is an object."
    if not isinstance(document, dict):
        return "The value is JSON, but not an object."
    if envelopes.is_cloud_event(document):
        return "The value is a CloudEvents envelope without an alert: its key data has none."
    for key in envelopes.KEYS:
        inner = document.get(key)
        if isinstance(inner, str) and inner.strip():
            try:
                parse(inner)
            except ValueError as error:
                why = str(error).removeprefix("The value ").rstrip(".").replace(": ", "; ", 1)
                return f"The alert has no rule: its key {key} {why}."
    return "The alert has no rule."


def _has_schema_header(text: str) -> bool:
    """Return whether text begins with the byte 0 and the id of a schema, four bytes."""
    return text.startswith("\0") and len(text) > 5 and bool(text.strip("\0"))


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= _SHOWN else text[:_SHOWN] + "…", ensure_ascii=False)
