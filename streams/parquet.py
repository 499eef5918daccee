"""One object: the staged findings of a window's group, in order, as Parquet.

The rows go through a COPY as a stream of sorted slices, so that memory does not grow with the
window. What findings share (`schemas.parts`) is parsed once for each slice, and not once a row. The
bytes of an object depend on its rows alone: where slices begin is a function of the rows too. A
COPY that was killed leaves a file that is cut off, so whoever calls gives it a temporary name.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from schemas.parts import SHARED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Bytes of text that one sort takes. DuckDB gives sorted rows out in partitions of 122,880, each
#: whole in memory: a window's alerts in one sort would not fit into the limit.
SLICE_BYTES = 32_000_000

#: Bytes of text per row group, which DuckDB holds in memory twice; far under the 256 MB allowed.
ROW_GROUP_BYTES = 48_000_000
ROW_GROUP_ROWS = 122_880

#: Security Lake asks for data pages of at most 1 MB before compression. In lists DuckDB looks at
#: the size only every 2,048 rows: with twice this limit a page of observables had 1.1 MB.
PAGE_BYTES = 500_000


class Group(NamedTuple):
    """Where findings are filed: one object of a window."""

    region: str
    account_id: str
    event_day: str


class Nesting(Protocol):
    """What makes an object's columns of staged rows, see `schemas.mapping.Mapping`."""

    @property
    def structures(self) -> Mapping[str, str]: ...
    def select(self, rows: str) -> str: ...


class Source(NamedTuple):
    """SQL for the findings of a window and for the texts that they share."""

    findings: str
    texts: str


def write(
    connect: Callable[[], "DuckDBPyConnection"],
    source: Source,
    group: Group,
    nesting: Nesting,
    metadata: Mapping[str, str],
    target: Path,
) -> None:
    """Write a group's rows to `target`, by time, then offset."""
    footer = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in metadata.items())
    with connect() as copy, connect() as reading:
        slices = _Slices(reading, source, group, nesting)
        options = (
            "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
            f"ROW_GROUP_SIZE {slices.row_group()}, DATA_PAGE_SIZE_LIMIT {PAGE_BYTES}, "
            f"TIMESTAMP_IS_ADJUSTED_TO_UTC true, KV_METADATA {{{footer}}}"
        )
        tables = slices.in_order()
        first = [next(tables)]
        stream = pa.RecordBatchReader.from_batches(first[0].schema, _batches(first, tables))
        copy.register("sorted", stream)
        rows = nesting.select("(SELECT * FROM sorted)")
        copy.execute(f"COPY ({rows}) TO {literal(str(target))} ({options})")


def _batches(first: list[pa.Table], rest: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """The batches of tables. The first leaves its list, so that nobody keeps a slice in memory."""
    yield from first.pop().to_batches()
    for table in rest:
        yield from table.to_batches()


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


class _Slices(NamedTuple):
    """The rows of a group, read by time and offset, a slice at a time."""

    reading: "DuckDBPyConnection"
    source: Source
    group: Group
    nesting: Nesting

    @property
    def findings(self) -> str:
        """SQL for the group's findings; its parameters are the group."""
        return (
            f"(SELECT * FROM ({self.source.findings}) WHERE region = $region "
            "AND account_id = $account_id AND event_day = $event_day)"
        )

    def row_group(self) -> int:
        """How many rows a row group has."""
        measure = f"SELECT count(*), sum(size) FROM {self.findings}"
        ((rows, size),) = self.reading.execute(measure, self.group._asdict()).fetchall()
        return max(1, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES * int(rows) // int(size or 1)))

    def in_order(self) -> Iterator[pa.Table]:
        """Yield the rows, at least one table of them; without rows an empty one.

        A COPY that reads this stream is one pipeline: of a UNION it would move small rests to the
        end.
        """
        starts = self.reading.execute(
            'SELECT min(("time", "offset")) AS start FROM (SELECT "time", "offset", '
            '(sum(size) OVER (ORDER BY "time", "offset" ROWS UNBOUNDED PRECEDING) - size) '
            f"// {SLICE_BYTES} AS slice FROM {self.findings}) GROUP BY slice ORDER BY start",
            self.group._asdict(),
        ).fetchall()
        starts = starts or [((0, 0),)]
        for (start,), (end,) in itertools.pairwise([*starts, (None,)]):
            rows = self.reading.sql(
                'SELECT "time", rule, scene, body, raw_data, unmapped '
                f'FROM {self.findings} {_between(start, end)} ORDER BY "time", "offset"',
                params=self.group._asdict(),
            ).to_arrow_table()
            for part in SHARED:
                column = rows.column_names.index(part)
                rows = rows.set_column(column, part, self._shared(part, rows[part]))
            yield rows

    def _shared(self, part: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """The structs of a part, one for each row.

        Not as an Arrow dictionary, of which DuckDB 2.0.1 cannot read one of structs.
        """
        distinct = pc.unique(ids)
        distinct = distinct.take(pc.sort_indices(distinct))
        return self._parsed(part, distinct).take(pc.index_in(ids, value_set=distinct))

    def _parsed(self, part: str, ids: pa.Array) -> pa.StructArray:
        """The texts with these ids, which are in order, as structs."""
        self.reading.register("wanted", pa.table({"id": ids}))
        found = self.reading.sql(
            f'SELECT from_json("text", {literal(self.nesting.structures[part])}) AS part '
            f"FROM ({self.source.texts}) JOIN wanted USING (id) ORDER BY id"
        ).to_arrow_table()
        self.reading.unregister("wanted")
        return found["part"].combine_chunks()


def _between(start: tuple[int, int], end: tuple[int, int] | None) -> str:
    """SQL for the rows from one (time, offset) to before another.

    The first half of each condition repeats what the second says: it lets DuckDB skip row groups.
    """
    where = f'WHERE "time" >= {start[0]} AND ("time" > {start[0]} OR "offset" >= {start[1]})'
    if end is not None:
        where += f' AND "time" <= {end[0]} AND ("time" < {end[0]} OR "offset" < {end[1]})'
    return where
