"""Text attributes of few values as DuckDB ENUMs, which DuckDB writes four times as fast as text.

The texts of a shared part are known before an object is written, and so are the values of each of
its attributes. An ENUM of them is cheap to nest, takes a byte a row in a row group, and needs no
hashing to become Parquet's dictionary. In Parquet it is the same text column with the same pages of
indices; it has the object's minimum and maximum, but no Bloom filter. Readers find the whole
dictionary of such a column in each row group, and skip those without the value they look for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import duckdb
import msgspec
from duckdb.sqltypes import DuckDBPyType

#: Values of an attribute: with more it stays text.
MOST_VALUES = 100

#: The type of a part, an object or an attribute: members by name, a list of something, or SQL.
_Type = dict[str, "_Type"] | tuple["_Type"] | str
#: The values of each text attribute; None for one that cannot be an ENUM.
_Values = dict[str, set[str] | None]

_TEXT = "VARCHAR"


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def enumerated(structure: str, texts: Iterable[str], apart: Collection[str]) -> str:
    """Return the DuckDB type of a part, a STRUCT with ENUMs where these JSON texts allow it.

    `structure` is the part's, see `schemas.ocsf.parts.structures`. The attributes in `apart`, and
    what is inside them, keep their types. The type depends on the set of texts, not on their order.
    """
    type_ = _part(structure)
    values: _Values = {}
    for text in texts:
        _collect(type_, msgspec.json.decode(text), "", values)
    return _sql(type_, "", values, apart)


@lru_cache(maxsize=64)
def _part(structure: str) -> _Type:
    return _nested(json.loads(structure))


def _nested(structure: dict[str, Any] | str) -> _Type:
    if isinstance(structure, str):
        return _parsed(duckdb.sqltype(structure))
    return {name: _nested(inner) for name, inner in structure.items()}


def _parsed(type_: DuckDBPyType) -> _Type:
    if type_.id not in ("struct", "list"):
        return str(type_)
    inner = {name: _parsed(each) for name, each in type_.children if isinstance(each, DuckDBPyType)}
    return inner if type_.id == "struct" else (inner["child"],)


def _collect(type_: _Type, value: Any, path: str, values: _Values) -> None:
    if value is None:
        return
    if isinstance(type_, dict):
        for name, inner in type_.items():
            if name in value:
                _collect(inner, value[name], f"{path}.{name}", values)
    elif isinstance(type_, tuple):
        for each in value:
            _collect(type_[0], each, path, values)
    elif type_ == _TEXT:
        values[path] = _with(value, values.get(path, set()))


def _with(value: Any, found: set[str] | None) -> set[str] | None:
    """Return the values with one more; None if these cannot be an ENUM."""
    # SQL has no literal for text with a NUL, and DuckDB itself makes text of other JSON.
    if found is None or not isinstance(value, str) or "\0" in value:
        return None
    found.add(value)
    return found if len(found) <= MOST_VALUES else None


def _sql(type_: _Type, path: str, values: _Values | None, apart: Collection[str]) -> str:
    """Return a type as SQL; without `values` text stays text."""
    if path.removeprefix(".") in apart:
        values = None
    if isinstance(type_, dict):
        members = (
            f'"{name}" {_sql(inner, f"{path}.{name}", values, apart)}'
            for name, inner in type_.items()
        )
        return f"STRUCT({', '.join(members)})"
    if isinstance(type_, tuple):
        return _sql(type_[0], path, values, apart) + "[]"
    if type_ != _TEXT or values is None:
        return type_
    found = values.get(path, set())
    if found is None:
        return _TEXT
    return f"ENUM({', '.join(map(literal, sorted(found) or ['']))})"
