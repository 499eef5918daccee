"""The command `stack`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.errors import Misconfigured
from streams.terminal import say


def stack(
    kafka_port: Annotated[
        int, typer.Option(metavar="PORT", help="Port of the broker; 0: any free port.")
    ] = 0,
    s3_port: Annotated[
        int, typer.Option(metavar="PORT", help="Port of the S3 server; 0: any free port.")
    ] = 0,
    topic: Annotated[str, typer.Option(metavar="NAME", help="Topic to create.")] = "falco-events",
    partitions: Annotated[
        int, typer.Option(min=1, metavar="N", help="Partitions of the topic.")
    ] = 4,
    bucket: Annotated[str, typer.Option(metavar="NAME", help="Bucket to create.")] = "falcolake",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the data here. Default: deleted at the end."),
    ] = None,
    broker: Annotated[
        Literal["embedded", "apache"],
        typer.Option(help="The embedded broker, or Apache Kafka (needs Java and `make kafka`)."),
    ] = "embedded",
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once it runs; Ctrl-C does not reach it.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the stack that runs on the data directory.")
    ] = False,
) -> None:
    """Run a Kafka broker and an S3 server for development, in the foreground.

    Prints the settings for them as export lines once both are ready, and keeps these in the file
    `env` of the data directory. With --detach and --stop this is ./data unless --data says another.

    \b
    Examples:
      eval "$(falcolake stack --detach)"
      falcolake produce --count 1000
      falcolake stack --stop
    """
    from streams.embedded import stack as embedded
    from streams.embedded.stack import StackOptions, run

    options = StackOptions(
        data=data,
        kafka_port=kafka_port,
        s3_port=s3_port,
        topic=topic,
        partitions=partitions,
        bucket=bucket,
        broker=broker,
    )
    if detach and stop:
        raise Misconfigured("--detach and --stop exclude each other", "choose one of them")
    here = (data or Path("data")).absolute()
    if stop:
        say("stopped" if embedded.stop(here) else f"no stack runs on {here}")
    elif detach:
        sys.stdout.write(embedded.detach(options, here))
    else:
        run(options, sys.stdout)
