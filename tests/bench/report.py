"""The results of the benchmarks, as docs/benchmarks.json has them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.bench.cost import Cost
from tests.bench.ground import ALL_VARIED, MIX, SOME_VARIED, STOCK, SYSCALL

FALCOLAKE = "falcolake"
FLOOR = "the floor"
SMALLER = "alerts of 1.2 KB, 17 fields"
ALL_SOURCES = "all sources"
#: The rows that have alerts of their own, by kind.
ROWS = {
    SYSCALL: FALCOLAKE,
    STOCK: SMALLER,
    SOME_VARIED: "30 % with values of their own",
    ALL_VARIED: "each with values of its own",
    MIX: ALL_SOURCES,
}
TAKE = "Faust agent, take(), reads only"
RECEIVE = "falcolake receive"
#: The alerts that programs of others get, and how the tables call them.
SENT = {SYSCALL: "35 fields", STOCK: "17 fields"}


@dataclass
class Figure:
    """The median of some runs: CPU µs per alert (with the least and the most), speed, memory."""

    name: str
    count: int
    runs: int
    us: float
    least: float
    most: float
    per_second: float
    memory: float
    note: str = ""


@dataclass
class Report:
    """The results of one `make bench`, as stored in its JSON file.

    `only` names the parts that were measured, if not all were.
    """

    count: int
    runs: int
    machine: dict[str, Any]
    peers: dict[str, list[str]]
    bytes: dict[str, float] = field(default_factory=dict)
    floors: dict[str, Figure] = field(default_factory=dict)
    compiled: list[Figure] = field(default_factory=list)
    ours: list[Figure] = field(default_factory=list)
    programs: list[Figure] = field(default_factory=list)
    contents: list[dict[str, Any]] = field(default_factory=list)
    killed: list[dict[str, Any]] = field(default_factory=list)
    sidekick: list[dict[str, Any]] = field(default_factory=list)
    others: list[Figure] = field(default_factory=list)
    intake: list[Figure] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    mapping: dict[str, tuple[float, float]] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    faults: float = 0.0
    growth: list[dict[str, float]] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)
    latency: dict[str, Any] = field(default_factory=dict)
    idle: float | None = None
    trickle: list[dict[str, float]] = field(default_factory=list)
    capacity: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)

    def json(self) -> str:
        """Write it."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read(text: str) -> Report:
    """Read what `Report.json` wrote."""
    found = json.loads(text)
    found["floors"] = {kind: Figure(**each) for kind, each in found["floors"].items()}
    found["mapping"] = {name: tuple(each) for name, each in found.get("mapping", {}).items()}
    for group in ("ours", "compiled", "programs", "others", "intake"):
        found[group] = [Figure(**each) for each in found.get(group, [])]
    return Report(**found)


def figure(name: str, count: int, costs: Iterable[Cost], note: str = "") -> Figure:
    """Return the median of some runs over `count` alerts."""
    costs = list(costs)
    each = [cost.cpu / count * 1e6 for cost in costs]
    return Figure(
        name,
        count,
        len(costs),
        median(each),
        min(each),
        max(each),
        median(count / cost.seconds for cost in costs),
        median(cost.memory for cost in costs),
        note,
    )
