"""DuckDB makes the same finding of the parts as Python does."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import Finding, Mapping
from tests.alerts import PLAIN, native
from tests.schemas.fields import NOW, alerts, many, some
from tests.schemas.kinds import MAPPINGS, MIDDLE, NEW, OLD, each_kind, finding_of, mapped
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


TS = 1_783_198_004_120
PROGRAM = {
    "proc.name": "sh",
    "proc.pid": 7,
    "proc.cmdline": "sh -c id",
    "proc.exepath": "/bin/sh",
    "proc.hash.sha256": "ab" * 32,
    "proc.exe_ino.mtime": TS * 1_000_000,
    "proc.pid.ts": TS * 1_000_000,
    "user.name": "root",
    "user.uid": 0,
}


@pytest.mark.parametrize("mapping", [OLD, MIDDLE, NEW], ids=["1.1.0", "1.3.0", "1.8.0"])
def test_the_acting_process_is_also_where_awss_findings_have_it(mapping: Mapping) -> None:
    found = mapped(mapping, native({**PLAIN, "source": "syscall", "output_fields": PROGRAM}), NOW)
    (row,) = rows_from_duckdb(mapping, [found])

    (evidence,) = row["evidences"]
    process = evidence["process"]
    assert process["created_time_dt"] == "2026-07-04T20:46:44.120Z"
    assert process["file"]["modified_time_dt"] == "2026-07-04T20:46:44.120Z"
    assert evidence["actor"] == {
        "user": process["user"],
        "process": {
            "name": "sh",
            "pid": 7,
            "cmd_line": "sh -c id",
            "created_time": TS,
            "created_time_dt": "2026-07-04T20:46:44.120Z",
            "file": {
                "name": "sh",
                "path": "/bin/sh",
                "type_id": 1,
                "type": "Regular File",
                "hashes": process["file"]["hashes"],
            },
            "user": process["user"],
        },
    }


@each_kind
@pytest.mark.parametrize("timestamp", [253_402_300_800_000, 2**63 - 1])
def test_a_time_after_the_year_9999_is_not_a_datetime(
    kind: tuple[str, str], timestamp: int
) -> None:
    mapping, value = MAPPINGS[kind], native(PLAIN)
    (row,) = rows_from_duckdb(mapping, [mapped(mapping, value, timestamp)])

    assert row["metadata"]["logged_time"] == row["metadata"]["processed_time"] == timestamp
    assert "logged_time_dt" not in row["metadata"]
    assert row == finding_of(mapping, value, timestamp)


@each_kind
def test_the_last_moment_of_the_year_9999_is_a_datetime(kind: tuple[str, str]) -> None:
    mapping, value = MAPPINGS[kind], native(PLAIN)
    (row,) = rows_from_duckdb(mapping, [mapped(mapping, value, 253_402_300_799_999)])

    assert row["metadata"]["logged_time_dt"] == "9999-12-31T23:59:59.999Z"
    assert row == finding_of(mapping, value, 253_402_300_799_999)
