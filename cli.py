"""The `falcolake` command: adds the commands of `streams.commands` to one app.

`streams.terminal` turns errors into messages and exit codes.
"""

from pathlib import Path
from typing import Annotated

import typer

from streams.commands import dead_letter
from streams.commands.adopt import adopt
from streams.commands.audit import audit
from streams.commands.ddl import ddl
from streams.commands.demo import demo
from streams.commands.doctor import doctor
from streams.commands.flush import flush
from streams.commands.import_ import import_alerts
from streams.commands.init import init
from streams.commands.map import map_alerts
from streams.commands.policy import policy
from streams.commands.produce import produce
from streams.commands.query import query
from streams.commands.receive import receive
from streams.commands.register import register
from streams.commands.replay import replay
from streams.commands.settings import settings
from streams.commands.stack import stack
from streams.commands.status import status
from streams.commands.tail import tail
from streams.commands.template import template
from streams.commands.top import top
from streams.commands.verify import verify
from streams.commands.worker import worker
from streams.terminal import Commands, print_text, say

app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def falcolake(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settings file, TOML. Default: $FALCOLAKE_CONFIG, or falcolake.toml if it exists.",
        ),
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and exit.")
    ] = False,
) -> None:
    """Ship Falco alerts from Kafka to an S3 security lake as OCSF Parquet, exactly once.

    \b
    Example, on one machine and without an account:
      falcolake demo
    """
    context.obj = config
    if show_version:
        from importlib.metadata import version  # it takes longer than all other imports
        from importlib.util import find_spec

        mapping = find_spec("schemas.mapping")
        is_plain = mapping is None or str(mapping.origin).endswith(".py")
        print_text(f"falcolake {version('falcolake')}{'' if is_plain else ', compiled'}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(2)


app.command()(worker)
app.command()(stack)
app.command()(demo)
app.command()(receive)
app.command()(produce)
app.command("import")(import_alerts)
app.command("map")(map_alerts)
app.command()(status)
app.command()(tail)
app.command()(top)
app.command()(flush)
app.command()(audit)
app.command()(verify)
app.command()(query)
app.command()(replay)
app.add_typer(dead_letter.app, name="dead-letter")
app.command()(adopt)
app.command()(doctor)
app.command()(register)
app.command()(policy)
app.command()(template)
app.command()(ddl)
app.command()(init)
app.command()(settings)

main = app

if __name__ == "__main__":
    main()
