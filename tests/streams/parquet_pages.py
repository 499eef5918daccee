"""Reads the page headers of a Parquet file, which pyarrow does not show."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

_I32 = 5
_TYPES = {0: "data", 2: "dictionary", 3: "data"}


class Page(NamedTuple):
    """One page of a column chunk; sizes in bytes, without the header."""

    column: str
    kind: str
    uncompressed: int


def pages(file: Path) -> Iterator[Page]:
    """Every page of every column chunk of a file."""
    content = file.read_bytes()
    metadata = pq.read_metadata(file)
    for group in range(metadata.num_row_groups):
        for number in range(metadata.row_group(group).num_columns):
            chunk = metadata.row_group(group).column(number)
            at = chunk.dictionary_page_offset or chunk.data_page_offset
            end = at + chunk.total_compressed_size
            while at < end:
                header, at = _header(content, at)
                yield Page(chunk.path_in_schema, _TYPES[header[1]], header[2])
                at += header[3]
            assert at == end


def _header(content: bytes, at: int) -> tuple[dict[int, int], int]:
    """The i32 fields of a PageHeader in Thrift's compact protocol, and where it ends."""
    found: dict[int, int] = {}
    at = _struct(content, at, found)
    return found, at


def _struct(content: bytes, at: int, found: dict[int, int]) -> int:
    field = 0
    while (lead := content[at]) != 0:
        at += 1
        delta, kind = lead >> 4, lead & 15
        if delta:
            field += delta
        else:
            field, at = _signed(content, at)
        if kind in {1, 2}:  # a boolean is in the type itself
            continue
        if kind in {3, 4, _I32, 6}:
            found[field], at = _signed(content, at)
        elif kind == 8:
            length, at = _varint(content, at)
            at += length
        elif kind == 12:
            at = _struct(content, at, {})
        else:
            raise AssertionError(f"type {kind} in a page header")
    return at + 1


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _signed(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at
