"""The command `audit`."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import (
    locate,
    print_item,
    print_json,
    print_table,
    print_text,
    print_words,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from streams.audit.audit import Audit


def audit(
    context: typer.Context,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d", "%Y%m%d"],
            metavar="YYYY-MM-DD",
            help="First event day (UTC) to check. Default: the lake's first.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--to",
            formats=["%Y-%m-%d", "%Y%m%d"],
            metavar="YYYY-MM-DD",
            help="Last event day (UTC) to check. Default: the lake's last.",
        ),
    ] = None,
    kafka: Annotated[
        bool,
        typer.Option(help="Compare with Kafka; --no-kafka needs only read access to the lake."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Prove from the lake that no record is missing or duplicated.

    Lists keys and reads footers, never rows. The windows of every partition must be contiguous
    from the first to the committed offset, and rows, counts and dead letters must add up. Safe
    while workers run. With --from or --to it checks only windows with a finding in those days,
    including all their objects. Exit code 1: problems were found; they are listed.

    \b
    Examples:
      falcolake audit
      falcolake audit --no-kafka --from 2026-11-01 --to 2026-11-30
      falcolake audit --json | jq .problems
    """
    from streams.audit.audit import Days, run

    if since and until and since > until:
        raise typer.BadParameter("--from is after --to")
    days = Days(since.date() if since else None, until.date() if until else None)
    with progress_bar("reading footers") as progress:
        found = run(load_settings(context), days=days, kafka=kafka, progress=progress)
    if as_json:
        print_json(found.plain())
    else:
        _print_audit(found)
    for note in found.notes:
        say(f"Note: {note}")
    raise typer.Exit(1 if found.problems else 0)


def _print_audit(found: "Audit") -> None:
    several = len({partition.topic for partition in found.partitions}) > 1
    heads = "committed windows objects findings rejects filtered problems"
    rows = []
    for partition in found.partitions:
        values = partition.plain()
        rows.append(
            [
                f"{partition.topic}-{partition.partition}" if several else f"{partition.partition}",
                "-" if partition.bounds is None else "[{}, {})".format(*partition.bounds),
                *("-" if values[head] is None else f"{values[head]}" for head in heads.split()),
            ]
        )
    print_table(["partition", "offsets", *heads.split()], rows, right=f"partition offsets {heads}")
    if found.problems:
        print_text("")
    for problem in found.problems:
        where = ""
        if problem.topic is not None:
            where = f"{problem.topic}-{problem.partition} [{problem.first}, {problem.end}): "
        keys = [locate(found.place, problem.key)] if problem.key else []
        print_item(problem.kind, f"{where}{problem.message}", *keys)
    print_text("")
    print_words(f"{found}")
