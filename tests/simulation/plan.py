"""The plan of a run: its world and its faults, as values drawn from a seed.

A fault happens at a moment, or at the number of an effect (`streams.faults`) counted over all
workers. Every fault is over before the plan's `quiet`, so that everything must ship after it.
"""

import random
from collections.abc import Callable
from typing import Literal, NamedTuple

#: Seconds in which records are written and faults begin.
LASTS = 30.0

#: Seconds after it in which the last faults end.
CALM = 26.0

Kind = Literal[
    "kill", "kill at", "pause", "pause at", "move", "join", "leave", "upgrade", "upgrade at",
    "clock", "commits", "kafka away", "offsets forgotten", "retention", "cut", "recreate",
    "puts", "s3 away", "foreign", "disk full", "letters fail", "flush", "between", "twin",
    "control",
]  # fmt: skip


class Fault(NamedTuple):
    """What happens, when, and to whom; `what` and `seconds` mean what the kind makes of them."""

    at: float
    kind: Kind
    who: int = 0
    number: int = 0
    seconds: float = 0.0
    what: str = ""

    def __str__(self) -> str:
        known = [
            f"worker {self.who}" if self.kind in OF_WORKERS else f"partition {self.who}",
            f"number {self.number}" if self.number else "",
            f"{self.seconds:.1f} s" if self.seconds else "",
            self.what,
        ]
        return f"{self.at:5.1f}  {self.kind}: {', '.join(filter(None, known))}"


OF_WORKERS = {
    "kill", "kill at", "pause", "pause at", "join", "leave", "upgrade", "upgrade at", "clock",
    "disk full", "between", "twin",
}  # fmt: skip

#: What happens just before or after an effect, not at a moment.
AT_EFFECTS = {"kill at", "pause at", "upgrade at"}


class Plan(NamedTuple):
    """A run: the seed of its schedule, its world, its faults."""

    seed: int
    partitions: int
    workers: int
    interval: float
    max_rows: int
    batches: int
    transactions: bool
    conditional: bool
    faults: tuple[Fault, ...]
    #: Whether the brokers know leader epochs: without them a cut may go unnoticed.
    epochs: bool = True
    #: Whether the workers are static members of the group (KIP-345).
    static: bool = False
    #: Whether they listen on the control topic.
    listens: bool = False

    def __str__(self) -> str:
        world = (
            f"seed {self.seed}: {self.workers} workers, {self.partitions} partitions, windows of "
            f"{self.interval:.0f} s or {self.max_rows} records, {self.batches} batches"
            f"{', transactions' if self.transactions else ''}"
            f"{', static members' if self.static else ''}"
            f"{', a control topic' if self.listens else ''}"
            f"{'' if self.conditional else ', a store without conditional puts'}"
        )
        return "\n".join([world, *(f"  {fault}" for fault in self.faults)])


COMMITS = ("lost", "refused", "unanswered", "unanswered", "slow")
PUTS = (
    "503", "503 after it", "unanswered", "unanswered", "late", "late", "403", "409",
    "200 of a portal", "200 of other bytes", "412 of nothing", "412 of a proxy", "a page in HTML",
)  # fmt: skip

#: How likely each kind is; what loses or fences counts most.
WEIGHTS: dict[Kind, int] = {
    "kill": 6, "kill at": 14, "pause": 8, "pause at": 12, "move": 6, "join": 5, "leave": 4,
    "upgrade": 4, "upgrade at": 8, "clock": 2, "commits": 12, "kafka away": 3,
    "offsets forgotten": 3, "retention": 3, "cut": 4, "recreate": 2, "puts": 12, "s3 away": 3,
    "foreign": 2, "disk full": 2, "letters fail": 3, "flush": 3,
}  # fmt: skip


#: Seconds of windows that are never due.
NEVER = 10_000.0

#: What is written to the control topic.
CONTROLS = (
    "a flush", "a flush", "a flush twice", "a late flush", "a question", "garbage", "nothing",
    "another version", "another group", "ends beyond the log",
)  # fmt: skip

#: All kinds that a plan can have one more of.
KINDS: tuple[Kind, ...] = (*WEIGHTS, "between", "twin", "control")


