"""The command `adopt`."""

from typing import Annotated

import typer

from streams.commands.options import Json, Partitions, load_settings
from streams.terminal import print_json, print_table, print_words, progress_bar, say


def adopt(
    context: typer.Context,
    partition: Partitions = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Go on with partitions that are blocked, without losing a record. Stop the workers first.

    A partition is blocked when its log and the lake no longer have the same records at the same
    offsets: the log lost its end, or the topic was deleted and recreated. Reading then goes on
    where the lake's windows end. Records that the log has before that offset, and the lake does
    not have, are published again at the topic's end; a log that ends earlier is filled up with
    an aborted transaction. Copies and committed offset are one transaction, so it is safe to
    run again. Needs a Kafka with transactions. Exit code 1: it could not be completed.

    \b
    Examples:
      falcolake adopt --dry-run
      falcolake adopt --partition 3
    """
    from streams.adopt.adopt import run

    settings = load_settings(context)
    with progress_bar("adopting") as progress:
        found = run(
            settings,
            partitions=frozenset(partition or ()),
            dry_run=dry_run,
            progress=progress,
            say=say,
        )
    if as_json:
        print_json(found.plain())
        return
    if found.partitions:
        heads = ["partition", "blocked", "records", "copies", "padding", "committed", "reads on at"]
        rows = [
            [
                f"{each.partition}",
                each.kind,
                f"{each.records}",
                f"{each.copies}",
                f"{each.padding}",
                "-" if each.committed is None else f"{each.committed}",
                f"{each.offset}",
            ]
            for each in found.partitions
        ]
        print_table(heads, rows, "partition records copies padding committed")
    print_words(f"{found}")
