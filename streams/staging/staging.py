"""Staging: findings and rejects that are not in the lake yet, in DuckDB files (`segments`).

Each append is one commit: its runs, with a row for the offsets of each and one for each group,
with the findings (`packed`); and its rejects. After kill -9 an append is there completely or not at
all. Staging is a cache: what it loses is read from Kafka again.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from schemas.mapping import Finding, Mapping
from streams import faults
from streams.errors import Corrupt, FalcolakeError
from streams.staging import contents, packed
from streams.staging.contents import NOTHING, SEVERAL, Summary
from streams.staging.directory import TEMPORARY_COPY, export_name, make_private
from streams.staging.filing import place_of
from streams.staging.parquet import SIZES, Group, Sizes, Writer
from streams.staging.segments import (
    Segments,
    entry_of,
    group_name,
    insert,
    schema,
    translated,
)
from streams.windows.batch import Rejected, Rows, size_of
from streams.windows.room import Usage
from streams.windows.window import Run, Window

#: Most bytes of packed findings and rejects in one segment, unless one batch has more: at commits
#: and in scans DuckDB pins 2,048 rows at a time, however long they are.
SEGMENT_BYTES = 16_000_000

#: Bytes in one portion of rejects, unless those of one append have more.
PORTION_BYTES = 4_000_000

#: Most rejects in one portion: they are all sent to Kafka at once.
PORTION_REJECTS = 1_000


class Stored(NamedTuple):
    """A row of a segment's `appends`: packed findings of a group, or a run's entry."""

    partition: int
    first: int
    group: str | None
    content: bytes


class Piece(NamedTuple):
    """A piece of an append's packed rejects: a row of a segment's `rejects`."""

    partition: int
    first: int
    piece: int
    pieces: int
    packed: bytes


class Staging:
    """The segments of one worker. Use `with`; safe to call from several threads.

    `home` is the settings' region and account, for findings of too many places (`filing`).
    `segment_bytes`, `portion_bytes` and `sizes` limit what it handles at once, for bounded memory.
    """

    def __init__(
        self,
        path: Path,
        topic: str,
        mapping_version: str,
        home: tuple[str, str],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        portion_bytes: int = PORTION_BYTES,
        sizes: Sizes = SIZES,
    ) -> None:
        self.path = path
        self.home = home
        self._segments = Segments(path, topic, mapping_version)
        self._segment_bytes = segment_bytes
        self._portion_bytes = portion_bytes
        self._writer = Writer(path / TEMPORARY_COPY, sizes)
        self._lock = threading.RLock()
        self._dropped: set[int] = set()
        self._exporting: dict[int, int] = {}
        #: The latest window of each partition with its summary, which its objects share.
        self._summaries: dict[int, tuple[Window, Summary]] = {}
        self._current: int | None = None
        #: Bytes of packed findings and of rejects in the current segment.
        self._filled = 0

    def open(self) -> list[Run]:
        """Open the directory and return the runs that earlier workers left in it.

        Raises Misconfigured if another worker uses the directory, it holds other files, or it
        cannot be written.
        """
        runs = self._segments.open()
        self._writer.open()
        return runs

    def close(self) -> None:
        """Release the files and the directory; what is staged stays."""
        with self._lock:
            self._segments.close()
            self._writer.close()

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- appending

    def append(self, rows: Rows) -> Run:
        """Write mapped records as one run, see `append_all`."""
        return self.append_all([rows])[0]

    def append_all(self, rows: Sequence[Rows]) -> list[Run]:
        """Write each as one run, all in one commit, to the current segment.

        A new segment begins when this one has `segment_bytes`, and after an error, which leaves
        unknown whether the segment holds the runs.
        Raises Unavailable if there is no room, Misconfigured without the right to write.
        """
        stored = [row for each in rows for row in _stored(each)]
        rejects = [piece for each in rows for piece in _pieces(each)]
        size = sum(len(each.content) for each in stored)
        size += sum(len(each.packed) for each in rejects)
        with self._lock:
            try:
                with translated("stage records", self.path):
                    if self._filled + size > self._segment_bytes:
                        self.roll()
                    if self._current is None:
                        self._current = self._segments.create()
                    self._segments.make_room(size)
                    self._filled += size
                    self._insert(schema(self._current), stored, rejects)
                    return [run_of(self._current, each) for each in rows]
            except FalcolakeError:
                self.roll()
                raise

    def _insert(self, name: str, stored: Sequence[Stored], rejects: Sequence[Piece]) -> None:
        with self._segments.cursor() as cursor:  # closed after an error, which rolls back
            cursor.execute("BEGIN")
            insert(cursor, f"{name}.appends", stored)
            for piece in rejects:  # one at a time: DuckDB holds what it inserts several times
                insert(cursor, f"{name}.rejects", [piece])
            with faults.around("append"):
                cursor.execute("COMMIT")

    def roll(self) -> None:
        """Close the current segment to appends; the next append opens a new one."""
        with self._lock:
            self._current, self._filled = None, 0

    # ---- exporting

    def target(self, number: int) -> Path:
        """Return a file for an export; the next start removes it if it is left."""
        return self.path / export_name(number)

    def groups(self, window: Window) -> list[tuple[Group, int]]:
        """Return the groups of a window's findings, in a fixed order, with their row counts."""
        return self.summary(window).groups

    def summary(self, window: Window) -> Summary:
        """Return what is known of a window's findings and records before it is exported."""
        known = self._summaries.get(window.partition)
        if known is None or known[0] != window:
            known = window, self._summarize(window)
            self._summaries[window.partition] = known
        return known[1]

    def _summarize(self, window: Window) -> Summary:
        if not window.runs:
            return NOTHING
        with (
            self._reading(window),
            translated("read staged findings", self.path),
            self._segments.cursor() as cursor,
        ):
            return contents.summarize(cursor, window, place_of(*self.home))

    def export(
        self,
        window: Window,
        group: Group,
        mapping: Mapping,
        metadata: dict[str, str],
        target: Path,
    ) -> None:
        """Write one object of a window as Parquet to `target`, see `parquet.Writer`."""
        summary = self.summary(window)
        with (
            self._reading(window),
            translated("export a window", self.path),
            self._segments.cursor() as reading,
        ):
            source = contents.source(reading, window, group, summary)
            self._writer.write(source, mapping, metadata, target)
            make_private(target)

    def rejects(self, window: Window, first: int = 0) -> list[Rejected]:
        """Return the next portion of the window's rejects, from offset `first` on, by offset.

        A portion is limited so that memory stays bounded; it is empty only if there are no more.
        """
        portion: list[Rejected] = []
        size = 0
        with self._reading(window), translated("read staged rejects", self.path):
            for run in window.runs:
                if size >= self._portion_bytes or len(portion) >= PORTION_REJECTS:
                    break
                if run.rejects and run.end > first:
                    found = packed.unpack_rejects(self._read_pieces(run))
                    left = [each for each in found if each.offset >= first]
                    portion += left
                    size += sum(map(size_of, left))
        return portion[:PORTION_REJECTS]

    def _read_pieces(self, run: Run) -> Iterator[bytes]:
        """Yield the pieces of an append's rejects, one query for each: a record may be huge."""
        with self._segments.cursor() as cursor:
            piece, pieces = 0, 1
            while piece < pieces:
                found = cursor.execute(
                    f"SELECT pieces, packed FROM {schema(run.segment)}.rejects "
                    f'WHERE "partition" = ? AND "first" = ? AND piece = ?',
                    [run.partition, run.first, piece],
                ).fetchone()
                if found is None:
                    raise Corrupt(
                        f"staging lacks the rejects of offsets [{run.first}, {run.end})",
                        "restart the worker with an empty staging directory",
                    )
                pieces, content = found
                yield content
                piece += 1

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


