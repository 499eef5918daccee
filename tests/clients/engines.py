"""What the engines read of a lake: `python engines.py ENGINE SPEC` prints it as JSON.

Runs in an environment of its own, without falcolake; see `tests.clients`, which writes SPEC. An
engine reads the objects as its users do: by the definition of `falcolake ddl`, where it has one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

Kind = Mapping[str, Any]
"""One lake: its class and version, `folder`, `files`, the `empty` object, `ddl` by engine, and
which attributes to look for: `title`, `programs`, `key`."""

Figures = dict[str, Any]

#: As the figures are selected, in order.
NAMES = (
    *("rows", "time", "severity", "titles", "pods", "observables", "programs", "unmapped"),
    *("first", "last"),
)
PATH = "process.file.path"


class Dialect(NamedTuple):
    """How an engine's SQL counts in lists, structs and maps, and reads a timestamp."""

    #: The sum, over all rows, of a list's elements `x` that fulfil a condition.
    among: str
    length: str
    value: str
    #: Of a timestamp in milliseconds since the epoch.
    moment: str
    #: An attribute of an attribute.
    member: Callable[[str, str], str] = lambda of, name: f"{of}.{name}"

    def path(self, of: str, path: str) -> str:
        """Return an attribute at a path."""
        for step in path.split("."):
            of = self.member(of, step)
        return of

    def select(self, kind: Kind) -> str:
        """Return the query for the figures."""
        name, _, rest = kind["title"].partition(".")
        has_program = f"{self.path('x', PATH)} IS NOT NULL"
        programs = self.among.format("evidences", has_program)
        if not kind["nested"]:
            programs = f"count({self.path('process', 'file.path')})"
        columns = (
            "count(*)",
            "sum(time)",
            "sum(severity_id)",
            f"count(DISTINCT {self.path(name, rest)})",
            self.among.format("resources", f"{self.member('x', 'type')} = 'Pod'"),
            self.length.format("observables"),
            programs,
            f"count({self.value.format(kind['key'])})",
            self.moment.format("min(time_dt)"),
            self.moment.format("max(time_dt)"),
        )
        named = (f"{column} AS f{place}" for place, column in enumerate(columns))
        return f"SELECT {', '.join(named)} FROM falco"

    def read(self, kind: Kind, ask: Callable[[str], Iterable[Any]]) -> Figures:
        """Return the figures."""
        return dict(zip(NAMES, (int(value) for value in ask(self.select(kind))), strict=True))


def of_rows(rows: Iterable[Mapping[str, Any]], kind: Kind) -> Figures:
    """Return the figures of findings that are Python values."""
    found = list(rows)
    moments = [milliseconds(row["time_dt"]) for row in found]
    return {
        "rows": len(found),
        "time": sum(row["time"] for row in found),
        "severity": sum(row["severity_id"] for row in found),
        "titles": len({_at(row, kind["title"]) for row in found}),
        "pods": sum(each.get("type") == "Pod" for row in found for each in row["resources"] or ()),
        "observables": sum(len(row["observables"] or ()) for row in found),
        "programs": sum(
            _at(each, PATH) is not None
            for row in found
            for each in ((row["evidences"] or ()) if kind["nested"] else (row,))
        ),
        "unmapped": sum(kind["key"] in dict(row["unmapped"] or ()) for row in found),
        "first": min(moments),
        "last": max(moments),
    }


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = None if value is None else value.get(step)
    return value


def milliseconds(moment: Any) -> int:
    """Return a timestamp as milliseconds since the epoch. It must know its zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no zone")
    return round(moment.astimezone(UTC).timestamp() * 1000)


# ---- the engines


def pyarrow(kind: Kind) -> Figures:
    """The reference implementation of Parquet's types."""
    from pyarrow import parquet

    table, empty = parquet.read_table(kind["files"]), parquet.read_table(kind["empty"])
    schemas = [parquet.read_schema(file) for file in kind["files"]]
    if len({f"{list(zip(each.names, each.types, strict=True))}" for each in schemas}) > 1:
        raise ValueError("the objects have different columns")
    zone = f"{table.schema.field('time_dt').type}"
    return of_rows(table.to_pylist(), kind) | {"empty": empty.num_rows, "type": zone}


def duckdb(kind: Kind) -> Figures:
    """By the view of `falcolake ddl`."""
    import duckdb as engine

    dialect = Dialect(
        "sum(len(list_filter({}, lambda x: {})))",
        "sum(len({}))",
        "unmapped['{}']",
        "epoch_ms({})",
    )
    with engine.connect() as database:

        def ask(sql: str) -> Any:
            return database.execute(sql).fetchone()

        database.execute(kind["ddl"]["duckdb"])
        found = dialect.read(kind, ask)
        found["type"] = ask("SELECT typeof(any_value(time_dt)) FROM falco")[0]
        found["empty"] = ask(f"SELECT count(*) FROM read_parquet('{kind['empty']}')")[0]
        return found


