"""The Parquet columns of a (class, release) never drift."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from schemas.ocsf.columns import columns, paths
from tests.alerts import SAMPLES, native
from tests.schemas.kinds import MAPPINGS, each_kind, finding_of, mapped
from tests.schemas.ocsf_schema import is_attribute
from tests.schemas.staged import stage

# A new digest here means new Parquet files that an existing Glue table may not read.
DIGESTS = {
    "detection_finding-1.1.0": "ae16fdabf87d6891",
    "detection_finding-1.3.0": "7fa6729becb4da6f",
    "detection_finding-1.8.0": "97d58a69695e552a",
    "security_finding-1.1.0": "06ffaa7960b9380f",
}


@each_kind
def test_column_types_are_pinned(kind: tuple[str, str]) -> None:
    types = json.dumps(dict(columns(*kind)))

    assert hashlib.sha256(types.encode()).hexdigest()[:16] == DIGESTS["-".join(kind)], types


def written(kind: tuple[str, str], path: Path, names: list[str]) -> list[tuple[Any, ...]]:
    """Return the Parquet schema of an object with these samples, as DuckDB writes it."""
    mapping = MAPPINGS[kind]
    found = [mapped(mapping, native(SAMPLES[name])) for name in names]
    database, select = stage(mapping, found)
    database.execute(
        f"COPY ({select}) TO '{path}'"
        " (FORMAT parquet, COMPRESSION zstd, TIMESTAMP_IS_ADJUSTED_TO_UTC true)"
    )
    return database.execute(
        "SELECT name, type, converted_type, logical_type, num_children"
        f" FROM parquet_schema('{path}')"
    ).fetchall()


@each_kind
def test_every_object_has_the_same_parquet_schema(kind: tuple[str, str], tmp_path: Path) -> None:
    schemas = [written(kind, tmp_path / f"{name}.parquet", [name]) for name in SAMPLES]
    schemas.append(written(kind, tmp_path / "all.parquet", list(SAMPLES)))
    by_name = {name: rest for name, *rest in schemas[0]}

    assert all(schema == schemas[0] for schema in schemas)
    assert by_name["time"][:1] == ["INT64"]
    assert "TIMESTAMP" not in str(by_name["time"])
    assert "isAdjustedToUTC=1" in by_name["time_dt"][2]
    assert "MILLIS" in by_name["time_dt"][2]
    assert by_name["severity_id"][0] == "INT32"
    assert by_name["type_uid"][0] == "INT64"
    assert by_name["unmapped"][1] == "MAP"


@each_kind
def test_every_time_has_a_datetime(kind: tuple[str, str]) -> None:
    known = paths(*kind)
    times = {path for path in known if re.search(r"(_|^)time$", path.rpartition(".")[2])}
    times.remove("metadata.original_time")  # a text

    assert len(times) >= 9
    assert {f"{path}_dt" for path in times} == {path for path in known if path.endswith("_dt")}


@each_kind
def test_every_column_is_an_attribute_of_the_release(kind: tuple[str, str]) -> None:
    # `unmapped` is an object of any shape.
    assert {path for path in paths(*kind) if not is_attribute(*kind, path)} == set()


def test_columns_differ_only_where_the_releases_do() -> None:
    old, middle, new = (
        paths("detection_finding", version) for version in ("1.1.0", "1.3.0", "1.8.0")
    )
    # What 1.3.0 lacks of 1.8.0, OCSF added later.
    later = {path for path in new - middle if not is_attribute("detection_finding", "1.3.0", path)}
    # Before 1.4 the tag has its own attribute, and no action means "observed".
    other = {"action_id", "action", "disposition_id", "disposition"}

    assert new - middle - later == {"evidences[].container.image.labels[]", *other}
    assert {path for path in middle - old if "[].container" not in path} == {
        *(f"evidences[].user{name}" for name in ("", *USER)),
        *(f"evidences[].url{name}" for name in ("", ".path", ".url_string")),
        *(
            f"evidences[].src_endpoint.{name}"
            for name in (
                "autonomous_system",
                "autonomous_system.name",
                "autonomous_system.number",
                "location.lat",
                "location.long",
            )
        ),
    }


USER = (".name", ".uid", ".full_name", ".email_addr", ".type_id", ".type")


@each_kind
def test_every_observable_points_at_an_attribute_that_is_there(kind: tuple[str, str]) -> None:
    mapping = MAPPINGS[kind]
    for alert in SAMPLES.values():
        finding = finding_of(mapping, native(alert))
        for each in finding.get("observables", ()):
            values = reached(finding, each["name"].replace("[]", "").split("."))
            assert each["value"] in map(str, values), (each, finding)


def reached(value: Any, steps: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in reached(item, steps)]
    if not steps:
        return [value]
    return reached(value[steps[0]], steps[1:]) if steps[0] in value else []


@each_kind
def test_every_attribute_of_a_finding_has_a_column(kind: tuple[str, str]) -> None:
    mapping = MAPPINGS[kind]
    known = paths(*kind)
    for alert in SAMPLES.values():
        assert used(finding_of(mapping, native(alert))) <= known


def used(value: Any, path: str = "") -> set[str]:
    """Return the attribute paths in a finding; JSON and `unmapped` are leaves."""
    if re.search(r"(^|\.)(data|evidence|unmapped)$", path):
        return {path}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {found for item in value for found in used(item, path + "[]")}
    if isinstance(value, list):
        return {path + "[]"}
    if isinstance(value, dict):
        inner = (used(item, f"{path}.{key}" if path else key) for key, item in value.items())
        return set().union(*inner)
    return {path}
