"""Findings in a DuckDB table, as the mapping's SQL reads them."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from schemas.mapping import Finding, Mapping
from schemas.ocsf.parts import SHARED


def stage(mapping: Mapping, found: Iterable[Finding]) -> tuple[duckdb.DuckDBPyConnection, str]:
    """Return a database, and the SQL for the findings' OCSF columns in it."""
    names = ("time", *SHARED, "body", "raw_data", "unmapped")
    database = duckdb.connect()
    database.execute(
        'CREATE TABLE staged ("time" BIGINT, rule TEXT, scene TEXT, body TEXT, raw_data TEXT,'
        " unmapped TEXT)"
    )
    database.executemany(
        "INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?)",
        [[getattr(each, name) for name in names] for each in found],
    )
    read = ", ".join(
        f"from_json({part}, '{mapping.structures[part]}') AS {part}" for part in SHARED
    )
    return database, mapping.select(f"(SELECT * REPLACE ({read}) FROM staged)")
