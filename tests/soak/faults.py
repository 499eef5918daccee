"""Faults that begin and end: of the lake, of the network, of the broker and of workers.

Which, when and how long comes from one seed. In each of three areas (lake, Kafka, workers) at most
one is active, so that faults of different areas overlap.
"""

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streams.embedded.stack import EmbeddedStack
from tests.flow import proxies
from tests.flow.proxies import KafkaProxy, S3Proxy
from tests.flow.worlds import Worker, World

#: Seconds that a running worker has to stop when asked.
STOPPING = 60


@dataclass
class Fleet:
    """Up to `most` workers, each with a staging directory that it keeps; some of them run."""

    world: World
    most: int
    settings: dict[str, object]
    workers: list[Worker] = field(default_factory=list)
    running: list[Worker] = field(default_factory=list)
    #: Workers that ended unexpectedly, which must never happen.
    fallen: list[str] = field(default_factory=list)
    peak_memory: float = 0.0
    peak_staging: float = 0.0

    def __post_init__(self) -> None:
        self.workers = [self.world.worker(f"w{n}", **self.settings) for n in range(self.most)]

    def start(self, worker: Worker) -> None:
        worker.start()
        self.running.append(worker)

    def idle(self) -> list[Worker]:
        return [each for each in self.workers if each not in self.running]

    def kill(self, worker: Worker) -> None:
        self.running.remove(worker)
        worker.kill()

    def lose_disk(self, worker: Worker) -> None:
        shutil.rmtree(worker.environment["FALCOLAKE_STAGING__PATH"], ignore_errors=True)

    def look(self) -> None:
        """Note the workers' memory, and which have ended unexpectedly."""
        for worker in list(self.running):
            assert worker.process is not None
            if worker.process.poll() is not None:
                self.running.remove(worker)
                code = worker.process.poll()
                self.fallen.append(f"{worker.log.name} ended with {code}: {worker.tail()}")
                continue
            try:
                with Path(f"/proc/{worker.process.pid}/status").open() as lines:
                    (peak,) = [line for line in lines if line.startswith("VmHWM")]
            except (OSError, ValueError):
                continue
            self.peak_memory = max(self.peak_memory, int(peak.split()[1]) / 1000)
        for worker in self.workers:
            name = worker.log.stem
            files = (
                file.stat().st_size
                for file in self.world.staging(name).glob("*")
                if not file.name.endswith(".damaged")
            )
            try:
                self.peak_staging = max(self.peak_staging, sum(files) / 1e6)
            except OSError:
                continue  # files come and go


@dataclass(frozen=True)
class Fault:
    """One that has begun: its name, and how it ends."""

    name: str
    room: str
    until: float
    end: Callable[[], None]


