"""The command `receive`."""

import typer

from streams.commands.options import load_settings


def receive(context: typer.Context) -> None:
    """Receive alerts over HTTP, as Falco's http_output sends them, and publish them to Kafka.

    A request is answered 200 only once all in-sync replicas of Kafka have every alert of it, and
    503 otherwise. Any number of receivers can run. SIGTERM or SIGINT stops one: it accepts no
    more requests, answers those under way and exits. It needs no lake; FALCOLAKE_RECEIVE__HOST
    and _PORT say where it listens.

    \b
    Examples:
      falcolake receive
      curl --data-binary @alerts.jsonl http://127.0.0.1:2801/
    """
    from streams.receive.run import run

    run(load_settings(context))
