"""Observing processes from outside."""

import subprocess


def alive(pid: int) -> bool:
    """Return whether the process still runs; a zombie does not."""
    return pid in _command_lines()


def running(*words: str) -> list[int]:
    """Return the ids of the processes whose command line contains all the words."""
    lines = _command_lines().items()
    return [pid for pid, line in lines if all(word in line for word in words)]


def _command_lines() -> dict[int, str]:
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listing.splitlines()]
    return {int(pid): " ".join(line) for pid, state, *line in rows if not state.startswith("Z")}
