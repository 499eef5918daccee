"""The command `query`."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands.options import load_settings
from streams.terminal import progress_bar, say

if TYPE_CHECKING:
    from streams.query.output import Format
    from streams.query.period import Period
    from streams.settings.settings import Settings


def query(
    context: typer.Context,
    sql: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL",
            help="One SELECT; - for standard input; or the name of an example. Without it, on a "
            "terminal, a prompt.",
        ),
    ] = None,
    example: Annotated[
        bool,
        typer.Option("--example", help="List the examples, or ask the one that is named."),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Only findings since then; UTC without a zone."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Only findings before then.")
    ] = None,
    last: Annotated[
        str | None, typer.Option(metavar="TIME", help="Instead of --from: such as 6h, 90m or 2d.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Ask a local copy of a lake instead of the lake."),
    ] = None,
    form: Annotated[
        Literal["table", "json", "csv", "parquet"],
        typer.Option("--format", help="How to write the answer; json: an object a line."),
    ] = "table",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the answer to a file; not as a table."),
    ] = None,
) -> None:
    """Ask the lake in SQL, with DuckDB and the settings' own credentials.

    The view findings has all findings, with the columns region, accountId and eventDay of their
    keys. --last, --from and --to choose objects by their keys before anything is read, and so
    does a condition on these columns. SQL only reads findings: it cannot write, or open files.

    \b
    Examples:
      falcolake query "SELECT message FROM findings WHERE severity_id = 5"
      falcolake query --last 7d --example rules
      falcolake query --format json - < question.sql | jq .
      falcolake query --last 24h
    """
    if example and sql is None:
        from streams.query.questions import print_questions

        print_questions()
        return
    from streams.commands import times
    from streams.query.period import Period

    period = Period(*times.period(since, until, last))
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for a terminal: give --output FILE")
    if form == "table" and output is not None:
        raise typer.BadParameter("--output needs --format json, csv or parquet")
    if sql is None and output is None and sys.stdin.isatty() and sys.stdout.isatty():
        _converse(load_settings(context), directory, period, form)
        return
    asked = _sql(sql, example=example)
    _answer(load_settings(context), asked, directory, period, form, output)


def _converse(
    settings: "Settings", directory: Path | None, period: "Period", form: "Format"
) -> None:
    """Answer what is typed at a prompt."""
    from streams.query.engine import columns_of
    from streams.query.prompt import converse
    from streams.query.run import source_of

    place = source_of(settings, directory).place
    say(f"Asking {place}. SQL ends with a semicolon, .help tells more, Ctrl-D ends.")
    converse(
        lambda sql: _answer(settings, sql, directory, period, form, None),
        columns_of(settings.ocsf.event_class, settings.ocsf.version),
    )


def _answer(
    settings: "Settings",
    sql: str,
    directory: Path | None,
    period: "Period",
    form: "Format",
    output: Path | None,
) -> None:
    """Answer one question."""
    from streams.query.output import show
    from streams.query.run import run

    with ExitStack() as stack:
        # The bar ends before the answer begins: it takes what is printed meanwhile for itself.
        with progress_bar("reading objects") as progress:
            answer = stack.enter_context(
                run(settings, sql, directory=directory, period=period, progress=progress)
            )
        show(answer, form, output)
    for note in answer.notes:
        say(f"Note: {note}")


def _sql(sql: str | None, *, example: bool) -> str:
    if sql is None:
        raise typer.BadParameter("give a SELECT, - for standard input, or --example")
    if example:
        from streams.query.questions import named

        return named(sql).always()
    return sys.stdin.read() if sql == "-" else sql
