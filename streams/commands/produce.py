"""The command `produce`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.commands.options import Json, load_settings
from streams.terminal import print_json, say


def produce(
    context: typer.Context,
    count: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Alerts to publish. Default: 1000 samples, or the whole file."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, metavar="N", help="Alerts per second; 0: as fast as possible.")
    ] = 0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the samples.")] = 1,
    form: Annotated[
        Literal["native", "falcosidekick", "mixed"], typer.Option(help="Format of the samples.")
    ] = "mixed",
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Source of the samples, such as k8s_audit; can be repeated."
        ),
    ] = None,
    garbage: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Share of samples that are not valid alerts."
        ),
    ] = 0,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON lines to publish instead of samples; - for standard input.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish alerts to the topic: realistic samples, or the lines of a file.

    \b
    Examples:
      falcolake produce --count 20000 --source syscall
      falcolake produce --rate 50 --count 3000
      falcolake produce --file alerts.jsonl
    """
    from streams.clock import now_ns
    from streams.kafka.produce import run

    report = run(
        load_settings(context),
        start_ns=now_ns(),
        count=count or (1000 if file is None else None),
        rate=rate,
        seed=seed,
        form=form,
        sources=source,
        garbage=garbage,
        file=file,
    )
    if as_json:
        print_json(asdict(report))
    else:
        say(f"{report}")
    raise typer.Exit(1 if report.failed or report.interrupted else 0)
