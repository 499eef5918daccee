"""`python -m streams.embedded.broker`: runs the broker until a signal stops it.

Prints `ready HOST:PORT` on standard output once it accepts connections, and nothing else there.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.embedded.broker.broker import Broker
from streams.embedded.broker.errors import StartError
from streams.embedded.broker.server import Server


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streams.embedded.broker",
        description="A small Kafka-protocol broker for development: one node, no replication, "
        "no transactions, no security, loopback only.",
    )
    parser.add_argument("--port", type=int, required=True, help="0 takes a free port")
    parser.add_argument(
        "--advertised-port", type=int, help="the port of a proxy that clients should connect to"
    )
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--default-partitions",
        type=int,
        default=1,
        help="partitions of topics created without a number",
    )
    parser.add_argument(
        "--no-auto-create", action="store_true", help="do not create topics that clients ask for"
    )
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="stop when standard input ends"
    )
    return parser


def _watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input ends, as it does when the parent dies."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True).start()


async def _run(arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    broker = Broker(
        arguments.data, arguments.default_partitions, auto_create=not arguments.no_auto_create
    )
    try:
        server = Server(broker)
        address = await server.start(arguments.host, arguments.port)
        if arguments.advertised_port:
            broker.port = arguments.advertised_port
        if arguments.stop_with_parent:
            _watch_parent(stopped.set)
        print("ready", address, flush=True)
        await stopped.wait()
        await server.stop()
    finally:
        broker.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the broker; return 0 after a clean stop, 1 if it cannot start."""
    logging.basicConfig(level=logging.WARNING, format="broker: %(message)s")
    try:
        asyncio.run(_run(_parser().parse_args(argv)))
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
