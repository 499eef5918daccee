"""How the peers make Parquet of findings: two ways, both with our columns and zstd.

`from_dicts` is what a framework's own Parquet output does: whole findings as dicts, through
`pyarrow.Table.from_pylist`, with a schema, so that every object has the same columns. `from_parts`
is the quickest way known to us: the mapping's own texts, which DuckDB nests in its COPY; what
findings share is parsed once. Neither sorts.
"""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.mapping import Finding, Mapping, Options
from schemas.ocsf.parts import SHARED, Own
from streams.staging import packed

MAPPING = Mapping(Options())
NONE = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in MAPPING.columns.items())
SCHEMA = duckdb.sql(f"SELECT {NONE}").to_arrow_table().schema
TEXTS = ("raw_data", *SHARED)


def row(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a finding for `from_pylist`: times as datetimes, maps as pairs, JSON as text."""
    found = _members(finding)
    if "unmapped" in found:
        found["unmapped"] = list(found["unmapped"].items())
    return found


def _members(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _member(name, each) for name, each in value.items()}


def _member(name: str, value: Any) -> Any:
    if name.endswith("_dt"):
        return datetime.fromisoformat(value)
    if name == "data":
        return msgspec.json.encode(value).decode()
    if isinstance(value, dict):
        return _members(value)
    if isinstance(value, list):
        return [_members(each) if isinstance(each, dict) else each for each in value]
    return value


def from_dicts(findings: Sequence[dict[str, Any]]) -> bytes:
    """Return Parquet of findings from `Mapping.finding`."""
    table = pa.Table.from_pylist([row(finding) for finding in findings], SCHEMA)
    with BytesIO() as file:
        pq.write_table(table, file, compression="zstd", compression_level=1)
        return file.getvalue()


def from_parts(findings: Sequence[Finding]) -> bytes:
    """Return Parquet of findings from `Mapping.map`."""
    columns = {name: pa.array([getattr(each, name) for each in findings]) for name in TEXTS}
    columns["time"] = pa.array([each.time for each in findings], pa.int64())
    for name in Own._fields:
        kind = packed.SCHEMA.field(name).type
        columns[name] = pa.array([getattr(each.own, name) for each in findings], kind)
    own = ", ".join(Own._fields)
    parsed = ", ".join(f"{part}s.value AS {part}" for part in SHARED)
    joins = "".join(f" JOIN {part}s ON {part}s.text = rows.{part}" for part in SHARED)
    with duckdb.connect() as database, tempfile.TemporaryDirectory() as name:
        database.execute("SET threads=1; SET TimeZone='UTC'")
        database.register("rows", pa.table(columns))
        for part in SHARED:
            database.execute(
                f"CREATE TABLE {part}s AS SELECT text, {MAPPING.parsed(part, 'text')} AS value"
                f" FROM (SELECT DISTINCT {part} AS text FROM rows)"
            )
        source = f"(SELECT time, {parsed}, raw_data, {own} FROM rows{joins})"
        file = Path(name) / "object.parquet"
        database.execute(
            f"COPY ({MAPPING.select(source)}) TO '{file}'"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )
        return file.read_bytes()
