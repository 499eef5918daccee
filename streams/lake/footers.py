"""Reads footers: what an object says of itself in its last bytes, without its rows.

A Parquet footer has falcolake's own account of the window, the number of rows, and the lowest and
highest time among them. One ranged read of the object's end fetches it, or two if it is longer than
usual. Nothing here trusts the footer: `coverage` compares it with the key.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import dataset

from streams.errors import Corrupt
from streams.lake.contents import PREFIX, account
from streams.lake.keys import Footer, Unread
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import StoredObject
from streams.settings import sections
from streams.windows.window import Counts

if TYPE_CHECKING:
    from pyarrow import parquet

FORMAT = dataset.ParquetFileFormat()

REPAIR = "write its window again: falcolake replay"

#: Bytes of the first read. A footer has about 27 KB, and 20 KB more for each further row group.
USUAL = 32 << 10

#: Size of the length and magic number after the footer, and the magic number, also a file's start.
TRAILER, MAGIC = 8, b"PAR1"
SMALLEST = len(MAGIC) + TRAILER

#: Concurrent reads: as many as the S3 client keeps connections.
AT_ONCE = 16
SLICE = 500

#: From this many objects on it is worth starting processes, a second each; at most so many.
MANY = 3000
PROCESSES = 8


def read_all(
    reader: LakeReader, objects: Sequence[StoredObject], *, many: int = MANY, size: int = SLICE
) -> Iterator[Footer | Unread]:
    """Read the footers of objects, concurrently; yield them in the objects' order.

    An object that is not readable Parquet is an `Unread`. Raises Unavailable or Misconfigured if
    the lake cannot be read at all. Many objects are divided among processes: a footer costs 2 ms
    of Python, and threads share one core.
    """
    slices = [objects[start : start + size] for start in range(0, len(objects), size)]
    if len(objects) < many:
        for some in slices:
            yield from _read_some(reader, some)
        return
    with ProcessPoolExecutor(
        min(PROCESSES, os.cpu_count() or 1),
        mp_context=get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),  # Ctrl-C is for the parent
    ) as processes:
        try:
            for found, requests in processes.map(_read_apart, repeat(reader.settings), slices):
                reader.requests.update(requests)
                yield from found
        finally:
            processes.shutdown(cancel_futures=True)


def _read_some(reader: LakeReader, objects: Sequence[StoredObject]) -> list[Footer | Unread]:
    threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="footers")
    try:
        return list(threads.map(read, repeat(reader), objects))
    finally:
        threads.shutdown(cancel_futures=True)


def _read_apart(
    settings: sections.LakeSettings, objects: Sequence[StoredObject]
) -> tuple[list[Footer | Unread], Counter[str]]:
    """Read in a process that has no client yet; also return the requests that it took."""
    reader = LakeReader(settings, connect(settings))
    return _read_some(reader, objects), reader.requests


def read(reader: LakeReader, stored: StoredObject, usual: int = USUAL) -> Footer | Unread:
    """Read the footer of one object."""
    try:
        if stored.size < SMALLEST:
            raise Corrupt(f"{stored.size} bytes are not a Parquet file", REPAIR)
        tail = reader.tail(stored.key, usual)
        needed = _length(tail)
        if len(tail) < needed <= stored.size:
            tail = reader.tail(stored.key, needed)
        return parse(tail)
    except Corrupt as error:
        return Unread(error.message)


def _length(tail: bytes) -> int:
    """Return how many bytes at an object's end the footer and its trailer take."""
    if tail[-len(MAGIC) :] != MAGIC:
        raise Corrupt("it does not end as a Parquet file does", REPAIR)
    return int.from_bytes(tail[-TRAILER : -len(MAGIC)], "little") + TRAILER


def parse(tail: bytes) -> Footer | Unread:
    """Parse a footer from an object's last bytes. Raises Corrupt if it cannot be read."""
    try:
        # Twice as fast as `parquet.read_metadata`, which first describes 210 nested columns.
        metadata = FORMAT.make_fragment(pa.py_buffer(tail)).metadata
    except (pa.ArrowException, OSError) as error:
        raise Corrupt(f"its footer cannot be read: {error}".splitlines()[0], REPAIR) from error
    return interpret(metadata)


def interpret(metadata: "parquet.FileMetaData") -> Footer | Unread:
    """Extract falcolake's account from a Parquet footer."""
    said = account(metadata)
    if not said:
        return Unread(
            "its footer has no falcolake metadata: another program wrote it", foreign=True
        )
    try:
        return Footer(
            said["topic"],
            int(said["partition"]),
            int(said["first"]),
            int(said["end"]),
            Counts(*(int(said[name]) for name in Counts._fields)),
            said["mapping_version"],
            metadata.num_rows,
            times(metadata),
            said.get("topic_id", ""),
            int(said["repeated"]) if "repeated" in said else None,
            int(said.get("other_days", 0)),
        )
    except KeyError as error:
        return Unread(f"its footer lacks {PREFIX}{error.args[0]}", foreign=True)
    except ValueError as error:
        return Unread(f"its footer has text where numbers belong: {error}", foreign=True)


def times(metadata: "parquet.FileMetaData") -> tuple[int, int] | None:
    """Return the lowest and the highest `time` by the statistics; None if some are missing."""
    found: list[int] = []
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        columns = map(group.column, range(group.num_columns))
        column = next((each for each in columns if each.path_in_schema == "time"), None)
        if column is None or column.statistics is None or not column.statistics.has_min_max:
            return None
        if not isinstance(column.statistics.min, int):
            return None
        found += [column.statistics.min, column.statistics.max]
    return (min(found), max(found)) if found else None