def polars(kind: Kind) -> Figures:
    """Lazily, by its own Parquet reader."""
    import polars as pl

    def struct(of: Any, path: str) -> Any:
        for step in path.split("."):
            of = of.struct.field(step)
        return of

    def among(name: str, condition: Any) -> Any:
        return pl.col(name).list.eval(condition).list.sum().sum()

    one, frame = pl.element(), pl.scan_parquet(kind["files"])
    programs = (
        among("evidences", struct(one, PATH).is_not_null())
        if kind["nested"]
        else struct(pl.col("process"), "file.path").is_not_null().sum()
    )
    title, _, rest = kind["title"].partition(".")
    row = (
        frame.select(
            rows=pl.len(),
            time=pl.col("time").sum(),
            severity=pl.col("severity_id").sum(),
            titles=struct(pl.col(title), rest).n_unique(),
            pods=among("resources", struct(one, "type") == "Pod"),
            observables=pl.col("observables").list.len().sum(),
            programs=programs,
            unmapped=pl.col("unmapped").map.contains_key(kind["key"]).sum(),
            first=pl.col("time_dt").min(),
            last=pl.col("time_dt").max(),
        )
        .collect()
        .row(0, named=True)
    )
    row["first"], row["last"] = milliseconds(row["first"]), milliseconds(row["last"])
    row["type"] = f"{frame.collect_schema()['time_dt']}"
    row["empty"] = pl.read_parquet(kind["empty"]).height
    return dict(row)


def chdb(kind: Kind) -> Figures:
    """ClickHouse, by the view of `falcolake ddl`."""
    from chdb import session

    dialect = Dialect(
        "sum(arrayCount(x -> {1}, {0}))",
        "sum(length({}))",
        "unmapped['{}']",
        "toUnixTimestamp64Milli(assumeNotNull({}))",
        lambda of, name: f"tupleElement({of}, '{name}')",
    )
    with session.Session() as database:

        def ask(sql: str) -> Any:
            (line,) = f"{database.query(sql, 'JSONCompactEachRow')}".splitlines()
            return json.loads(line)

        database.query(kind["ddl"]["clickhouse"].rstrip(";"))
        found = dialect.read(kind, ask)
        found["type"] = ask("SELECT any(toTypeName(time_dt)) FROM falco")[0]
        found["empty"] = int(ask(f"SELECT count() FROM file('{kind['empty']}')")[0])
        return found


def datafusion(kind: Kind) -> Figures:
    """Arrow's engine in Rust."""
    from datafusion import SessionContext

    dialect = Dialect(
        "(SELECT count(*) FROM (SELECT unnest({}) AS x FROM falco) AS each WHERE {})",
        "sum(array_length({}))",
        "nullif(array_element(map_extract(unmapped, '{}'), 1), '')",
        "arrow_cast({}, 'Int64')",
        lambda of, name: f"{of}['{name}']",
    )
    context = SessionContext()
    context.register_parquet("falco", kind["folder"])
    context.register_parquet("empty", kind["empty"])

    def ask(sql: str) -> Any:
        (row,) = (row for batch in context.sql(sql).collect() for row in batch.to_pylist())
        return list(row.values())

    found = dialect.read(kind, ask)
    found["type"] = ask("SELECT arrow_typeof(time_dt) FROM falco LIMIT 1")[0]
    found["empty"] = ask("SELECT count(*) FROM empty")[0]
    return found


def pyspark(kind: Kind) -> Figures:
    """Spark, by the table of `falcolake ddl`."""
    spark = _spark()
    dialect = Dialect(
        "sum(size(filter({}, x -> {})))",
        "sum(size({}))",
        "unmapped['{}']",
        "unix_millis({})",
    )

    def ask(sql: str) -> Any:
        return spark.sql(sql).collect()[0]

    spark.sql("DROP TABLE IF EXISTS falco")
    for statement in kind["ddl"]["spark"].split(";\n"):
        spark.sql(statement.rstrip("\n;"))
    found = dialect.read(kind, ask)
    found["type"] = ask("SELECT typeof(any_value(time_dt)) FROM falco")[0]
    found["empty"] = spark.read.parquet(kind["empty"]).count()
    return found


def _spark() -> Any:
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.warehouse.dir", tempfile.mkdtemp())
        .getOrCreate()
    )


def pyiceberg(kind: Kind) -> Figures:
    """Iceberg: `add_files` into a table partitioned by day, as the docs' recipe."""
    from pyarrow import parquet
    from pyiceberg.catalog import load_catalog
    from pyiceberg.transforms import DayTransform

    with tempfile.TemporaryDirectory() as folder:
        catalog = load_catalog(
            "local", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}"
        )
        catalog.create_namespace("security")
        schema = parquet.read_schema(kind["files"][0]).remove_metadata()
        with catalog.create_table("security.falco", schema=schema).update_spec() as partitions:
            partitions.add_field("time_dt", DayTransform(), "event_day")
        table = catalog.load_table("security.falco")
        table.add_files(kind["files"])
        days = {each["event_day"] for each in table.inspect.partitions()["partition"].to_pylist()}
        rows = table.scan().to_arrow()
        return of_rows(rows.to_pylist(), kind) | {
            "type": f"{table.schema().find_type('time_dt')}",
            "days": len(days - {None}),
        }


def awswrangler(kind: Kind) -> Figures:
    """AWS's library: the types that it gives Glue for the columns. It reads no rows here."""
    from awswrangler import _data_types
    from pyarrow import parquet

    types = _data_types.athena_types_from_pyarrow_schema(parquet.read_schema(kind["files"][0]))
    empty = _data_types.athena_types_from_pyarrow_schema(parquet.read_schema(kind["empty"]))
    if empty != types:
        raise ValueError("the empty object has other columns")
    return {"glue": types, "type": types["time_dt"]}


ENGINES = (duckdb, chdb, datafusion, pyspark, polars, pyarrow, pyiceberg, awswrangler)


def main() -> None:
    """Print the version of an engine and what it read, by the kinds of the spec."""
    name, spec = sys.argv[1:]
    (engine,) = (each for each in ENGINES if each.__name__ == name)
    kinds = json.loads(Path(spec).read_text())
    read = {key: engine(kind) for key, kind in kinds.items()}
    print(json.dumps({"version": version(name), "read": read}))


if __name__ == "__main__":
    main()
