"""DuckDB makes the same finding of the parts as Python does."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import Finding, Mapping
from tests.alerts import native
from tests.schemas.fields import NOW, alerts, many, some
from tests.schemas.kinds import MAPPINGS, each_kind, finding_of, mapped
from tests.schemas.staged import stage


def rows_from_duckdb(mapping: Mapping, found: list[Finding]) -> list[dict[str, Any]]:
    """Return the rows that DuckDB makes of the findings, as plain data without NULLs."""
    database, select = stage(mapping, found)
    answer = database.execute(select)
    names = [name for name, *_ in answer.description]
    assert names == list(mapping.columns)
    return [plain(dict(zip(names, row, strict=True))) for row in answer.fetchall()]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    return value


def with_json_as_text(value: Any, name: str = "") -> Any:
    """Return `value` with its json_t attributes parsed; Parquet has them as text."""
    if name in ("data", "evidence"):
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        return {key: with_json_as_text(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_json_as_text(item) for item in value]
    return value


@each_kind
@some
@given(batch=st.lists(alerts(), min_size=1, max_size=20))
def test_duckdb_reads_every_attribute_back(kind: tuple[str, str], batch: list[Any]) -> None:
    check_read_back(kind, batch)


@pytest.mark.faults
@each_kind
@many
@given(batch=st.lists(alerts(), min_size=1, max_size=20))
def test_duckdb_reads_every_attribute_of_many_back(kind: tuple[str, str], batch: list[Any]) -> None:
    check_read_back(kind, batch)


def check_read_back(kind: tuple[str, str], batch: list[Any]) -> None:
    mapping = MAPPINGS[kind]
    values = [native(alert) for alert in batch]
    rows = rows_from_duckdb(mapping, [mapped(mapping, value, NOW) for value in values])

    for row, value in zip(rows, values, strict=True):
        finding = finding_of(mapping, value, NOW)
        assert with_json_as_text(row) == finding
