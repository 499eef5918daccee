"""Staging: findings and rejects not yet in the lake, in the DuckDB files of `segments`.

Each append is one commit of its findings, its rejects and the `runs` row that says which offsets
they are; after kill -9 it is there whole or not at all. Staging is a cache: what is lost of it is
read again from Kafka.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from schemas.parts import SHARED
from streams import faults
from streams.batch import Rows
from streams.errors import FalcolakeError
from streams.parquet import Group, Nesting, Source, write
from streams.segments import Segments, Usage, schema, translated
from streams.windows import Run, Window

#: DuckDB pins 2,048 rows at a time, however long, at commits and in scans: so at most this many
#: bytes of large records go into one segment.
LARGE_RECORD = 4_000
LARGE_BYTES = 16_000_000

#: Bytes of record values that one portion of rejects has, about.
PORTION_BYTES = 16_000_000

#: Texts that findings share, as many as are remembered to be in the current segment.
MOST_TEXTS = 50_000

FINDINGS = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("time", pa.int64()),
        ("region", pa.string()),
        ("account_id", pa.string()),
        ("event_day", pa.string()),
        ("rule", pa.int64()),
        ("scene", pa.int64()),
        ("body", pa.string()),
        ("raw_data", pa.string()),
        ("unmapped", pa.string()),
    ]
)
TEXTS = pa.schema([("id", pa.int64()), ("text", pa.string())])
REJECTS = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.int64()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("reason", pa.string()),
    ]
)
SIZE = "strlen(body) + strlen(raw_data) + strlen(unmapped)"


class Rejected(NamedTuple):
    """A record that waits for the dead-letter topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    reason: str


