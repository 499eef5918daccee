"""Hundreds of worker processes, forked from one that has already imported everything.

Imports take a second of CPU, most of the cost of starting a worker. A forked worker is a process
like any other, with its own environment, files and signals; it just inherits its imports.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

#: All threads share the fork server, and an exit code can be read only once: starting a process
#: reads the codes of all that have ended.
_server = threading.Lock()


class Forked:
    """A process of `launch`, with the methods of a `subprocess.Popen` that the tests need."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process

    def poll(self) -> int | None:
        with _server:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self._process.sentinel], timeout)
        if (code := self.poll()) is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout} s")
        return code

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


def launch(environment: Mapping[str, str], log: Path) -> Forked:
    """Start `falcolake worker` with this environment and its output in `log`."""
    context = multiprocessing.get_context("forkserver")
    with _server:
        context.set_forkserver_preload(["cli", "streams.app", "tests.flow.preloaded"])
        process = context.Process(target=_work, args=(dict(environment), str(log)), daemon=True)
        process.start()
    return Forked(process)


def _work(environment: dict[str, str], log: str) -> None:
    from cli import main

    os.environ.clear()
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(out, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["falcolake", "worker"]
    main()
