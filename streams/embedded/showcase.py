"""What the demo shows of the lake: counts, one finding in full, one query, and what to do next."""

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.query import run
from streams.query.values import plain, text
from streams.settings.settings import Settings
from streams.terminal import escaped, printable

#: What an analyst looks at first. Each row is a name and its number of findings.
VIEWS = {
    "severity": "SELECT severity, count(*) FROM lake GROUP BY severity, severity_id"
    " ORDER BY severity_id DESC",
    "ATT&CK tactic": "SELECT tactic, count(DISTINCT uid) AS n FROM ("
    " SELECT metadata.uid AS uid, unnest(finding_info.attacks).tactic.name AS tactic FROM lake)"
    " WHERE tactic IS NOT NULL GROUP BY tactic ORDER BY n DESC, tactic LIMIT 10",
    "namespace": "SELECT namespace, count(DISTINCT uid) AS n FROM ("
    " SELECT metadata.uid AS uid, unnest(resources).namespace AS namespace FROM lake)"
    " WHERE namespace IS NOT NULL GROUP BY namespace ORDER BY n DESC, namespace LIMIT 10",
}
#: A severe one that says who, where and what for; of those the shortest.
FINDING = (
    "SELECT * FROM lake ORDER BY severity_id DESC, (finding_info.attacks IS NULL)::INT"
    " + (evidences IS NULL)::INT + (resources IS NULL)::INT, length(raw_data), metadata.uid LIMIT 1"
)
QUERY = (
    "SELECT finding_info.title AS rule, severity, count(*) AS findings FROM findings"
    " GROUP BY ALL ORDER BY findings DESC, rule LIMIT 8"
)
#: Columns of a finding's JSON at most.
WIDEST = 100


def show_counts(database: duckdb.DuckDBPyConnection, out: Console) -> None:
    """Print the views of a `lake`."""
    grid = Table.grid(padding=(0, 2))
    tables = [
        _table([name, ""], database.execute(query).fetchall(), numbers=[1])
        for name, query in VIEWS.items()
    ]
    out.print("\nFindings by")
    if sum(out.measure(each).maximum + 2 for each in tables) <= out.width:
        grid.add_row(*tables)
        out.print(grid)
    else:
        out.print(*tables)


def show_finding(database: duckdb.DuckDBPyConnection, out: Console) -> None:
    """Print a finding of a `lake`, as JSON that leaves out what has no value."""
    for row in database.sql(FINDING).to_arrow_table().to_pylist(maps_as_pydicts="lossy"):
        document = "\n".join(filled(plain(row), min(WIDEST, out.width)))
        out.print("\nOne finding in full, without attributes that have no value:\n")
        _print(out, escaped(document))


def show_query(settings: Settings, directory: Path, out: Console) -> None:
    """Print a query and its answer, of a copy of the lake in a directory."""
    out.print("\nOne query and its answer:\n")
    _print(out, f"{program()} query {shlex.quote(QUERY)}")
    with run.run(settings, QUERY, directory=directory) as answer:
        rows = [row.values() for batch in answer.batches for row in batch.to_pylist()]
        out.print(_table(answer.columns.names, rows, numbers=[2]))


def show_next(commands: Iterable[tuple[str, str]], out: Console) -> None:
    """Print commands, each with what it does."""
    for command, what in commands:
        _print(out, f"  # {what}\n  {command}")


def program() -> str:
    """Return how this program is called again, in any directory."""
    called = Path(sys.argv[0]).absolute()
    if called.name != "falcolake":
        return f"{shlex.quote(sys.executable)} -m cli"
    found = shutil.which(called.name)
    same = found is not None and Path(found).absolute() == called
    return called.name if same else shlex.quote(f"{called}")


def filled(value: Any, width: int, before: int = 0, after: int = 0) -> Iterator[str]:
    """Yield the lines of a value as JSON, with as many short members in a line as fit.

    `before` and `after` are the columns taken on the first and the last line.
    """
    line = json.dumps(value, ensure_ascii=False)
    if before + len(line) + after <= width or not isinstance(value, dict | list) or not value:
        yield line
        return
    brackets = "{}" if isinstance(value, dict) else "[]"
    yield brackets[0]
    row = ""
    for number, (name, each) in enumerate(_members(value), 1):
        comma = "," if number < len(value) else ""
        first, *rest = filled(each, width - 2, len(name), len(comma))
        if row and (rest or len(row) + len(name) + len(first) + len(comma) + 3 > width):
            yield f"  {row}"
            row = ""
        row = f"{row} {name}{first}".lstrip()
        for line in rest:
            yield f"  {row}"
            row = line
        row += comma
        if rest:
            yield f"  {row}"
            row = ""
    if row:
        yield f"  {row}"
    yield brackets[1]


def _members(value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from (("", each) for each in value)
    else:
        yield from ((f"{json.dumps(name)}: ", each) for name, each in value.items())


def _print(out: Console, words: str) -> None:
    out.print(Text(words), soft_wrap=True)


def _table(heads: Sequence[str], rows: Iterable[Iterable[Any]], numbers: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, head in enumerate(heads):
        if place in numbers:
            table.add_column(head, justify="right", no_wrap=True)
        else:
            table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(each) for each in row))
    return table


def _cell(value: Any) -> Text:
    return Text(f"{value:,}" if isinstance(value, int) else printable(text(value)))
