"""The command `stack`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


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
) -> None:
    """Run a Kafka broker and an S3 server for development, in the foreground.

    Prints the settings for them as export lines once both are ready.

    \b
    Example:
      eval "$(falcolake stack --data ./data &)"
      falcolake produce --count 1000
      kill $FALCOLAKE_STACK_PID
    """
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
    run(options, sys.stdout)
