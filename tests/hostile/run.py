"""Takes hostile records all the way: decode, map, stage, COPY; and reads back what came out.

Nothing may raise, nothing may be lost, and no step may cost more than its bytes allow.
"""

import contextlib
import itertools
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from schemas.mapping import Filtered, Finding, Mapping, Options, Reject
from schemas.memory import remembered
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows.batch import PIECE_BYTES, Record, Rejected, size_of, tabulate
from streams.windows.window import Run, Window
from tests.hostile.inputs import records

#: Records of one append, and of one window.
APPEND = 1_000
WINDOW = 20_000
#: Seconds of CPU per megabyte that each step may take, and what a step costs whatever its size is.
SECONDS = 0.2
MAPPING = 0.003
STAGING = 0.05
OBJECT = 0.25

REGION, ACCOUNT = "eu-central-1", "123456789012"
FORMS = (
    Options(),
    Options(ocsf_version="1.8.0"),
    Options(event_class="security_finding"),
)


@dataclass(slots=True)
class Report:
    """What became of the records, and the steps that took too long."""

    records: int = 0
    bytes: int = 0
    findings: int = 0
    rejects: int = 0
    filtered: int = 0
    objects: int = 0
    #: Seconds per megabyte of the slowest record, beyond what any record costs.
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        return (
            f"{self.records:,} records, {self.bytes / 1e6:,.0f} MB: {self.findings:,} findings, "
            f"{self.rejects:,} rejects, {self.filtered:,} filtered, {self.objects:,} objects; "
            f"slowest record {self.slowest:.3f} s per MB; peak memory {memory:,.0f} MB; "
            f"{len(self.faults)} faults"
        )


class Timed(Mapping):
    """A mapping that measures what each record costs, and reports those that cost too much."""

    def __init__(self, options: Options, report: Report) -> None:
        super().__init__(options)
        self.options = options
        self.report = report

    def map(self, value: bytes | None, timestamp: int) -> Finding | Reject | Filtered:
        """Return what the mapping makes of a record."""
        size = len(value or b"")
        allowed = MAPPING + SECONDS * size / 1e6
        began = time.thread_time()
        found = super().map(value, timestamp)
        spent = time.thread_time() - began
        if spent > allowed:  # perhaps a garbage collection: the best of five counts
            spent = min(self._alone(value, timestamp) for _ in range(5))
        if spent > allowed:
            start = (value or b"")[:200]
            self.report.faults.append(f"mapping {size} bytes took {spent:.3f} s: {start!r}")
        self.report.slowest = max(self.report.slowest, (spent - MAPPING) / max(1, size) * 1e6)
        return found

    def _alone(self, value: bytes | None, timestamp: int) -> float:
        remembered.clear()
        mapping = Mapping(self.options)
        began = time.thread_time()
        mapping.map(value, timestamp)
        return time.thread_time() - began


def run(
    path: Path,
    count: int,
    seed: int,
    options: Options,
    progress: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Take `count` records of a seed through every step in the directory `path`."""
    report = Report()
    timed = Timed(options, report)
    with Staging(path / "staging", "topic", timed.version, (REGION, ACCOUNT)) as staging:
        staging.open()
        objects = Objects(staging, timed, "topic")
        source = records(seed, count)
        while batch := list(itertools.islice(source, WINDOW)):
            _window(objects, timed, batch, path / "object.parquet")
            progress(report)
    return report


def _window(objects: Objects, timed: Timed, batch: list[Record], file: Path) -> None:
    """Stage the records as one window, write its objects, and compare what they hold."""
    report, staging = timed.report, objects.staging
    runs: list[Run] = []
    rejected: list[Rejected] = []
    for some in _appends(batch):
        rows = tabulate(timed, 0, some[0].offset, some[-1].offset + 1, some)
        rejected += rows.rejects
        with _limit(report, f"staging {len(some)} records", STAGING, rows.bytes):
            runs.append(staging.append(rows))
    staging.roll()
    window = Window(0, runs[0].first, runs[-1].end, tuple(runs))
    exported = 0
    for group, rows_expected in objects.groups(window):
        with _limit(report, f"COPY of {group}", OBJECT, window.bytes):
            objects.export(window, group, file)
        read = sum(each.num_rows for each in pq.ParquetFile(file).iter_batches(1_000))
        if read != rows_expected:
            report.faults.append(f"{group}: {read} rows, {rows_expected} expected")
        exported += read
        report.objects += 1
    if list(_rejects(staging, window)) != rejected:
        report.faults.append(f"window {window.first}: other rejects than were staged")
    counts = window.counts
    if (counts.findings, counts.records) != (exported, len(batch)):
        report.faults.append(f"window {window.first}: {exported} rows of {counts}")
    report.records += counts.records
    report.findings += counts.findings
    report.rejects += counts.rejects
    report.filtered += counts.filtered
    report.bytes += window.bytes
    staging.keep_only([])


def _appends(batch: list[Record]) -> Iterator[list[Record]]:
    """Yield the records in pieces, as a worker appends them."""
    piece: list[Record] = []
    size = 0
    for record in batch:
        if piece and (len(piece) == APPEND or size + size_of(record) > PIECE_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(record)
        size += size_of(record)
    yield piece


def _rejects(staging: Staging, window: Window) -> Iterator[Rejected]:
    first = window.first
    while portion := staging.rejects(window, first):
        yield from portion
        first = portion[-1].offset + 1


@contextlib.contextmanager
def _limit(report: Report, what: str, least: float, size: int) -> Iterator[None]:
    began = time.process_time()
    yield
    spent = time.process_time() - began
    if spent > least + SECONDS * size / 1e6:
        report.faults.append(f"{what} took {spent:.2f} s for {size} bytes")
