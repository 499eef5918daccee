"""`falcolake demo`: the whole pipeline on one machine, and the proof that nothing is missing.

The worker is the real one, in its own process, with shorter windows. All data lives in one
directory, and every process is stopped at the end, also after an error or Ctrl-C.
"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import duckdb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.audit import audit
from streams.clock import now_ns
from streams.embedded.ports import free_ports
from streams.embedded.process import ServerProcess
from streams.embedded.showcase import (
    program,
    show_counts,
    show_finding,
    show_next,
    show_query,
)
from streams.embedded.stack import ENVIRONMENT, EmbeddedStack
from streams.errors import Corrupt, Unavailable, in_url
from streams.kafka import produce, status
from streams.lake.reader import LakeReader
from streams.settings.load import load
from streams.settings.settings import Settings
from streams.terminal import say

GARBAGE = 0.005
RATE = 1000.0
LONGEST_SECONDS = 10.0
"""The rate rises to keep sending under this; slower sending makes several windows."""
PATIENCE_SECONDS = 60.0
"""How long the worker may go without progress."""

_POLL_SECONDS = 0.3
_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OWN_VARIABLES = ("FALCOLAKE_", "AWS_", "KAFKA_")
_SHORT_WINDOWS = {
    "FALCOLAKE_WINDOW__INTERVAL": "2",
    "FALCOLAKE_KAFKA__SESSION_TIMEOUT": "10",
}


def run(
    *, count: int = 5000, keep: Path | None = None, stay: bool = False, out: Console | None = None
) -> None:
    """Take `count` alerts from Kafka to the lake, show the findings and print the proof.

    Args:
        count: the number of records, a few of which are not valid alerts.
        keep: a directory for the data; by default a temporary one that is removed.
        stay: keep everything up at the end, until Ctrl-C.
        out: where the tables and the proof go; by default standard output. Progress goes to
            standard error.

    Raises:
        Corrupt: the proof failed.
        Unavailable, Misconfigured: a part did not start, or the worker makes no progress.
    """
    out = out or Console(highlight=False)
    progress = Console(stderr=True, highlight=False)
    began = time.monotonic()
    with _stopped_by_signals(), ExitStack() as parts:
        say("starting a Kafka broker and an S3 server")
        stack = parts.enter_context(EmbeddedStack(keep))
        environment = _environment(stack)
        settings = load(environment=environment)
        worker = _worker(stack, environment)
        parts.callback(worker.stop)
        parts.callback(_ignore_signals)
        say("starting a worker")
        worker.start(lambda: True)
        _wait_until_working(settings, worker)
        page = f"http://{in_url(settings.web.host, settings.web.port)}"
        say(f"the worker's page, while it runs: {page}")
        _publish(settings, count, progress)
        _wait_until_shipped(settings, worker, progress)
        if not stay:
            worker.stop()
        proof = _look_back(settings, stack, out)
        out.print(f"\nProved in {time.monotonic() - began:.0f} s: {proof}.", soft_wrap=True)
        if stay:
            _stay(stack, worker, page, out)
    if not stay:
        out.print("\nNext:\n")
        show_next(_next_steps(), out)
    if keep is not None:
        command = f"falcolake stack --data {shlex.quote(str(keep))}"
        out.print(f"The data is kept. To serve it again: {command}", soft_wrap=True)


def _next_steps() -> list[tuple[str, str]]:
    falcolake = program()
    return [
        (f"{falcolake} demo --stay", "the same, kept up until Ctrl-C, with the worker's page"),
        (f'eval "$({falcolake} stack --detach)"', "Kafka and S3 to try every command with"),
        (f"{falcolake} init", "settings for your own Kafka and lake"),
    ]


def _stay(stack: EmbeddedStack, worker: ServerProcess, page: str, out: Console) -> None:
    """Keep everything up until Ctrl-C; raise Unavailable when a part ends on its own."""
    falcolake, exports = program(), stack.data / ENVIRONMENT
    exports.touch(mode=0o600)
    exports.write_text(stack.exports())
    out.print(f"\nAll of it runs until Ctrl-C. The worker's page: {page}", soft_wrap=True)
    out.print("Next, in another terminal:\n")
    commands = [
        (f". {shlex.quote(str(exports))}", "the settings"),
        (f"{falcolake} produce --count 1000", "more alerts; the worker ships them within seconds"),
        (f"{falcolake} tail --since 10m --severity high --count 5", "the latest severe alerts"),
    ]
    try:
        show_next(commands, out)
        while worker.running:
            stack.check()
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return
    finally:
        exports.unlink(missing_ok=True)
    raise _stuck(worker, 0)


def _environment(stack: EmbeddedStack) -> dict[str, str]:
    """Return this process's environment with the stack's settings instead of the user's."""
    settings_file = stack.data.absolute() / "falcolake.toml"
    settings_file.touch()
    (port,) = free_ports(1)
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES)
    }
    return {
        **others,
        **stack.environment(),
        **_SHORT_WINDOWS,
        "FALCOLAKE_CONFIG": str(settings_file),
        "FALCOLAKE_WEB__PORT": str(port),
    }


