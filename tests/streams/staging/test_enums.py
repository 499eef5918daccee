"""ENUMs in a COPY change what it costs, and nothing that it writes."""

import itertools
import json
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from schemas.mapping import CLASSES, Finding, Mapping, Options
from schemas.ocsf.parts import MORE
from streams.staging.enums import MOST_VALUES, enumerated
from streams.staging.parquet import Sizes
from streams.staging.staging import Staging
from streams.windows.window import Window
from tests.alerts import SHELL
from tests.bench.ground import MIX, SYSCALL, alerts
from tests.streams.falco_records import ACCOUNT, REGION, rows

STRUCTURE = json.dumps(
    {
        "severity": "VARCHAR",
        "severity_id": "INTEGER",
        "metadata": {"version": "VARCHAR", "labels": "VARCHAR[]"},
        "user": 'STRUCT("name" VARCHAR, "groups" STRUCT("name" VARCHAR)[])',
    }
)
FORMS = [(each, version) for each, versions in CLASSES.items() for version in versions]


def types(*values: Any, apart: tuple[str, ...] = ()) -> str:
    return enumerated(STRUCTURE, map(json.dumps, values), apart)


def test_each_text_attribute_becomes_an_enum_of_its_values() -> None:
    found = types(
        {"severity": "Low", "severity_id": 2, "metadata": {"version": "1.1.0", "labels": ["b"]}},
        {"severity": "High", "metadata": {"labels": ["a", "it's"]}, "user": {"name": None}},
        {"severity": "Low", "user": {"groups": [{"name": "root"}, {"name": "adm"}]}},
    )
    assert found == (
        "STRUCT(\"severity\" ENUM('High', 'Low'), \"severity_id\" INTEGER, "
        "\"metadata\" STRUCT(\"version\" ENUM('1.1.0'), \"labels\" ENUM('a', 'b', 'it''s')[]), "
        '"user" STRUCT("name" ENUM(\'\'), "groups" STRUCT("name" ENUM(\'adm\', \'root\'))[]))'
    )


def test_attributes_that_meet_those_of_a_body_keep_their_types() -> None:
    value = {"severity": "Low", "user": {"name": "root"}}
    found = types(value, apart=("user", "metadata"))
    assert found == (
        'STRUCT("severity" ENUM(\'Low\'), "severity_id" INTEGER, '
        '"metadata" STRUCT("version" VARCHAR, "labels" VARCHAR[]), '
        '"user" STRUCT("name" VARCHAR, "groups" STRUCT("name" VARCHAR)[]))'
    )


@pytest.mark.parametrize(
    "values",
    [[str(number) for number in range(MOST_VALUES + 1)], ["a\0b"], [1], [{"a": 1}], [["a"]]],
    ids=["too many", "NUL", "a number", "an object", "a list"],
)
def test_what_no_enum_can_hold_stays_text(values: list[Any]) -> None:
    assert '"severity" VARCHAR' in types(*({"severity": value} for value in ["a", *values, "b"]))


def test_as_many_values_as_an_enum_may_have_become_one() -> None:
    values = [{"severity": f"value {number}"} for number in range(MOST_VALUES)]
    assert '"severity" ENUM(' in types(*values, *values)


def exported(path: Path, mapping: Mapping, values: list[bytes], enums_from: int) -> Path:
    file, home, sizes = (
        path / f"{enums_from}.parquet",
        (REGION, ACCOUNT),
        Sizes(enums_from=enums_from),
    )
    with Staging(path / "staging", "topic", mapping.version, home, sizes=sizes) as staging:
        staging.open()
        run = staging.append(rows(0, 0, len(values), values.__getitem__, mapping))
        window = Window(0, 0, len(values), (run,))
        group, _ = max(staging.groups(window), key=itemgetter(1))
        staging.export(window, group, mapping, {}, file)
    return file


def dictionaries(file: Path) -> set[str]:
    """Return the attributes that are written as ENUMs: they alone have no Bloom filter."""
    found = duckdb.sql(
        "SELECT path_in_schema FROM parquet_metadata($file) "
        "WHERE encodings = 'RLE_DICTIONARY' AND bloom_filter_offset IS NULL",
        params={"file": str(file)},
    ).fetchall()
    return {path for (path,) in found}


#: A rename: its finding has two evidences.
RENAME = json.dumps(
    SHELL | {"output_fields": {"fs.path.source": "/etc/shadow", "fs.path.target": "/tmp/x"}}
).encode()


@pytest.mark.parametrize("renames", [0, 1])
@pytest.mark.parametrize("kind", [SYSCALL, MIX])
@pytest.mark.parametrize(("event_class", "version"), FORMS)
def test_an_object_has_the_same_rows_and_schema_with_enums_and_without(
    tmp_path: Path, event_class: str, version: str, kind: str, renames: int
) -> None:
    """The text of a second evidence is the body's, so that with one none can be an ENUM."""
    mapping = Mapping(Options(event_class=event_class, ocsf_version=version, region=REGION))
    values = list(itertools.islice(alerts(kind), 400)) + renames * [RENAME]
    text, enums = (exported(tmp_path, mapping, values, each) for each in (1_000, 1))
    assert pq.read_table(enums).equals(pq.read_table(text))
    assert pq.ParquetFile(enums).schema.equals(pq.ParquetFile(text).schema)
    assert not dictionaries(text)
    assert "severity" in dictionaries(enums)
    inside = any(path.startswith("evidences, ") for path in dictionaries(enums))
    assert inside == (event_class == "detection_finding" and not renames)


def test_an_alert_of_another_day_with_more_evidences_changes_no_object_of_this_one(
    tmp_path: Path,
) -> None:
    """One append has both days, and only bodies tell which of them has a second evidence."""
    mapping = Mapping(Options(region=REGION))
    values = list(itertools.islice(alerts(SYSCALL), 400))
    alone = exported(tmp_path / "alone", mapping, values, 1)
    other = json.dumps(json.loads(RENAME) | {"time": "2026-01-01T00:00:00Z"}).encode()
    both = exported(tmp_path / "both", mapping, [*values, other], 1)
    assert both.read_bytes() == alone.read_bytes()


def test_a_body_tells_whether_there_are_more_evidences() -> None:
    mapping = Mapping(Options())
    renamed, plain = mapping.map(RENAME, 0), mapping.map(json.dumps(SHELL).encode(), 0)
    assert isinstance(renamed, Finding)
    assert isinstance(plain, Finding)
    assert MORE in renamed.body
    assert MORE not in plain.body
