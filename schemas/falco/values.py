"""Values of an alert's fields, whatever a pipeline has made of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

EMPTY = (None, "", "<NA>")
"""What Falco prints for a field without a value."""

_NONE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # The kernel's "unset": -1, and the same number without a sign.
        "user.loginuid": frozenset({"-1", "4294967295"}),
        "proc.tty": frozenset({"0"}),
        **dict.fromkeys(
            ("container.id", "container.full_id", "container.name", "container.type"),
            frozenset({"host"}),
        ),
        "okta.client.zone": frozenset({"null"}),
    }
)

_MOST_DIGITS = 40
_FRACTION = re.compile(rb"[0-9][.e]")
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

_encode_fast = msgspec.json.Encoder().encode


def is_none(field: str, value: Any) -> bool:
    """Return whether a field's value says that there is none: no login user, terminal, container.

    A container may be named host: then its id is another.
    """
    return value in EMPTY or (field in _NONE and text(value) in _NONE[field])


def text(value: Any) -> str:
    """Return a field's value as text for `unmapped`: a string unchanged, anything else as JSON."""
    if value.__class__ is str or value.__class__ is int:
        return str(value)
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is list or value.__class__ is dict:
        return _nested(value)
    return _encode(value)


def _nested(value: Any) -> str:
    """Return a list or an object as JSON: msgspec's, which is three times as fast, if it is equal.

    It writes fractions in another form, and no integers of more than 64 bits.
    """
    try:
        found = _encode_fast(value)
    except OverflowError:
        return _encode(value)
    return _encode(value) if _FRACTION.search(found) else found.decode()


def number(literal: str) -> float | int | str:
    """Return the number that a JSON literal with a fraction or exponent stands for.

    Pipelines that keep every number as a double write 1000 as 1000.0 or 1e3: without a fraction it
    is an integer again. A number out of a double's range stays text.
    """
    found = float(literal)
    if not math.isfinite(found):
        return literal
    if len(literal) > _MOST_DIGITS or not found.is_integer():
        return found
    return int(Decimal(literal))


def labels_of(value: Any) -> list[str]:
    """Return the labels in a field, each as key:value.

    Falco prints them as one text, joined with commas; k8smeta as a list; others as an object. A
    part of a text without a colon belongs to the value before.
    """
    if isinstance(value, dict):
        return [f"{key}:{text(item)}" for key, item in value.items()]
    if isinstance(value, list):
        return [text(item).strip() for item in value if item not in EMPTY]
    if value.__class__ is not str:
        return [text(value)]
    labels: list[list[str]] = []
    for part in value.split(","):
        if ":" in part or "=" in part or not labels:
            if part.strip():
                labels.append([part])
        elif part.strip():
            labels[-1].append(part)
    return [",".join(parts).strip() for parts in labels]