def _publish(settings: Settings, count: int, progress: Console) -> None:
    report = produce.run(
        settings,
        start_ns=now_ns(),
        count=count,
        rate=max(RATE, count / LONGEST_SECONDS),
        garbage=GARBAGE,
        out=progress,
    )
    if report.interrupted:
        raise KeyboardInterrupt
    if report.failed:
        raise Unavailable(f"the broker did not accept all alerts: {report}", "start the demo again")
    say(f"{report}")


def _worker(stack: EmbeddedStack, environment: dict[str, str]) -> ServerProcess:
    return ServerProcess(
        "worker",
        [sys.executable, "-P", "-m", "cli", "worker"],
        log=stack.data / "worker.log",
        environment=environment,
    )


def _wait_until_shipped(settings: Settings, worker: ServerProcess, progress: Console) -> None:
    """Wait until the committed offsets reach the end of every partition."""
    columns = (
        TextColumn("the worker ships"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=progress, disable=not progress.is_terminal) as bar:
        task = bar.add_task("")
        for found in _watch(settings, worker):
            total = sum(partition.end for partition in found.partitions)
            bar.update(task, total=total, completed=total - found.lag)
            if found.lag == 0:
                break
    say(f"the worker has committed all {total:,} records")


def _wait_until_working(settings: Settings, worker: ServerProcess) -> None:
    """Wait until every partition has an owner."""
    for found in _watch(settings, worker):
        if all(partition.owner for partition in found.partitions):
            return


def _watch(settings: Settings, worker: ServerProcess) -> Iterator[status.Status]:
    """Yield the status repeatedly; raise when the worker has ended or nothing changes."""
    before, deadline = None, 0.0
    while True:
        found = status.read(settings)
        yield found
        if found != before:
            before, deadline = found, time.monotonic() + PATIENCE_SECONDS
        if not worker.running or time.monotonic() > deadline:
            raise _stuck(worker, found.lag)
        time.sleep(_POLL_SECONDS)


def _stuck(worker: ServerProcess, lag: int) -> Unavailable:
    what = "makes no progress" if worker.running else "has ended"
    tail = "\n".join(f"  {line}" for line in worker.output().splitlines()[-5:])
    return Unavailable(
        f"the worker {what}, with {lag:,} records left", f"the end of its log:\n{tail}"
    )


def _look_back(settings: Settings, stack: EmbeddedStack, out: Console) -> str:
    """Read the lake back, show it and prove it. Return what is proved, or raise Corrupt."""
    reader = LakeReader(settings.lake, stack.s3.client())
    directory = stack.data / "read-back"
    directory.mkdir(exist_ok=True)
    files = []
    for stored in reader.objects():
        files.append(directory / stored.key)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        reader.fetch(stored.key, files[-1])
    distinct = 0
    if files:
        with duckdb.connect() as database:
            database.read_parquet([f"{file}" for file in files]).create_view("lake")
            show_counts(database, out)
            show_finding(database, out)
            distinct = _one(database, "SELECT count(DISTINCT metadata.uid) FROM lake")
        show_query(settings, directory, out)
    found = audit.run(settings, reader=reader)
    problems = [f"{problem.kind}: {problem.message}" for problem in found.problems]
    ends = sum(partition.known.end for partition in found.partitions if partition.known)
    counts = found.counts
    if counts.records != ends:
        problems.append(f"Kafka has {ends:,} records, the lake {counts.records:,}")
    if counts.findings != distinct:
        problems.append(f"{counts.findings:,} findings have {distinct:,} distinct ids")
    if problems:
        raise Corrupt(
            "the proof failed:\n" + "\n".join(f"  {problem}" for problem in problems),
            "run it with --keep DIR to keep the data for inspection",
        )
    return (
        f"{counts.records:,} records = {counts.findings:,} findings + {counts.rejects:,} rejects"
        f" + {counts.filtered:,} filtered; {found.objects:,} objects of {found.windows:,} windows,"
        " no gaps, no overlaps; every reject is in the dead-letter topic"
    )


def _one(database: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = database.execute(query).fetchone()
    return row[0] if row else None


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the demo like Ctrl-C."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)  # asyncio handles this one while its loop runs

    handlers = {signal.SIGINT: signal.default_int_handler, **dict.fromkeys(_STOP[1:], interrupt)}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _ignore_signals() -> None:
    """Ignore signals during the shutdown, which is bounded in time."""
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)
