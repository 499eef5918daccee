"""What the embedded servers share: a loopback port, a data directory, start and stop."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from streams.embedded.ports import HOST, comes_free, free_ports, is_free
from streams.embedded.process import PATIENCE_SECONDS, ServerProcess
from streams.errors import Misconfigured, Unavailable

_PORT_SECONDS = 3.0  # how long the server of a killed stack may hold its port


class LoopbackServer(ABC):
    """A server on loopback, as a context manager that starts and stops it.

    With `port` 0 it takes a free port and keeps it: after `stop()` or `kill()`, `start()` serves
    the same directory at the same address again.
    """

    name: ClassVar[str]
    start_timeout: ClassVar[float] = 30.0  # seconds
    patience: float = PATIENCE_SECONDS  # see `ServerProcess`

    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data.absolute()
        self.port = port
        self._process: ServerProcess | None = None
        self._ports: list[int] = []

    @property
    def running(self) -> bool:
        """Return whether the server was started and has not ended."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Start the server unless it runs, and return when it answers.

        Raises `Misconfigured` when another process holds the requested port or the directory, and
        `Unavailable` when the server does not come up.
        """
        if self.running:
            return
        self.kill()  # a server that has just ended may hold its port a moment longer
        asked = self.port
        if asked and not comes_free(asked, _PORT_SECONDS):
            raise Misconfigured(
                f"port {asked} on {HOST} is taken", f"choose another port for the {self.name}"
            )
        for last in (False, False, True):
            self.port = asked or free_ports(1)[0]
            self._process, self._ports = self._prepare()
            try:
                self._process.start(self._answers, self.start_timeout)
            except Unavailable:
                self.kill()
                self.port = asked
                lost_race = not all(map(is_free, self._ports))
                if last or not lost_race:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop the server cleanly. Safe to call twice."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End the server at once, like kill -9."""
        if self._process is not None:
            self._process.kill()

    def check(self) -> None:
        """Raise `Unavailable`, quoting the end of the log, if the server ended on its own."""
        if self._process is not None:
            self._process.check()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> tuple[ServerProcess, list[int]]:
        """Return the process that will serve `self.port`, and every port it will open."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether the started server is ready for clients."""
