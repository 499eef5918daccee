"""The page headers of a Parquet file: how large its pages are, which pyarrow does not expose.

Headers are Thrift structs in the compact protocol; only the type and the two sizes are
read, the rest is skipped. See https://github.com/apache/parquet-format for `PageHeader`.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pyarrow import parquet

from streams.errors import Corrupt

#: `PageType`, by number: the two kinds of data pages count alike.
KINDS = {0: "data", 1: "index", 2: "dictionary", 3: "data"}

REPAIR = "the object is damaged: write it again"

#: Fields of `PageHeader`.
TYPE, UNCOMPRESSED, COMPRESSED = 1, 2, 3

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _, _STRUCT = range(1, 13)
_DEEPEST = 20


class Page(NamedTuple):
    """One page of a column chunk; its size in bytes before compression, without the header."""

    row_group: int
    column: str
    kind: str
    size: int


def pages(file: Path, metadata: "parquet.FileMetaData") -> Iterator[Page]:
    """Yield every page of every column chunk. Raises Corrupt if a header is invalid."""
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for chunk in map(group.column, range(group.num_columns)):
                for header in _headers(data, chunk):
                    kind = KINDS.get(header.get(TYPE, -1), "unknown")
                    yield Page(number, chunk.path_in_schema, kind, header.get(UNCOMPRESSED, 0))


def _headers(data: mmap.mmap, chunk: "parquet.ColumnChunkMetaData") -> Iterator[dict[int, int]]:
    at = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        at = min(at, chunk.dictionary_page_offset)
    end = at + chunk.total_compressed_size
    while at < end:
        try:
            header, at = _struct(data, at, 0)
        except (IndexError, ValueError) as error:
            raise Corrupt(f"{chunk.path_in_schema}: no page header at byte {at}", REPAIR) from error
        size = header.get(COMPRESSED, -1)
        if size < 0 or at + size > end:
            raise Corrupt(
                f"{chunk.path_in_schema}: a page leaves its column chunk at byte {at}", REPAIR
            )
        yield header
        at += size


def _struct(data: mmap.mmap, at: int, depth: int) -> tuple[dict[int, int], int]:
    """Return the integers of a struct by field, and the position of its end."""
    if depth > _DEEPEST:
        raise ValueError(depth)
    found: dict[int, int] = {}
    field = 0
    while lead := data[at]:
        at += 1
        if lead >> 4:
            field += lead >> 4
        else:
            field, at = _number(data, at)
        if lead & 15 in (_I16, _I32, _I64):
            found[field], at = _number(data, at)
        elif lead & 15 not in (_TRUE, _FALSE):  # a boolean field is encoded in its type
            at = _skip(data, at, lead & 15, depth)
    return found, at + 1


def _skip(data: mmap.mmap, at: int, kind: int, depth: int) -> int:
    """Return the position after a value."""
    if kind in (_TRUE, _FALSE, _BYTE):
        return at + 1
    if kind in (_I16, _I32, _I64):
        return _number(data, at)[1]
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind in (_LIST, _SET):
        size, inner = data[at] >> 4, data[at] & 15
        at += 1
        if size == 15:
            size, at = _varint(data, at)
        for _item in range(size):
            at = _skip(data, at, inner, depth + 1)
        return at
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)[1]
    raise ValueError(kind)


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError(shift)


def _number(data: mmap.mmap, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
