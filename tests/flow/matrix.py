"""The fault matrix: one input, and any number of runs over it, each with its own faults.

All runs read the same topic, so their lakes can be compared byte by byte; each has its own group,
prefix, dead-letter topic and staging. The input makes the windows the same however batches and
ticks fall: each partition's records are one record batch, so they arrive whole, a window is cut at
`MAX_ROWS`, and what is left at the end is sealed by age when all of it is there.
"""

import itertools
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kafka import KafkaProducer

from streams.embedded.stack import BrokerName, EmbeddedStack
from streams.windows.seal import read_seal
from tests.flow import preloaded
from tests.flow.worlds import GARBAGE, Worker, World, alert
from tests.waiting import wait_until

MAX_ROWS = 60
#: Another cut for the worker that takes over: only the seals make it keep the earlier windows.
OTHER_ROWS = 25
WINDOWS = {(0, 0, 60), (0, 60, 100), (1, 0, 40)}
REJECTS = {(0, 7), (0, 33), (1, 20)}
#: How often an undisturbed run passes each effect; there may be one more seal and segment.
EFFECTS = {"append": 2, "seal": 2, "copy": 4, "put": 4, "letter": 3, "commit": 3, "unlink": 4}
SIDES = ("before", "after")
#: Runs that share the two cores at a time.
AT_ONCE = 6
PATIENCE = 120.0

FAST = {
    "WINDOW__INTERVAL": 1,
    "WINDOW__MAX_ROWS": MAX_ROWS,
    "KAFKA__SESSION_TIMEOUT": 3,
    "KAFKA__HEARTBEAT_INTERVAL": 0.5,
    "WEB__PORT": 0,
}


class Point(NamedTuple):
    """A fault point: just before or after the `number`-th of an effect."""

    effect: str
    side: str
    number: int

    def __str__(self) -> str:
        return ":".join(map(str, self))


POINTS = [
    Point(effect, side, number)
    for effect, passes in EFFECTS.items()
    for side in SIDES
    for number in range(1, passes + 1)
]


class Step(NamedTuple):
    """A worker's life that a fault ends, and whether its staging is kept for the next one."""

    point: Point
    staging_kept: bool
    settings: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.point} with staging {'kept' if self.staging_kept else 'lost'}"


class Outcome(NamedTuple):
    """What a run left: the lake by key without prefix, the dead letters, and how it went."""

    lake: dict[str, bytes]
    letters: set[tuple[int, int]]
    crashes: int
    passes: Counter[str]


@dataclass
class Course:
    """The input, and the runs over it."""

    stack: EmbeddedStack
    directory: Path
    environment: dict[str, str]
    topic: str = "matrix"
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def prepare(self) -> None:
        """Publish 140 records of two event days, three of them rejects."""
        self.stack.create_topic(self.topic, len({window[0] for window in WINDOWS}))
        # One record batch per partition, so young that no window is due by its records' age.
        young = time.time_ns() // 1_000_000 + 3_000_000
        producer = KafkaProducer(
            bootstrap_servers=self.stack.kafka_bootstrap,
            acks="all",
            linger_ms=10_000,
            batch_size=1 << 20,
        )
        numbers = itertools.count()
        for partition, end in ((0, 100), (1, 40)):
            for offset in range(end):
                value = alert(next(numbers))
                if offset % 3 == 0 and offset < 60 and partition == 0:
                    value = value.replace(b"2026-11-23T", b"2026-11-24T")
                if (partition, offset) in REJECTS:
                    value = GARBAGE
                producer.send(self.topic, value, partition=partition, timestamp_ms=young)
        producer.flush(60)
        producer.close(10)

    @property
    def alerts(self) -> set[int]:
        """Return the numbers of the alerts that must be in the lake."""
        return set(range(140)) - {offset + 100 * partition for partition, offset in REJECTS}

    def world(self, **settings: object) -> World:
        """Return a world on the shared topic with its own group, prefix, letters and staging."""
        name = f"run-{next(self._numbers)}"
        letters = f"{self.topic}.{name}"
        self.stack.kafka.ensure_topics({letters: 2})
        own = {
            "KAFKA__TOPIC": self.topic,
            "KAFKA__GROUP_ID": name,
            "KAFKA__DEAD_LETTER_TOPIC": letters,
            "LAKE__PREFIX": name,
        }
        variables = {f"FALCOLAKE_{key}": str(value) for key, value in (FAST | own).items()}
        directory = self.directory / name
        directory.mkdir()
        return World(
            self.stack.kafka_bootstrap,
            self.topic,
            self.stack.s3.client(),
            self.stack.bucket,
            {**self.environment, **variables},
            directory,
            preloaded.launch,
        )

    def run(self, steps: Sequence[Step] = (), **last: Any) -> Outcome:
        """End a worker at each step's fault, then let one ship the rest; return what is there.

        `last` are settings of the worker that ships the rest.
        """
        world = self.world()
        try:
            crashes = sum(crash(world, step) for step in steps)
            worker = finish(world, **last)
            prefix = world.setting("LAKE__PREFIX")
            lake = {key.removeprefix(prefix): body for key, body in world.bodies().items()}
            return Outcome(lake, set(world.dead_letters()), crashes, passes(worker))
        except BaseException as error:
            error.add_note(f"run: {', then '.join(map(str, steps))}")
            raise
        finally:
            world.close()


