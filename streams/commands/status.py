"""The command `status`."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import alone, make_table, print_json, print_table, print_words, printable, say

if TYPE_CHECKING:
    from streams.control.overview import Overview


def status(
    context: typer.Context,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Refresh until interrupted; in a pipe, a line each time."),
    ] = False,
    every: Annotated[
        str, typer.Option(metavar="TIME", help="With --watch: time between refreshes.")
    ] = "2s",
    ask: Annotated[
        bool, typer.Option(help="Ask the workers for their state through the control topic.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Show how far the lake is behind Kafka, per partition.

    Only Kafka is required. The lag is the number of records that are not in the lake yet;
    behind is how long the oldest of them has waited. Workers that answer add what blocks them,
    and the lake its last object. Exit code 1: Kafka's retention deleted records before they
    were shipped, no worker is reading, or a worker is held.

    \b
    Examples:
      falcolake status --json | jq .lag
      falcolake status --watch
    """
    from streams.commands.times import duration
    from streams.control.overview import read

    settings, seconds = load_settings(context), duration(every, "--every")
    if watch:
        _watch(lambda: read(settings, ask=ask), seconds, as_json=as_json)
    found = read(settings, ask=ask)
    if as_json:
        print_json(found.plain())
    else:
        print_table(*_status_table(found))
        print_words(f"{found}")
    for note in found.notes:
        say(f"Note: {note}")
    for problem in found.problems():
        say(f"Warning: {problem}")
    raise typer.Exit(1 if found.problems() else 0)


def _status_table(found: "Overview") -> tuple[list[str], list[list[str]], str]:
    """Return the heads, the rows and the heads of the numeric columns."""
    from streams.control.overview import span

    rows = []
    for each in found.status.partitions:
        behind = found.behind(each.partition)
        rows.append(
            [
                f"{each.partition}",
                f"{each.begin}",
                "-" if each.committed is None else f"{each.committed}",
                f"{each.end}",
                f"{each.lag}",
                "-" if behind is None else span(behind),
                f"{len(each.sealed)}",
                each.owner or "-",
            ]
        )
    numbers = "partition begin committed end lag behind sealed"
    return [*numbers.split(), "owner"], rows, numbers


def _watch(look: "Callable[[], Overview]", seconds: float, *, as_json: bool) -> NoReturn:
    """Print the status repeatedly until Ctrl-C."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    if as_json or not sys.stdout.isatty():
        while True:
            found = look()
            if as_json:
                print_json(found.plain(), indent=None)
            else:
                print_words(f"{found}")
            sys.stdout.flush()
            time.sleep(seconds)
    found = look()
    with alone(), Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            lines = [f"{found}", *(f"Note: {note}" for note in found.notes)]
            lines += [f"Warning: {problem}" for problem in found.problems()]
            table = make_table(*_status_table(found))
            live.update(Group(table, Text("\n".join(map(printable, lines)))), refresh=True)
            time.sleep(seconds)
            found = look()
