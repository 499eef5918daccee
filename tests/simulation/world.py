"""The world: workers, Kafka and S3 on one loop. It runs a plan and returns what came of it."""

import asyncio
import contextlib
import itertools
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import streams.clock
import streams.faults
import streams.lake.footers
import streams.lake.store
import streams.lake.tails
import streams.worker.epoch_ends
import streams.worker.listener
import streams.worker.lookup
import streams.worker.shipping
import streams.worker.transport
from streams.windows.seal import read_seal
from tests.simulation import consumer, control, store
from tests.simulation.control import Control
from tests.simulation.coordinator import Group
from tests.simulation.history import History
from tests.simulation.log import Kind, Topic
from tests.simulation.loop import Killed, SimulatedLoop, Stuck, at_once
from tests.simulation.plan import AT_EFFECTS, CALM, LASTS, Fault, Plan
from tests.simulation.staging import Disk
from tests.simulation.verdict import Verdict
from tests.simulation.worker import Worker

#: The wall clock at the beginning, in seconds: 2026-01-02T03:04:05Z.
EPOCH = 1_767_323_045

#: Virtual seconds after the last fault in which everything must ship.
PATIENCE = 400.0

#: Names of effects for the history; appends are too many.
TOLD = {"seal", "claim", "copy", "put", "letter", "commit"}

#: The numbers of second processes of static members begin here.
TWINS = 10

SHM = Path("/dev/shm")


class Outcome(NamedTuple):
    """What came of a run: what was wrong, and its history."""

    plan: Plan
    violations: list[str]
    #: Names of known holes that it fell into, see `verdict.KNOWN`.
    known: list[str]
    history: History
    happened: Counter[str]
    steps: int
    seconds: float