def crash(world: World, step: Step) -> bool:
    """Run a worker until its fault ends it; return False if it shipped everything before that."""
    worker = world.worker(FAULT=step.point, **step.settings).start()
    process = worker.process
    assert process is not None
    wait_until(
        lambda: process.poll() is not None or done(world, worker), PATIENCE, f"the end at {step}"
    )
    # Everything may be done just before the last fault: a worker that stops cleanly had none.
    if (code := process.poll()) is None and (code := worker.stop()) == 0:
        return False
    assert code == -signal.SIGKILL, worker.tail()
    assert worker.said(f"SIGKILL at {step.point}"), worker.tail()
    if not step.staging_kept:
        world.lose_staging()
    return True


def finish(world: World, **settings: Any) -> Worker:
    """Run a worker until everything is shipped and forgotten, and end it."""
    worker = world.worker(**settings).start()
    try:
        wait_until(lambda: done(world, worker), PATIENCE, "everything shipped and forgotten")
    except BaseException:
        print(worker.log, worker.tail())
        raise
    worker.kill()
    return worker


def done(world: World, worker: Worker) -> bool:
    """Return whether the worker has its partitions, all is committed, and staging is empty."""
    commits = {
        number: (offset, read_seal(metadata, offset).ends)
        for number, (offset, metadata) in world.committed().items()
    }
    return (
        worker.said("assigned partitions [0, 1]")
        and not list(world.staging().glob("segment-*"))
        and commits == {0: (100, ()), 1: (40, ())}
    )


def lives(points: Sequence[Point], broker: BrokerName) -> list[Step]:
    """Return a worker's life for each point, with staging kept or lost in turns.

    Where Apache Kafka has it kept, the project's own broker has it lost: CI runs both.
    """
    other = int(broker == "apache")
    return [Step(point, (point.number + SIDES.index(point.side)) % 2 == other) for point in points]


def side_by_side(runs: Sequence[Callable[[], None]]) -> None:
    """Do a few runs at a time; when all are done, raise the error of the first that failed."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for each in [threads.submit(run) for run in runs]:
            each.result()


def passes(worker: Worker) -> Counter[str]:
    """Return how often an armed worker passed each effect, from its log.

    It is killed as soon as its last effect is seen, so it may not have said that it is after it.
    """
    return Counter(re.findall(r"passing (\w+):before:", worker.tail_all()))


def sampled(seed: int, count: int) -> list[tuple[Step, Step]]:
    """Yield pairs of faults; the second is a first pass, since the run may be nearly done."""
    choose = random.Random(seed)
    pairs = []
    for _ in range(count):
        first = Step(choose.choice(POINTS), choose.random() < 0.5)
        point = Point(choose.choice(list(EFFECTS)), choose.choice(SIDES), 1)
        pairs.append((first, Step(point, choose.random() < 0.5)))
    return pairs
