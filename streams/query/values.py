"""Values of an answer as JSON and as text. Pure."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from math import isfinite
from typing import Any


def plain(value: Any) -> Any:
    """Return a value as JSON types; attributes without a value are left out of an object."""
    if isinstance(value, Mapping):
        return {f"{name}": plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        fine = "auto" if moment.microsecond % 1000 else "milliseconds"
        return moment.isoformat(timespec=fine).replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, float) and not isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return f"{value}"


def text(value: Any) -> str:
    """Return a value as text: empty for null, JSON for what has attributes or elements."""
    found = plain(value)
    if found is None:
        return ""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def unique(names: Sequence[str]) -> list[str]:
    """Return names of columns with a number after those that were there before: a, b, a_1."""
    found: list[str] = []
    for name in names:
        others = (f"{name}_{number}" for number in count(1))
        found.append(name if name not in found else next(n for n in others if n not in found))
    return found
