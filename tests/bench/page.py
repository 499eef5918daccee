"""`docs/benchmarks.md`, from a report."""

from datetime import UTC, datetime

from tests.bench.program import Report
from tests.bench.tables import Table, machine, method, tables


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