class Nemesis:
    """Begins and ends faults; call `tick()` often."""

    def __init__(
        self,
        dice: random.Random,
        fleet: Fleet,
        stack: EmbeddedStack,
        s3: S3Proxy,
        kafka: KafkaProxy,
        say: Callable[[str], None],
    ) -> None:
        self.dice, self.fleet, self.stack, self.s3, self.kafka = dice, fleet, stack, s3, kafka
        self.say = say
        self.begun: Counter[str] = Counter()
        self.active: list[Fault] = []
        self._next = time.monotonic() + 5
        self._bag: list[str] = []
        self._faults = {
            "worker killed": self._kill,
            "worker killed, disk lost": self._kill_and_lose,
            "worker stopped and continued": self._freeze,
            "worker joins": self._join,
            "worker leaves": self._leave,
            "lake away": self._lake_away,
            "lake: error storm": self._storm,
            "lake: answers lost": self._lose_answers,
            "lake: silent": self._silence,
            "lake: slow": self._throttle,
            "Kafka cut off": self._cut,
            "Kafka slow": self._delay,
            "Kafka stalled": self._stall,
            "broker killed": self._kill_broker,
        }

    def tick(self) -> None:
        """End faults that are due, and begin another when it is time."""
        now = time.monotonic()
        for fault in [fault for fault in self.active if fault.until <= now]:
            self.active.remove(fault)
            fault.end()
        if now >= self._next:
            self._next = now + self.dice.uniform(3, 15)
            self.begin(self._draw())

    def begin(self, name: str, seconds: float | None = None) -> None:
        """Begin a fault if its area is free and it is possible now."""
        room = name.split()[0].rstrip(":").replace("broker", "Kafka")
        if any(fault.room == room for fault in self.active):
            return
        for end in self._faults[name]():
            lasts = self.dice.uniform(1, 20) if seconds is None else seconds
            self.active.append(Fault(name, room, time.monotonic() + lasts, end))
            self.begun[name] += 1
            self.say(f"{name}, {lasts:.0f} s")

    def end_all(self) -> None:
        """End every fault."""
        for fault in self.active:
            fault.end()
        self.active.clear()

    def _draw(self) -> str:
        """Yield every kind once, in random order, before any repeats."""
        if not self._bag:
            self._bag = list(self._faults)
            self.dice.shuffle(self._bag)
        return self._bag.pop()

    # ---- workers; each yields how the fault ends, or nothing where it is impossible

    def _one(self) -> Worker:
        return self.dice.choice(sorted(self.fleet.running, key=lambda worker: worker.log.name))

    def _kill(self) -> Iterator[Callable[[], None]]:
        worker = self._one()
        self.fleet.kill(worker)
        yield lambda: self.fleet.start(worker)

    def _kill_and_lose(self) -> Iterator[Callable[[], None]]:
        worker = self._one()
        self.fleet.kill(worker)
        self.fleet.lose_disk(worker)
        yield lambda: self.fleet.start(worker)

    def _freeze(self) -> Iterator[Callable[[], None]]:
        worker = self._one()
        worker.send(signal.SIGSTOP)
        yield lambda: worker.send(signal.SIGCONT)

    def _join(self) -> Iterator[Callable[[], None]]:
        if idle := self.fleet.idle():
            worker = self.dice.choice(idle)
            self.fleet.start(worker)
            yield lambda: None

    def _leave(self) -> Iterator[Callable[[], None]]:
        if len(self.fleet.running) > 1:
            worker = self._one()
            self.fleet.running.remove(worker)
            assert worker.process is not None
            worker.process.send_signal(signal.SIGTERM)

            def end() -> None:
                assert worker.process is not None
                try:
                    code: int | str = worker.process.wait(STOPPING)
                except subprocess.TimeoutExpired:
                    code = f"nothing within {STOPPING} s"
                    worker.end()
                if code:
                    self.fleet.fallen.append(f"{worker.log.name} was asked to stop: {code}")

            yield end

    # ---- the lake

    def _lake_away(self) -> Iterator[Callable[[], None]]:
        self.s3.away()
        yield self.s3.heal

    def _storm(self) -> Iterator[Callable[[], None]]:
        seeded = random.Random(self.dice.random())
        yield from self._lake(proxies.storm(seeded, self.dice.uniform(0.2, 1.0)))

    def _lose_answers(self) -> Iterator[Callable[[], None]]:
        yield from self._lake(proxies.lose_answer)

    def _silence(self) -> Iterator[Callable[[], None]]:
        yield from self._lake(proxies.swallow)

    def _throttle(self) -> Iterator[Callable[[], None]]:
        yield from self._lake(proxies.throttle(10_000))

    def _lake(self, fault: proxies.Fault) -> Iterator[Callable[[], None]]:
        self.s3.fault = fault
        yield self.s3.heal

    # ---- Kafka

    def _cut(self) -> Iterator[Callable[[], None]]:
        self.kafka.cut_off()
        yield self.kafka.heal

    def _delay(self) -> Iterator[Callable[[], None]]:
        self.kafka.delay = self.dice.uniform(0.05, 0.5)
        yield self.kafka.heal

    def _stall(self) -> Iterator[Callable[[], None]]:
        self.kafka.stall()
        yield self.kafka.heal

    def _kill_broker(self) -> Iterator[Callable[[], None]]:
        self.stack.kafka.kill()
        yield self.stack.kafka.start
