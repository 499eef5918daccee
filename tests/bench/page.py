"""`docs/benchmarks.md`, from a report."""

from datetime import UTC, datetime

from tests.bench.program import Report
from tests.bench.tables import Table, machine, method, tables

LIMITS = """## What stands in the way

No step is a hot spot any more; what a worker does beyond the floor is spread:

- **Mapping** is Python, and its profile is flat: decoding, looking the rule and the scene up, the
  UUID, and the few objects that are an alert's own. Next would be code made for each list of
  fields that a rule prints, instead of builders that ask for each field.
- **Staging** writes each alert once more, packed, to survive a kill without asking Kafka again. The
  peers do not: what they hold in memory is lost or read again.
- **COPY** parses each finding's own part and makes over 200 Parquet columns of it, most of them
  null in any one alert: DuckDB gives each of them room in every row of a row group, and copies the
  row group once. Half of it is DuckDB's Parquet writer alone: a COPY of a table that is nested
  already takes some 14 µs. Next would be fewer columns, but OCSF's are fixed.
- **Each object** costs some 45 ms whatever is in it: planning a query of over 200 columns and
  opening as many column writers. Small windows of many partitions pay it often. The first object of
  a worker costs 0.1 s more: memory that it touches for the first time.

Given the same mapping and the same nesting in DuckDB, a peer does the same work without staging:
there is no factor of two to be had over that, only what it does not do.

Ideas that were measured, and what came of them:

- What repeats is remembered (rules, scenes, seconds) and what findings share is parsed once an
  object: used, the largest gains of all. So is nesting in SQL: the peers' `from_pylist` takes three
  times as much.
- A process for each core: two workers take as much CPU per alert as one. A service manager or
  Kubernetes starts them; falcolake has no supervisor of its own.
- zstd level -3 in place of 1: 1 µs less, files 45 % larger. No Bloom filters: 1 µs less, and who
  looks one value up reads more. lz4 in staging: no faster, and twice the bytes. None of them.
- Fetches of 1 MB or of 4 MB: no difference. Both event loops together take 9 % of the CPU, of which
  uvloop could save a part. `unmapped` as an Arrow map in place of JSON: DuckDB takes as long over
  it, and making it takes longer. Not used."""


def page(report: Report, picture: str) -> str:
    """The page as Markdown; `picture` is the file of the picture, beside it."""
    day = datetime.fromtimestamp(report.machine["made_ms"] // 1000, UTC).strftime("%-d %B %Y")
    return (
        "\n\n".join(
            [
                "# Benchmarks",
                f"`make bench` wrote this page on {day}, from one run of everything.",
                f"![CPU per alert, side by side, and by backlog]({picture})",
                *map(_section, tables(report)),
                LIMITS,
                "## Machine and method",
                machine(report),
                method(report),
            ]
        )
        + "\n"
    )


def _section(table: Table) -> str:
    header, *rows = ([cell.replace("|", "\\|") for cell in row] for row in table.rows)
    rule = ["---", *["--:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]
    return "\n\n".join(filter(None, [f"## {table.heading}", table.note, "\n".join(lines)]))
