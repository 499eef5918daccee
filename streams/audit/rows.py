"""Checks an object's rows against the OCSF schema of their class, version and profiles.

A row is turned back into JSON: nulls left out, JSON text parsed, times as RFC 3339, the map as an
object. The official schema and the validator are optional: `pip install 'falcolake[verify]'`.
Without them nothing is checked here.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

CLASSES = {2001: "security_finding", 2004: "detection_finding"}
EXTRA = "pip install 'falcolake[verify]'"

#: Attributes of OCSF type json_t, which Parquet has as text.
JSON_TEXT = frozenset({"data", "evidence"})
BATCH = 1000

#: The most kinds of faults to report for one object, each with its first row.
MOST = 20


@dataclass(slots=True)
class RowFault:
    """A violation of the schema: the first row that has it, and how many have it."""

    message: str
    row: int
    rows: int = 1

    def __str__(self) -> str:
        more = f", and {self.rows - 1:,} more" if self.rows > 1 else ""
        return f"{self.message} (row {self.row}{more})"


def available() -> bool:
    """Whether the packages that `check` needs are installed."""
    return all(find_spec(name) is not None for name in ("ocsf_json_schema", "jsonschema_rs"))


def check(file: Path, sample: int | None) -> tuple[int, list[RowFault]]:
    """Validate all rows, or `sample` of them; return the number validated and their faults."""
    faults: dict[Any, RowFault] = {}
    count = 0
    for number, finding in findings(file, sample):
        count += 1
        for place, message in _errors(finding):
            fault = faults.get(place)
            if fault is not None:
                fault.rows += fault.row != number
            elif len(faults) < MOST:
                faults[place] = RowFault(message, number)
    return count, list(faults.values())


def findings(file: Path, sample: int | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield rows as OCSF JSON with their numbers: all, or `sample` of them spread evenly."""
    first = 0
    with parquet.ParquetFile(file) as source:
        chosen = _chosen(source.metadata.num_rows, sample)
        for batch in source.iter_batches(batch_size=BATCH):
            last = first + batch.num_rows
            numbers = chosen[bisect_left(chosen, first) : bisect_left(chosen, last)]
            places = pa.array([number - first for number in numbers], pa.int64())
            rows = batch.take(places)
            for number, row in zip(numbers, rows.to_pylist(maps_as_pydicts="lossy"), strict=True):
                yield number, {name: _plain(name, row[name]) for name in _present(row)}
            first = last


def _chosen(total: int, sample: int | None) -> Sequence[int]:
    if sample is None or sample >= total:
        return range(total)
    return [index * total // sample for index in range(sample)]


def _present(values: dict[str, Any]) -> Iterator[str]:
    return (name for name, value in values.items() if value is not None and value != {})


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, dict) and name == "unmapped":
        return value
    if isinstance(value, dict):
        return {inner: _plain(inner, value[inner]) for inner in _present(value)}
    if isinstance(value, list):
        return [_plain(name, item) for item in value]
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, str) and name in JSON_TEXT:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _errors(finding: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield the kind and message of each fault of one finding."""
    metadata = finding.get("metadata") or {}
    class_uid, version = finding.get("class_uid"), metadata.get("version")
    name = CLASSES.get(class_uid) if isinstance(class_uid, int) else None
    if name is None or not isinstance(version, str):
        yield "class", f"there is no schema for class_uid {class_uid} of version {version}"
        return
    validator = _validator(name, version, tuple(metadata.get("profiles") or ()))
    if validator is None:
        yield "version", f"there is no schema for OCSF {version}"
        return
    for error in islice(validator.iter_errors(finding), MOST):
        path = "".join(
            "[]" if isinstance(part, int) else f".{part}" for part in error.instance_path
        )
        kind = (path, *error.schema_path)
        yield kind, f"{path.lstrip('.') or 'finding'}: {error.message}"[:300]


@cache
def _validator(event_class: str, version: str, profiles: tuple[str, ...]) -> Any:
    """Return the validator of a class, or None for an unknown version of OCSF."""
    import jsonschema_rs
    from ocsf_json_schema import (  # type: ignore[import-untyped]
        OcsfJsonSchemaEmbedded,
        get_ocsf_schema,
    )

    try:
        schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version))
    except (OSError, ValueError, KeyError):
        return None
    return jsonschema_rs.validator_for(schema.get_class_schema(event_class, list(profiles)))
