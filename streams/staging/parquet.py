"""One object: the staged findings of a window's group, in order, as Parquet.

A COPY reads the rows as a stream of sorted slices, so that memory does not grow with the window.
Texts that findings share (`schemas.ocsf.parts`) are parsed once for an object, and a row refers to
them by number. The bytes of an object depend on its rows alone, and so do the bounds of the slices.
A COPY that is killed leaves a truncated file, so callers write to a temporary name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas.mapping import Mapping
from schemas.ocsf.parts import MORE, SHARED, met
from streams.errors import Unavailable
from streams.staging import packed
from streams.staging.enums import enumerated, literal

ROW_GROUP_ROWS = 122_880

#: Security Lake asks for data pages of at most 1 MB before compression. In lists DuckDB checks the
#: size only every 2,048 rows: with twice this limit, a page of observables had 1.1 MB.
PAGE_BYTES = 500_000

_ORDER = [("time", "ascending"), ("offset", "ascending")]
_KEYS = ("offset", "time", "size")


class Group(NamedTuple):
    """Where findings are filed. A window makes one object for each group."""

    region: str
    account_id: str
    event_day: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much a COPY handles at once."""

    #: Memory that it may take; it needs a fifth. Whenever it has freed this much, DuckDB returns it
    #: to the kernel, which clears each page before DuckDB gets it again.
    memory: str = "1GB"
    #: Bytes of text in a slice, about: it is in memory twice.
    slice_bytes: int = 8_000_000
    #: Most bytes of a shared part's texts that an object parses once and keeps in memory. Above
    #: this, findings share too little, and are parsed one by one.
    shared_bytes: int = 4_000_000
    #: Bytes of text in a row group, about: DuckDB holds it in memory several times.
    row_group_bytes: int = 16_000_000
    #: From so many rows on, ENUMs (`enums`) save more than the planning of their types takes.
    enums_from: int = 5_000


SIZES = Sizes()


class Source(Protocol):
    """The findings to write, in batches as they were staged."""

    def __call__(
        self, columns: Sequence[str], begin: int = 0, end: int | None = None
    ) -> Iterator[pa.Table]:
        """Yield these columns of batches `begin` to `end`, without the last, in a fixed order.

        Each column is one chunk, and a shared part's dictionary has just the batch's texts.
        """
        ...


def connect(memory: str, temporary: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that takes at most so much memory; the rest goes to a directory."""
    made = duckdb.connect()
    made.execute(
        f"SET threads=1; SET memory_limit='{memory}'; SET preserve_insertion_order=true;"
        "SET enable_progress_bar=false; SET TimeZone='UTC';"
    )
    made.execute("SET temp_directory=?", [str(temporary)])
    return made


class Writer:
    """Writes objects, in a separate DuckDB whose memory staging does not share."""

    def __init__(self, temporary: Path, sizes: Sizes = SIZES) -> None:
        """`temporary` is the directory for what does not fit into memory."""
        self._temporary = temporary
        self._sizes = sizes
        self._db: duckdb.DuckDBPyConnection | None = None

    def open(self) -> None:
        """Start the DuckDB."""
        self._db = connect(self._sizes.memory, self._temporary)
        # DuckDB does not know that the stream of findings is the long side of a join, and must not
        # be collected in memory. Statistics of hundreds of attributes cost a small object an eighth
        # of its time, and a stream has none.
        self._db.execute(
            "SET disabled_optimizers='join_order,build_side_probe_side,statistics_propagation'"
        )

    def close(self) -> None:
        """Release its memory."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def write(
        self, source: Source, mapping: Mapping, metadata: dict[str, str], target: Path
    ) -> None:
        """Write the rows of `source` to `target`, by time, then offset.

        Raises Unavailable unless it is open, or a duckdb.Error.
        """
        if self._db is None:
            raise Unavailable("staging is closed", "the worker is stopping: start it again")
        footer = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in metadata.items())
        rows = _Rows(source, self._sizes)
        options = (
            "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
            f"ROW_GROUP_SIZE {rows.per_group()}, DATA_PAGE_SIZE_LIMIT {PAGE_BYTES}, "
            f"TIMESTAMP_IS_ADJUSTED_TO_UTC true, KV_METADATA {{{footer}}}"
        )
        slices = rows.in_order()
        first = [next(slices)]
        stream = pa.RecordBatchReader.from_batches(first[0].schema, _batches(first, slices))
        with self._db.cursor() as copy:
            copy.register("sorted", stream)
            for part, texts in rows.texts.items():
                copy.register(f"{part}_texts", texts)
            select = mapping.select(_parsed(mapping, rows), more=rows.more)
            copy.execute(f"COPY ({select}) TO {literal(str(target))} ({options})")


def _parsed(mapping: Mapping, rows: "_Rows") -> str:
    """Return SQL for the rows with shared texts as structs, from a list or each row's own text."""
    tables, parts = ["sorted"], []
    for part in SHARED:
        if part in rows.texts:
            one = mapping.parsed(part, '"text"', more=rows.more)
            if rows.enums:
                texts = rows.texts[part]["text"].to_pylist()
                structure = mapping.structure(part, more=rows.more)
                type_ = enumerated(structure, texts, met(more=rows.more))
                one = f"({one})::{type_}"
            tables.append(f"(SELECT list({one}) AS {part}s FROM {part}_texts)")
            parts.append(f"{part}s[{part}] AS {part}")
        else:
            parts.append(f"{mapping.parsed(part, part, more=rows.more)} AS {part}")
    return f"(SELECT * REPLACE ({', '.join(parts)}) FROM {', '.join(tables)})"


