"""The command `settings`."""

import json
from typing import Annotated, Any

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import print_json, print_table, print_text, say


def settings(
    context: typer.Context,
    as_json: Json = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example settings file.")
    ] = False,
) -> None:
    """Show every setting, its value and where it came from. Secrets are masked.

    \b
    Example:
      falcolake settings --example > falcolake.toml
    """
    from streams.settings import text as settings_text

    if example:
        print_text(settings_text.toml())
        return
    found = load_settings(context)
    rows = list(settings_text.rows(found))
    if as_json:
        print_json([row._asdict() for row in rows])
    else:
        print_table(
            ["setting", "value", "from"],
            [[row.name, _shown(row.value), row.origin] for row in rows],
        )
    for warning in found.warnings():
        say(f"Warning: {warning}")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return json.dumps(value) if isinstance(value, dict | list) else f"{value}"
