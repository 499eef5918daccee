"""The measurements: which runs, in which order, and how they are summarized.

Runs of one table take turns, so that other load on the machine affects all of them alike; a figure
is the median of its runs. A failure is reported with its reason, and the rest continues.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

from tests.bench import (
    bento,
    capacity,
    content,
    contest,
    intake,
    killed,
    latency,
    machine,
    mapping,
    profile,
    programs,
    sidekick,
    trickle,
    worker,
)
from tests.bench.cost import Cost
from tests.bench.ground import (
    KINDS,
    ROOT,
    SYSCALL,
    Ground,
    Topic,
)
from tests.bench.report import (
    FALCOLAKE,
    FLOOR,
    RECEIVE,
    ROWS,
    SENT,
    TAKE,
    Figure,
    Report,
    figure,
)
from tests.bench.steps import STEPS

GROWTH = (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000)
WORKERS = (1, 2, 4)
PARTITIONS = 4
TIMES = 4

_COMPILED = ", compiled"


class Program:
    """Runs everything on one ground and fills the report."""

    def __init__(self, ground: Ground, count: int, runs: int, largest: int) -> None:
        self.ground = ground
        self.largest = largest
        self.report = Report(
            count,
            runs,
            machine.describe(),
            {module: contest.versions(module) for module in contest.MODULES},
        )

    def run(self, only: Sequence[str] = ()) -> Report:
        """Measure everything, or only these of `PARTS`."""
        self.report.only = list(only)
        for part in only or PARTS:
            self._attempt(part, getattr(self, f"_{part}"))
        return self.report

    def _attempt(self, name: str, part: Callable[[], Any]) -> Any:
        say(name)
        try:
            return part()
        except Exception as error:  # one contender's failure must not affect the others
            self.report.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            say(f"  failed: {self.report.failed[name]}")
            return None

    def _topic(self, kind: str = SYSCALL, partitions: int = PARTITIONS) -> Topic:
        topic = self.ground.topic(kind, partitions, self.report.count)
        self.report.bytes[kind] = topic.size
        return topic

    def _fill(self) -> None:
        for kind in KINDS:
            self._topic(kind)
        for partitions in (1, 12):
            self._topic(SYSCALL, partitions)

    def _in_turns(
        self, contenders: Mapping[str, Callable[[], Cost]], notes: Mapping[str, str], count: int
    ) -> dict[str, Figure]:
        """Run contenders in turns, the configured number of times; drop one that fails."""
        costs: dict[str, list[Cost]] = {name: [] for name in contenders}
        for turn in range(self.report.runs):
            for name in list(costs):
                cost = self._attempt(name, contenders[name])
                if cost is None:
                    del costs[name]
                else:
                    costs[name].append(cost)
                    say(f"  {cost.cpu / count * 1e6:.1f} µs CPU per alert, run {turn + 1}")
        return {
            name: figure(name, count, each, notes.get(name, "")) for name, each in costs.items()
        }

    def _contest(self) -> None:
        """Measure everything that reads the same topics: ours, the floors, the others."""
        topics = {kind: self._topic(kind) for kind in KINDS}
        syscall, lakes = topics[SYSCALL], dict[str, str]()

        def ours(topic: Topic) -> Callable[[], Cost]:
            def run() -> Cost:
                worked = worker.run(self.ground, topic)
                lakes[topic.name] = worked.run
                return worked.cost

            return run

        def floor(topic: Topic) -> Callable[[], Cost]:
            def run() -> Cost:
                name = self.ground.run_name(FLOOR)
                script = "tests.bench.floor"
                cost = self.ground.run_script(script, topic, name, lakes[topic.name])
                self.ground.check(topic, name)
                return cost

            return run

        mine = {
            **{name: ours(topics[kind]) for kind, name in ROWS.items()},
            "1 partition": ours(self._topic(SYSCALL, 1)),
            "12 partitions": ours(self._topic(SYSCALL, 12)),
        }
        compiled = self._compiled(topics)
        names = {kind: f"{FLOOR}, {name}" for kind, name in ROWS.items()} | {SYSCALL: FLOOR}
        floors = {name: floor(topics[kind]) for kind, name in names.items()}
        others: dict[str, Callable[[], Cost]] = {TAKE: partial(self._take, syscall)}
        notes = {TAKE: "`stream.take()`, and nothing done with it"}
        for peer in contest.PEERS:
            others[peer.name] = partial(peer.run, self.ground, syscall)
            notes[peer.name] = peer.note
        report, put = self.report, dict[str, tuple[Topic, str]]()
        theirs = self._bento(topics, put)
        found = self._in_turns(mine | compiled | floors | theirs | others, notes, report.count)
        report.ours = [found[name] for name in mine if name in found]
        report.compiled = [
            replace(found[name], name=name.removesuffix(_COMPILED))
            for name in compiled
            if name in found
        ]
        report.programs = [found[name] for name in theirs if name in found]
        report.others = [found[name] for name in others if name in found]
        report.floors = {kind: found[name] for kind, name in names.items() if name in found}
        for kind, words in SENT.items():
            if (run := lakes.get(topics[kind].name)) is not None:
                put[f"{FALCOLAKE}, {words}"] = topics[kind], run
        for name, (topic, run) in sorted(put.items(), reverse=True):
            described = partial(content.describe, self.ground, topic, run, name)
            if (seen := self._attempt(f"the objects of {name}", described)) is not None:
                report.contents.append(seen._asdict())

    def _compiled(self, topics: Mapping[str, Topic]) -> dict[str, Callable[[], Cost]]:
        """Return the runs of a worker whose mapping is compiled, if it was built."""
        code = worker.COMPILED
        if not code.is_dir():
            self.report.failed["compiled"] = f"there is no {code.relative_to(ROOT)}"
            return {}

        def runs(topic: Topic) -> Callable[[], Cost]:
            return lambda: worker.run(self.ground, topic, code=code).cost

        return {f"{name}{_COMPILED}": runs(topics[kind]) for kind, name in ROWS.items()}

    def _bento(
        self, topics: Mapping[str, Topic], put: dict[str, tuple[Topic, str]]
    ) -> dict[str, Callable[[], Cost]]:
        """Return the runs of Bento, if it is named; each leaves in `put` what it has put."""
        program = self._attempt("Bento", partial(programs.named, bento.VARIABLE))
        if program is None:
            return {}

        def runs(name: str, topic: Topic) -> Callable[[], Cost]:
            def run() -> Cost:
                cost, of = bento.measure(self.ground, topic, program)
                put[name] = topic, of
                return cost

            return run

        names = {f"Bento {bento.version(program)}, {words}": kind for kind, words in SENT.items()}
        return {name: runs(name, topics[kind]) for name, kind in names.items()}

    def _killed(self) -> None:
        """Kill what reads the backlog, and start it again; once each."""
        topic, starts = self._topic(), dict[str, Callable[[str], killed.Start]]()

        @contextmanager
        def ours(run: str) -> Iterator[subprocess.Popen[bytes]]:
            with worker.started(self.ground, topic, run, 1, worker.WINDOW) as (one,):
                yield one.process

        starts[FALCOLAKE] = lambda run: partial(ours, run)
        program = self._attempt("Bento", partial(programs.named, bento.VARIABLE))
        if program is not None:
            name = f"Bento {bento.version(program)}"
            starts[name] = lambda run: partial(bento.started, self.ground, topic, run, program)
        for name, start in starts.items():
            run = self.ground.run_name(f"killed {name}")
            kill = partial(killed.measure, self.ground, topic, run, name, start(run))
            if (found := self._attempt(f"kill -9 {name}", kill)) is not None:
                self.report.killed.append(found._asdict())

    def _workers(self) -> None:
        """Measure workers that share more alerts: their speed shows only in a longer run."""
        count, last = TIMES * self.report.count, dict[str, worker.Worked]()

        def runs(name: str, number: int) -> Callable[[], Cost]:
            def run() -> Cost:
                topic = self.ground.empty_topic(SYSCALL, PARTITIONS, count)
                last[name] = worker.run_many(self.ground, topic, number)
                return last[name].cost

            return run

        names = {f"workers: {number}": number for number in WORKERS}
        found = self._in_turns({name: runs(name, names[name]) for name in names}, {}, count)
        self.report.workers = [
            {
                "workers": names[name],
                "count": count,
                "us": each.us,
                "per_second": each.per_second,
                "memory": each.memory,
                "staging": last[name].staging,
                "objects": last[name].objects,
            }
            for name, each in found.items()
        ]

    def _intake(self) -> None:
        """Measure what brings alerts from HTTP into Kafka."""
        contenders = {
            f"{RECEIVE}, {words}": partial(intake.receive, self.ground, kind, self.report.count)
            for kind, words in SENT.items()
        }
        program = self._attempt("falcosidekick", partial(programs.named, intake.VARIABLE))
        if program is not None:
            name = f"falcosidekick {intake.version(program)}"
            for kind, words in SENT.items():
                run = partial(intake.peer, self.ground, program, kind, self.report.count)
                contenders[f"{name}, {words}"] = run
        self.report.intake = list(self._in_turns(contenders, {}, self.report.count).values())

    def _sidekick(self) -> None:
        """Measure falcosidekick's own output to Security Lake, once."""
        program = programs.named(intake.VARIABLE)
        name = f"falcosidekick {intake.version(program)}"
        names = {kind: f"{name}, {words}" for kind, words in SENT.items()}
        found = sidekick.measure(self.ground, program, names)
        self.report.sidekick = [each._asdict() for each in found]

    def _take(self, topic: Topic) -> Cost:
        run = self.ground.run_name("take")
        return self.ground.run_script("tests.bench.take_agent", topic, run)

    def _steps(self) -> None:
        topic, found = self._topic(), []
        for _ in range(self.report.runs):
            run = self.ground.run_name("steps")
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.steps"],
                env=self.ground.environment(topic, run),
                cwd=self.ground.directory,
                stdout=subprocess.PIPE,
                check=True,
            )
            found.append(json.loads(done.stdout))
        self.report.steps = {
            name: median(each[name] for each in found) / topic.count * 1e6 for name in STEPS
        }

    def _mapping(self) -> None:
        self.report.mapping = mapping.figures()

    def _profile(self) -> None:
        if profile.possible():
            self.report.shares, self.report.faults = profile.measure(self.ground, self._topic())

    def _growth(self) -> None:
        for count in (each for each in GROWTH if each <= self.largest):
            topic = self.ground.topic(SYSCALL, PARTITIONS, count)
            self.report.bytes[SYSCALL] = topic.size
            worked = worker.run(self.ground, topic)
            cost = worked.cost
            self.report.growth.append(
                {
                    "count": count,
                    "seconds": cost.seconds,
                    "cpu": cost.cpu,
                    "us": cost.cpu / count * 1e6,
                    "memory": cost.memory,
                    "staging": worked.staging,
                    "objects": worked.objects,
                }
            )
            say(f"  {count:,}: {cost.cpu / count * 1e6:.1f} µs CPU per alert")
            if count != self.report.count:
                self.ground.forget(topic)

    def _latency(self) -> None:
        self.report.latency = latency.measure(self.ground)

    def _capacity(self) -> None:
        self.report.capacity = capacity.measure(self.ground)

    def _trickle(self) -> None:
        self.report.idle = trickle.idle(self.ground, PARTITIONS)
        for rate in trickle.RATES:
            found = trickle.measure(self.ground, rate, PARTITIONS)
            self.report.trickle.append(found._asdict())


PARTS = (
    "fill",
    "contest",
    "killed",
    "workers",
    "intake",
    "sidekick",
    "steps",
    "mapping",
    "profile",
    "growth",
    "latency",
    "trickle",
    "capacity",
)
"""What `Program` measures, in this order; each is a method of it."""


def say(words: str) -> None:
    """Print progress."""
    print(words, file=sys.stderr, flush=True)