def _batches(first: list[pa.Table], rest: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of tables. The first leaves its list, so that nothing keeps its memory."""
    yield from first.pop().to_batches()
    for table in rest:
        yield from table.to_batches()


class _Rows:
    """The rows of an object, and the slice that each belongs to."""

    def __init__(self, source: Source, sizes: Sizes) -> None:
        self._source = source
        self._row_group_bytes = sizes.row_group_bytes
        self._shared = {part: _Texts(sizes.shared_bytes) for part in SHARED}
        batches, has_more = [], False
        for batch in source((*_KEYS, *SHARED)):
            has_more = has_more or _has_more(batch)
            for part, texts in self._shared.items():
                texts.add(batch[part])
            batches.append(batch.select(_KEYS))
        #: Tables of the texts that rows refer to by number.
        self.texts = {part: found.table() for part, found in self._shared.items() if found.few}
        keys = pa.concat_tables([packed.SCHEMA.empty_table().select(_KEYS), *batches])
        order = pc.sort_indices(keys, _ORDER)
        lengths = keys["size"].combine_chunks().take(order)
        ends = pc.cumulative_sum(lengths)
        self._count, self._bytes = len(ends), ends[-1].as_py() if len(ends) else 0
        #: Whether text attributes of few values are to be ENUMs.
        self.enums = self._count >= sizes.enums_from
        #: Whether any finding may have more evidences than the first; told exactly for ENUMs.
        self.more = not self.enums or has_more
        slices = pc.divide(pc.subtract(ends, lengths), sizes.slice_bytes)
        self._slices = pc.unique(slices).to_pylist()
        #: For each batch, the slice of each row, and the set of these slices.
        self._places: list[pa.Array] = []
        self._having: list[frozenset[int]] = []
        slices, start = slices.take(pc.sort_indices(order)), 0
        for batch in batches:
            places = slices.slice(start, len(batch))
            self._places.append(places)
            self._having.append(frozenset(pc.unique(places).to_pylist()))
            start += len(batch)

    def per_group(self) -> int:
        """Return how many rows a row group has."""
        fitting = self._row_group_bytes * self._count // max(1, self._bytes)
        return max(1, min(ROW_GROUP_ROWS, fitting))

    def in_order(self) -> Iterator[pa.Table]:
        """Yield the rows slice by slice; without rows, yield one empty table.

        A COPY of one stream is a single pipeline. From a UNION it would move small remainders to
        the end.
        """
        # Neither this nor its callers keep a slice in memory after passing it on.
        yield from map(self._slice, self._slices)
        if not self._slices:
            numbers = [pa.field(part, pa.int32()) for part in SHARED]
            texts = [field for field in packed.SCHEMA if field.name not in SHARED]
            yield pa.schema([*numbers, *texts]).empty_table()

    def _slice(self, number: int) -> pa.Table:
        wanted = [n for n, slices in enumerate(self._having) if number in slices]
        begin, end = wanted[0], wanted[-1] + 1
        batches = enumerate(self._source(packed.SCHEMA.names, begin, end), begin)
        parts = [self._part(n, each, number) for n, each in batches if number in self._having[n]]
        return _ordered(pa.concat_tables(parts))

    def _part(self, batch: int, rows: pa.Table, number: int) -> pa.Table:
        """Return the rows of a batch that belong to a slice."""
        for part in SHARED:
            column = self._shared[part].of(batch, rows[part])
            rows = rows.set_column(rows.column_names.index(part), part, column)
        if len(self._having[batch]) == 1:
            return rows
        return rows.filter(pc.equal(self._places[batch], number))


def _has_more(batch: pa.Table) -> bool:
    return packed.may_have_more(batch) and any(
        MORE in body for body in batch["body"].chunk(0).dictionary.to_pylist()
    )


def _ordered(rows: pa.Table) -> pa.Table:
    """Return rows by time, then offset. Texts stay where they are; a row has their index."""
    order = pc.cast(pc.sort_indices(rows, _ORDER), pa.int32())
    columns = [
        pa.DictionaryArray.from_arrays(order, column.combine_chunks())
        if pa.types.is_string(column.type)
        else column.take(order)
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names)


class _Texts:
    """The texts of a shared part, numbered from 1 as long as there are few."""

    def __init__(self, most_bytes: int) -> None:
        self.few = True
        self._most_bytes = most_bytes
        self._numbers: dict[str, int] = {}
        self._bytes = 0
        #: For each batch, the numbers of its texts.
        self._batches: list[pa.Array] = []

    def table(self) -> pa.Table:
        """Return the texts in the order of their numbers."""
        return pa.table({"text": pa.array(self._numbers, pa.string())})

    def add(self, column: pa.ChunkedArray) -> None:
        """Number the texts of the next batch."""
        if not self.few:
            return
        texts = column.chunk(0).dictionary.to_pylist()
        for text in texts:
            if text not in self._numbers:
                self._numbers[text] = len(self._numbers) + 1
                self._bytes += len(text)
        self._batches.append(pa.array(map(self._numbers.__getitem__, texts), pa.int32()))
        if self._bytes > self._most_bytes:
            self.few = False
            self._numbers, self._batches = {}, []

    def of(self, batch: int, column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Return the column of a batch as numbers, or as texts if there are too many."""
        if not self.few:
            return pc.cast(column, pa.string())
        return self._batches[batch].take(column.chunk(0).indices)