class World:
    """One run of a plan."""

    def __init__(self, plan: Plan, path: Path) -> None:
        self.plan = plan
        self.loop = SimulatedLoop(plan.seed)
        self.dice = random.Random(f"world {plan.seed}")
        self.history = History(self.loop.time)
        note = self.history.note
        self.topic = Topic(plan.partitions, epochs=plan.epochs)
        self.bucket = store.Bucket(conditional=plan.conditional)
        self.s3 = store.Client(self.bucket, self.loop, note)
        self.network = consumer.Network(self.loop, note)
        self.verdict = Verdict(self)
        self.control = Control(self)
        self.bucket.watch = self.verdict.putting
        self.group = Group(self.loop.time, self.verdict.committing, note)
        self.letters: Counter[str] = Counter()
        self.letters_fail = False
        #: How many lost offsets workers have reported, by partition.
        self.reported: Counter[int] = Counter()
        #: Partitions whose log was cut, and those that retention trimmed.
        self.cut: set[int] = set()
        self.trimmed: set[int] = set()
        #: Partitions whose offset Kafka forgot.
        self.forgotten: set[int] = set()
        #: Partitions whose offset the group did not have when retention trimmed them.
        self.new: set[int] = set()
        #: Partitions whose windows may have met something else under their keys.
        self.occupied: set[int] = set()
        self.recreated = False
        self.happened: Counter[str] = Counter()
        self.workers: dict[int, Worker] = {}
        self._disks: dict[int, Disk] = {}
        self._versions: dict[int, str] = {}
        self._lives = itertools.count(1)
        self._path = path
        self._effects = 0
        self._gone: set[int] = set()
        self._at_sync: dict[int | None, Fault] = {}
        self._at = {each.number: each for each in plan.faults if each.kind in AT_EFFECTS}
        self._values = itertools.count(1)
        self._transactions = itertools.count(1)

    # ---- what the code under test asks of the world

    def now_ns(self) -> int:
        """Return the wall clock of the host that runs."""
        return int((EPOCH + self.loop.time() + self.loop.current().ahead) * 1e9)

    def passing(self, effect: str, side: str) -> None:
        """Count an effect of a worker, which may be its last: see `streams.faults`."""
        host = self.loop.current()
        if not host.alive:
            raise Killed
        self._effects += 1
        if side == "before" and effect in TOLD and effect != "letter":
            self.history.note(host.name, effect)
        fault = self._at.get(self._effects)
        if fault is None:
            return
        number = next((n for n, each in self.workers.items() if each.host is host), None)
        if number is None or self.loop.time() > LASTS:
            return
        said = f"{side} {effect}"
        if fault.kind == "pause at":
            self.pause(number, fault, said)
            return
        if fault.kind == "upgrade at":
            said = f"{said}, {self._other_mapping(number)}"
        self.kill(number, fault, said)
        raise Killed

    def letter(self, value: str) -> None:
        """Take a dead letter."""
        self.letters[value] += 1
        self.history.note(self.loop.current().name, f"dead letter of {value}")

    def deal(self, names: list[str]) -> dict[str, tuple[int, ...]]:
        """Deal the partitions to members, as a group's leader does."""
        order = names.copy()
        self.dice.shuffle(order)
        dealt: dict[str, tuple[int, ...]] = dict.fromkeys(names, ())
        for number in range(self.plan.partitions):
            name = order[number % len(order)]
            dealt[name] = (*dealt[name], number)
        return dealt

    async def between(self) -> None:
        """Let happen to a member what the plan wants between its join and its synchronization."""
        host = self.loop.current()
        number = next((n for n, each in self.workers.items() if each.host is host), None)
        fault = self._at_sync.pop(number, None)
        if number is None or fault is None or self.loop.time() > LASTS + CALM:
            return
        if fault.what:
            self.kill(number, fault, "between join and sync")
            raise Killed
        self.pause(number, fault, "between join and sync")
        await asyncio.sleep(0)

    # ---- workers

    def start(self, number: int) -> None:
        """Start a worker on its disk."""
        if number in self.workers or number in self._gone:
            return
        life = next(self._lives)
        name = f"w{number}.{life}" if number in self._disks else f"w{number}"
        path = self._path / name
        path.mkdir()
        disk = self._disks.setdefault(number, Disk())
        version = self._versions.setdefault(number, "m1")
        instance = f"i{number % TWINS}" if self.plan.static else ""
        worker = self.workers[number] = Worker(self, name, disk, version, path, instance)
        self.history.note(name, f"starts, mapping {version}")
        self.loop.spawn(worker.host, worker.live(), name)

    def kill(self, number: int, fault: Fault, said: str = "") -> None:
        """Kill a worker; it starts again later."""
        worker = self.workers.pop(number, None)
        if worker is None:
            return
        self.loop.kill(worker.host)
        worker.disk.holder = None
        self._happen(fault, worker.name, f"is killed {said}{', ' * bool(fault.what)}{fault.what}")
        if fault.what == "its disk lost":
            worker.disk.lose()
        self._later(fault.seconds, partial(self.start, number))

    def pause(self, number: int, fault: Fault, said: str = "") -> None:
        """Stop a worker for a while; it does not notice."""
        worker = self.workers[number]
        if worker.host.paused:
            return
        worker.host.paused = True
        self.control.disturb(worker.name, fault.seconds)
        self._happen(fault, worker.name, f"is paused {said}")

        def resume() -> None:
            worker.host.paused = False
            self.history.note(worker.name, "goes on")

        self._later(fault.seconds, resume)

    def failed(self, worker: Worker, why: str, *, expected: bool) -> None:
        """Take note of a worker that ended with an error; it starts again."""
        self.history.note(worker.name, f"ends: {why}")
        if not expected:
            self.verdict.violate(f"{worker.name} ended with {why}")
        self._end(worker)

    def left(self, worker: Worker) -> None:
        """Take note of a worker that has stopped in order; it starts again."""
        self.history.note(worker.name, "has left")
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        number = next((n for n, each in self.workers.items() if each is worker), None)
        self.loop.kill(worker.host)
        if worker.disk.holder is not None:
            worker.disk.holder = None
        if number is not None:
            del self.workers[number]
            self._later(5.0, partial(self.start, number))

    # ---- the run

    async def run(self) -> None:
        """Let the plan happen; then wait until everything is shipped or has a reason not to be."""
        for number in range(self.plan.workers):
            self._later(self.dice.uniform(0.0, 3.0), partial(self.start, number))
        for _ in range(self.plan.batches):
            self._later(self.dice.uniform(0.0, LASTS), self._produce)
        for fault in self.plan.faults:
            if fault.kind not in AT_EFFECTS:
                self._later(fault.at, partial(self._strike, fault))
        self._look()
        await asyncio.sleep(LASTS + CALM)
        self.calm()
        began = self.loop.time()
        while why := self.verdict.unsettled() or self.control.unsettled():
            if self.loop.time() - began > PATIENCE:
                self.verdict.violate(f"not settled long after the last fault: {why}")
                break
            await asyncio.sleep(2.0)
        self.verdict.judge()

    def calm(self) -> None:
        """End every fault that has not ended; a person takes foreign objects away."""
        self.network.away = self.s3.away = self.letters_fail = False
        self.network.troubles.clear()
        self.s3.troubles.clear()
        self.bucket.occupy = False
        for number in [number for number in self.workers if number >= TWINS]:
            self._end_twin(number)
        for key in sorted(self.bucket.foreign):
            self.bucket.remove_foreign(key)
        for worker in self.workers.values():
            worker.disk.full = worker.host.paused = False
        for disk in self._disks.values():
            disk.full = False
        if self.plan.listens:
            self.control.ask()
            self.control.flush()
        self.history.note("world", "no more faults")

    def _look(self) -> None:
        self.group.look()
        self._later(0.7, self._look)

    def _later(self, delay: float, work: "partial[None] | object") -> None:
        self.loop.run_in(self.loop.world, delay, work)  # type: ignore[arg-type]

    def _happen(self, fault: Fault, who: str, what: str) -> None:
        self.happened[fault.kind if not fault.what else f"{fault.kind}: {fault.what}"] += 1
        self.history.note(who, what)

    def _produce(self) -> None:
        number = self.dice.randrange(self.plan.partitions)
        kinds: list[Kind] = ["day1", "day1", "day1", "day2", "reject", "filtered"]
        made = []
        for _ in range(self.dice.randrange(1, 6)):
            kind = self.dice.choice(kinds)
            made.append((f"{kind}:{next(self._values)}".encode(), kind))
        transaction = 0
        if self.plan.transactions and self.dice.random() < 0.6:
            transaction = next(self._transactions)
            log, commit = self.topic.logs[number], self.dice.random() < 0.6

            def finish() -> None:
                log.finish(transaction, commit=commit)
                done = "committed" if commit else "aborted"
                self.history.note("producer", f"transaction {transaction} is {done}")

            self._later(self.dice.uniform(0.01, 10.0), finish)
        self.topic.produce(number, made, self.now_ns() // 1_000_000, transaction)
        end = self.topic.logs[number].end
        said = f" in transaction {transaction}" if transaction else ""
        self.history.note("producer", f"partition {number}: {len(made)} records up to {end}{said}")
        if self.dice.random() < 0.1:
            self.topic.logs[number].skip(self.dice.randrange(1, 4))

    # ---- faults

    def _strike(self, fault: Fault) -> None:
        strike = {
            "kill": self._kill, "pause": self._pause, "move": self._move, "join": self._join,
            "leave": self._leave, "upgrade": self._upgrade, "clock": self._clock,
            "commits": self._commits, "kafka away": self._kafka_away,
            "offsets forgotten": self._forget, "retention": self._retain, "cut": self._cut,
            "recreate": self._recreate, "puts": self._puts, "s3 away": self._s3_away,
            "foreign": self._foreign, "disk full": self._disk_full,
            "letters fail": self._letters_fail, "flush": self._flush,
            "between": self._between, "twin": self._twin, "control": self.control.strike,
        }[fault.kind]  # fmt: skip
        strike(fault)

    def _kill(self, fault: Fault) -> None:
        self.kill(fault.who, fault)

    def _pause(self, fault: Fault) -> None:
        if fault.who in self.workers:
            self.pause(fault.who, fault)

    def _move(self, fault: Fault) -> None:
        self._happen(fault, "kafka", "rebalances the group")
        self.group.rebalance()

    def _join(self, fault: Fault) -> None:
        number = self.plan.workers + fault.who
        self._happen(fault, "world", f"worker {number} joins")
        self.start(number)

    def _leave(self, fault: Fault) -> None:
        worker = self.workers.get(fault.who)
        if worker is not None and not worker.leaving:
            self._happen(fault, worker.name, "is asked to leave")
            self.loop.spawn(worker.host, worker.leave(), "leave")

    def _upgrade(self, fault: Fault) -> None:
        self.kill(fault.who, fault, self._other_mapping(fault.who))

    def _other_mapping(self, number: int) -> str:
        """Let a worker start with the other mapping next time."""
        version = "m2" if self._versions.get(number, "m1") == "m1" else "m1"
        self._versions[number] = version
        return f"to start with mapping {version}"

    def _between(self, fault: Fault) -> None:
        """Let something happen to a worker when it next joins, which is soon."""
        self._at_sync[fault.who] = fault
        self.group.rebalance()

    def _twin(self, fault: Fault) -> None:
        """Start a second process of a static member's name, as when a lost node comes back."""
        number = TWINS + fault.who
        if fault.what and fault.who in self.workers:
            self.pause(fault.who, fault._replace(kind="pause"))
        self._happen(fault, "world", f"worker {number} starts as instance i{fault.who}")
        self.start(number)
        self._later(fault.seconds + 6.0, partial(self._end_twin, number))

    def _end_twin(self, number: int) -> None:
        """End a second process; it does not start again."""
        worker = self.workers.pop(number, None)
        self._gone.add(number)
        if worker is not None:
            self.loop.kill(worker.host)
            worker.disk.holder = None
            self.history.note(worker.name, "is gone for good")

    def _clock(self, fault: Fault) -> None:
        worker = self.workers.get(fault.who)
        if worker is not None:
            worker.host.ahead += fault.seconds
            self._happen(fault, worker.name, f"its clock jumps by {fault.seconds} s")

    def _commits(self, fault: Fault) -> None:
        self.happened[f"commits: {fault.what}"] += 1
        self.network.troubles.extend([fault.what] * fault.number)  # type: ignore[list-item]

    def _kafka_away(self, fault: Fault) -> None:
        self._happen(fault, "kafka", f"is away for {fault.seconds} s")
        self.network.away = True
        self.control.disturb(seconds=fault.seconds)
        self._later(fault.seconds, partial(setattr, self.network, "away", False))

    def _forget(self, fault: Fault) -> None:
        """Let Kafka forget an offset, once no worker that lives could still put a window.

        Kafka forgets the offsets of groups that have been empty for days. With a seal it forgets
        which window a zombie is about to put; the answer to the seal may still be on its way to it.
        """
        held = [each.ledger.partitions.get(fault.who) for each in self.workers.values()]
        sealed = read_seal(self.group.offsets.get(fault.who, (0, ""))[1], 0).ends
        if self.s3.on_the_way or sealed or any(each is not None and each.ends for each in held):
            if self.loop.time() < LASTS + CALM:
                self._later(0.3, partial(self._forget, fault))
            return
        self._happen(fault, "kafka", f"forgets the offset of partition {fault.who}")
        self.new |= self.trimmed & {fault.who}
        self.forgotten.add(fault.who)
        self.group.offsets.pop(fault.who, None)
        self.group.rebalance()

    def _retain(self, fault: Fault) -> None:
        log = self.topic.logs[fault.who]
        committed = self.group.offsets.get(fault.who, (0, ""))[0]
        self.trimmed.add(fault.who)
        if fault.who not in self.group.offsets:
            self.new.add(fault.who)
        log.retain(committed + fault.number)
        self._happen(fault, "kafka", f"partition {fault.who}: retention deletes up to {log.start}")

    def _cut(self, fault: Fault) -> None:
        log = self.topic.logs[fault.who]
        self.cut.add(fault.who)
        log.cut(log.end - fault.number)
        self._happen(fault, "kafka", f"partition {fault.who}: the log is cut to {log.end}")

    def _recreate(self, fault: Fault) -> None:
        self.recreated = True
        self.topic.recreate()
        if not fault.what:
            self.group.offsets.clear()
        self._happen(fault, "kafka", f"the topic is recreated: {self.topic.id} {fault.what}")

    def _puts(self, fault: Fault) -> None:
        self.happened[f"puts: {fault.what}"] += 1
        self.s3.troubles.extend([fault.what] * fault.number)  # type: ignore[list-item]

    def _s3_away(self, fault: Fault) -> None:
        self._happen(fault, "s3", f"is away for {fault.seconds} s")
        self.s3.away = True
        self._later(fault.seconds, partial(setattr, self.s3, "away", False))

    def _foreign(self, fault: Fault) -> None:
        self._happen(fault, "world", "someone else puts an object under the next key")
        self.bucket.occupy = True
        self.occupied.update(self.topic.logs)

    def _disk_full(self, fault: Fault) -> None:
        disk = self._disks.get(fault.who)
        if disk is not None:
            self._happen(fault, f"w{fault.who}", f"its disk is full for {fault.seconds} s")
            disk.full = True
            self._later(fault.seconds, partial(setattr, disk, "full", False))

    def _letters_fail(self, fault: Fault) -> None:
        self._happen(fault, "kafka", f"the dead-letter topic is away for {fault.seconds} s")
        self.letters_fail = True
        self._later(fault.seconds, partial(setattr, self, "letters_fail", False))

    def _flush(self, fault: Fault) -> None:
        ends = {number: log.end for number, log in self.topic.logs.items()}
        self._happen(fault, "world", f"a flush up to {ends}")
        for worker in self.workers.values():
            worker.ledger.flush(ends)


@contextlib.contextmanager
def _in_place(world: World) -> Iterator[None]:
    """Put the world in place of the clock, threads and networks of the code under test."""
    loop = world.loop
    edits = [
        (time, "monotonic", loop.time),
        (time, "sleep", loop.spend),
        (streams.clock, "now_ns", world.now_ns),
        (streams.faults, "_armed", world),
        (streams.worker.shipping, "in_background", loop.in_background),
        (streams.worker.shipping, "wait", lambda *_: None),
        (streams.worker.lookup, "in_background", loop.in_background),
        (streams.worker.listener, "AIOKafkaConsumer", lambda **_: control.Consumer(world)),
        (streams.worker.listener, "AIOKafkaProducer", lambda **_: control.Producer(world)),
        (streams.lake.tails, "in_background", at_once),
        (streams.lake.footers, "read", store.footer),
        (streams.lake.store, "difference", store.difference),
        (streams.worker.transport, "take", consumer.take),
        (streams.worker.transport, "ask", consumer.ask_id),
        (streams.worker.epoch_ends, "ask", consumer.ask_ends),
    ]
    before = random.getstate()
    random.seed(world.plan.seed)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.ExitStack() as stack:
            for where, name, value in edits:
                stack.enter_context(patch.object(where, name, value))
            yield
    finally:
        logging.disable(disabled)
        random.setstate(before)


def run(plan: Plan) -> Outcome:
    """Run a plan."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as path:
        world = World(plan, Path(path))
        with _in_place(world):
            try:
                world.loop.run_until_complete(
                    world.loop.spawn(world.loop.world, world.run(), "run")
                )
            except Stuck as error:
                world.verdict.violate(f"stuck: {error}")
            world.verdict.violations += world.loop.errors
            steps, seconds = world.loop.steps, world.loop.time()
            world.loop.end()
    verdict = world.verdict
    return Outcome(
        plan,
        verdict.violations,
        sorted(verdict.known),
        world.history,
        world.happened,
        steps,
        seconds,
    )
