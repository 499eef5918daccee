"""One object: the staged findings of a window's group, in order, as Parquet.

The rows go through a COPY as a stream of sorted slices, so that memory does not grow with the
window. What findings share (`schemas.parts`) is parsed once for each slice, and not once a row. The
bytes of an object depend on its rows alone: where slices begin is a function of the rows too. A
COPY that was killed leaves a file that is cut off, so whoever calls gives it a temporary name.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from schemas.parts import SHARED
from streams import packed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Bytes of text that one slice has, about: it is in memory twice.
SLICE_BYTES = 16_000_000

#: Bytes of text per row group, about, which DuckDB holds in memory several times over.
ROW_GROUP_BYTES = 16_000_000
ROW_GROUP_ROWS = 122_880

#: Security Lake asks for data pages of at most 1 MB before compression. In lists DuckDB looks at
#: the size only every 2,048 rows: with twice this limit a page of observables had 1.1 MB.
PAGE_BYTES = 500_000

_ORDER = [("time", "ascending"), ("offset", "ascending")]
_KEYS = ("offset", "time", "size")


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


class Source(Protocol):
    """The findings to write, packed as they were staged."""

    def __call__(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the batches from number `begin` to before `end`, each time in the same order."""
        ...


def write(
    connect: Callable[[], "DuckDBPyConnection"],
    source: Source,
    nesting: Nesting,
    metadata: Mapping[str, str],
    target: Path,
) -> None:
    """Write the rows of `source` to `target`, by time, then offset."""
    footer = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in metadata.items())
    rows = _Rows(source)
    with connect() as copy, connect() as parsing:
        options = (
            "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
            f"ROW_GROUP_SIZE {rows.per_group()}, DATA_PAGE_SIZE_LIMIT {PAGE_BYTES}, "
            f"TIMESTAMP_IS_ADJUSTED_TO_UTC true, KV_METADATA {{{footer}}}"
        )
        slices = map(partial(_nested, parsing, nesting), rows.in_order())
        first = [next(slices)]
        stream = pa.RecordBatchReader.from_batches(first[0].schema, _batches(first, slices))
        copy.register("sorted", stream)
        select = nesting.select("(SELECT * FROM sorted)")
        copy.execute(f"COPY ({select}) TO {literal(str(target))} ({options})")


def _batches(first: list[pa.Table], rest: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """The batches of tables. The first leaves its list, so that nobody keeps a slice in memory."""
    yield from first.pop().to_batches()
    for table in rest:
        yield from table.to_batches()


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


class _Rows:
    """The rows of an object, and the slice that each of them belongs to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        batches = [packed.unpack(each, _KEYS) for each in source()]
        keys = pa.concat_tables([packed.SCHEMA.empty_table().select(_KEYS), *batches])
        order = pc.sort_indices(keys, _ORDER)
        sizes = keys["size"].combine_chunks().take(order)
        ends = pc.cumulative_sum(sizes)
        self._count, self._bytes = len(ends), ends[-1].as_py() if len(ends) else 0
        slices = pc.divide(pc.subtract(ends, sizes), SLICE_BYTES)
        self._slices = pc.unique(slices).to_pylist()
        #: Of each batch the slices of its rows, and the first and the last of them.
        self._places: list[pa.Array] = []
        self._spans: list[tuple[int, int]] = []
        slices, start = slices.take(pc.sort_indices(order)), 0
        for batch in batches:
            places = slices.slice(start, len(batch))
            span = pc.min_max(places)
            self._places.append(places)
            self._spans.append((span["min"].as_py(), span["max"].as_py()))
            start += len(batch)

    def per_group(self) -> int:
        """How many rows a row group has."""
        return max(1, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES * self._count // max(1, self._bytes)))

    def in_order(self) -> Iterator[pa.Table]:
        """Yield the rows slice by slice, at least one table of them; without rows an empty one.

        A COPY that reads this stream is one pipeline: of a UNION it would move small rests to the
        end.
        """
        # Neither this nor its callers keep a slice that they have given away in memory.
        yield from map(self._slice, self._slices)
        if not self._slices:
            yield packed.SCHEMA.empty_table()

    def _slice(self, number: int) -> pa.Table:
        having = [n for n, (low, high) in enumerate(self._spans) if low <= number <= high]
        begin, end = having[0], having[-1] + 1
        batches = enumerate(self._source(begin, end), begin)
        wanted = set(having)
        parts = [self._part(n, each, number) for n, each in batches if n in wanted]
        rows = pa.concat_tables(parts).unify_dictionaries()
        return rows.take(pc.sort_indices(rows, _ORDER))

    def _part(self, batch: int, findings: bytes, number: int) -> pa.Table:
        """The rows of a batch that are of a slice."""
        rows = packed.unpack(findings)
        if self._spans[batch] == (number, number):
            return rows
        return rows.filter(pc.equal(self._places[batch], number))


def _nested(connection: "DuckDBPyConnection", nesting: Nesting, rows: pa.Table) -> pa.Table:
    """Rows with what findings share as structs, one for each row.

    Not as an Arrow dictionary, of which DuckDB 2.0.1 cannot read one of structs.
    """
    for part in SHARED:
        column = rows[part].combine_chunks()
        texts = pa.table({"text": column.dictionary})
        connection.register("texts", texts)
        structure = literal(nesting.structures[part])
        parsed = connection.sql(f'SELECT from_json("text", {structure}) AS part FROM texts')
        structs = parsed.to_arrow_table()["part"].combine_chunks()
        connection.unregister("texts")
        place = rows.column_names.index(part)
        rows = rows.set_column(place, part, structs.take(column.indices))
    return rows
