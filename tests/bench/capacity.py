"""The capacity model: alerts a second → cores, memory, disk, objects, bytes, S3's price.

Made of the benchmark's own figures only. `measure` adds those that the other parts do not have:
the size of an object by the alerts in it, and what is staged at two rates. It then runs a load that
none of these had, and keeps the prediction beside what was measured. `section` is the part of
docs/sizing.md between `BEGIN` and `END`.
"""

import asyncio
import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.bench.cost import until
from tests.bench.ground import MIX, Ground
from tests.bench.guard import Work
from tests.bench.report import ROWS, Report
from tests.bench.trickle import send
from tests.bench.worker import started

BEGIN, END = "<!-- capacity: by make bench -->", "<!-- end of capacity -->"

WIDTH = 128
DAY = 86_400
MONTH_DAYS = 30

#: A worker's share of a core that new alerts may take; the rest is for catching up.
LOADED = 0.7

#: One window fills while the one before it is shipped.
WINDOWS = 2

#: Alerts in an object.
SIZES = (1, 10, 100, 1_000, 10_000, 50_000)


class Prices(NamedTuple):
    """Dollars, for S3 Standard in US East (N. Virginia)."""

    puts: float = 0.005
    """For 1,000 requests to put."""
    storage: float = 0.023
    """For a GB kept a month, of the first 50 TB."""
    page: str = "https://aws.amazon.com/s3/pricing/"
    entered: str = "29 November 2026"


PRICES = Prices()


class Load(NamedTuple):
    """Alerts a second, partitions, and the seconds of `WINDOW__INTERVAL`."""

    rate: float
    partitions: int
    interval: int


#: The loads that are run: the first ones give the model its figures, the last one checks it.
SEEN = (Load(100, 4, 10), Load(1_000, 4, 10))
UNSEEN = Load(400, 6, 15)
SECONDS = 45

#: The loads of the table.
LOADS = (
    Load(1, 1, 3_600),
    Load(10, 2, 900),
    Load(100, 6, 300),
    Load(1_000, 6, 300),
    Load(10_000, 12, 300),
)


class Run(NamedTuple):
    """What a load took: objects and their bytes, the peak of staging in bytes, cores."""

    load: Load
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    objects: int
    bytes: int
    staging: int
    cores: float


class Plan(NamedTuple):
    """What a load needs. Memory, staging and bytes are in bytes; `stored` is the bytes of a day."""

    cores: float
    workers: int
    memory: float
    staging: float
    objects: float
    object_bytes: float
    stored: float
    puts: float
    """Dollars a month for requests."""
    storage: float
    """Dollars a month for a month of alerts."""


def measure(ground: Ground) -> dict[str, Any]:
    """Measure what the model needs, and the load that checks it."""
    sizes = []
    for rows in SIZES:
        with Work(rows, MIX) as work:
            sizes.append([rows, work.ours().stat().st_size])
    runs = [run(ground, load) for load in (*SEEN, UNSEEN)]
    return {"sizes": sizes, "runs": [each._asdict() for each in runs]}


def run(ground: Ground, load: Load, seconds: int = SECONDS) -> Run:
    """Run a worker while alerts of all sources are sent, each in a request of its own."""
    count = round(load.rate * seconds)
    topic = ground.empty_topic(MIX, load.partitions, count)
    name = ground.run_name("capacity")
    rows, peak = ground.counter(name), 0
    with started(ground, topic, name, 1, load.interval) as (worker,):
        until(worker.assigned, 60, "the worker has the partitions")
        worker.begin()

        async def watched() -> None:
            nonlocal peak
            sending = asyncio.create_task(
                send(ground, topic.name, round(load.rate), load.partitions, count)
            )
            while not sending.done():
                peak = max(peak, worker.staged_bytes())
                await asyncio.sleep(0.2)
            await sending

        asyncio.run(watched())
        cost = worker.cost()
        until(lambda: rows() >= count, load.interval + 120, "all of it is in S3", pause=0.5)
    objects = ground.objects(name)
    size = sum(each.size for each in ground.files().get_file_info(objects))
    ground.check(topic, name)
    return Run(load, count, len(objects), size, peak, cost.cpu / cost.seconds)


