"""The queries of `docs/queries.md`, run on Parquet as a worker's staging exports it."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from schemas.mapping import Mapping, Options
from streams import samples
from streams.lake import ddl
from streams.lake.keys import ObjectKey
from streams.query.questions import DAYS, questions
from streams.staging.staging import Staging
from streams.windows.window import Window
from tests.streams.falco_records import ACCOUNT, REGION, rows

PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
LAKE = "s3://my-security-lake/ext/falco"
TOPIC = "falco-events"
#: 2026-11-23T23:00Z: the samples are of two days.
START = 1_795_474_800_000_000_000
COUNT = 1500

# UNNEST of a list of structs makes one column in DuckDB, and one for each attribute in Athena.
WRAPPED = re.compile(r"UNNEST\(transform\(([a-z_.]+), each -> ROW\(each\)\)\)")

# Athena's functions that DuckDB has under another name, or not so.
ATHENA = """
    CREATE MACRO from_unixtime(s) AS make_timestamp(CAST(floor(s) AS BIGINT) * 1000000);
    CREATE MACRO json_extract_scalar(j, p) AS
        json_extract_string(j, replace(replace(p, '["', '."'), '"]', '"'));
    CREATE MACRO element_at(m, k) AS m[k];
"""


def queries() -> dict[str, dict[str, str]]:
    """The queries by their titles, each for the engines it names."""
    found: dict[str, dict[str, str]] = {}
    for section in PAGE.split("\n## ")[1:]:
        title = section.splitlines()[0]
        for engines, sql in re.findall(r"```sql\n-- ([^\n]*)\n(.*?)```", section, re.DOTALL):
            found.setdefault(title, {}).update(dict.fromkeys(engines.split(" and "), sql))
    return found


QUERIES = queries()
#: The views by their names.
VIEWS = {
    name: sql
    for sql, name in re.findall(
        r"```sql\n-- Athena and DuckDB: [^\n]*\n(CREATE VIEW (\w+) .*?)```", PAGE, re.DOTALL
    )
}


@pytest.fixture(scope="module", params=["1.1.0", "1.3.0", "1.8.0"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local copy of a lake: two windows of sample alerts of every source."""
    mapping = Mapping(Options(region=REGION, account_id=ACCOUNT, ocsf_version=request.param))
    values = list(samples.alerts(1, COUNT, START, interval_ns=5_000_000_000))
    top = tmp_path_factory.mktemp("lake")
    with Staging(
        tmp_path_factory.mktemp("staging"), TOPIC, mapping.version, (REGION, ACCOUNT)
    ) as staging:
        staging.open()
        for first, end in ((0, 1000), (1000, COUNT)):
            run = staging.append(rows(0, first, end, values.__getitem__, mapping))
            window = Window(0, first, end, (run,))
            for group, _ in staging.groups(window):
                file = top / ObjectKey(*group, TOPIC, 0, first, end).under("ext/falco")
                file.parent.mkdir(parents=True, exist_ok=True)
                footer = {"falcolake.first": f"{first}", "falcolake.end": f"{end}"}
                staging.export(window, group, mapping, footer, file)
    return top / "ext/falco"


def run(database: duckdb.DuckDBPyConnection, sql: str, lake: Path) -> list[tuple[object, ...]]:
    return database.execute(sql.replace(LAKE, str(lake))).fetchall()