def draw(seed: int, more: Kind | None = None) -> Plan:
    """Return the plan of a seed, with one more fault of a kind.

    With one more cut, half of the plans have brokers without leader epochs.
    """
    plan = _draw(seed)
    if more is None:
        return plan
    dice = random.Random(f"{seed} {more}")
    faults = *plan.faults, _fault(more, dice, plan.partitions, plan.workers)
    return plan._replace(
        faults=tuple(sorted(faults)),
        epochs=more != "cut" or dice.random() < 0.5,
        static=plan.static or more == "twin",
        listens=plan.listens or more == "control",
        interval=NEVER if more == "control" else plan.interval,
    )


def _draw(seed: int) -> Plan:
    """Return the plan of a seed; the group and the control topic are drawn apart from all else."""
    plan = _draw_most(seed)
    dice = random.Random(f"{seed} group")
    static, listens = dice.random() < 0.3, random.Random(f"{seed} control").random() < 0.2
    kinds: list[Kind] = ["between"] if dice.random() < 0.2 else []
    kinds += ["twin"] if static and dice.random() < 0.5 else []
    group = [_fault(kind, dice, plan.partitions, plan.workers) for kind in kinds]
    dice = random.Random(f"{seed} requests")
    count = dice.randrange(1, 6) if listens else 0
    group += [_fault("control", dice, plan.partitions, plan.workers) for _ in range(count)]
    plan = plan._replace(
        static=static, listens=listens, faults=tuple(sorted([*plan.faults, *group]))
    )
    # Half of those that listen ship nothing by their clock: only a flush makes them.
    return plan._replace(interval=NEVER) if listens and dice.random() < 0.5 else plan


def _draw_most(seed: int) -> Plan:
    dice = random.Random(seed)
    partitions, workers = dice.choice([1, 1, 2, 2, 3]), dice.choice([1, 2, 2, 3])
    kinds = dice.choices([*WEIGHTS], [*WEIGHTS.values()], k=dice.choice([1, 2, 3, 3, 4, 5, 6, 8]))
    faults = [_fault(kind, dice, partitions, workers) for kind in kinds]
    return Plan(
        seed,
        partitions,
        workers,
        interval=dice.choice([3.0, 6.0, 12.0]),
        max_rows=dice.choice([4, 8, 1000]),
        batches=dice.randrange(4, 25),
        transactions=dice.random() < 0.3,
        conditional=dice.random() < 0.95,
        faults=tuple(sorted(faults)),
    )


def _fault(kind: Kind, dice: random.Random, partitions: int, workers: int) -> Fault:
    at = round(dice.uniform(0.5, LASTS), 1)
    worker, partition = dice.randrange(workers), dice.randrange(partitions)
    lost = "its disk lost" if dice.random() < 0.4 else ""
    some, number = round(dice.uniform(1.0, 25.0), 1), 0
    who, what = worker if kind in OF_WORKERS else partition, ""
    if kind in {"kill", "kill at", "upgrade", "upgrade at"}:
        what = lost
    if kind in AT_EFFECTS:
        at, number = 0.0, dice.randrange(1, 80)
    choices: dict[str, Callable[[], tuple[int, str]]] = {
        "commits": lambda: (dice.randrange(1, 4), dice.choice(COMMITS)),
        "puts": lambda: (dice.randrange(1, 4), dice.choice(PUTS)),
        "retention": lambda: (dice.randrange(0, 12), ""),
        "cut": lambda: (dice.randrange(1, 12), ""),
        "recreate": lambda: (0, dice.choice(["", "offsets kept"])),
        "between": lambda: (0, dice.choice(["", "", "and killed", "its disk lost"])),
        "control": lambda: (0, dice.choice(CONTROLS)),
        "twin": lambda: (0, dice.choice(["", "while the first is paused"])),
    }
    if kind in choices:
        number, what = choices[kind]()
    if kind in {"move", "commits", "retention", "cut", "recreate", "puts", "foreign", "flush"}:
        some = 0.0
    if kind == "clock":
        some = round(dice.choice([-1, 1]) * 10 ** dice.uniform(0, 5), 1)
    return Fault(at, kind, who, number, some, what)
