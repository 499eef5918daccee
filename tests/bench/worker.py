"""Workers on a backlog: what they cost from their first assignment to the last commit.

Two workers get an empty topic, which is filled once they share it: on a backlog the first would
read everything before the second has joined.
"""

import itertools
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from tests.bench.cost import Cost, cpu_seconds, end, peak_memory, until
from tests.bench.ground import ROOT, Ground, Topic

#: Seconds of the window: everything in an older backlog is due once it is read.
WINDOW = 10

#: The code with its mapping compiled, as in the image; `make bench` builds it.
COMPILED = ROOT / "build" / "native"

#: Seconds of the window of workers that wait for alerts.
SHORT_WINDOW = 2

PAUSE = 0.02

#: Seconds that a run may take, and how many alerts a second the slowest machine handles.
SECONDS = 900
LEAST_PER_SECOND = 2_000


class Worked(NamedTuple):
    """The total cost of all workers, the peak size of staging in bytes, and the objects put.

    `run` is its group and its prefix.
    """

    cost: Cost
    staging: int
    objects: int
    run: str


class Worker:
    """`falcolake worker` in its own process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        self.staging = Path(environment["FALCOLAKE_STAGING__PATH"])
        self.began = self.cpu = 0.0  # set by `begin`
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "worker"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def assigned(self) -> list[int]:
        """Return its partitions, from its log; raise RuntimeError if it has ended."""
        text = self.log.read_text()
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended by itself: {text[-500:]}")
        found = re.findall(r"assigned partitions \[([\d, ]*)\]", text)
        return [int(number) for number in found[-1].split(",") if number] if found else []

    def reads(self) -> bool:
        """Whether it has found out, from its log, where a group without offsets begins to read."""
        return bool(self.assigned()) and "the lake says where to go on" in self.log.read_text()

    def begin(self) -> None:
        """Start counting."""
        self.began, self.cpu = time.monotonic(), cpu_seconds(self.process.pid)

    def cost(self) -> Cost:
        """Return the cost so far."""
        pid = self.process.pid
        used = cpu_seconds(pid) - self.cpu
        return Cost(time.monotonic() - self.began, used, peak_memory(pid))

    def address(self) -> str:
        """Return the address of its metrics."""
        pattern = re.compile(r"metrics and health on (\S+)")
        found = until(lambda: pattern.findall(self.log.read_text()), 60, "the worker listens")
        return found[0]

    def staged_bytes(self) -> int:
        """Return the size of its staging in bytes."""
        total = 0
        for entry in [*self.staging.glob("*"), *(self.staging / "temporary").glob("*")]:
            try:
                total += entry.stat().st_size if entry.is_file() else 0
            except FileNotFoundError:
                continue
        return total

    def stop(self) -> None:
        """End it."""
        end(self.process)


@contextmanager
def started(
    ground: Ground, topic: Topic, run: str, count: int, window: int, code: Path = ROOT
) -> Iterator[list[Worker]]:
    """Start this many workers in one group, with the code in a directory; stop them at the end."""
    workers = []
    try:
        for number in range(count):
            environment = ground.environment(topic, run) | {
                "FALCOLAKE_WINDOW__INTERVAL": str(window),
                "FALCOLAKE_STAGING__PATH": str(ground.directory / run / str(number)),
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": str(code),
                "PYTHONSAFEPATH": "1",
            }
            workers.append(Worker(environment, ground.directory / f"{run}-{number}.log"))
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def run(ground: Ground, topic: Topic, window: int = WINDOW, code: Path = ROOT) -> Worked:
    """Run a worker over a backlog, and check what is in the lake."""
    name = ground.run_name("falcolake")
    with started(ground, topic, name, 1, window, code) as (worker,):
        until(worker.assigned, 60, "the worker has its partitions", PAUSE)
        worker.begin()
        return to_the_end(ground, topic, name, [worker])


def run_many(ground: Ground, topic: Topic, count: int) -> Worked:
    """Run workers that share an empty topic, fill it, and check what is in the lake."""
    name = ground.run_name(f"falcolake {count}")
    with started(ground, topic, name, count, SHORT_WINDOW) as workers:

        def shared() -> bool:
            each = [worker.assigned() for worker in workers]
            all_of_them = sorted(itertools.chain(*each)) == list(range(topic.partitions))
            return all(each) and all_of_them

        until(shared, 60, f"{count} workers have shared the partitions", PAUSE)
        for worker in workers:
            worker.begin()
        ground.fill(topic)
        return to_the_end(ground, topic, name, workers)


@contextmanager
def committed(ground: Ground, topic: Topic, group: str) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a group's offsets are the ends of a filled topic."""
    bootstrap = ground.stack.kafka_bootstrap
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    tps = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    ends = consumer.end_offsets(tps)
    consumer.close()
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    def is_at_the_end() -> bool:
        found = admin.list_group_offsets([group])[group]
        return all(tp in found and found[tp].offset == ends[tp] for tp in tps)

    try:
        yield is_at_the_end
    finally:
        admin.close()


def to_the_end(ground: Ground, topic: Topic, name: str, workers: list[Worker]) -> Worked:
    """Wait until the group's offsets are the topic's ends; add up what the workers took."""
    peak = 0
    with committed(ground, topic, name) as is_at_the_end:

        def shipped() -> bool:
            nonlocal peak
            for worker in workers:
                worker.assigned()
            peak = max(peak, sum(worker.staged_bytes() for worker in workers))
            return is_at_the_end()

        seconds = max(SECONDS, topic.count / LEAST_PER_SECOND)
        until(shipped, seconds, f"all of {topic.name} is committed", 0.1)
        costs = [worker.cost() for worker in workers]
    total = Cost(
        max(cost.seconds for cost in costs),
        sum(cost.cpu for cost in costs),
        sum(cost.memory for cost in costs),
    )
    return Worked(total, peak, ground.check(topic, name), name)
