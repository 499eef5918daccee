"""The command `top`."""

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from streams.clock import now_ms
from streams.commands.options import load_settings
from streams.sizes import counted
from streams.terminal import make_table, print_json, print_table, print_text, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import ConsoleDimensions, ConsoleRenderable, Group

    from schemas.mapping import Mapping
    from streams.kafka.client import Record
    from streams.settings.settings import Settings
    from streams.watch.rates import Rates

#: Seconds between two pictures on a terminal.
EVERY = 2.0


def top(
    context: typer.Context,
    last: Annotated[
        str, typer.Option(metavar="TIME", help="The window of the rates, such as 30s, 10m or 1h.")
    ] = "1m",
    count: Annotated[int, typer.Option(min=1, metavar="N", help="The most rows of a table.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, once.")] = False,
) -> None:
    """Show which rules, namespaces and hosts have the most alerts now; until Ctrl-C.

    Counts what came into Kafka in the last minute, by the records' timestamps, and goes on with
    what comes. In a pipe, and with --json, it counts once and ends. It joins no group and changes
    nothing in Kafka. Alerts are mapped as a worker maps them; what the settings filter is counted,
    but in no table.

    \b
    Examples:
      falcolake top
      falcolake top --last 10m --count 3
      falcolake top --json | jq '.rules[0]'
    """
    from streams.commands.times import span

    seconds = span(last, "--last")
    if seconds <= 0:
        raise typer.BadParameter(f"--last {last}: give a time above 0")
    settings = load_settings(context)
    if sys.stdout.isatty() and not as_json:
        try:
            _watch(settings, seconds, count)
        except KeyboardInterrupt:
            raise typer.Exit from None  # the usual end
    rates = _once(settings, seconds)
    if as_json:
        print_json({"topic": settings.kafka.topic, **rates.plain(count)})
        return
    for table in _tables(rates, count):
        print_table(*table)
        print_text("")
    print_text(_summary(settings, rates))


def _once(settings: "Settings", seconds: float) -> "Rates":
    """Count what Kafka has of the window that ends now."""
    from streams.kafka.errors import unknown_topic
    from streams.kafka.scan import bounds, offsets_at, open_consumer, scan
    from streams.settings.mapping import build_mapping
    from streams.watch.rates import Rates

    now, mapping, topic = now_ms(), build_mapping(settings), settings.kafka.topic
    rates = Rates(seconds, now)
    with open_consumer(settings) as client:
        ranges = bounds(client, topic)
        if not ranges:
            raise unknown_topic(settings)
        firsts = offsets_at(client, topic, ranges, now - round(seconds * 1000))
        asked = {n: (first, ranges[n][1]) for n, first in firsts.items() if first is not None}
        for record in scan(client, topic, asked):
            _count(rates, mapping, record)
    return rates


def _count(rates: "Rates", mapping: "Mapping", record: "Record") -> None:
    from schemas.mapping import Filtered, Reject
    from streams.watch.alerts import read

    found = read(mapping, record.value, record.timestamp)
    if isinstance(found, Reject):
        rates.count(record.timestamp, "rejects")
    elif isinstance(found, Filtered):
        rates.count(record.timestamp, "filtered")
    else:
        rates.add(record.timestamp, found)


def _watch(settings: "Settings", seconds: float, count: int) -> None:
    """Show the rates and refresh them until Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    from streams.kafka.follow import follow
    from streams.settings.mapping import build_mapping
    from streams.watch.rates import Rates

    begin, mapping = now_ms(), build_mapping(settings)
    rates, note, shown = Rates(seconds, begin), "", 0.0
    console = Console()
    with (
        closing(follow(settings, begin - round(seconds * 1000))) as heard,
        Live(console=console, auto_refresh=False) as live,
    ):
        for records, notes, behind in heard:
            rates.tick(now_ms())
            for record in records:
                _count(rates, mapping, record)
            note = notes[-1] if notes else note
            if notes or time.monotonic() >= shown + EVERY:
                live.update(
                    _picture(settings, rates, count, behind, note, console.size), refresh=True
                )
                shown = time.monotonic()


def _picture(
    settings: "Settings",
    rates: "Rates",
    count: int,
    behind: int,
    note: str,
    size: "ConsoleDimensions",
) -> "Group":
    """Return everything, in no more lines than the terminal has."""
    from rich.console import Group
    from rich.text import Text

    # Of each table also its head, the others and a blank line; then the summary and a note.
    most = max(1, min(count, (size.height - 3) // 3 - 3))
    lines: list[ConsoleRenderable] = []
    for each in _tables(rates, most, size.width - 30):
        lines += [make_table(*each, boxed=False), Text("")]
    last = [_summary(settings, rates, behind), *([f"Note: {note}"] if note else [])]
    return Group(*lines, *(Text(shortened(line, size.width)) for line in last))


def _tables(
    rates: "Rates", most: int, width: int | None = None
) -> "Iterator[tuple[list[str], list[list[str]], list[str]]]":
    """Yield the heads, the rows and the heads of numbers of each table."""
    from streams.watch.rates import TABLES

    for name in TABLES:
        found = rates.table(name, most)
        rows = [
            [each.name or "-", f"{each.alerts}", f"{each.per_second:.2f}"] for each in found.rows
        ]
        if found.others:
            rows.append(["(others)", f"{found.others}", f"{found.others / rates.seconds:.2f}"])
        if width is not None:
            rows = [[shortened(first, width), *others] for first, *others in rows]
        yield [name, "alerts", "per second"], rows, ["alerts", "per second"]


def _summary(settings: "Settings", rates: "Rates", behind: int = 0) -> str:
    totals = rates.totals()
    text = (
        f"{settings.kafka.topic}: {counted(totals['alerts'], 'alert')} in {rates.seconds:.0f} s, "
        f"{totals['alerts'] / rates.seconds:.2f} per second; "
        f"{counted(totals['rejects'], 'reject')}, {totals['filtered']:,} filtered"
    )
    return f"{text}; {counted(behind, 'record')} still to read" if behind else text
