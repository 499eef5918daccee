"""The command `demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Alerts to publish.")] = 5000,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the data here. Default: deleted at the end."),
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep everything up at the end, until Ctrl-C.")
    ] = False,
) -> None:
    """Run everything on this machine, then prove that no alert is missing.

    Starts a broker and an S3 server, publishes alerts, runs a worker, and shows of the Parquet
    that it wrote counts, one finding in full, and one query with its answer.

    \b
    Example:
      falcolake demo --stay
    """
    from streams.embedded.demo import run

    run(count=count, keep=keep, stay=stay)
