"""The command `worker`."""

import gc
from typing import Annotated

import typer

from streams.commands.options import load_settings


def worker(
    context: typer.Context,
    drain: Annotated[
        bool, typer.Option("--drain", help="On SIGTERM, ship everything staged before exiting.")
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1, help="With --drain: seconds from the signal to the exit."
        ),
    ] = 25.0,
) -> None:
    """Run the stream worker until it is stopped.

    Any number of workers can run; they share the topic's partitions. Killing one loses nothing.
    SIGTERM or SIGINT stops a worker within seconds; staged records stay on disk and in Kafka.
    With --drain the worker stops reading, ships everything staged, then exits, with code 1 if
    the grace period was too short. A second signal ends the drain.

    \b
    Examples:
      falcolake --config falcolake.toml worker
      falcolake worker --drain --grace 55
    """
    # Imports make many objects that stay, and a batch makes tens of thousands of tuples that live
    # for a second. At Python's default threshold the collector would walk them again and again.
    gc.set_threshold(100_000, 20, 50)
    from streams.app import run

    raise typer.Exit(0 if run(load_settings(context), grace if drain else None) else 1)
