"""The command `flush`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import print_json, print_table, print_words, say

if TYPE_CHECKING:
    from streams.control.flush import Flushed

#: Partitions that have their own progress bar; the rest share one.
BARS = 16


def flush(
    context: typer.Context,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait, such as 90 or 5m.")
    ] = "5m",
    as_json: Json = False,
) -> None:
    """Ship everything in the topic now, without waiting for the window interval.

    Asks every worker through the control topic, and returns when the group's committed offsets
    prove that everything up to that moment is in the lake. Safe to run at any time, and
    concurrently. The request is valid for an hour, also for workers that start later. Exit code
    1: timed out; the lagging partitions are listed, with the reason if it is known.

    \b
    Examples:
      falcolake flush
      falcolake flush --timeout 60 --json | jq '.partitions[] | select(.lag > 0)'
    """
    from streams.commands.times import duration
    from streams.control.flush import run

    seconds = duration(timeout, "--timeout")
    said: set[str] = set()
    with _bars() as show:

        def watch(found: "Flushed") -> None:
            for warning in found.warnings:
                if warning not in said:
                    said.add(warning)
                    say(f"Warning: {warning}")
            show(found)

        found = run(load_settings(context), timeout=seconds, progress=watch)
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
        print_words(f"{found}")
    if found.lagging:
        say("Try: run falcolake flush again with a longer --timeout; the request is still valid")
    raise typer.Exit(1 if found.lagging else 0)


@contextmanager
def _bars() -> "Iterator[Callable[[Flushed], None]]":
    """Show the progress of each partition on a terminal."""
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
