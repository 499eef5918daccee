"""Findings in a DuckDB table, as the mapping's SQL reads them."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from schemas.mapping import Finding, Mapping
from schemas.ocsf.parts import SHARED, Own


def stage(mapping: Mapping, found: Iterable[Finding]) -> tuple[duckdb.DuckDBPyConnection, str]:
    """Return a database, and the SQL for the findings' OCSF columns in it."""
    names = ("time", "raw_data", *SHARED)
    database = duckdb.connect()
    database.execute(
        'CREATE TABLE staged ("time" BIGINT, raw_data TEXT, rule TEXT, scene TEXT, body TEXT,'
        " unmapped TEXT, uid TEXT, original_time TEXT, logged_time BIGINT, raw_data_size BIGINT,"
        " message TEXT, request_uid TEXT, event_uid TEXT, cmd_line TEXT, pid BIGINT, tid BIGINT,"
        " namespace_pid BIGINT, session_uid TEXT, created_time BIGINT, parent_cmd_line TEXT,"
        " parent_pid BIGINT)"
    )
    database.executemany(
        f"INSERT INTO staged VALUES ({', '.join('?' * (len(names) + len(Own._fields)))})",
        [[*(getattr(each, name) for name in names), *each.own] for each in found],
    )
    read = ", ".join(f"{mapping.parsed(part, part)} AS {part}" for part in SHARED)
    return database, mapping.select(f"(SELECT * REPLACE ({read}) FROM staged)")
