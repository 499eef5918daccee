"""The contract of `streams.staging.staging.Staging` without DuckDB, on a disk in memory.

An append is one commit: after a kill it is there completely or not at all. `Disk` outlives its
worker and may be lost. Objects are JSON text. `test_staging_contract` runs the same tests over this
and over the real one.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from schemas.mapping import Filtered, Finding, Reject
from streams import faults
from streams.errors import Corrupt, FalcolakeError, Misconfigured, Unavailable
from streams.staging.contents import NOTHING, Summary
from streams.staging.parquet import Group
from streams.staging.staging import run_of
from streams.windows.batch import Rejected, Rows
from streams.windows.room import Usage
from streams.windows.window import Run, Window

REGION, ACCOUNT = "eu-central-1", "123456789012"
DAYS = {"day1": "20260102", "day2": "20260103"}
#: Bytes that the disk of a worker has.
DISK = 10**9


class Row(NamedTuple):
    """A finding in an object: the value that it was made of, and the mapping that made it."""

    time: int
    offset: int
    value: str
    version: str


class Content(NamedTuple):
    """An object: what its footer says, and its rows."""

    metadata: dict[str, str]
    rows: list[Row]

    def encode(self) -> bytes:
        """Return the bytes of the object."""
        return json.dumps([self.metadata, self.rows]).encode()

    @classmethod
    def decode(cls, content: bytes) -> "Content":
        """Return what the bytes of an object say. Raises ValueError if it is none."""
        metadata, rows = json.loads(content)
        return cls(metadata, [Row(*row) for row in rows])


class Mapping:
    """A mapping that costs nothing: a value says what becomes of it."""

    def __init__(self, version: str) -> None:
        self.version = version

    def map(self, value: bytes | None, timestamp: int) -> Finding | Reject | Filtered:
        """Map a value of the form `kind:name`."""
        text = (value or b"").decode()
        kind = text.partition(":")[0]
        if kind == "filtered":
            return Filtered("minimum_priority", "")
        if kind not in DAYS:
            return Reject("it is no alert")
        return Finding(timestamp, REGION, ACCOUNT, DAYS[kind], "", "", self.version, text, "{}")


@dataclass
class Disk:
    """What a worker's disk keeps: the committed appends, by segment."""

    segments: dict[int, list[tuple[Run, Rows]]] = field(default_factory=dict)
    #: The mapping version whose segments they are.
    identity: dict[int, str] = field(default_factory=dict)
    last: int = 0
    holder: object = None
    full: bool = False

    def lose(self) -> None:
        """Forget everything, as a new disk does."""
        self.segments, self.identity, self.last = {}, {}, 0


