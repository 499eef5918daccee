"""What a run costs: seconds, CPU seconds of all its threads, peak memory. Linux only.

`Meter` measures its own process; `cpu_seconds` and `peak_memory` measure another one. It uses only
the standard library, because the peers run in their own environments.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Seconds, CPU seconds (user and system, all threads), and the peak of memory in MB."""

    seconds: float
    cpu: float
    memory: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process so far, without those of its children."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def page_faults(pid: int) -> int:
    """Return the pages that the kernel has given a process so far without reading a disk."""
    return int(_stat(pid)[7])


def _stat(pid: int) -> list[str]:
    """Return what /proc/PID/stat says after the process's name."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def peak_memory(pid: int | str = "self") -> float:
    """Return the peak resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"no VmHWM in /proc/{pid}/status")


class Meter:
    """Measures its own process from `begin` to `end`, which prints the cost as a line of JSON."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None

    def begin(self) -> None:
        """Start the clock; only the first call counts."""
        if self._began is None:
            self._began = time.monotonic(), time.process_time()

    def end(self) -> None:
        """Print the cost since `begin`."""
        assert self._began is not None, "nothing was read"
        seconds, cpu = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        json.dump(Cost(seconds, cpu, peak_memory())._asdict(), sys.stdout)
        print(flush=True)


def read_cost(output: str) -> Cost:
    """Read what `Meter.end` printed: the last line."""
    return Cost(**json.loads(output.strip().splitlines()[-1]))


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, and kill it if it has not after half a minute."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], T], seconds: float, what: str, pause: float = 0.05) -> T:
    """Wait until the condition is true and return it; raise TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (seen := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
    return seen
