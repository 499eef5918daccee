"""Envelopes: objects that pipelines put around an alert, and the alert inside them.

Fluent Bit, Vector, Filebeat, Logstash, Kafka Connect and CloudEvents put the alert under a key, as
an object or as text, sometimes more than once. Whatever the key is, an object that is not an alert
itself is opened. What an envelope has besides the alert is kept among the alert's fields; copies of
the alert are dropped.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from schemas.falco.values import EMPTY

ALERT_KEYS = frozenset(
    {
        *("uuid", "hostname", "message", "output", "source", "time", "rule", "priority"),
        *("output_fields", "tags", "@timestamp"),
    }
)
"""The keys of an alert. Fluent Bit and Logstash add `@timestamp`, their own time: not used."""

KEYS = ("log", "message", "MESSAGE", "data", "data_base64", "payload", "event")
"""The keys under which an alert is looked for first, in this order."""

LEVELS = 4
"""How many envelopes are opened, one inside the other."""

_IDENTITY = ("rule", "priority", "time", "output")

Parse = Callable[[str], Any]
"""Parses JSON text; raises ValueError."""


def find(document: Any, parse: Parse, levels: int = LEVELS) -> dict[str, Any] | None:
    """Return the alert in a JSON value, with what its envelopes have of their own.

    Returns None if there is none, or if it is not clear which one: other keys than `KEYS` have
    different alerts.
    """
    if isinstance(document, str):
        document = _parsed(document, parse)
    if not isinstance(document, dict):
        return None
    if _is_alert(document):
        return _without_copies(document, parse)
    if not levels:
        return None
    for key in KEYS:
        if (found := _inside(document, key, parse, levels)) is not None:
            return _joined(found, document, key, parse)
    others = [
        (key, found)
        for key in document
        if key not in KEYS and (found := _inside(document, key, parse, levels)) is not None
    ]
    if not others or not all(_is_copy(other, others[0][1]) for _, other in others):
        return None
    return _joined(others[0][1], document, others[0][0], parse)


def is_cloud_event(document: dict[str, Any]) -> bool:
    """Return whether an object is a CloudEvents envelope in structured mode."""
    return isinstance(document.get("specversion"), str) and "type" in document


def _is_alert(document: dict[str, Any]) -> bool:
    """Return whether an object is an alert and not an envelope, which may have a rule too."""
    return (
        isinstance(document.get("rule"), str)
        and isinstance(document.get("priority"), str)
        and not document.keys().isdisjoint({"time", "output", "output_fields", "outputFields"})
        and not is_cloud_event(document)
    )


def _inside(document: dict[str, Any], key: str, parse: Parse, levels: int) -> dict[str, Any] | None:
    value = document.get(key)
    if key == "data_base64" and isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True).decode()
        except ValueError:
            return None
    return find(value, parse, levels - 1)


def _parsed(text: str, parse: Parse) -> Any:
    """Return what JSON text holds, if it is an object or text in quotes; otherwise None."""
    if not text.lstrip().startswith(("{", '"')):
        return None
    try:
        return parse(text)
    except ValueError:
        return None


def _joined(
    alert: dict[str, Any], envelope: dict[str, Any], key: str, parse: Parse
) -> dict[str, Any]:
    """Return the alert with the other keys of its envelope, but not those that repeat it."""
    joined = dict(alert)
    fields = alert.get("output_fields")
    taken = fields if isinstance(fields, dict) else {}
    for name, value in envelope.items():
        if name in (key, "@timestamp") or value in EMPTY or alert.get(name) == value:
            continue
        left = _without_copy(value, alert, parse)
        if left is not None:
            free = name
            while free in ALERT_KEYS or free in joined or free in taken:
                free = f"envelope.{free}"
            joined[free] = left
    return joined


def _without_copies(document: dict[str, Any], parse: Parse) -> dict[str, Any]:
    """Return an alert without the copies of itself that a pipeline keeps in other keys."""
    kept = {}
    for name, value in document.items():
        if name in ALERT_KEYS and name != "message":
            kept[name] = value
        elif value.__class__ is str or value.__class__ is dict:
            left = _without_copy(value, document, parse)
            if left is not None:
                kept[name] = left
        elif value is not None:
            kept[name] = value
    return kept


def _without_copy(value: Any, alert: dict[str, Any], parse: Parse, levels: int = 2) -> Any:
    """Return a value without copies of the alert; None if nothing is left."""
    if isinstance(value, str):
        return None if _is_copy(_parsed(value, parse), alert) else value
    if not isinstance(value, dict) or not value:
        return value
    if _is_copy(value, alert):
        return None
    if not levels:
        return value
    kept = {
        name: left
        for name, inner in value.items()
        if (left := _without_copy(inner, alert, parse, levels - 1)) is not None or inner is None
    }
    return kept or None


def _is_copy(value: Any, alert: dict[str, Any]) -> bool:
    return (
        isinstance(value, dict)
        and "rule" in value
        and all(value.get(key) == alert.get(key) for key in _IDENTITY)
    )