class ModelStaging:
    """Staging on a `Disk`. `path` is a directory for the files of exports."""

    def __init__(
        self, disk: Disk, path: Path, mapping_version: str, *, segment_records: int = 40
    ) -> None:
        self.path = path
        self.home = REGION, ACCOUNT
        self._disk = disk
        self._version = mapping_version
        self._segment_records = segment_records
        self._attached: set[int] = set()
        self._current: int | None = None
        self._filled = 0
        self._open = False

    def open(self) -> list[Run]:
        """Open the disk and return the runs that earlier workers left on it."""
        if self._disk.holder is not None:
            raise Misconfigured("another worker uses it", "use another one")
        self._disk.holder, self._open = self, True
        for number in [n for n, by in self._disk.identity.items() if by != self._version]:
            del self._disk.segments[number], self._disk.identity[number]
        self._attached = set(self._disk.segments)
        return [run for number in sorted(self._attached) for run, _ in self._disk.segments[number]]

    def close(self) -> None:
        """Release the disk; what is staged stays."""
        if self._disk.holder is self:
            self._disk.holder = None
        self._open = False

    # ---- appending

    def append_all(self, rows: Sequence[Rows]) -> list[Run]:
        """Write each as one run, all in one commit, to the current segment."""
        self._check()
        try:
            if self._disk.full:
                raise Unavailable("cannot stage records: the disk is full", "make room")
            count = sum(each.records for each in rows)
            if self._filled + count > self._segment_records:
                self.roll()
            if self._current is None:
                self._current = self._create()
            self._filled += count
            runs = [run_of(self._current, each) for each in rows]
            with faults.around("append"):
                self._disk.segments[self._current] += zip(runs, rows, strict=True)
        except FalcolakeError:
            self.roll()
            raise
        return runs

    def _create(self) -> int:
        disk = self._disk
        disk.last += 1
        disk.segments[disk.last], disk.identity[disk.last] = [], self._version
        self._attached.add(disk.last)
        return disk.last

    def roll(self) -> None:
        """Close the current segment to appends."""
        self._current, self._filled = None, 0

    # ---- exporting

    def target(self, number: int) -> Path:
        """Return a file for an export."""
        return self.path / f"export-{number}.parquet"

    def groups(self, window: Window) -> list[tuple[Group, int]]:
        """Return the groups of a window's findings, in a fixed order, with their row counts."""
        return self.summary(window).groups

    def summary(self, window: Window) -> Summary:
        """Return what is known of a window before it is exported."""
        if not window.runs:
            return NOTHING
        staged = self._rows(window)
        counts = Counter(
            Group(each.region, each.account_id, each.event_day)
            for rows in staged
            for each in rows.findings
        )
        digests = [digest for rows in staged for digest in rows.digests]
        return Summary(sorted(counts.items()), len(digests) - len(set(digests)))

    def export(
        self, window: Window, group: Group, mapping: Any, metadata: dict[str, str], target: Path
    ) -> None:
        """Write one object of a window to `target`."""
        if self._disk.full:
            raise Unavailable("cannot export a window: the disk is full", "make room")
        found = sorted(
            Row(finding.time, offset, finding.raw_data, finding.body)
            for rows in self._rows(window)
            for finding, offset in zip(rows.findings, rows.offsets, strict=True)
            if (finding.region, finding.account_id, finding.event_day) == group
        )
        target.write_bytes(Content(metadata, found).encode())

    def rejects(self, window: Window, first: int = 0) -> list[Rejected]:
        """Return the next portion of the window's rejects, from offset `first` on."""
        found = [reject for rows in self._rows(window) for reject in rows.rejects]
        return sorted(reject for reject in found if reject.offset >= first)[:3]

    def _rows(self, window: Window) -> list[Rows]:
        self._check()
        by_segment: dict[int, dict[tuple[int, int], Rows]] = defaultdict(dict)
        found = []
        for run in window.runs:
            if run.segment not in self._attached:
                raise Corrupt(f"staging lacks segment {run.segment}", "restart the worker")
            if run.segment not in by_segment:
                for other, rows in self._disk.segments[run.segment]:
                    by_segment[run.segment][other.partition, other.first] = rows
            found.append(by_segment[run.segment][run.partition, run.first])
        return found

    # ---- forgetting

    def keep_only(self, runs: Iterable[Run]) -> None:
        """Unlink every segment that none of these runs needs."""
        self._check()
        needed = {run.segment for run in runs} | {self._current}
        for number in sorted(self._attached - needed):
            self.forget(number)

    def forget(self, number: int) -> None:
        """Unlink a segment."""
        if number == self._current:
            self.roll()
        with faults.around("unlink"):
            self._attached.discard(number)
            del self._disk.segments[number], self._disk.identity[number]

    def usage(self) -> Usage:
        """Measure what staging takes and what the disk has left."""
        runs = (run for staged in self._disk.segments.values() for run, _ in staged)
        return Usage(sum(run.bytes for run in runs), 0 if self._disk.full else DISK)

    def _check(self) -> None:
        if not self._open:
            raise Unavailable("staging is closed", "the worker is stopping: start it again")
