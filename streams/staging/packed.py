"""Packed findings and rejects of one append, as staging stores them.

Findings are an Arrow IPC stream of one zstd-compressed batch. Alerts repeat each other, so a
finding takes a fifteenth of its text on disk and in DuckDB's memory. Texts that findings share
(`schemas.ocsf.parts`) are in a dictionary, once each. Arrow's stream format is stable across
versions. Rejects are compressed MessagePack, in pieces.
"""

import functools
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.mapping import Finding
from schemas.ocsf.parts import SHARED
from streams.staging.filing import place_of, record_days
from streams.windows.batch import Rejected

_TEXTS = ("body", "raw_data", "unmapped")
SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("time", pa.int64()),
        ("recorded", pa.int32()),
        *((part, pa.dictionary(pa.int32(), pa.string())) for part in SHARED),
        *((name, pa.string()) for name in _TEXTS),
        ("size", pa.int64()),
    ]
)
"""`recorded` is the day of the record's timestamp, see `filing`; `size` is the bytes of the row's
own texts; the others are of `schemas.mapping.Finding`."""

PLACED = SCHEMA.append(pa.field("place", pa.dictionary(pa.int32(), pa.string())))
"""Of a batch with findings of several groups, which has each finding's place (`filing`) as well."""

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)


def pack(
    offsets: Sequence[int],
    timestamps: Sequence[int],
    findings: Sequence[Finding],
    *,
    placed: bool = False,
) -> bytes:
    """Pack findings, with the offsets and timestamps of their records, `placed` with places."""

    def column(name: str) -> list[Any]:
        return list(map(attrgetter(name), findings))

    texts = {name: pa.array(column(name), pa.string()) for name in _TEXTS}
    lengths = [pc.cast(pc.binary_length(each), pa.int64()) for each in texts.values()]
    columns = {
        "offset": pa.array(offsets, pa.int64()),
        "time": pa.array(column("time"), pa.int64()),
        "recorded": record_days(timestamps),
        **{name: _dictionary(column(name)) for name in SHARED},
        **texts,
        "size": functools.reduce(pc.add, lengths),
    }
    schema = SCHEMA
    if placed:
        schema = PLACED
        columns["place"] = _dictionary(
            [place_of(each.region, each.account_id) for each in findings]
        )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_OPTIONS) as stream:
        stream.write_batch(pa.record_batch(columns, schema=schema))
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _dictionary(values: Sequence[str]) -> pa.DictionaryArray:
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    indices = pa.array(map(places.__getitem__, values), pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(places, pa.string()))


def unpack(packed: bytes, columns: Iterable[str] = SCHEMA.names) -> pa.Table:
    """Return these columns of packed findings, without decompressing the others."""
    fields = [PLACED.get_field_index(name) for name in columns]
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    table: pa.Table = pa.ipc.open_stream(packed, options=options).read_all()
    return table


#: Bytes of one piece of packed rejects. DuckDB holds whole values in memory, each several times.
PIECE_BYTES = 1 << 20

_encode_rejects = msgspec.msgpack.Encoder().encode
_decode_rejects = msgspec.msgpack.Decoder(list[Rejected]).decode
_SIZE_BYTES = 8


def pack_rejects(rejects: Sequence[Rejected]) -> list[bytes]:
    """Pack rejects into pieces of at most `PIECE_BYTES`."""
    plain = _encode_rejects(rejects)
    packed = len(plain).to_bytes(_SIZE_BYTES) + pa.compress(plain, "zstd", asbytes=True)
    return [packed[at : at + PIECE_BYTES] for at in range(0, len(packed), PIECE_BYTES)]


def unpack_rejects(pieces: Iterable[bytes]) -> list[Rejected]:
    """Return the rejects of all pieces of one append, in order."""
    packed = b"".join(pieces)
    size = int.from_bytes(packed[:_SIZE_BYTES])
    return _decode_rejects(pa.decompress(packed[_SIZE_BYTES:], size, "zstd", asbytes=True))
