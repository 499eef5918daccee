"""The command `replay`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.options import Json, Partitions, load_settings
from streams.commands.replay_text import print_replay
from streams.terminal import print_json, progress_bar, say

if TYPE_CHECKING:
    from streams.replay.replay import Selection

COPY = "s3://"


def replay(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Start of the records to replay; UTC if it has no zone."
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="TIME",
            # s3://… too: that was the name of --copy-to.
            help="End of the records to replay.",
        ),
    ] = None,
    copy_to: Annotated[
        list[str] | None,
        typer.Option(
            "--copy-to",
            metavar="s3://BUCKET/PREFIX",
            help="Write a copy there; leave the lake as it is.",
        ),
    ] = None,
    last: Annotated[
        str | None, typer.Option(metavar="TIME", help="Instead of --from: such as 6h, 90m or 2d.")
    ] = None,
    partition: Partitions = None,
    from_offset: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="First offset to replay.")
    ] = None,
    to_offset: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Offset to stop before.")
    ] = None,
    audit: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Replay what `audit --json` found; - for standard input."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Delete stale objects, which no window has any more (s3:DeleteObject)."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Skip windows that are complete, with the current mapping.",
        ),
    ] = False,
    parallel: Annotated[
        int,
        typer.Option(
            min=1,
            max=32,
            metavar="N",
            help="Windows to rebuild at once; each can take 0.5 GB of memory.",
        ),
    ] = 2,
    as_json: Json = False,
) -> None:
    """Rebuild windows of the lake from Kafka: same offsets, same keys, overwritten.

    Rebuilds every window that has a record in the range as a whole, and creates missing windows
    below the committed offset. Nothing at or after that offset changes, and the offset never
    moves, so workers can keep running. Objects that would be the same byte for byte are not
    written again. A window stays as it is unless Kafka still has all its records. Missing dead
    letters are sent, existing ones are not repeated, and those of records that are accepted now
    are marked as resolved. Exit code 1: a window could not be rebuilt, or has a stale object.

    \b
    Examples:
      falcolake replay --last 6h --dry-run
      falcolake replay --last 6h --copy-to s3://other/copy
      falcolake replay --partition 3 --from-offset 41200 --to-offset 59877
      falcolake audit --json > found.json || falcolake replay --audit found.json
    """
    from streams.replay.replay import Options, Selection, run

    settings = load_settings(context)
    times = [each for each in to or [] if not each.startswith(COPY)]
    copies = [("--copy-to", each) for each in copy_to or []]
    copies += [("--to", each) for each in to or [] if each.startswith(COPY)]
    if len(copies) > 1 or len(times) > 1:
        raise typer.BadParameter("one --to and one --copy-to at most")
    copy = _copy(*copies[0], settings.lake.bucket, settings.lake.prefix) if copies else None
    selection = _selection(
        since, times[0] if times else None, last, partition, from_offset, to_offset
    )
    if audit is None and selection == Selection():
        raise typer.BadParameter(
            "choose what to replay: --last, --from, --to, --partition, --from-offset or --audit"
        )
    if audit is not None:
        selection = _with_audit(selection, audit, settings.kafka.topic)
    options = Options(copy, dry_run, prune, resume, parallel)
    with progress_bar("replaying offsets") as progress:
        found = run(settings, selection, options, progress=progress)
    if as_json:
        print_json(found.plain())
    else:
        print_replay(found)
    for note in found.notes:
        say(f"Note: {note}")
    if any(each.stale for each in found.windows):
        say("Try: --prune to delete the stale objects")
    if found.left or any(each.outcome == "failed" for each in found.windows):
        say("Try: run it again; with --resume it continues where it stopped")
    raise typer.Exit(1 if found.problems or found.left else 0)


def _copy(option: str, place: str, bucket: str, prefix: str) -> tuple[str, str]:
    """Parse `s3://bucket/prefix`, which must not be in the lake."""
    from pydantic import TypeAdapter, ValidationError

    from streams.settings.fields import Bucket, Prefix

    if not place.startswith(COPY):
        raise typer.BadParameter(f"{option} {place}: it must begin with {COPY}")
    given, _, below = place.removeprefix(COPY).partition("/")
    below = below.rstrip("/")
    try:
        TypeAdapter(tuple[Bucket, Prefix]).validate_python((given, below))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{option} {place}: {reason}") from None
    if given == bucket and f"{below}/".startswith(f"{prefix}/"):
        raise typer.BadParameter(f"{option} {place}: that is the lake; choose another prefix")
    return given, below


def _selection(
    since: str | None,
    until: str | None,
    last: str | None,
    partitions: list[int] | None,
    from_offset: int | None,
    to_offset: int | None,
) -> "Selection":
    from streams.commands.times import period
    from streams.replay.replay import LAST, Selection

    first, end = period(since, until, last)
    offsets = from_offset is not None or to_offset is not None
    if offsets and (first is not None or end is not None):
        raise typer.BadParameter("give either times or offsets, not both")
    ranges: tuple[tuple[int | None, int, int], ...] = ()
    if offsets or (partitions and first is None and end is None):
        bounds = from_offset or 0, LAST if to_offset is None else to_offset
        if bounds[0] >= bounds[1]:
            raise typer.BadParameter("--to-offset is not after --from-offset")
        ranges = ((None, *bounds),)
    return Selection(frozenset(partitions or ()), first, end, ranges)


def _with_audit(selection: "Selection", file: str, topic: str) -> "Selection":
    """Return the selection with the ranges of an audit's problems on this topic."""
    from dataclasses import replace

    if selection.ranges or selection.since is not None or selection.until is not None:
        raise typer.BadParameter("--audit cannot be combined with times, offsets or partitions")
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"--audit {file}: {error.strerror}") from None
    try:
        problems: list[dict[str, Any]] = json.loads(text)["problems"]
        placed = [each for each in problems if each["topic"] == topic and each["kind"] != "beyond"]
        ranges = tuple(
            (int(each["partition"]), int(each["first"]), int(each["end"])) for each in placed
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise typer.BadParameter(f"--audit {file}: not the output of `audit --json`") from None
    if others := len(problems) - len(placed):
        say(f"Note: {others} of the audit's problems cannot be fixed by a replay")
    return replace(selection, ranges=ranges)
