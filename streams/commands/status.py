"""The commands that ask the workers' group: `status` and `flush`. `cli` adds them to its app."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streams.terminal import make_table, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from streams.control.flush import Flushed
    from streams.control.overview import Overview

#: Partitions that get a progress bar of their own; the rest of them share one.
BARS = 16


def status(
    context: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again; a line each in a pipe.")
    ] = False,
    every: Annotated[
        str, typer.Option(metavar="TIME", help="Time between two looks of --watch.")
    ] = "2s",
    ask: Annotated[
        bool, typer.Option(help="Ask the workers, through the control topic, how they are.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how far the lake is behind Kafka, partition by partition.

    Kafka is enough: the lag is what is not in the lake yet, behind is how long its oldest record
    has waited. Running workers add what keeps them, the lake its last object, if they answer. Exit
    code 1: records were lost to Kafka's retention, nobody works on the lag, or a worker is held.

    \b
    Examples:
      falcolake status --json | jq .lag
      falcolake status --watch
    """
    from streams.commands.times import duration
    from streams.control.overview import read
    from streams.settings.load import load

    settings, seconds = load(context.obj), duration(every, "--every")
    if watch:
        _watch(lambda: read(settings, ask=ask), seconds, as_json=as_json)
    found = read(settings, ask=ask)
    if as_json:
        print_json(found.plain())
    else:
        print_table(*_status_table(found))
        print_text(f"{found}")
    for note in found.notes:
        say(f"Note: {note}")
    for problem in found.problems():
        say(f"Warning: {problem}")
    raise typer.Exit(1 if found.problems() else 0)


def _status_table(found: "Overview") -> tuple[list[str], list[list[str]], str]:
    """Give heads, rows and the heads of the columns that are numbers."""
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
    """Show it again and again, until Ctrl-C."""
    import json

    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    if as_json or not sys.stdout.isatty():
        while True:
            found = look()
            print_text(json.dumps(found.plain(), ensure_ascii=False) if as_json else f"{found}")
            sys.stdout.flush()
            time.sleep(seconds)
    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            found = look()
            lines = [f"{found}", *(f"Note: {note}" for note in found.notes)]
            lines += [f"Warning: {problem}" for problem in found.problems()]
            table = make_table(*_status_table(found))
            live.update(Group(table, Text("\n".join(lines))), refresh=True)
            time.sleep(seconds)


def flush(
    context: typer.Context,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait: seconds, or as 5m.")
    ] = "5m",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ship what is in the topic now, without waiting for the windows' time.

    Asks every worker through the control topic, and returns when the group's committed offsets
    prove that the lake has all that was there at that moment. Safe to run at any time, and twice at
    once. The request holds for an hour, for workers that start later too. Exit code 1: time is up,
    with the partitions that lag and what is known of why.

    \b
    Examples:
      falcolake flush
      falcolake flush --timeout 60 --json | jq '.partitions[] | select(.lag > 0)'
    """
    from streams.commands.times import duration
    from streams.control.flush import run
    from streams.settings.load import load

    seconds = duration(timeout, "--timeout")
    said: set[str] = set()
    with _bars() as show:

        def watch(found: "Flushed") -> None:
            for warning in found.warnings:
                if warning not in said:
                    said.add(warning)
                    say(f"Warning: {warning}")
            show(found)

        found = run(load(context.obj), timeout=seconds, progress=watch)
        watch(found)
    if as_json:
        print_json(found.plain())
    else:
        if found.lagging:
            print_table(
                ["partition", "end", "committed", "lag", "why"],
                [
                    [f"{p.partition}", f"{p.end}", f"{p.committed}", f"{p.lag}", p.reason]
                    for p in found.lagging
                ],
                right="partition end committed lag",
            )
        print_text(f"{found}")
    if found.lagging:
        say("Try: falcolake flush again with a longer --timeout; the request still holds")
    raise typer.Exit(1 if found.lagging else 0)


@contextmanager
def _bars() -> "Iterator[Callable[[Flushed], None]]":
    """Show how far each partition is, on a terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    tasks = {}
    with Progress(
        *columns, console=console, disable=not sys.stderr.isatty(), transient=True
    ) as progress:

        def show(found: "Flushed") -> None:
            bars: dict[str, tuple[int, int]] = {}
            for number, each in enumerate(found.partitions):
                name = f"partition {each.partition}" if number < BARS else "the others"
                done, total = bars.get(name, (0, 0))
                total += each.end - each.first
                bars[name] = done + each.end - each.first - each.lag, total
            for name, (done, total) in bars.items():
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=total)
                progress.update(tasks[name], completed=done)

        yield show
