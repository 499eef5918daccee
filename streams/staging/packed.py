"""Packed findings and rejects of one append, as staging stores them.

Findings are an Arrow IPC stream of one zstd-compressed batch. Alerts repeat each other, so a
finding takes a fifteenth of its text on disk and in DuckDB's memory. Texts that findings share
(`schemas.ocsf.parts`) are in a dictionary, once each. Arrow's stream format is stable across
versions. A stream costs as much for a few findings as for a hundred, so few are compressed
MessagePack, by column too, and are read together with those of other appends. Rejects are
compressed MessagePack, in pieces.
"""

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, get_type_hints

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.mapping import Finding
from schemas.ocsf.parts import MORE, SHARED, Own
from streams.staging.filing import place_of, record_days
from streams.windows.batch import Rejected

_NUMBERS = (int, int | None)
_OWN = {
    name: pa.int64() if hint in _NUMBERS else pa.string()
    for name, hint in get_type_hints(Own).items()
}
SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("time", pa.int64()),
        ("recorded", pa.int32()),
        *((text, pa.dictionary(pa.int32(), pa.string())) for text in SHARED),
        *_OWN.items(),
        ("raw_data", pa.string()),
        ("size", pa.int64()),
    ]
)
"""`recorded` is the day of the record's timestamp, see `filing`; `size` is the bytes of the texts
in `_SIZED`; the others are of `schemas.mapping.Finding`."""

#: The texts that make a row of the lake large.
_SIZED = ("body", "raw_data", "unmapped", "message", "cmd_line", "parent_cmd_line")

PLACED = SCHEMA.append(pa.field("place", pa.dictionary(pa.int32(), pa.string())))
"""Of a batch with findings of several groups, which has each finding's place (`filing`) as well."""

#: Metadata of a batch in which no finding has more evidences than the first.
_NO_MORE = {b"more": b"0"}

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)

#: The most findings that are packed as MessagePack: from here on Arrow takes less time and room.
FEW = 250

#: How an Arrow stream begins. A size in big-endian order never does.
_ARROW = b"\xff\xff\xff\xff"

_SIZE_BYTES = 8


class _Columns(NamedTuple):
    """Findings by column."""

    plain: dict[str, list[Any]]
    """The values of each column; `timestamp` is that of the records."""
    shared: dict[str, tuple[list[str], list[int]]]
    """The texts of a column, once each, and which of them each finding has."""


_encode = msgspec.msgpack.Encoder().encode
_decode_columns = msgspec.msgpack.Decoder(_Columns).decode


def pack(
    offsets: Sequence[int],
    timestamps: Sequence[int],
    findings: Sequence[Finding],
    *,
    placed: bool = False,
) -> bytes:
    """Pack findings, with the offsets and timestamps of their records, `placed` with places."""
    columns = _columns_of(offsets, timestamps, findings, placed=placed)
    if len(findings) <= FEW:
        return _compress(_encode(columns))
    sink = pa.BufferOutputStream()
    batch = _batch(PLACED if placed else SCHEMA, columns)
    with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as stream:
        stream.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _columns_of(
    offsets: Sequence[int], timestamps: Sequence[int], findings: Sequence[Finding], *, placed: bool
) -> _Columns:
    values = dict(zip(Finding._fields, zip(*findings, strict=True), strict=True))
    plain = dict(zip(Own._fields, map(list, zip(*values["own"], strict=True)), strict=True))
    plain |= {"offset": list(offsets), "timestamp": list(timestamps)}
    plain |= {name: list(values[name]) for name in ("time", "raw_data")}
    shared = {name: _numbered(values[name]) for name in SHARED}
    if placed:
        shared["place"] = _numbered([*map(place_of, values["region"], values["account_id"])])
    return _Columns(plain, shared)


