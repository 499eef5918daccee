"""The programs of others that `make bench` measures where they are named: how to run one.

Nothing here fetches or builds them: an environment variable names each.
"""

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.cost import end, until


def named(variable: str) -> str:
    """Return the path of the program that the variable names; raise RuntimeError if there is none.

    The variable has a path, or a name on the PATH.
    """
    wanted = os.environ.get(variable)
    if not wanted:
        raise RuntimeError(f"set {variable} to the path of its program to measure it")
    if (found := shutil.which(wanted)) is None:
        raise RuntimeError(f"{variable} names no program: {wanted}")
    return found


@contextmanager
def serving(
    command: Sequence[str],
    environment: Mapping[str, str],
    page: str,
    log: Path,
    pause: float = 0.05,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block, which begins once its page answers 200."""

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended by itself: {log.read_text()[-500:]}")
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        until(answers, 60, f"{command[0]} answers", pause)
        yield process
    finally:
        end(process)
