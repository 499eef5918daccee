"""Reads objects with the engines that lakes have: `make lake-clients`.

Writes a lake of sample findings for each class and version, asks each engine for the same figures,
and compares them with the findings themselves. Then writes the table of docs/clients.md; with
`--check` it fails if the page differs. The engines are installed in an environment of their own,
from `requirements.txt`; nothing of the product depends on them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.mapping import CLASSES, Mapping, Options
from streams import samples
from streams.lake import ddl
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows.window import Window
from tests.clients import engines
from tests.schemas.kinds import finding_of
from tests.streams.falco_records import ACCOUNT, REGION, rows

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clients.md"
INSTALLED = ROOT / ".cache" / "clients"
PYTHON = INSTALLED / "bin" / "python"
TRINO = "435"
TOPIC = "falco-events"
#: 2026-11-23T12:00Z, and then an alert every 100 s: three days.
START, STEP = 1_795_435_200_000_000_000, 100_000_000_000
COUNT, EACH = 1_500, 500
#: In `unmapped` of every class and version.
KEY = "user.loginname"
#: Longer than any engine needs, in seconds.
PATIENCE = 300

INTRODUCTION = """\
# Which clients read the lake

`make lake-clients` writes a lake of {count:,} sample findings for each class and version: three
event days in several objects, one of them without rows. Then each client reads it, and this page is
written. CI fails if a figure is wrong or the page is out of date.

A client must find these figures, which come from the findings before they were written:

- the number of rows, the sums of `time` and `severity_id`, how many rules there are
- the pods in `resources[]`, and how many observables there are
- the programs with a path in `evidences[].process.file` (`process.file` in class 2001)
- the findings with a certain key in the map `unmapped`
- the first and the last `time_dt`, which must know that it is UTC

The object without rows must have the same columns as the others.

"""
ABOUT = {
    "duckdb": ("DuckDB", "the view of `falcolake ddl`"),
    "chdb": ("ClickHouse (chdb)", "the view of `falcolake ddl`"),
    "datafusion": ("DataFusion", "SQL over the folder"),
    "pyspark": ("Spark (pyspark)", "the table of `falcolake ddl`"),
    "polars": ("Polars", "`scan_parquet`, lazily"),
    "pyarrow": ("PyArrow", "`read_table`, every value"),
    "pyiceberg": ("Iceberg (PyIceberg)", "`add_files`, partitioned by day; every value"),
    "awswrangler": (
        "AWS SDK for pandas",
        "Glue's types, the same as `falcolake ddl` prints for Athena",
    ),
}
END = """
Trino {trino} runs each of Athena's {queries} queries and views of [Queries](queries.md), on tables
with the columns of each version of class 2004. It reads no objects here: its Parquet reader is
not in Maven's central repository. Athena itself is not run. The types that `falcolake ddl` prints
for it are compared with those that AWS's library gives Glue (the last row).
"""
HEAD = """\
| client | version | reads | 2004, 1.1.0 | 2004, 1.3.0 | 2004, 1.8.0 | 2001, 1.1.0 | `time_dt` |
|---|---|---|---|---|---|---|---|
"""


@dataclass
class Made:
    """A lake of one class and version, and the figures of its findings."""

    kind: dict[str, Any]
    truth: engines.Figures


def kinds() -> Iterator[tuple[str, str]]:
    """Yield each class and version."""
    for event_class, versions in CLASSES.items():
        for version in versions:
            yield event_class, version


def write(event_class: str, version: str, top: Path) -> Made:
    """Write a lake: windows of sample alerts, and one of rejects, which makes an empty object."""
    mapping = Mapping(
        Options(region=REGION, account_id=ACCOUNT, event_class=event_class, ocsf_version=version)
    )
    values: list[bytes] = list(samples.alerts(1, COUNT, START, interval_ns=STEP))
    windows = [(first, first + EACH) for first in range(0, COUNT, EACH)]
    files: list[str] = []
    empty = ""
    with Staging(top / "staging", TOPIC, mapping.version, (REGION, ACCOUNT)) as staging:
        staging.open()
        objects = Objects(staging, mapping, TOPIC)
        for first, end in [*windows, (COUNT, COUNT + 3)]:
            value = values.__getitem__ if first < COUNT else lambda _: b"not an alert"
            window = Window(0, first, end, (staging.append(rows(0, first, end, value, mapping)),))
            for group, count in objects.groups(window):
                file = top / objects.key(window, group).under("lake")
                file.parent.mkdir(parents=True, exist_ok=True)
                objects.export(window, group, file)
                files.append(str(file))
                empty = empty if count else str(file)
    nested = event_class == "detection_finding"
    lake = ddl.Lake(f"{top}/lake", event_class, version, [REGION], [ACCOUNT])
    kind = {
        "folder": str(top / "lake"),
        "files": files,
        "empty": empty,
        "nested": nested,
        "title": "finding_info.title" if nested else "finding.title",
        "key": KEY,
        "ddl": {each.__name__: each(lake) for each in (ddl.duckdb, ddl.spark, ddl.clickhouse)},
        "glue": _glue_types(ddl.athena(lake)),
    }
    return Made(kind, _truth([finding_of(mapping, each) for each in values], kind))


def _truth(findings: list[dict[str, Any]], kind: dict[str, Any]) -> engines.Figures:
    """Return the figures of the findings as the mapping made them."""
    absent = dict.fromkeys(("resources", "observables", "evidences", "unmapped"))
    for each in findings:
        each["time_dt"] = datetime.fromisoformat(each["time_dt"])
    return engines.of_rows([absent | each for each in findings], kind)


def _glue_types(statement: str) -> dict[str, str]:
    """Return the types of the columns in Athena's table definition, as Glue has them."""
    body = statement.split("(\n", 1)[1].split("\n)", 1)[0]
    pairs = (line.strip().rstrip(",").split(" ", 1) for line in body.splitlines())
    return {name.strip("`"): type_.replace("`", "") for name, type_ in pairs}


