"""The supervisor of one child server: a script, `supervisor.py [FILE …] -- COMMAND …`.

It runs the server as a child in its own process group, and reads standard input, a pipe that only
the parent holds open. When the parent ends, even by kill -9, the supervisor reads end of file, asks
the server to stop, kills it after a grace period, and removes any FILE that is left. On Linux the
server also dies with its supervisor.

It uses only the standard library, so that it starts fast and anywhere.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 5
_PR_SET_PDEATHSIG = 1


def supervise(command: Sequence[str], leftovers: Sequence[str]) -> int:
    """Run `command` until it ends, until SIGTERM, or until standard input ends.

    Then remove leftover files. Return the command's exit code, or 128 + the signal's number if a
    signal ended it.
    """
    server: subprocess.Popen[bytes] | None = None
    stopping = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            signal.alarm(GRACE_SECONDS)
        if server is not None:
            server.terminate()

    def end_patience(signum: int, frame: FrameType | None) -> None:
        if server is not None:
            server.kill()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, end_patience)
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_death_with_parent(),  # noqa: PLW1509 - there is no other thread yet
    )
    if stopping:
        server.terminate()
    threading.Thread(target=_await_end_of_input, daemon=True).start()
    code = server.wait()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for path in leftovers:
        Path(path).unlink(missing_ok=True)
    # Processes that the server started end too, and are killed if the server had to be.
    os.killpg(0, signal.SIGKILL if code == -signal.SIGKILL else signal.SIGTERM)
    return code if code >= 0 else 128 - code


def _await_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _death_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    separator = sys.argv.index("--")
    sys.exit(supervise(sys.argv[separator + 1 :], leftovers=sys.argv[1:separator]))
