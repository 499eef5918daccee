"""kill -9 in the middle of a backlog, and a new start: what is lost, what is in the lake twice.

A program is killed once its first object is in the lake, started again with what it left on disk,
and is at the end when its group's offsets are the topic's. Alerts are told apart by `metadata.uid`.
"""

import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.bench.cost import until
from tests.bench.ground import Ground, Topic
from tests.bench.worker import committed

SECONDS = 900

Start = Callable[[], AbstractContextManager["subprocess.Popen[bytes]"]]


class Killed(NamedTuple):
    """What the lake has of a topic's alerts, after a kill and a new start."""

    name: str
    alerts: int
    rows: int
    lost: int
    doubled: int
    """Rows beyond the first of an alert."""


def measure(ground: Ground, topic: Topic, run: str, name: str, start: Start) -> Killed:
    """Start, kill, start again; `run` is the group and the prefix."""
    rows = ground.counter(run)
    with start() as process:
        until(rows, SECONDS, f"{name} has put an object")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with start(), committed(ground, topic, run) as is_at_the_end:
        until(is_at_the_end, SECONDS, f"{name} has committed all of {topic.name}", pause=0.2)
    found, files = [], ground.files()
    for path in ground.objects(run):
        with pq.ParquetFile(path, filesystem=files) as file:
            table = file.read(columns=["metadata.uid"])
        found += pc.struct_field(table["metadata"], "uid").to_pylist()
    different = len(set(found))
    return Killed(name, topic.count, len(found), topic.count - different, len(found) - different)