@pytest.fixture
def database(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("SET TimeZone='UTC'")
        (view,) = re.findall(r"```sql\n-- DuckDB: [^\n]*\n(CREATE VIEW .*?)```", PAGE, re.DOTALL)
        run(made, view, lake)
        yield made


def test_the_view_has_every_finding_and_its_partitions(
    database: duckdb.DuckDBPyConnection,
) -> None:
    sql = "SELECT count(*), count(DISTINCT metadata.uid), list_sort(list(DISTINCT eventDay)),"
    sql += " list(DISTINCT region), list(DISTINCT accountId) FROM falco"
    assert database.execute(sql).fetchall() == [
        (COUNT, COUNT, ["20261123", "20261124"], [REGION], [ACCOUNT])
    ]


def test_the_definition_for_duckdb_reads_the_lake(lake: Path) -> None:
    own = ddl.Lake(str(lake), "detection_finding", "1.1.0", [REGION], [ACCOUNT], "own")
    with duckdb.connect() as made:
        made.execute(ddl.duckdb(own))
        sql = "SELECT count(*), any_value(typeof(eventDay)), list(DISTINCT accountId) FROM own"
        assert made.execute(sql).fetchall() == [(COUNT, "VARCHAR", [ACCOUNT])]
        plan = made.execute("EXPLAIN ANALYZE SELECT * FROM own WHERE eventDay = '20261123'")
        assert "Scanning Files: 1/" in f"{plan.fetchall()}"


def test_the_views_to_begin_with_have_every_finding(
    database: duckdb.DuckDBPyConnection, lake: Path
) -> None:
    assert VIEWS.keys() == {"falco_once", "falco_flat"}
    for name, sql in VIEWS.items():
        run(database, sql, lake)
        columns = database.execute(f"SELECT * FROM {name} WHERE eventDay > '20260101'")
        found = columns.fetchall()
        assert len(found) == COUNT
        if name == "falco_flat":
            assert all(
                any(value is not None for value in each) for each in zip(*found, strict=True)
            )


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_finds_something_and_the_same_in_both(
    database: duckdb.DuckDBPyConnection, lake: Path, title: str
) -> None:
    found = run(database, QUERIES[title]["DuckDB"], lake)
    assert found
    assert all(any(value is not None for value in row) for row in found)
    if "Athena" in QUERIES[title]:
        database.execute(ATHENA)
        sql = QUERIES[title]["Athena"]
        assert sql.count("UNNEST") == len(WRAPPED.findall(sql))
        assert run(database, WRAPPED.sub(r"UNNEST(\1)", sql), lake) == found
    else:
        assert title == "Which windows are there?"


def test_every_column_of_a_result_has_a_value_somewhere(
    database: duckdb.DuckDBPyConnection, lake: Path
) -> None:
    """A path that is there but never filled would be a query that says nothing."""
    for title, engines in QUERIES.items():
        columns = zip(*run(database, engines["DuckDB"], lake), strict=True)
        assert all(any(value is not None for value in column) for column in columns), title


def test_days_and_severities_add_up_to_all_findings(
    database: duckdb.DuckDBPyConnection, lake: Path
) -> None:
    found = run(database, QUERIES["What happened on these days?"]["DuckDB"], lake)
    assert sum(int(f"{row[2]}") for row in found) == COUNT
    assert len({row[0] for row in found}) == 2
    assert len({row[1] for row in found}) >= 4


def test_a_query_drops_repeats(tmp_path: Path) -> None:
    """Half of each window's records repeat the other half, and the second window the first."""
    mapping = Mapping(Options(region=REGION, account_id=ACCOUNT))
    values = list(samples.alerts(1, 100, START, interval_ns=5_000_000_000))
    values[0] = re.sub(rb'"output": ?"', lambda found: found[0] + b"x" * 70_000, values[0], count=1)
    with Staging(tmp_path / "staging", TOPIC, mapping.version, (REGION, ACCOUNT)) as staging:
        staging.open()
        for first in (0, 200):
            run_ = staging.append(rows(0, first, first + 200, lambda n: values[n % 100], mapping))
            window = Window(0, first, first + 200, (run_,))
            assert staging.summary(window).repeated == 100
            for group, _ in staging.groups(window):
                file = tmp_path / ObjectKey(*group, TOPIC, 0, first, first + 200).under("lake")
                file.parent.mkdir(parents=True, exist_ok=True)
                staging.export(window, group, mapping, {}, file)
    with duckdb.connect() as made:
        (view,) = re.findall(r"```sql\n-- DuckDB: [^\n]*\n(CREATE VIEW .*?)```", PAGE, re.DOTALL)
        run(made, view, tmp_path / "lake")
        assert made.execute("SELECT count(*) FROM falco").fetchone() == (400,)
        found = run(made, QUERIES["Each finding once, without repeats"]["DuckDB"], tmp_path)
        assert sum(int(f"{row[2]}") for row in found) == 100
        run(made, VIEWS["falco_once"], tmp_path)
        assert made.execute("SELECT count(*) FROM falco_once").fetchone() == (100,)


def test_the_examples_of_the_command_are_the_queries_of_the_page() -> None:
    own = {title: sql["DuckDB"].rstrip() for title, sql in QUERIES.items() if "Athena" in sql}
    assert {each.title: each.sql.rstrip() for each in questions()} == own
    names = [each.name for each in questions()]
    assert len({*names}) == len(names)
    for each in questions():
        assert DAYS in each.sql
        assert f"| `{each.name}` | [{each.title}](#" in PAGE
        assert "eventDay BETWEEN" not in each.always()


def test_what_the_page_runs_is_all_the_sql_it_has() -> None:
    blocks = PAGE.count("```sql")
    assert sum(len({*engines.values()}) for engines in QUERIES.values()) + 2 + len(VIEWS) == blocks
