"""The guard: fails when mapping, staging and COPY have become much slower.

`python -m tests.bench.guard`, `make bench-guard`. It uses no figure of another day or machine: in
one process, in turns, it measures the CPU time of a worker's steps (map, stage, COPY) and of the
floor (decode the same alerts, COPY the same rows from memory), and compares the median of the
rounds' ratios with `LIMIT`. Whatever slows the machine slows both.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple, Self

import msgspec

from schemas.falco.alert import Alert
from schemas.mapping import Mapping, Options
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows import batch
from streams.windows.window import Window
from tests.bench.floor import Ready
from tests.bench.ground import SYSCALL, alerts

COUNT = 10_000
ROUNDS = 7

#: How many records are mapped and appended at a time.
FETCH = 2_500

#: The highest acceptable ratio: twice today's. Lower it when the worker becomes faster.
LIMIT = 6.0


class Verdict(NamedTuple):
    """The rounds' ratios of CPU time, ours to the floor's."""

    ratios: Sequence[float]
    limit: float

    @property
    def ratio(self) -> float:
        """Return the median, so that a disturbed round does not count."""
        return median(self.ratios)

    @property
    def slow(self) -> bool:
        """Return whether ours has become too slow."""
        return self.ratio > self.limit

    def __str__(self) -> str:
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        return (
            f"map + stage + COPY take {self.ratio:.2f} times the floor's CPU"
            f" ({len(self.ratios)} rounds: {spread}); the limit is {self.limit:g}:"
            f" {'too slow' if self.slow else 'good'}"
        )


def compare(
    ours: Callable[[], object],
    floor: Callable[[], object],
    rounds: int = ROUNDS,
    limit: float = LIMIT,
    clock: Callable[[], float] = time.process_time,
) -> Verdict:
    """Run both in turns, after a warm-up round, and compare their CPU times."""

    def spent(work: Callable[[], object]) -> float:
        began = clock()
        work()
        return clock() - began

    ours(), floor()
    return Verdict([spent(ours) / spent(floor) for _ in range(rounds)], limit)


@dataclass(slots=True)
class Record:
    """What mapping needs of a Kafka record."""

    offset: int
    value: bytes | None  # as in batch.Record; here never None
    timestamp: int = 1_795_392_000_000
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Work:
    """The two workloads to compare, on the same alerts. Use `with`."""

    def __init__(self, count: int = COUNT, kind: str = SYSCALL) -> None:
        values = itertools.islice(alerts(kind), count)
        self.records = [Record(offset, value) for offset, value in enumerate(values)]
        self.mapping = Mapping(Options())
        self._numbers = itertools.count()
        self._decode = msgspec.json.Decoder(Alert).decode

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            name = parts.enter_context(tempfile.TemporaryDirectory(prefix="falcolake-guard-"))
            self._directory = Path(name)
            self._ready = parts.enter_context(Ready())
            self._ready.add(self.ours())
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._parts.close()

    def ours(self) -> Path:
        """Map, stage and export the alerts as a worker does."""
        path = self._directory / f"{next(self._numbers)}"
        with Staging(path, "topic", self.mapping.version, ("", "")) as staging:
            staging.open()
            runs = []
            for start in range(0, len(self.records), FETCH):
                part = self.records[start : start + FETCH]
                end = part[-1].offset + 1
                runs.append(staging.append(batch.tabulate(self.mapping, 0, start, end, part)))
            window = Window(0, 0, runs[-1].end, tuple(runs))
            objects = Objects(staging, self.mapping, "topic")
            ((group, _),) = objects.groups(window)
            objects.export(window, group, path / "object.parquet")
        return path / "object.parquet"

    def floor(self) -> Path:
        """Decode the alerts, and write their rows."""
        for record in self.records:
            self._decode(record.value or b"")
        (file,) = self._ready.write(self._directory / "floor.parquet")
        return file


def main() -> int:
    """Return 1 if it has become too slow."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.guard")
    parser.add_argument(
        "--times", type=int, default=1, help="do our work so often, to see the guard fail"
    )
    times = parser.parse_args().times
    with Work() as work:
        verdict = compare(lambda: [work.ours() for _ in range(times)], work.floor)
    print(verdict)
    return int(verdict.slow)


if __name__ == "__main__":
    sys.exit(main())
