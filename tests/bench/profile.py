"""Where a worker's CPU time goes, by library, as Linux's `perf` sees it over a backlog.

The shares are of the samples of all threads, from the first assignment to the last commit. It needs
`perf` (Debian's package linux-perf); without it the report has no profile.
"""

import re
import shutil
import signal
import subprocess
from collections import defaultdict
from typing import NamedTuple

from tests.bench.cost import page_faults, until
from tests.bench.ground import Ground, Topic
from tests.bench.worker import PAUSE, WINDOW, started, to_the_end

LIBRARIES = {
    "_duckdb": "DuckDB: staging, sorting, parsing the parts, Parquet, zstd",
    "libpython": "CPython: mapping, aiokafka, the worker itself",
    "python": "CPython: mapping, aiokafka, the worker itself",
    "[kernel": "Linux: page faults, files, sockets",
    "libc.so": "the C library: memory that is copied and allocated",
    "libarrow": "Arrow: rows on their way to DuckDB and back",
    "_core": "msgspec: JSON",
    "libcrypto": "OpenSSL: UUIDs, the checksums of objects",
}
REST = "everything else"

_LINE = re.compile(r"^\s*(\d+\.\d+)%\s+(\S+)\s*$", re.MULTILINE)


class Profile(NamedTuple):
    """Shares of a worker's CPU by library, in percent, and its page faults per alert."""

    shares: dict[str, float]
    faults: float


def possible() -> bool:
    """Return whether `perf` is installed."""
    return shutil.which("perf") is not None


def measure(ground: Ground, topic: Topic) -> Profile:
    """Profile a worker over a backlog."""
    name, data = ground.run_name("profile"), ground.directory / "perf.data"
    record = ["perf", "record", "--quiet", "-e", "cpu-clock", "-F", "199", "-o", str(data), "-p"]
    with started(ground, topic, name, 1, WINDOW) as (worker,):
        until(worker.assigned, 60, "the worker has its partitions", PAUSE)
        pid = worker.process.pid
        worker.begin()
        faults = page_faults(pid)
        with subprocess.Popen([*record, str(pid)]) as perf:
            try:
                to_the_end(ground, topic, name, [worker])
                faults = page_faults(pid) - faults
            finally:
                perf.send_signal(signal.SIGINT)
    report = ["perf", "report", "--stdio", "--sort", "dso", "-i", str(data)]
    seen = subprocess.run(report, capture_output=True, text=True, check=True).stdout
    return Profile(shares(seen), faults / topic.count)


def shares(report: str) -> dict[str, float]:
    """Return the libraries of a `perf report --sort dso`, in words, the largest first."""
    found: defaultdict[str, float] = defaultdict(float)
    for share, library in _LINE.findall(report):
        words = (words for start, words in LIBRARIES.items() if library.startswith(start))
        found[next(words, REST)] += float(share)
    return dict(sorted(found.items(), key=lambda each: -each[1]))
