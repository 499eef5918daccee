"""Child servers that are never left behind.

A server runs under a supervisor (`streams.embedded.supervisor`) in its own process group, and ends
with the process that started it, however that ends.

The log file is the server's lock, held by every process that may still write to it. A new server on
the same directory waits until the previous one is really gone, and refuses to start if it stays.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from streams.embedded import supervisor
from streams.errors import Misconfigured, Unavailable
from streams.locks import try_lock

_POLL_SECONDS = 0.03
PATIENCE_SECONDS = supervisor.GRACE_SECONDS + 2
"""How long a server may take to stop, or a previous one to release its log."""


class ServerProcess:
    """One child server: `command`, its output appended to the file `log`.

    `leftovers` are files that the server should remove when it ends, but may not.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        leftovers: Sequence[Path] = (),
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._directory = directory
        self._environment = environment
        self._leftovers = leftovers
        self._patience = patience
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self, ready: Callable[[], object], timeout: float = 30.0) -> None:
        """Start the server and return once `ready()` holds.

        Raises `Unavailable`, quoting the end of the log, when the server ends early or is not ready
        after `timeout` seconds; it is stopped then. Raises `Misconfigured` when another server
        uses the same log file.
        """
        deadline = time.monotonic() + timeout
        self._guard = guard = self._spawn()
        try:
            while not ready():
                if guard.poll() is not None:
                    raise self._failure(f"ended with exit code {guard.returncode} during startup")
                if time.monotonic() > deadline:
                    raise self._failure(f"was not ready after {timeout:g} seconds")
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self.kill()
            raise

    @property
    def running(self) -> bool:
        """Return whether the server was started and has not ended."""
        return self._guard is not None and self._guard.poll() is None

    def check(self) -> None:
        """Raise `Unavailable`, quoting the end of the log, if the server ended on its own."""
        if self._guard is not None and self._guard.poll() is not None:
            raise self._failure("ended unexpectedly")

    def output(self) -> str:
        """Return what the server has written since it was last started."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def stop(self) -> None:
        """Ask the server to stop, wait, and kill it if it does not. Safe to call twice."""
        if self._guard is None:
            return
        self._guard.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(self._patience)
        self.kill()

    def kill(self) -> None:
        """End the server at once, like kill -9: it gets no chance to write anything."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        # With an exit code the server has ended, and its process id may belong to another process.
        # With a signal only the supervisor was killed, and its group may live on.
        # (macOS answers EPERM for a group in which only zombies are left.)
        code = guard.poll()
        if code is None or code < 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as log:
            _lock(log, self._patience)  # the server may end a moment after its supervisor
        for path in self._leftovers:
            path.unlink(missing_ok=True)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            if not _lock(log, self._patience):
                raise Misconfigured(
                    f"{self.log.parent} is in use by another {self.name}",
                    "stop it or choose another data directory",
                )
            self._log_start = log.tell()
            files = map(str, self._leftovers)
            return subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, *files, "--", *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=self._environment,
                start_new_session=True,
            )

    def _failure(self, what: str) -> Unavailable:
        tail = "\n".join(f"  {line}" for line in self.output().splitlines()[-15:])
        return Unavailable(
            f"the {self.name} {what}", f"the end of its log, {self.log}:\n{tail or '  (empty)'}"
        )


def _lock(log: IO[bytes], patience: float) -> bool:
    """Wait until nobody else holds the log; return whether that happened in time."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if try_lock(log):
            return True
        time.sleep(_POLL_SECONDS)
    return False
