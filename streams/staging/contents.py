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
from streams.staging.segments import Entry, group_name, group_of, read_entry, schema
from streams.windows.batch import DIGEST_BYTES
from streams.windows.window import Run, Window

#: In place of a group: an append with findings of very many groups has one batch for all of them,
#: because a batch costs about as much as a hundred findings.
SEVERAL = Group("", "", "")

#: Bytes of the records whose findings are read together from several appends, at most.
JOINED_BYTES = 1_000_000


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
    entries = list(_entries(cursor, window))
    repeated = _repeated(entries)
    counts = Counter[Group]()
    for entry in entries:
        for group, findings in entry.groups:
            counts[group] += findings
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


def _entries(cursor: duckdb.DuckDBPyConnection, window: Window) -> Iterator[Entry]:
    """Yield the entries of the window's runs, by offset."""
    for part in stretches(window.runs):
        found = cursor.execute(
            f'SELECT content FROM {schema(part.segment)}.appends WHERE "group" IS NULL AND '
            '"partition" = ? AND "first" >= ? AND "first" < ? ORDER BY "first"',
            [window.partition, part.first, part.end],
        ).fetchall()
        for (content,) in found:
            yield read_entry(content)


def _repeated(entries: Sequence[Entry]) -> int:
    """Return how many of a window's records have the digest of an earlier one."""
    joined = b"".join(entry.digests for entry in entries)
    count = len(joined) // DIGEST_BYTES
    digests = pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(joined)])
    distinct: int = pc.count_distinct(digests).as_py()
    return count - distinct


# ---- windows of few groups


class _Place(NamedTuple):
    """Where a batch of packed findings is: in so many appends of a segment.

    `low` and `high` are the first offsets of the first and the last append. One append has any
    number of findings, several have `few` each, of records of so many `bytes`.
    """

    segment: int
    low: int
    high: int
    appends: int
    few: bool
    bytes: int


def _joined(segment: int, firsts: Iterable[int], runs: Mapping[int, Run]) -> list[_Place]:
    """Return the batches of these appends: those with few findings are joined with the next."""
    places: list[_Place] = []
    for first in firsts:
        run = runs[first]
        few = run.findings <= packed.FEW
        last = places[-1] if places else None
        if last and last.few and few and last.bytes + run.bytes <= JOINED_BYTES:
            places[-1] = _Place(
                segment, last.low, first, last.appends + 1, few, last.bytes + run.bytes
            )
        else:
            places.append(_Place(segment, first, first, 1, few, run.bytes))
    return places


class _Batches:
    """The packed findings of a window's group."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, window: Window, group: Group) -> None:
        self._cursor = cursor
        self._partition = window.partition
        self._group = group_name(group)
        self._places: list[_Place] = []
        runs = {run.first: run for run in window.runs}
        for part in stretches(window.runs):
            firsts = self._read("first", part.segment, part.first, part.end - 1)
            self._places += _joined(part.segment, firsts, runs)

    def __call__(
        self, columns: Sequence[str], begin: int = 0, end: int | None = None
    ) -> Iterator[pa.Table]:
        for segment, found in itertools.groupby(self._places[begin:end], _segment):
            places = list(found)
            contents = iter(self._read("content", segment, places[0].low, places[-1].high))
            for place in places:
                batch = list(itertools.islice(contents, place.appends))
                yield packed.unpack_all(batch, columns)

    def _read(self, column: str, segment: int, low: int, high: int) -> list[Any]:
        """Return a column of the group's rows in appends from `low` to `high`, by offset."""
        found = self._cursor.execute(
            f'SELECT "{column}" FROM {schema(segment)}.appends WHERE "partition" = ? '
            'AND "group" = ? AND "first" BETWEEN ? AND ? ORDER BY "first"',
            [self._partition, self._group, low, high],
        ).fetchall()
        return [value for (value,) in found]


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
        f'SELECT "first", "group", content FROM {schema(segment)}.appends WHERE "partition" = ? '
        'AND "first" BETWEEN ? AND ? AND "group" IS NOT NULL ORDER BY ALL',
        [window.partition, low, high],
    ).fetchall()
    for first, name, content in found:
        yield Batch(segment, first, group_of(name)), content


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
        for name in set(SHARED).intersection(rows.column_names):
            texts = pc.cast(rows[name], pa.string())
            if name == "unmapped":
                texts = pa.array(map(self._noted, texts.to_pylist(), *own), pa.string())
            encoded = pc.dictionary_encode(texts)
            rows = rows.set_column(rows.column_names.index(name), name, encoded)
        return rows

    def _noted(self, unmapped: str, day: int, place: str) -> str:
        notes = {}
        if day != self._day:
            notes[DAY_NOTE] = filing.name_of(day)
        if place != self._place:
            notes[REGION_NOTE], notes[ACCOUNT_NOTE] = region_and_account(place)
        return filing.noted(unmapped, notes) if notes else unmapped
