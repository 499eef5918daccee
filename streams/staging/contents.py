"""Contents: what is staged of a window, for its objects. Reads segments; changes nothing.

A summary says which objects a window makes. A source yields the findings of one of them. Both
depend on the window's records alone, not on the appends that staged them.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas.ocsf.parts import SHARED
from streams.staging import filing, packed
from streams.staging.filing import (
    ACCOUNT_NOTE,
    DAY_NOTE,
    REGION_NOTE,
    Filing,
    place_of,
    region_and_account,
    too_many,
)
from streams.staging.parquet import Group, Source
from streams.staging.segments import schema
from streams.windows.batch import DIGEST_BYTES
from streams.windows.window import Run, Window

#: In place of a group: an append with findings of very many groups has one batch for all of them,
#: because a batch costs about as much as a hundred findings.
SEVERAL = Group("", "", "")


class Batch(NamedTuple):
    """Where an append's packed findings of one group are: its segment and its run's offset."""

    segment: int
    first: int
    group: Group


@dataclass(frozen=True, slots=True)
class Summary:
    """Which objects a window makes, with their row counts, and how many records are repeated.

    `filing` is None unless the findings are of many days or places. Then `batches` has where the
    rows of each object are; so many findings are filed under `other_days` and `other_places`.
    """

    groups: list[tuple[Group, int]]
    repeated: int
    filing: Filing | None = None
    batches: Mapping[Group, Sequence[Batch]] = field(default_factory=dict)
    other_days: int = 0
    other_places: int = 0


NOTHING = Summary([], 0)


class Stretch(NamedTuple):
    """Runs that follow each other in one segment: offsets `[first, end)`."""

    segment: int
    first: int
    end: int


def stretches(runs: Iterable[Run]) -> list[Stretch]:
    """Join runs that follow each other in one segment."""
    joined: list[Stretch] = []
    for run in runs:
        last = joined[-1] if joined else None
        if last is not None and (last.segment, last.end) == (run.segment, run.first):
            joined[-1] = last._replace(end=run.end)
        else:
            joined.append(Stretch(run.segment, run.first, run.end))
    return joined


def summarize(cursor: duckdb.DuckDBPyConnection, window: Window, home: str) -> Summary:
    """Return the summary of a window that has runs; `home` is the place of the settings."""
    repeated = _repeated(cursor, window)
    found = _rows(cursor, window, "findings", "region, account_id, event_day, findings")
    counts = Counter[Group]()
    for *group, findings in found:
        counts[Group(*group)] += findings
    days = {group.event_day for group in counts}
    places = {(group.region, group.account_id) for group in counts}
    if SEVERAL in counts or too_many(len(days), len(places)):
        return _crowded(cursor, window, home, repeated)
    return Summary(sorted(counts.items()), repeated)


def source(
    cursor: duckdb.DuckDBPyConnection, window: Window, group: Group, summary: Summary
) -> Source:
    """Return the findings of one object."""
    if summary.filing is None:
        return _Batches(cursor, window, group)
    return _Filed(cursor, window, group, summary.filing, summary.batches[group])


def _rows(
    cursor: duckdb.DuckDBPyConnection, window: Window, table: str, columns: str
) -> Iterator[Any]:
    """Yield these columns of a table's rows that are the window's, by offset."""
    for part in stretches(window.runs):
        yield from cursor.execute(
            f'SELECT {columns} FROM {schema(part.segment)}.{table} WHERE "partition" = ? '
            'AND "first" >= ? AND "first" < ? ORDER BY "first"',
            [window.partition, part.first, part.end],
        ).fetchall()


def _repeated(cursor: duckdb.DuckDBPyConnection, window: Window) -> int:
    """Return how many of a window's records have the digest of an earlier one."""
    joined = b"".join(digests for (digests,) in _rows(cursor, window, "runs", "digests"))
    count = len(joined) // DIGEST_BYTES
    digests = pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(joined)])
    distinct: int = pc.count_distinct(digests).as_py()
    return count - distinct


# ---- windows of few groups


class _Place(NamedTuple):
    """Where a batch of packed findings is: its segment and the first offset of its run."""

    segment: int
    first: int