def ask(engine: str, spec: Path) -> dict[str, Any]:
    """Return what an engine read; raise CalledProcessError if it could not."""
    command = [str(PYTHON), str(Path(engines.__file__)), engine, str(spec)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def wrong(read: engines.Figures, made: Made) -> list[str]:
    """Return what an engine did not read as it was written."""
    expected: engines.Figures = made.truth | {"empty": 0, "days": 3, "glue": made.kind["glue"]}
    if "glue" not in read and (missing := made.truth.keys() - read.keys()):
        return [f"no {', '.join(sorted(missing))}"]
    return [
        f"{name} is {value}, not {expected[name]}"
        for name, value in read.items()
        if name != "type" and value != expected[name]
    ]


def run_in_trino(folder: Path) -> int:
    """Run Athena's queries and views in Trino; return how many. Raises CalledProcessError."""
    from tests.docs.test_queries import QUERIES, VIEWS

    queries = [each["Athena"] for each in QUERIES.values() if "Athena" in each]
    queries += [sql.partition(" AS\n")[2] for sql in VIEWS.values()]
    statements: list[str] = []
    for version in CLASSES["detection_finding"]:
        lake = ddl.Lake("", "detection_finding", version, [REGION], [ACCOUNT])
        table = f"falco_{version.replace('.', '_')}"
        absent = ", ".join(f'CAST(NULL AS {type_}) AS "{name}"' for name, type_ in _trino(lake))
        statements.append(f"CREATE TABLE {table} AS SELECT {absent}")
        statements += [sql.replace("FROM falco", f"FROM {table}") for sql in queries]
    file = folder / "queries.sql"
    file.write_text("\n;;\n".join(each.strip() for each in statements))
    source = Path(__file__).with_name("Queries.java")
    command = ["java", "-cp", f"{INSTALLED / 'trino'}/*", str(source), str(file)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE)
    return len(queries)


def _trino(lake: ddl.Lake) -> Iterator[tuple[str, str]]:
    """Yield the columns of Trino's table definition, each with its type."""
    body = ddl.trino(lake).split("(\n", 1)[1].split("\n)\nWITH", 1)[0]
    for line in body.splitlines():
        name, _, type_ = line.strip().rstrip(",").partition(" ")
        yield name.strip('"'), type_.partition(" WITH ")[0]


def page(answers: dict[str, dict[str, Any]], queries: int) -> str:
    """Return the page."""
    lines = []
    for engine, answer in answers.items():
        name, how = ABOUT[engine]
        read = list(answer["read"].values())
        rows = (f"{each['rows']:,} rows" if "rows" in each else "types" for each in read)
        (type_,) = {each["type"] for each in read}
        lines.append(f"| {' | '.join((name, answer['version'], how, *rows, f'`{type_}`'))} |")
    return (
        INTRODUCTION.format(count=COUNT)
        + HEAD
        + "\n".join(lines)
        + "\n"
        + END.format(trino=TRINO, queries=queries)
    )


def main() -> int:
    """Write the page, or check it; return 1 if a client or the page is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    check = parser.parse_args().check
    answers: dict[str, dict[str, Any]] = {}
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        made = {f"{c} {v}": write(c, v, Path(folder) / f"{c}-{v}") for c, v in kinds()}
        spec = Path(folder) / "spec.json"
        spec.write_text(json.dumps({name: each.kind for name, each in made.items()}))
        for engine in ABOUT:
            answers[engine] = ask(engine, spec)
            for name, read in answers[engine]["read"].items():
                errors += [f"{engine}, {name}: {each}" for each in wrong(read, made[name])]
            print(engine, answers[engine]["version"], flush=True)
        queries = run_in_trino(Path(folder))
        print("trino", TRINO, flush=True)
    text = page(answers, queries)
    if not check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        errors.append(f"{PAGE} is out of date: run make lake-clients")
    print("\n".join(errors) or f"{len(answers)} clients read what was written")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
