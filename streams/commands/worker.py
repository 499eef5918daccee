"""The command `worker`."""

from typing import Annotated

import typer

from streams.commands.options import load_settings


def worker(
    context: typer.Context,
    drain: Annotated[
        bool, typer.Option("--drain", help="Told to stop, ship first what is staged.")
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1, help="Seconds from the signal to the end, with --drain."
        ),
    ] = 25.0,
) -> None:
    """Run the stream worker until it is stopped.

    Any number may run; they share the topic's partitions. Killing one loses nothing. SIGTERM or
    SIGINT stops it within seconds: what it has staged stays there, and in Kafka. With --drain it
    reads no more, ships all that, then leaves; it exits with 1 if the grace was too short. A second
    signal ends that.

    \b
    Examples:
      falcolake --config falcolake.toml worker
      falcolake worker --drain --grace 55
    """
    from streams.app import run

    raise typer.Exit(0 if run(load_settings(context), grace if drain else None) else 1)