class Staging:
    """The segments of one worker. Use `with`; safe to call from several threads."""

    def __init__(self, path: Path, topic: str, mapping_version: str) -> None:
        self.path = path
        self._segments = Segments(path, topic, mapping_version)
        self._lock = threading.RLock()
        self._dropped: set[int] = set()
        self._exporting: dict[int, int] = {}
        self._current: int | None = None
        self._large = 0
        #: The texts in the current segment, and the next one's id: no two segments share one.
        self._texts: dict[str, int] = {}
        self._next_text = 0

    def open(self) -> list[Run]:
        """Open the directory and return the runs that earlier runs of the worker left.

        Raises Misconfigured if another worker uses the directory or it cannot be written.
        """
        runs = self._segments.open()
        self._next_text = self._segments.last_text + 1
        return runs

    def close(self) -> None:
        """Let go of the files and the directory; what is staged stays."""
        with self._lock:
            self._segments.close()

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- appending

    def append(self, rows: Rows) -> Run:
        """Write mapped records as one run, in one commit, to the current segment.

        A segment takes no more after `LARGE_BYTES` of large records, nor after an error, for then
        it may or may not hold the run.
        Raises Unavailable if there is no room, Misconfigured without the right to write.
        """
        with self._lock:
            try:
                with translated("stage records", self.path):
                    if rows.bytes > LARGE_RECORD * rows.records:
                        self._large += rows.bytes
                        if self._large > LARGE_BYTES:
                            self.roll()
                            self._large = rows.bytes
                    if self._current is None:
                        self._current = self._segments.create()
                    return self._insert(self._current, rows)
            except FalcolakeError:
                self.roll()
                raise

    def _insert(self, number: int, rows: Rows) -> Run:
        run = Run(
            number,
            rows.partition,
            rows.first,
            rows.end,
            rows.records,
            len(rows.findings),
            len(rows.rejects),
            rows.filtered,
            rows.bytes,
            rows.oldest,
        )
        name = schema(number)
        with self._segments.cursor() as cursor:  # closed after an error, which rolls back
            cursor.execute("BEGIN")
            if rows.findings:
                findings, texts = self._numbered(rows.findings)
                _insert(cursor, f"{name}.texts", texts)
                _insert(cursor, f"{name}.findings", findings, ", " + SIZE)
            if rows.rejects:
                _insert(cursor, f"{name}.rejects", _arrow(REJECTS, zip(*rows.rejects, strict=True)))
            cursor.execute(f"INSERT INTO {name}.runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", run[1:])
            with faults.around("append"):
                cursor.execute("COMMIT")
        return run

    def _numbered(self, findings: Sequence[tuple[Any, ...]]) -> tuple[pa.Table, pa.Table]:
        """Findings with ids in place of the texts they share, and the texts that are new."""
        columns = list(zip(*findings, strict=True))
        if len(self._texts) > MOST_TEXTS:
            self._texts.clear()
        places = [FINDINGS.get_field_index(part) for part in SHARED]
        new = dict.fromkeys(text for place in places for text in columns[place])
        ids = itertools.count(self._next_text)
        added = {text: next(ids) for text in new if text not in self._texts}
        self._texts |= added
        self._next_text += len(added)
        for place in places:
            columns[place] = tuple(map(self._texts.__getitem__, columns[place]))
        return _arrow(FINDINGS, columns), _arrow(TEXTS, (added.values(), added.keys()))

    def roll(self) -> None:
        """Close the current segment to appends; the next append opens a new one."""
        with self._lock:
            self._current, self._large = None, 0
            self._texts.clear()

    # ---- exporting

    def groups(self, window: Window) -> list[tuple[Group, int]]:
        """List the objects a window makes, in a fixed order, with their row counts."""
        if not window.runs:
            return []
        with self._reading(window), translated("read staged findings", self.path):
            found = (
                self._segments.cursor()
                .execute(
                    "SELECT region, account_id, event_day, count(*) FROM "
                    f"({_select('findings', window)}) GROUP BY ALL ORDER BY ALL"
                )
                .fetchall()
            )
        return [(Group(*row[:3]), row[3]) for row in found]

    def export(
        self,
        window: Window,
        group: Group,
        nesting: Nesting,
        metadata: Mapping[str, str],
        target: Path,
    ) -> None:
        """Write one object of a window as Parquet to `target`, see `parquet.write`."""
        source = Source(
            _select("findings", window),
            " UNION ALL ".join(f"SELECT * FROM {schema(n)}.texts" for n in _segments(window)),
        )
        with self._reading(window), translated("export a window", self.path):
            write(self._segments.cursor, source, group, nesting, metadata, target)

    def rejects(self, window: Window, first: int = 0) -> list[Rejected]:
        """Return the window's rejects from offset `first` on, by offset: a portion of them.

        So many that memory stays bounded, at least one; none if there are no more.
        """
        counts = window.counts
        if not counts.rejects:
            return []
        most = max(1, PORTION_BYTES * counts.records // max(1, window.bytes))
        with self._reading(window), translated("read staged rejects", self.path):
            found = (
                self._segments.cursor()
                .execute(
                    'SELECT "offset", "timestamp", "key", "value", reason FROM '
                    f'({_select("rejects", window)}) WHERE "offset" >= {first} '
                    f'ORDER BY "offset" LIMIT {min(most, 10_000)}'
                )
                .fetchall()
            )
        return [Rejected(*row) for row in found]

    @contextlib.contextmanager
    def _reading(self, window: Window) -> Iterator[None]:
        """Keep the window's segments attached while a query reads them."""
        numbers = _segments(window)
        with self._lock:
            for number in numbers:
                self._exporting[number] = self._exporting.get(number, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                for number in numbers:
                    self._exporting[number] -= 1
                    if not self._exporting[number]:
                        del self._exporting[number]
                        if number in self._dropped:
                            self.forget(number)

    # ---- forgetting

    def keep_only(self, runs: Iterable[Run]) -> None:
        """Unlink every segment that none of these runs needs."""
        needed = {run.segment for run in runs}
        with self._lock:
            for number in sorted(self._segments.numbers - needed):
                if number != self._current:
                    self.forget(number)

    def forget(self, number: int) -> None:
        """Unlink a segment, at once or when the last query that reads it is done."""
        with self._lock:
            if number in self._exporting:
                self._dropped.add(number)
                return
            self._dropped.discard(number)
            if number == self._current:
                self.roll()
            self._segments.remove(number)

    def usage(self) -> Usage:
        """Measure what staging takes and what the disk has left."""
        return self._segments.usage()


def _arrow(schema: pa.Schema, columns: Iterable[Iterable[Any]]) -> pa.Table:
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.table(arrays, schema=schema)


def _insert(
    cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, computed: str = ""
) -> None:
    cursor.register("batch", rows)
    cursor.execute(f"INSERT INTO {table} SELECT *{computed} FROM batch")
    cursor.unregister("batch")


def _select(table: str, window: Window) -> str:
    """SQL for a window's rows: of each segment just the offsets whose runs are the window's."""
    parts = []
    for segment, first, end in _ranges(window.runs):
        parts.append(
            f'SELECT * FROM {schema(segment)}.{table} WHERE "partition" = {window.partition} '
            f'AND "offset" >= {first} AND "offset" < {end}'
        )
    return " UNION ALL ".join(parts)


def _segments(window: Window) -> list[int]:
    return sorted({run.segment for run in window.runs})


def _ranges(runs: Iterable[Run]) -> list[tuple[int, int, int]]:
    """Join runs that follow each other in one segment: (segment, first, end)."""
    joined: list[tuple[int, int, int]] = []
    for run in runs:
        if joined and joined[-1][0] == run.segment and joined[-1][2] == run.first:
            joined[-1] = (run.segment, joined[-1][1], run.end)
        else:
            joined.append((run.segment, run.first, run.end))
    return joined
