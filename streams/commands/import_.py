"""The command `import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import print_json, print_text, printable, say

if TYPE_CHECKING:
    from streams.imports.run import Report
    from streams.settings.settings import Settings


def import_alerts(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files, directories, s3://bucket/prefix, or - for standard input.",
        ),
    ],
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file that remembers how far it has come. Default: "
            "STAGING__PATH-imports/TOPIC.journal.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be sent, by file; send nothing.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after so many alerts.")
    ] = None,
    rate: Annotated[
        int, typer.Option(min=0, metavar="N", help="Alerts per second; 0: as fast as possible.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Import old alerts from files or S3 into the topic, each once.

    Sources have JSON: an alert a line, one alone, arrays, one behind the other; plain, gzip or
    zstd. What is no JSON is sent as it is, line by line, and becomes dead letters. Interrupted
    in any way, the same command goes on, and sends nothing twice: the journal keeps how far it
    has come. Run again, it sends only what is new.

    \b
    Examples:
      falcolake import --dry-run /var/log/falco
      falcolake import s3://my-bucket/falco/2026-
      zcat old-*.gz | falcolake import -
    """
    from streams.imports.run import default_journal

    settings = load_settings(context)
    path = journal or default_journal(settings)
    if dry_run:
        report = _count(settings, sources, path, limit, as_json=as_json)
    else:
        report = _import(settings, sources, path, limit, rate)
        if as_json:
            print_json(report.plain())
        else:
            print_text(f"{report}")
    for note in report.notes:
        say(f"Note: {printable(note)}")
    for problem in report.problems:
        say(f"Problem: {printable(problem)}")
    if report.interrupted:
        say("Stopped. The same command goes on from here, and sends nothing twice.")
    if report.refused > len(report.problems):
        say(f"{report.refused:,} alerts in all are too large for the topic.")
    raise typer.Exit(130 if report.interrupted else 1 if report.problems else 0)


def _count(
    settings: "Settings", sources: list[str], path: Path, limit: int | None, *, as_json: bool
) -> "Report":
    """Print what would be sent of each source."""
    from streams.imports.run import count

    found: list[dict[str, str | int]] = []

    def show(source: str, alerts: int, size: int) -> None:
        if as_json:
            found.append({"source": source, "alerts": alerts, "bytes": size})
        else:
            print_text(f"{alerts:>12,} alerts {size:>18,} bytes  {printable(source)}")

    report = count(settings, sources, path, limit, show)
    if as_json:
        print_json({**report.plain(), "sources": found})
    else:
        print_text(f"{report}")
    return report


def _import(
    settings: "Settings", sources: list[str], path: Path, limit: int | None, rate: int
) -> "Report":
    from streams.imports.run import run
    from streams.terminal import counter

    with counter("importing") as shown:
        return run(settings, sources, path, limit=limit, rate=rate, progress=shown)
