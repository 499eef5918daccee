"""The `falcolake` command: thin commands over `streams`; what is heavy is imported inside them.

Owns the names of commands and options, and their help. How people are answered, and the exit codes,
are in `streams.terminal`.
"""

import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands import (
    audit as lake_commands,
)
from streams.commands import (
    dead_letter as letter_commands,
)
from streams.commands import (
    map as map_command,
)
from streams.commands import (
    register as admin_commands,
)
from streams.commands import (
    replay as replay_command,
)
from streams.commands import (
    status as group_commands,
)
from streams.terminal import Commands, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from streams.settings.settings import Settings


app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
        bool, typer.Option("--version", help="Print the version and exit.")
    ] = False,
) -> None:
    """Falco alerts from Kafka into an S3 security lake, as OCSF Parquet, exactly once.

    \b
    Example, on one machine and without any account:
      falcolake demo
    """
    context.obj = config
    if show_version:
        print_text(f"falcolake {version('falcolake')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(2)


def _settings(context: typer.Context) -> "Settings":
    from streams.settings.load import load

    return load(context.obj)


@app.command()
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

    raise typer.Exit(0 if run(_settings(context), grace if drain else None) else 1)


@app.command()
def stack(
    kafka_port: Annotated[
        int, typer.Option(metavar="PORT", help="Port of the broker; 0 is a free one.")
    ] = 0,
    s3_port: Annotated[
        int, typer.Option(metavar="PORT", help="Port of the S3 server; 0 is a free one.")
    ] = 0,
    topic: Annotated[str, typer.Option(metavar="NAME", help="Topic to create.")] = "falco-events",
    partitions: Annotated[int, typer.Option(min=1, metavar="N", help="Its partitions.")] = 4,
    bucket: Annotated[str, typer.Option(metavar="NAME", help="Bucket to create.")] = "falcolake",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to keep the data. Default: removed at the end."),
    ] = None,
    broker: Annotated[
        Literal["embedded", "apache"],
        typer.Option(help="The embedded broker, or Apache Kafka (needs Java and `make kafka`)."),
    ] = "embedded",
) -> None:
    """Run a Kafka broker and an S3 server for development, in the foreground.

    Once both are ready, the settings to use them go to standard output, for a shell to evaluate.

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


@app.command()
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


@app.command()
def produce(
    context: typer.Context,
    count: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="How many. Default: 1000 samples, or the whole file."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, metavar="N", help="Alerts a second; 0: at full speed.")
    ] = 0,
    seed: Annotated[int, typer.Option(metavar="N", help="Other seeds give other samples.")] = 1,
    form: Annotated[
        Literal["native", "falcosidekick", "mixed"], typer.Option(help="Form of the samples.")
    ] = "mixed",
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Source of the samples, as k8s_audit; may be repeated."),
    ] = None,
    garbage: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="Of the samples, how many are no alerts."),
    ] = 0,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON lines to publish instead of samples; - for a pipe.",
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
        _settings(context),
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


app.command("map")(map_command.map_alerts)


app.command()(group_commands.status)
app.command()(group_commands.flush)
app.command()(lake_commands.audit)
app.command()(lake_commands.verify)
app.command()(replay_command.replay)
app.add_typer(letter_commands.app, name="dead-letter")
app.command()(admin_commands.doctor)
app.command()(admin_commands.register)
app.command()(admin_commands.policy)


@app.command()
def settings(
    context: typer.Context,
    as_json: Json = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print a settings file to begin with.")
    ] = False,
) -> None:
    """Show every setting, its value, and where that came from. Secrets are masked.

    \b
    Example:
      falcolake settings --example > falcolake.toml
    """
    from streams.settings import text as settings_text

    if example:
        print_text(settings_text.toml())
        return
    found = _settings(context)
    rows = list(settings_text.rows(found))
    if as_json:
        print_json([row._asdict() for row in rows])
    else:
        print_table(
            ["setting", "value", "from"],
            [[row.name, "-" if row.value is None else f"{row.value}", row.origin] for row in rows],
        )
    for warning in found.warnings():
        say(f"Warning: {warning}")


main = app

if __name__ == "__main__":
    main()