class Model:
    """The model, from a report's figures."""

    def __init__(self, report: Report) -> None:
        """Raise ValueError if the report lacks a figure."""
        runs = [Run(**each | {"load": Load(*each["load"])}) for each in report.capacity["runs"]]
        *seen, self.unseen = runs
        self._sizes = [(float(rows), float(size)) for rows, size in report.capacity["sizes"]]
        self._staged = sorted(
            (each.load.rate / each.load.partitions, each.staging / _in_staging(each.load))
            for each in seen
        )
        self._cores = [(each["rate"], each["cpu"] * each["rate"] / 1000) for each in report.trickle]
        ours = [each for each in report.ours if each.name in ROWS.values()]
        memory = [each.memory for each in ours] + [each["memory"] for each in report.growth]
        if not (ours and self._cores and report.idle is not None):
            raise ValueError("the report lacks figures")
        self._idle = report.idle
        self._us = max(each.us for each in ours)
        self._memory = 1e6 * max(memory)

    def plan(self, load: Load, prices: Prices = PRICES) -> Plan:
        """Return what a load needs."""
        cores = self.cores(load.rate)
        workers = max(1, math.ceil(cores / LOADED))
        rows = load.rate * load.interval / load.partitions
        objects = min(load.partitions * DAY / load.interval, load.rate * DAY)
        size = scaled(self._sizes, max(1.0, rows))
        stored = objects * size
        return Plan(
            cores,
            workers,
            self._memory,
            self.staging(load),
            objects,
            size,
            stored,
            MONTH_DAYS * objects / 1000 * prices.puts,
            MONTH_DAYS * stored / 1e9 * prices.storage,
        )

    def cores(self, rate: float) -> float:
        """Return the cores that new alerts take: as measured one by one, then in batches."""
        first, last = self._cores[0], self._cores[-1]
        if rate <= first[0]:
            return self._idle + (first[1] - self._idle) * rate / first[0]
        if rate <= last[0]:
            return scaled(self._cores, rate)
        return max(last[1], rate * self._us / 1e6)

    def staging(self, load: Load) -> float:
        """Return the peak of staging in bytes."""
        (low, most), (high, least) = self._staged[0], self._staged[-1]
        at = min(max(load.rate / load.partitions, low), high)
        share = math.log(at / low) / math.log(high / low)
        return _in_staging(load) * math.exp((1 - share) * math.log(most) + share * math.log(least))

    def predicted(self) -> tuple[float, float, float]:
        """Return the objects, their bytes and the peak of staging of the run that checks it."""
        load, count = self.unseen.load, self.unseen.count
        objects = load.partitions * math.ceil(count / load.rate / load.interval)
        return objects, objects * scaled(self._sizes, count / objects), self.staging(load)


def _in_staging(load: Load) -> float:
    """Return how many alerts staging has at its peak."""
    return load.rate * load.interval * WINDOWS


def scaled(points: Sequence[tuple[float, float]], x: float) -> float:
    """Return the value at `x`: between points along a power law, beyond them in proportion."""
    last = points[-1]
    if x >= last[0]:
        return last[1] * x / last[0]
    for (left, low), (right, high) in itertools.pairwise(points):
        if x <= right:
            share = math.log(x / left) / math.log(right / left)
            return math.exp((1 - share) * math.log(low) + share * math.log(high))
    raise ValueError(f"no point for {x}")


def section(report: Report, prices: Prices = PRICES) -> str:
    """Return the section of docs/sizing.md, without `BEGIN` and `END`."""
    model = Model(report)
    rows = [_row(load, model.plan(load, prices)) for load in LOADS]
    run, (objects, size, staging) = model.unseen, model.predicted()
    load = run.load
    header = [
        *("alerts a second", "partitions, interval", "cores", "workers", "memory of each"),
        *("staging, all workers", "objects a day", "size of each", "in the lake a day"),
        *("puts a month", "storage of a month"),
    ]
    table = [header, ["---"] * len(header), *rows]
    before = (
        "Computed from the figures of [Benchmarks](benchmarks.md), for alerts of all sources that "
        "come one at a time. It is the least; run two workers for availability."
    )
    after = (
        f"A worker has a core, of which new alerts take {LOADED:.0%} at most: the rest is for "
        "catching up. Staging holds the window that fills and the one before it. S3's prices are "
        f"inputs: ${prices.puts:g} for 1,000 puts, ${prices.storage:g} for a GB a month (S3 "
        f"Standard, US East; entered on {prices.entered} without access to the page: compare them "
        f"with <{prices.page}>). Reading, Security Lake and Athena have prices of their own."
    )
    check = (
        f"Checked against a run of which the model knows nothing: {load.rate:g} alerts a second, "
        f"{load.partitions} partitions, windows of {load.interval} s, {run.count:,} alerts. "
        f"Predicted: {objects:.0f} objects of {size / 1e6:.1f} MB together, and a peak of staging "
        f"of {staging / 1e6:.1f} MB. Measured: {run.objects} objects of {run.bytes / 1e6:.1f} MB, "
        f"and {run.staging / 1e6:.1f} MB."
    )
    lines = "\n".join("| " + " | ".join(cells) + " |" for cells in table)
    return "\n\n".join([_wrapped(before), lines, _wrapped(after), _wrapped(check)])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def _row(load: Load, plan: Plan) -> list[str]:
    minutes = load.interval // 60
    return [
        f"{load.rate:,}",
        f"{load.partitions}, {minutes} min",
        f"{plan.cores:.2f}",
        f"{plan.workers}",
        f"{plan.memory / 1e9:.1f} GB",
        _bytes(plan.staging),
        f"{plan.objects:,.0f}",
        _bytes(plan.object_bytes),
        _bytes(plan.stored),
        f"${plan.puts:,.2f}",
        f"${plan.storage:,.2f}",
    ]


def _bytes(size: float) -> str:
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= of:
            return f"{size / of:.2g} {unit}" if size < 10 * of else f"{size / of:,.0f} {unit}"
    return f"{size:.0f} B"


def inserted(text: str, section: str) -> str:
    """Return the text with its section replaced; raise ValueError if it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"