def _numbered(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the texts, once each, and the number of each text among them."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return [*numbers], [*map(numbers.__getitem__, texts)]


def _batch(schema: pa.Schema, columns: _Columns) -> pa.RecordBatch:
    """Return the columns of a schema."""
    names = schema.names
    sized = _SIZED if "size" in names else ()
    arrays = {name: _array(name, columns) for name in {*names, *sized} - {"size"}}
    if sized:
        arrays["size"] = functools.reduce(pc.add, (_lengths(arrays[name]) for name in sized))
    if not any(MORE in body for body in columns.shared["body"][0]):
        schema = schema.with_metadata(_NO_MORE)
    return pa.record_batch([arrays[name] for name in names], schema=schema)


def _array(name: str, columns: _Columns) -> pa.Array:
    if name == "recorded":
        return record_days(columns.plain["timestamp"])
    if name in columns.shared:
        texts, numbers = columns.shared[name]
        return pa.DictionaryArray.from_arrays(
            pa.array(numbers, pa.int32()), pa.array(texts, pa.string())
        )
    return pa.array(columns.plain[name], SCHEMA.field(name).type)


def _lengths(texts: pa.Array) -> pa.Array:
    """Return the bytes of each text; 0 where there is none."""
    if pa.types.is_dictionary(texts.type):
        return _lengths(texts.dictionary).take(texts.indices)
    return pc.cast(pc.fill_null(pc.binary_length(texts), 0), pa.int64())


def may_have_more(batch: pa.Table) -> bool:
    """Return whether any finding may have more evidences than the first, see `parts.MORE`."""
    return not _NO_MORE.items() <= (batch.schema.metadata or {}).items()


def unpack(packed: bytes, columns: Iterable[str] = SCHEMA.names) -> pa.Table:
    """Return these columns of packed findings; Arrow does not decompress the others."""
    return unpack_all([packed], columns)


def unpack_all(contents: Sequence[bytes], columns: Iterable[str] = SCHEMA.names) -> pa.Table:
    """Return these columns of packed findings as one batch; several are of `FEW` each."""
    if not contents[0].startswith(_ARROW):
        return _unpack_few(contents, columns)
    (packed,) = contents
    fields = [PLACED.get_field_index(name) for name in columns]
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    table: pa.Table = pa.ipc.open_stream(packed, options=options).read_all()
    return table


def _unpack_few(contents: Iterable[bytes], columns: Iterable[str]) -> pa.Table:
    several = [_decode_columns(_decompress(content)) for content in contents]
    joined = several[0] if len(several) == 1 else _joined(several)
    wanted = set(columns)
    schema = pa.schema([field for field in PLACED if field.name in wanted])
    return pa.Table.from_batches([_batch(schema, joined)])


def _joined(several: Sequence[_Columns]) -> _Columns:
    """Return the findings of all as one."""
    chain = itertools.chain.from_iterable
    plain = {name: [*chain(each.plain[name] for each in several)] for name in several[0].plain}
    shared = {}
    for name in several[0].shared:
        numbers: dict[str, int] = {}
        joined: list[int] = []
        for each in several:
            texts, theirs = each.shared[name]
            places = [numbers.setdefault(text, len(numbers)) for text in texts]
            joined += [places[number] for number in theirs]
        shared[name] = [*numbers], joined
    return _Columns(plain, shared)


def _compress(plain: bytes) -> bytes:
    packed: bytes = pa.compress(plain, "zstd", asbytes=True)
    return len(plain).to_bytes(_SIZE_BYTES) + packed


def _decompress(packed: bytes) -> bytes:
    size = int.from_bytes(packed[:_SIZE_BYTES])
    plain: bytes = pa.decompress(packed[_SIZE_BYTES:], size, "zstd", asbytes=True)
    return plain


#: Bytes of one piece of packed rejects. DuckDB holds whole values in memory, each several times.
PIECE_BYTES = 1 << 20

_decode_rejects = msgspec.msgpack.Decoder(list[Rejected]).decode


def pack_rejects(rejects: Sequence[Rejected]) -> list[bytes]:
    """Pack rejects into pieces of at most `PIECE_BYTES`."""
    packed = _compress(_encode(rejects))
    return [packed[at : at + PIECE_BYTES] for at in range(0, len(packed), PIECE_BYTES)]


def unpack_rejects(pieces: Iterable[bytes]) -> list[Rejected]:
    """Return the rejects of all pieces of one append, in order."""
    return _decode_rejects(_decompress(b"".join(pieces)))
