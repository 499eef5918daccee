"""The command `verify`."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import (
    locate,
    print_item,
    print_json,
    print_text,
    print_words,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from streams.audit.verify import Verification


def verify(
    context: typer.Context,
    place: Annotated[
        str,
        typer.Argument(metavar="PLACE", help="A file or directory, or s3://bucket/key-or-prefix."),
    ],
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Rows of each object to check against OCSF. Default: all."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check objects against the Security Lake rules, and their rows against the OCSF schema.

    Checks path, event day, order, event class, column types, page and row group size, codec,
    and the window in the footer; in S3 also how often objects were put. The OCSF schema
    needs falcolake[verify]; the rest needs nothing extra. Exit code 1: a rule is broken.
    Warnings do not count.

    \b
    Examples:
      falcolake verify object.parquet
      falcolake verify --sample 100 s3://my-security-lake/ext/falco
    """
    from streams.audit.verify import run

    with progress_bar("checking objects") as progress:
        found = run(load_settings(context), place, sample=sample, progress=progress)
    if as_json:
        print_json(found.plain())
    else:
        _print_verification(found)
    for note in found.notes():
        say(f"Note: {note}")
    raise typer.Exit(1 if found.faults else 0)


def _print_verification(found: "Verification") -> None:
    from streams.audit.verify import SCHEME

    for each in found.objects:
        where = locate(found.place, each.name) if found.place.startswith(SCHEME) else each.name
        for fault in each.faults:
            level = "warning" if fault.warning else "fault"
            print_item(level, f"{fault.rule}: {fault.message}", where)
    if found.faults or found.warnings:
        print_text("")
    print_words(f"{found}")
