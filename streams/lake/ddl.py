"""Table definitions of a lake for the engines that query it, from the columns themselves. Pure.

Every object of a class and version has the same columns, so one definition fits the whole prefix.
Region, account and event day are in the path. Athena and Trino compute the paths instead of looking
for them (partition projection), so nothing has to be repeated when a day begins.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.ocsf.columns import attributes, duckdb_type, members

#: The first day that Athena and Trino look for. A query without days lists each day's path.
FIRST_DAY = "20200101"

PARTITIONS = ("region", "accountId", "eventDay")


class Lake(NamedTuple):
    """What is to be defined: where the objects are, and which columns they have."""

    #: Where `region=` begins, without a slash at the end.
    location: str
    event_class: str
    version: str
    regions: Sequence[str]
    accounts: Sequence[str]
    #: As it is written in SQL; it may have a database.
    table: str = "falco"
    since: str = FIRST_DAY

    @property
    def template(self) -> str:
        """The path of a day; names of columns are lower-case in Athena, Glue and Trino."""
        return (
            f"{self.location}/region=${{region}}/accountId=${{accountid}}/eventDay=${{eventday}}/"
        )


class _Types(NamedTuple):
    """How an engine writes types."""

    scalars: Mapping[str, str]
    of_list: str
    #: Around the members of a struct, and between them.
    of_struct: str
    between: str
    #: Around the name of a member, and what follows it.
    name: str

    def of(self, type_: str, version: str) -> str:
        """Return the type of an attribute."""
        if type_.endswith("[]"):
            return self.of_list.format(self.of(type_.removesuffix("[]"), version))
        if inner := members(type_, version):
            pairs = (f"{self.name.format(name)}{self.of(kind, version)}" for name, kind in inner)
            return self.of_struct.format(self.between.join(pairs))
        return self.scalars[duckdb_type(type_, version)]


def _scalars(*names: str) -> dict[str, str]:
    known = ("VARCHAR", "INTEGER", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP_MS")
    return dict(zip((*known, "MAP(VARCHAR, VARCHAR)"), names, strict=True))


HIVE = _Types(
    _scalars(
        *("string", "int", "bigint", "double", "boolean", "timestamp", "map<string,string>"),
    ),
    "array<{}>",
    "struct<{}>",
    ",",
    "`{}`:",
)
TRINO = _Types(
    _scalars(
        *("varchar", "integer", "bigint", "double", "boolean", "timestamp(3)"),
        "map(varchar, varchar)",
    ),
    "array({})",
    "row({})",
    ", ",
    '"{}" ',
)
CLICKHOUSE = _Types(
    _scalars(
        *("Nullable(String)", "Nullable(Int32)", "Nullable(Int64)", "Nullable(Float64)"),
        *("Nullable(Bool)", "Nullable(DateTime64(3, 'UTC'))", "Map(String, Nullable(String))"),
    ),
    "Array({})",
    "Tuple({})",
    ", ",
    "`{}` ",
)


def _columns(lake: Lake, types: _Types, name: str) -> list[str]:
    """Return the columns, each with its type."""
    return [
        f"{name.format(column)} {types.of(type_, lake.version)}"
        for column, type_ in attributes(lake.event_class, lake.version)
    ]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _lines(entries: Iterable[str]) -> str:
    return ",\n".join(f"    {entry}" for entry in entries)


def athena(lake: Lake) -> str:
    """Return an external table for Athena and Glue, with partition projection."""
    day = {"type": "date", "format": "yyyyMMdd", "range": f"{lake.since},NOW+1DAYS"}
    projection = {
        "projection.enabled": "true",
        "projection.region.type": "enum",
        "projection.region.values": ",".join(lake.regions),
        "projection.accountid.type": "enum",
        "projection.accountid.values": ",".join(lake.accounts),
        **{f"projection.eventday.{name}": value for name, value in day.items()},
        "projection.eventday.interval": "1",
        "projection.eventday.interval.unit": "DAYS",
        "storage.location.template": lake.template,
    }
    partitions = (f"`{name.lower()}` string" for name in PARTITIONS)
    properties = (f"'{name}' = {_text(value)}" for name, value in projection.items())
    return (
        f"CREATE EXTERNAL TABLE {lake.table} (\n{_lines(_columns(lake, HIVE, '`{}`'))}\n)\n"
        f"PARTITIONED BY (\n{_lines(partitions)}\n)\n"
        f"STORED AS PARQUET\nLOCATION {_text(lake.location + '/')}\n"
        f"TBLPROPERTIES (\n{_lines(properties)}\n);"
    )


def spark(lake: Lake) -> str:
    """Return an external table for Spark, and the statement that finds new days."""
    columns = _columns(lake, HIVE, "`{}`") + [f"`{name}` string" for name in PARTITIONS]
    return (
        f"CREATE TABLE {lake.table} (\n{_lines(columns)}\n)\n"
        f"USING PARQUET\nPARTITIONED BY ({', '.join(f'`{name}`' for name in PARTITIONS)})\n"
        f"LOCATION {_text(lake.location + '/')};\n\n"
        "-- again whenever a day, an account or a region is new\n"
        f"MSCK REPAIR TABLE {lake.table};"
    )


def trino(lake: Lake) -> str:
    """Return an external table for Trino's Hive connector, with partition projection."""

    def values(found: Sequence[str]) -> str:
        return f"ARRAY[{', '.join(map(_text, found))}]"

    def projected(name: str, **properties: str) -> str:
        found = ", ".join(f"partition_projection_{key} = {properties[key]}" for key in properties)
        return f'"{name}" varchar WITH ({found})'

    columns = [
        *_columns(lake, TRINO, '"{}"'),
        projected("region", type="'ENUM'", values=values(lake.regions)),
        projected("accountid", type="'ENUM'", values=values(lake.accounts)),
        projected(
            "eventday",
            type="'DATE'",
            format="'yyyyMMdd'",
            range=values([lake.since, "NOW+1DAY"]),
            interval="1",
            interval_unit="'DAYS'",
        ),
    ]
    properties = (
        "format = 'PARQUET'",
        f"external_location = {_text(lake.location + '/')}",
        "partitioned_by = ARRAY['region', 'accountid', 'eventday']",
        "partition_projection_enabled = true",
        f"partition_projection_location_template = {_text(lake.template)}",
    )
    return f"CREATE TABLE {lake.table} (\n{_lines(columns)}\n)\nWITH (\n{_lines(properties)}\n);"


