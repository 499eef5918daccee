"""Packed findings: how staging keeps those of one append, as an Arrow IPC stream.

One batch, zstd-compressed: alerts repeat each other, so a finding takes a fifteenth of its text on
disk and in DuckDB's memory. What findings share (`schemas.ocsf.parts`) is in a dictionary, once.
Arrow's stream format is stable, and this knows nothing of where the bytes are kept.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.ocsf.parts import SHARED

_TEXTS = ("body", "raw_data", "unmapped")
SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("time", pa.int64()),
        *((part, pa.dictionary(pa.int32(), pa.string())) for part in SHARED),
        *((name, pa.string()) for name in _TEXTS),
        ("size", pa.int64()),
    ]
)
"""`size`: bytes of the row's own texts; the rest is of `schemas.mapping.Finding`."""

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)


def pack(findings: Sequence[tuple[Any, ...]]) -> bytes:
    """Pack findings, each as a row of `batch.Rows`."""
    _, offset, time, _, _, _, rule, scene, *texts = zip(*findings, strict=True)
    own = [pa.array(column, pa.string()) for column in texts]
    lengths = [pc.cast(pc.binary_length(column), pa.int64()) for column in own]
    arrays = [
        pa.array(offset, pa.int64()),
        pa.array(time, pa.int64()),
        _dictionary(rule),
        _dictionary(scene),
        *own,
        functools.reduce(pc.add, lengths),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=_OPTIONS) as stream:
        stream.write_batch(pa.record_batch(arrays, schema=SCHEMA))
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _dictionary(values: Sequence[str]) -> pa.DictionaryArray:
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    indices = pa.array(map(places.__getitem__, values), pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(places, pa.string()))


def unpack(packed: bytes, columns: Iterable[str] = SCHEMA.names) -> pa.Table:
    """Unpack these columns of findings; the others are not decompressed."""
    fields = [SCHEMA.get_field_index(name) for name in columns]
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    table: pa.Table = pa.ipc.open_stream(packed, options=options).read_all()
    return table