class _Batches:
    """The packed findings of a window's group."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, window: Window, group: Group) -> None:
        self._cursor = cursor
        self._where = (
            f'"partition" = {window.partition} AND region = ? AND account_id = ? AND event_day = ?'
        )
        self._group = group
        self._places: list[_Place] = []
        for part in stretches(window.runs):
            found = self._read("first", part.segment, part.first, part.end - 1)
            self._places += [_Place(part.segment, first) for (first,) in found]

    def __call__(
        self, columns: Sequence[str], begin: int = 0, end: int | None = None
    ) -> Iterator[pa.Table]:
        for segment, places in itertools.groupby(self._places[begin:end], _segment):
            firsts = [place.first for place in places]
            for (findings,) in self._read("packed", segment, firsts[0], firsts[-1]):
                yield packed.unpack(findings, columns)

    def _read(self, column: str, segment: int, low: int, high: int) -> list[Any]:
        return self._cursor.execute(
            f'SELECT "{column}" FROM {schema(segment)}.findings WHERE {self._where} '
            'AND "first" BETWEEN ? AND ? ORDER BY "first"',
            [*self._group, low, high],
        ).fetchall()


# ---- windows of many groups


_DAYS = ("time", "recorded")
_segment = attrgetter("segment")


def _crowded(
    cursor: duckdb.DuckDBPyConnection, window: Window, home: str, repeated: int
) -> Summary:
    """Return the summary of a window whose findings are of many days or places."""
    batches: list[tuple[Batch, pa.Table]] = []
    own, recorded, places = Counter[int](), Counter[int](), Counter[str]()
    for part in stretches(window.runs):
        for batch, content in _read(cursor, window, part.segment, part.first, part.end - 1):
            origins = _origins(batch, packed.unpack(content, _columns(batch)))
            batches.append((batch, origins))
            own.update(origins["day"].to_pylist())
            recorded.update(origins["recorded"].to_pylist())
            places.update(origins["place"].to_pylist())
    limited = filing.limit(own, recorded, places, home)
    counts, other_days, other_places = Counter[Group](), 0, 0
    having: dict[Group, list[Batch]] = {}
    for batch, origins in batches:
        filed = _filed(limited, origins)
        other_days += pc.sum(pc.not_equal(filed["day"], origins["day"])).as_py() or 0
        other_places += pc.sum(pc.not_equal(filed["place"], origins["place"])).as_py() or 0
        for row in filed.group_by(["place", "day"]).aggregate([([], "count_all")]).to_pylist():
            group = Group(*region_and_account(row["place"]), filing.name_of(row["day"]))
            having.setdefault(group, []).append(batch)
            counts[group] += row["count_all"]
    groups = sorted(counts.items())
    return Summary(groups, repeated, limited, having, other_days, other_places)


def _columns(batch: Batch) -> tuple[str, ...]:
    """Return the columns that say where the findings of a batch belong."""
    return (*_DAYS, "place") if batch.group == SEVERAL else _DAYS


def _origins(batch: Batch, rows: pa.Table) -> pa.Table:
    """Return the findings' own days, their records' days, and their own places."""
    times, recorded = (rows[name].combine_chunks() for name in _DAYS)
    if batch.group == SEVERAL:
        places = pc.cast(rows["place"].combine_chunks(), pa.string())
    else:
        region, account_id, _ = batch.group
        places = pa.repeat(pa.scalar(place_of(region, account_id), pa.string()), len(rows))
    return pa.table({"day": filing.days_of(times), "recorded": recorded, "place": places})


def _filed(limited: Filing, origins: pa.Table) -> pa.Table:
    """Return the days and places under which findings are filed."""
    day, recorded, place = (column.combine_chunks() for column in origins.columns)
    return pa.table({"day": limited.of(day, recorded), "place": limited.places_of(place)})


def _read(
    cursor: duckdb.DuckDBPyConnection, window: Window, segment: int, low: int, high: int
) -> Iterator[tuple[Batch, bytes]]:
    """Yield the packed findings of the window's runs that begin at `low` to `high`."""
    found = cursor.execute(
        f'SELECT "first", region, account_id, event_day, packed FROM {schema(segment)}.findings '
        'WHERE "partition" = ? AND "first" BETWEEN ? AND ? ORDER BY ALL',
        [window.partition, low, high],
    ).fetchall()
    for first, *group, content in found:
        yield Batch(segment, first, Group(*group)), content


class _Filed:
    """The findings that are filed under one group in a window of many groups."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        window: Window,
        group: Group,
        limited: Filing,
        batches: Sequence[Batch],
    ) -> None:
        self._cursor = cursor
        self._window = window
        self._filing = limited
        self._day = filing.number_of(group.event_day)
        self._place = place_of(group.region, group.account_id)
        self._batches = batches

    def __call__(
        self, columns: Sequence[str], begin: int = 0, end: int | None = None
    ) -> Iterator[pa.Table]:
        for segment, batches in itertools.groupby(self._batches[begin:end], _segment):
            wanted = dict.fromkeys(batches)
            firsts = [batch.first for batch in wanted]
            for batch, content in _read(self._cursor, self._window, segment, firsts[0], firsts[-1]):
                if batch in wanted:
                    rows = packed.unpack(content, {*columns, *_columns(batch)})
                    yield self._here(rows, _origins(batch, rows)).select(columns)

    def _here(self, rows: pa.Table, origins: pa.Table) -> pa.Table:
        """Return the rows that are filed here; those of elsewhere say so in `unmapped`."""
        filed = _filed(self._filing, origins)
        here = pc.and_(pc.equal(filed["day"], self._day), pc.equal(filed["place"], self._place))
        rows, origins = rows.filter(here).combine_chunks(), origins.filter(here)
        own = (origins["day"].to_pylist(), origins["place"].to_pylist())
        for name in {*SHARED, "unmapped"}.intersection(rows.column_names):
            texts = pc.cast(rows[name], pa.string())
            if name == "unmapped":
                texts = pa.array(map(self._noted, texts.to_pylist(), *own), pa.string())
            else:
                texts = pc.dictionary_encode(texts)
            rows = rows.set_column(rows.column_names.index(name), name, texts)
        return rows

    def _noted(self, unmapped: str, day: int, place: str) -> str:
        notes = {}
        if day != self._day:
            notes[DAY_NOTE] = filing.name_of(day)
        if place != self._place:
            notes[REGION_NOTE], notes[ACCOUNT_NOTE] = region_and_account(place)
        return filing.noted(unmapped, notes) if notes else unmapped