_group = attrgetter(*Group._fields)

#: The most groups of an append that have a batch each.
_MOST_BATCHES = 128


def _stored(rows: Rows) -> Iterator[Stored]:
    """Yield the rows of a run: the findings of each group, packed, and its entry."""
    groups = _grouped(rows, _group)
    several = len(groups) > _MOST_BATCHES
    if several:
        groups = {SEVERAL: (rows.offsets, rows.timestamps, rows.findings)}
    for group, columns in groups.items():
        content = packed.pack(*columns, placed=several)
        yield Stored(rows.partition, rows.first, group_name(Group(*group)), content)
    counts = [(Group(*group), len(offsets)) for group, (offsets, *_) in groups.items()]
    entry = entry_of(run_of(0, rows), counts, b"".join(rows.digests))
    yield Stored(rows.partition, rows.first, None, entry)


def _pieces(rows: Rows) -> list[Piece]:
    """Pack the rejects of an append."""
    if not rows.rejects:
        return []
    pieces = packed.pack_rejects(rows.rejects)
    return [
        Piece(rows.partition, rows.first, number, len(pieces), content)
        for number, content in enumerate(pieces)
    ]


def run_of(segment: int, rows: Rows) -> Run:
    """Return what a segment holds of rows, without the rows."""
    return Run(
        segment,
        rows.partition,
        rows.first,
        rows.end,
        rows.records,
        len(rows.findings),
        len(rows.rejects),
        rows.filtered,
        rows.bytes,
        rows.oldest,
        rows.topic_id,
        rows.leader_epoch,
    )


Columns = tuple[list[int], list[int], list[Finding]]


def _grouped(
    rows: Rows, group_of: Callable[[Finding], tuple[str, str, str]]
) -> dict[tuple[str, str, str], Columns]:
    """Return the offsets, timestamps and findings of each group of an append."""
    places = list(map(group_of, rows.findings))
    if len(set(places)) == 1:
        return {places[0]: (rows.offsets, rows.timestamps, rows.findings)}
    groups: dict[tuple[str, str, str], Columns] = {}
    each = zip(places, rows.offsets, rows.timestamps, rows.findings, strict=True)
    for group, offset, timestamp, finding in each:
        if group not in groups:
            groups[group] = [], [], []
        offsets, timestamps, findings = groups[group]
        offsets.append(offset)
        timestamps.append(timestamp)
        findings.append(finding)
    return groups


def _segments(window: Window) -> list[int]:
    return sorted({run.segment for run in window.runs})
