"""Table definitions: each has the types of every column, and where the days are."""

import re

import pytest

from schemas.ocsf.columns import columns
from streams.audit.rules import RELEASES
from streams.lake import ddl
from streams.lake.ddl import ENGINES, Lake
from tests.streams.falco_records import ACCOUNT, REGION

LAKE = Lake(
    *("s3://lake/ext/falco", "detection_finding", "1.1.0"),
    *([REGION, "eu-west-1"], [ACCOUNT, "external_7"], "security.falco"),
)

#: Each engine's types, in the terms of `columns`.
SCALARS = {
    "athena": {
        "string": "VARCHAR",
        "int": "INTEGER",
        "bigint": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP_MS",
        "map(string,string)": "MAP(VARCHAR, VARCHAR)",
    },
    "trino": {
        "varchar": "VARCHAR",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp(3)": "TIMESTAMP_MS",
        "map(varchar, varchar)": "MAP(VARCHAR, VARCHAR)",
    },
    "clickhouse": {
        "Nullable(String)": "VARCHAR",
        "Nullable(Int32)": "INTEGER",
        "Nullable(Int64)": "BIGINT",
        "Nullable(Float64)": "DOUBLE",
        "Nullable(Bool)": "BOOLEAN",
        "Nullable(DateTime64(3, 'UTC'))": "TIMESTAMP_MS",
        "Map(String, Nullable(String))": "MAP(VARCHAR, VARCHAR)",
    },
}
SCALARS["spark"] = SCALARS["athena"]
INNER = re.compile(r"(array|struct|row|tuple)\(", re.IGNORECASE)


def parsed(text: str, scalars: dict[str, str]) -> tuple[str, str]:
    """Parse a type, written with brackets and quotes; return it as DuckDB's, and the rest."""
    if not (begin := INNER.match(text)):
        scalar = max((each for each in scalars if text.startswith(each)), key=len)
        return scalars[scalar], text[len(scalar) :]
    text = text[begin.end() :]
    if begin[1].lower() == "array":
        inner, text = parsed(text, scalars)
        assert text.startswith(")")
        return f"{inner}[]", text[1:]
    members = []
    while not text.startswith(")"):
        name = re.match(r'(?:, ?)?"(\w+)" ', text)
        assert name, text[:80]
        inner, text = parsed(text[name.end() :], scalars)
        members.append(f'"{name[1]}" {inner}')
    return f"STRUCT({', '.join(members)})", text[1:]


def columns_of(sql: str, engine: str) -> dict[str, str]:
    """Return the columns of a definition with DuckDB's types."""
    if engine == "clickhouse":
        (structure,) = re.findall(r"^    '(`.*)'$", sql, re.MULTILINE)
        lines = [structure.replace("''", "'")]
    else:
        lines = sql.partition("(\n")[2].partition("\n)\n")[0].split("\n")
    text = "".join(lines).replace("<", "(").replace(">", ")")
    text = re.sub(r"`(\w+)`:? ?", r'"\1" ', text)
    found = {}
    while name := re.match(r'[ ,]*"(\w+)" ', text):
        if name[1].lower() in {"region", "accountid", "eventday"}:
            break
        found[name[1]], text = parsed(text[name.end() :], SCALARS[engine])
    return found


@pytest.mark.parametrize("kind", sorted(RELEASES), ids="-".join)
@pytest.mark.parametrize("engine", SCALARS)
def test_every_column_has_its_type_in_order(engine: str, kind: tuple[str, str]) -> None:
    sql = ENGINES[engine](LAKE._replace(event_class=kind[0], version=kind[1]))
    assert list(columns_of(sql, engine).items()) == list(columns(*kind).items())


def test_athena_computes_the_paths_of_all_days() -> None:
    sql = ddl.athena(LAKE)
    assert sql.startswith("CREATE EXTERNAL TABLE security.falco (\n    `activity_id` int,\n")
    assert (
        sql.partition("\n)\nPARTITIONED BY")[2]
        == f""" (
    `region` string,
    `accountid` string,
    `eventday` string
)
STORED AS PARQUET
LOCATION 's3://lake/ext/falco/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    'projection.region.type' = 'enum',
    'projection.region.values' = '{REGION},eu-west-1',
    'projection.accountid.type' = 'enum',
    'projection.accountid.values' = '{ACCOUNT},external_7',
    'projection.eventday.type' = 'date',
    'projection.eventday.format' = 'yyyyMMdd',
    'projection.eventday.range' = '20200101,NOW+1DAYS',
    'projection.eventday.interval' = '1',
    'projection.eventday.interval.unit' = 'DAYS',
    'storage.location.template' = '{TEMPLATE}'
);"""
    )


TEMPLATE = "s3://lake/ext/falco/region=${region}/accountId=${accountid}/eventDay=${eventday}/"


def test_trino_computes_them_too() -> None:
    sql = ddl.trino(LAKE)
    assert sql.partition('    "region"')[2] == (
        " varchar WITH (partition_projection_type = 'ENUM', "
        f"partition_projection_values = ARRAY['{REGION}', 'eu-west-1']),\n"
        "    \"accountid\" varchar WITH (partition_projection_type = 'ENUM', "
        f"partition_projection_values = ARRAY['{ACCOUNT}', 'external_7']),\n"
        "    \"eventday\" varchar WITH (partition_projection_type = 'DATE', "
        "partition_projection_format = 'yyyyMMdd', "
        "partition_projection_range = ARRAY['20200101', 'NOW+1DAY'], "
        "partition_projection_interval = 1, partition_projection_interval_unit = 'DAYS')\n)\n"
        "WITH (\n    format = 'PARQUET',\n    external_location = 's3://lake/ext/falco/',\n"
        "    partitioned_by = ARRAY['region', 'accountid', 'eventday'],\n"
        "    partition_projection_enabled = true,\n"
        f"    partition_projection_location_template = '{TEMPLATE}'\n);"
    )


def test_spark_is_told_to_look_for_new_days() -> None:
    sql = ddl.spark(LAKE)
    assert "PARTITIONED BY (`region`, `accountId`, `eventDay`)\nLOCATION 's3://lake/ext" in sql
    assert sql.endswith("\nMSCK REPAIR TABLE security.falco;")


def test_clickhouse_takes_the_days_from_the_path() -> None:
    sql = ddl.clickhouse(LAKE._replace(location="https://lake.s3.eu-west-1.amazonaws.com/ext"))
    assert "    extract(_path, 'eventDay=([^/]+)') AS eventDay\nFROM s3(\n    'https://lake." in sql


def test_a_text_cannot_end_the_statement() -> None:
    lake = LAKE._replace(location="s3://it's")
    for engine in ENGINES.values():
        assert "it''s" in engine(lake)
