"""A command on a terminal of its own: a process and the text that a person would see."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.streams.commands.conftest import FALCOLAKE


class Terminal:
    """A running command, and what it has printed so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: int) -> None:
        self.process = process
        self.text = ""
        self._output = output
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._output, 65536):
                self.text += data.decode(errors="replace")
        except OSError:
            pass  # how Linux ends a terminal

    def type(self, keys: str) -> None:
        """Press keys; Enter is a line feed, Ctrl-D is 4."""
        os.write(self._output, keys.encode())

    def left(self) -> list[str]:
        """Return the lines that stay, without colours, and without what moved and was erased."""
        text = re.sub(r"(?s)\x1b\[\?25l.*?\x1b\[\?25h\r\x1b\[1A\x1b\[2K", "", self.text)
        return re.sub(r"\x1b\[[\d;]*[a-zA-Z]", "", text).split("\r\n")

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Return the exit code once the command has ended and everything is read."""
        code = self.process.wait(30)
        self._reader.join()
        return code


@contextmanager
def on_a_terminal(
    *arguments: str, environment: Mapping[str, str], directory: Path, columns: int, rows: int = 24
) -> Iterator[Terminal]:
    """Run a command whose output and errors are a terminal of some size."""
    output, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [*FALCOLAKE, *arguments],
        cwd=directory,
        env={**kept, "TERM": "xterm-256color", **environment},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    terminal = Terminal(process, output)
    try:
        yield terminal
    finally:
        process.kill()
        terminal.end()
        os.close(output)
