"""The commands `dead-letter list`, `show` and `retry`."""

import base64
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.options import Json, Partitions, load_settings
from streams.commands.replay_text import print_replay
from streams.terminal import (
    print_bytes,
    print_json,
    print_table,
    print_text,
    print_words,
    printable,
    printable_block,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from streams.kafka.dead_letter_reader import Letter

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def dead_letter(context: typer.Context) -> None:
    """List, show and retry the records that were rejected.

    \b
    Example:
      falcolake dead-letter list
    """
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(2)


Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Only letters whose reason contains this text.")
]


@app.command("list")
def list_letters(
    context: typer.Context,
    reason: Reason = None,
    partition: Partitions = None,
    each: Annotated[bool, typer.Option("--each", help="List every letter, oldest first.")] = False,
    as_json: Json = False,
) -> None:
    """List the reasons, with the number of letters and the newest letter of each.

    \b
    Examples:
      falcolake dead-letter list
      falcolake dead-letter list --each --reason JSON
    """
    from streams.kafka.dead_letter_reader import standing

    asked = _wanted(reason, partition)
    found = standing(
        load_settings(context),
        lambda letter: letter._replace(key=None, value=None) if asked(letter) else None,
    )
    letters = [letter for letter in found.values() if letter is not None]
    if each:
        _print_each(letters, as_json=as_json)
        return
    counts = Counter(letter.reason for letter in letters)
    newest = {letter.reason: letter for letter in sorted(letters, key=lambda one: one.timestamp)}
    if as_json:
        print_json(
            [
                {"reason": why, "letters": count, "newest": _place(newest[why])}
                for why, count in counts.most_common()
            ]
        )
        return
    print_table(
        ["letters", "newest", "partition", "offset", "reason"],
        [[f"{count}", *_columns(newest[why]), why] for why, count in counts.most_common()],
        right="letters partition offset",
    )
    print_text(f"{len(letters):,} dead letters")


def _print_each(letters: "list[Letter]", *, as_json: bool) -> None:
    if as_json:
        print_json([_place(letter) | {"reason": letter.reason} for letter in letters])
        return
    print_table(
        ["time", "partition", "offset", "reason"],
        [[*_columns(letter), letter.reason] for letter in letters],
        right="partition offset",
    )


@app.command()
def show(
    context: typer.Context,
    partition: Annotated[
        int, typer.Argument(min=0, metavar="PARTITION", help="Partition of the record.")
    ],
    offset: Annotated[int, typer.Argument(min=0, metavar="OFFSET", help="Offset of the record.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Print only the value, unchanged if piped.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one record, by its partition and offset in the topic.

    \b
    Examples:
      falcolake dead-letter show 3 41207
      falcolake dead-letter show 3 41207 --raw | falcolake map -
    """
    from streams.errors import FalcolakeError
    from streams.kafka.dead_letter_reader import standing

    found = standing(
        load_settings(context),
        lambda letter: letter if letter[:2] == (partition, offset) else None,
    )
    letter = found.get((partition, offset))
    if letter is None:
        raise FalcolakeError(
            f"there is no dead letter for partition {partition}, offset {offset}",
            "list them with falcolake dead-letter list --each",
        )
    if raw:
        print_bytes(letter.value or b"")
        return
    whole = {**_place(letter), "reason": letter.reason}
    whole |= {"key": _text(letter.key), "value": _text(letter.value)}
    whole["truncated_from"] = letter.truncated_from
    if as_json:
        print_json(whole)
    else:
        for name, item in whole.items():
            if item is not None or name == "value":
                print_text(printable_block(f"{name + ':':<16}{_shown(item)}"))


@app.command()
def retry(
    context: typer.Context,
    reason: Reason = None,
    partition: Partitions = None,
    offset: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="N", help="Only this offset of --partition; can be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Map the letters again, and replay the windows of those that are accepted now.

    After an upgrade or a change of settings, a rejected record may become a finding. Its window
    is rebuilt, with the same offsets and keys, and its letter is marked as resolved. So the
    finding is in the lake once, however often this runs. The record is not published again:
    that would create a second record, or a third if the retry were interrupted, and its first
    window would count a reject indefinitely. Kafka must still have the window's records; if it
    does not, publish the record as a new one: `show --raw | produce --file -`. Exit code 1: a
    window could not be rebuilt. Letters that are still rejected do not count.

    \b
    Examples:
      falcolake dead-letter retry --dry-run
      falcolake dead-letter retry --partition 3 --offset 41207
    """
    from streams.replay.retry import run

    if offset and len(partition or ()) != 1:
        raise typer.BadParameter("--offset needs exactly one --partition")
    asked, offsets = _wanted(reason, partition), frozenset(offset or ())
    with progress_bar("replaying offsets") as progress:
        found = run(
            load_settings(context),
            lambda letter: asked(letter) and (not offsets or letter.offset in offsets),
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        print_json(found.plain())
    else:
        if found.replay is not None:
            print_replay(found.replay)
        for why, count in found.refused.items():
            print_text(f"{count:,} still rejected: {printable(why)}")
        print_words(f"{found}")
    bad = found.replay is not None and (found.replay.problems or found.replay.left)
    if found.replay is not None:
        for note in found.replay.notes:
            say(f"Note: {note}")
    raise typer.Exit(1 if bad else 0)


def _wanted(reason: str | None, partitions: list[int] | None) -> "Any":
    """Return a function that tests whether a letter is wanted."""
    return lambda letter: (
        (not reason or reason.lower() in letter.reason.lower())
        and (not partitions or letter.partition in partitions)
    )


def _time(letter: "Letter") -> str:
    try:
        return datetime.fromtimestamp(letter.timestamp / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{letter.timestamp}"


def _columns(letter: "Letter") -> list[str]:
    return [_time(letter), f"{letter.partition}", f"{letter.offset}"]


def _place(letter: "Letter") -> dict[str, Any]:
    return {"partition": letter.partition, "offset": letter.offset, "time": _time(letter)}


def _text(value: bytes | None) -> str | dict[str, str] | None:
    """Return bytes as text, or as {"base64": …} if they are not UTF-8."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _shown(item: Any) -> str:
    """Return an item as text."""
    if item is None:
        return "null: a tombstone"
    if isinstance(item, dict):
        return f"base64 {item['base64']}"
    return f"{item}"
