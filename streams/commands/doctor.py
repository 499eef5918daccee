"""The command `doctor`."""

from typing import Annotated

import typer

from streams.commands.options import Json
from streams.terminal import print_json, print_text, print_verdict

LEVELS = ("good", "warning", "bad", "skipped")


def doctor(
    context: typer.Context,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Longest time for each check.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Check everything that a worker needs, and print a remedy for what is wrong.

    Checks the settings; Kafka's brokers, topics, retention, permissions and group; the lake's
    credentials, clock, bucket, writes and key; the staging disk. Prints a line each: good,
    warning, bad, or skipped because of another. Writes one empty object, _falcolake_doctor under
    the prefix, which all other commands ignore. Exit code 1: something is bad.

    \b
    Examples:
      falcolake doctor
      falcolake doctor --json | jq '.checks[] | select(.level != "good")'
    """
    from streams.doctor.doctor import diagnose

    found = []
    for each in diagnose(context.obj, timeout):
        found.append(each)
        if not as_json:
            text = f"{each.message}. Try: {each.remedy}" if each.remedy else each.message
            print_verdict(each.level, each.check, text)
    counts = {level: sum(each.level == level for each in found) for level in LEVELS}
    if as_json:
        print_json(counts | {"checks": [each.plain() for each in found]})
    else:
        warnings = "warning" if counts["warning"] == 1 else "warnings"
        text = f"{counts['good']} good, {counts['warning']} {warnings}, {counts['bad']} bad"
        print_text(text + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    raise typer.Exit(1 if counts["bad"] else 0)
