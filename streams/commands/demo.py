"""The command `demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many alerts.")] = 5000,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the data there. Default: removed at the end."),
    ] = None,
) -> None:
    """Show everything at work on this machine alone, then prove that nothing is missing.

    Starts a broker and an S3 server, publishes alerts, runs a worker, queries the Parquet it wrote.

    \b
    Example:
      falcolake demo --keep ./demo
    """
    from streams.embedded.demo import run

    run(count=count, keep=keep)
