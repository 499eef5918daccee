"""The command `settings`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.options import Json, load_settings
from streams.errors import FalcolakeError, Misconfigured
from streams.terminal import print_json, print_table, print_text, say

if TYPE_CHECKING:
    from streams.settings.settings import Settings


def settings(
    context: typer.Context,
    as_json: Json = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example settings file.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a settings file.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only say whether a worker could start; exit 1 if not."),
    ] = False,
) -> None:
    """Show every setting, its value and where it came from. Secrets are masked.

    \b
    Examples:
      falcolake settings --example > falcolake.toml
      falcolake settings --check && falcolake worker
    """
    from streams.settings import text as settings_text

    if example:
        print_text(settings_text.toml())
        return
    if schema:
        print_json(settings_text.schema())
        return
    found = load_settings(context)
    rows = list(settings_text.rows(found))
    if check:
        _check(found)
        print_text("complete")
    elif as_json:
        print_json([row._asdict() for row in rows])
    else:
        print_table(
            ["setting", "value", "from"],
            [[row.name, _shown(row.value), row.origin] for row in rows],
        )
    for warning in found.warnings():
        say(f"Warning: {warning}")


def _check(settings: "Settings") -> None:
    """Raise FalcolakeError, which is exit code 1, if no worker could start with these settings."""
    from streams.settings.mapping import build_mapping

    try:
        settings.require_lake()
        build_mapping(settings)
    except Misconfigured as error:
        raise FalcolakeError(error.message, error.hint) from None


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return json.dumps(value) if isinstance(value, dict | list) else f"{value}"