def clickhouse(lake: Lake) -> str:
    """Return a view for ClickHouse; it reads only the days of a query, by their paths."""
    structure = ", ".join(_columns(lake, CLICKHOUSE, "`{}`"))
    read = "s3" if "://" in lake.location else "file"
    place = f"{lake.location}/region=*/accountId=*/eventDay=*/*.parquet"
    parts = (f"extract(_path, '{name}=([^/]+)') AS {name}" for name in PARTITIONS)
    return (
        f"CREATE VIEW {lake.table} AS\nSELECT\n    *,\n{_lines(parts)}\n"
        f"FROM {read}(\n    {_text(place)},\n    'Parquet',\n"
        f"    {_text(structure)}\n);"
    )


def duckdb(lake: Lake) -> str:
    """Return a view for DuckDB; the columns are those of the objects."""
    types = ", ".join(f"{name}: VARCHAR" for name in PARTITIONS)
    return (
        f"CREATE VIEW {lake.table} AS\nSELECT * FROM read_parquet(\n"
        f"    {_text(lake.location + '/region=*/accountId=*/eventDay=*/*.parquet')},\n"
        f"    hive_partitioning = true,\n    hive_types = {{{types}}}\n);"
    )


ENGINES: Mapping[str, Callable[[Lake], str]] = {
    "athena": athena,
    "spark": spark,
    "trino": trino,
    "clickhouse": clickhouse,
    "duckdb": duckdb,
}
