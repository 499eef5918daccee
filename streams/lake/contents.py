"""Compares an object of the lake with the file that was to be put under its key.

Another version of DuckDB writes other bytes for the same rows. What counts are the rows, in their
order, and falcolake's own account in the footer. Both are read a few rows at a time, so memory does
not grow with the object.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

PREFIX = "falcolake."
#: Rows compared at once: a row may have a megabyte.
ROWS = 64
BUFFER = 1 << 20
#: The column of a record's Kafka timestamp.
LOGGED = ("metadata", "logged_time")
WINDOW = ("topic", "partition", "first", "end")


def account(metadata: "FileMetaData") -> dict[str, str]:
    """Return falcolake's own key-value metadata, names without their prefix."""
    return {
        name.decode().removeprefix(PREFIX): value.decode(errors="replace")
        for name, value in (metadata.metadata or {}).items()
        if name.startswith(PREFIX.encode())
    }


def difference(made: Path, there: BinaryIO) -> str | None:
    """Return what an object is instead of the file that was made; None if it has the same rows."""
    try:
        found = _opened(there)
        said = account(found.metadata)
    except (pa.ArrowException, OSError):
        return "it is not a Parquet file"
    if not said:
        return "another program wrote it: its footer has no falcolake metadata"
    with made.open("rb") as file:
        own = _opened(file)
        told = _told_apart(account(own.metadata), said)
        if told is not None:
            return told
        rows, wanted = found.metadata.num_rows, own.metadata.num_rows
        if rows != wanted:
            return f"it has {rows} rows, not {wanted}"
        if not found.schema_arrow.equals(own.schema_arrow):
            return "it has other columns"
        try:
            return None if _equal(own, found) else "it has other rows"
        except (pa.ArrowException, OSError) as error:
            return f"it is damaged: {str(error).splitlines()[0]}"


def logged_times(file: Path) -> set[int]:
    """Return the Kafka timestamps of an object's records, epoch ms; none if it is damaged."""
    try:
        with parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False) as found:
            return {
                time
                for batch in found.iter_batches(columns=[".".join(LOGGED)], use_threads=False)
                for row in batch.to_pylist()
                if (time := (row.get(LOGGED[0]) or {}).get(LOGGED[1])) is not None
            }
    except (pa.ArrowException, OSError):
        return set()


def _opened(file: BinaryIO) -> parquet.ParquetFile:
    return parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)


def _told_apart(own: dict[str, str], said: dict[str, str]) -> str | None:
    """Return the difference of two accounts; what only one has is of another version, and is none.

    The window itself must be there.
    """
    if any(said.get(name) != own[name] for name in WINDOW):
        what = " ".join(f"{name} {said.get(name)}" for name in WINDOW)
        return f"it is another window: {what}"
    if own.get("topic_id") and said.get("topic_id") not in {None, own["topic_id"]}:
        return (
            f"it is a window of an earlier topic of this name: its id was {said['topic_id']}, "
            f"and is {own['topic_id']} now"
        )
    differing = [name for name in own if said.get(name, own[name]) != own[name]]
    if not differing:
        return None
    what = ", ".join(f"{name} {said[name]} and not {own[name]}" for name in differing)
    return f"its footer says {what}"


def _equal(own: parquet.ParquetFile, found: parquet.ParquetFile) -> bool:
    """Return whether two files have the same rows in the same order, in whatever row groups."""
    mine, theirs = _batches(own), _batches(found)
    left = right = pa.record_batch([], schema=pa.schema([]))
    while True:
        left = left if len(left) else next(mine, left)
        right = right if len(right) else next(theirs, right)
        count = min(len(left), len(right))
        if not count:
            return len(left) == len(right)
        if not left.slice(0, count).equals(right.slice(0, count)):
            return False
        left, right = left.slice(count), right.slice(count)


def _batches(file: parquet.ParquetFile) -> Iterator[pa.RecordBatch]:
    return (batch for batch in file.iter_batches(ROWS, use_threads=False) if len(batch))
