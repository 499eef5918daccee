"""The header of a record batch (magic 2), read, checked and stamped without decoding the records.

Layout: https://kafka.apache.org/documentation/#recordbatch. The checksum covers everything from
the attributes on, so the two fields that a broker sets (base offset and leader epoch) are outside.
"""

import struct
from typing import NamedTuple

from crc32c import crc32c

from streams.embedded.broker.errors import ErrorCode, Refusal

HEADER = struct.Struct(">qiibIhiqqqhii")
PREFIX_BYTES = 12
"""Base offset and length, which the length itself does not count."""

_CHECKED_FROM = 21
_CODECS = range(5)
_CODEC_MASK = 0x07
_TRANSACTIONAL = 0x10
_CONTROL = 0x20


class BatchHeader(NamedTuple):
    """The fixed 61 bytes in front of a batch's records."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Return the size of the batch in bytes."""
        return self.length + PREFIX_BYTES

    @property
    def next_offset(self) -> int:
        """Return the offset after the batch's last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """Return the last record's sequence number; numbers wrap after 2^31 - 1."""
        return (self.base_sequence + self.last_offset_delta) % 2**31


def read_header(data: bytes | memoryview, position: int = 0) -> BatchHeader:
    """Return the header at `position`, which must have `HEADER.size` bytes after it."""
    return BatchHeader._make(HEADER.unpack_from(data, position))


def is_intact(data: memoryview, header: BatchHeader) -> bool:
    """Return whether `data`, one complete batch, matches the checksum in its header."""
    return header.magic == 2 and crc32c(data[_CHECKED_FROM:]) == header.crc


def check_produced(data: bytes) -> BatchHeader:
    """Return the header of a producer's data for one partition, which must be one valid batch."""
    if len(data) < HEADER.size:
        raise Refusal(ErrorCode.INVALID_RECORD, "a produce request must hold one record batch")
    header = read_header(data)
    if header.magic != 2:
        raise Refusal(
            ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
            f"record batches must have magic 2, not {header.magic}",
        )
    if header.size != len(data):
        code = ErrorCode.INVALID_RECORD if header.size < len(data) else ErrorCode.CORRUPT_MESSAGE
        raise Refusal(code, f"a batch of {len(data)} bytes claims to have {header.size}")
    if not is_intact(memoryview(data), header):
        raise Refusal(ErrorCode.CORRUPT_MESSAGE, "the record batch does not match its checksum")
    if header.record_count < 1 or header.last_offset_delta != header.record_count - 1:
        raise Refusal(
            ErrorCode.INVALID_RECORD,
            f"{header.record_count} records but a last offset delta of {header.last_offset_delta}",
        )
    if header.attributes & _CODEC_MASK not in _CODECS:
        raise Refusal(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    if header.attributes & _CONTROL:
        raise Refusal(ErrorCode.INVALID_RECORD, "clients may not write control batches")
    if header.attributes & _TRANSACTIONAL:
        raise Refusal(ErrorCode.INVALID_TXN_STATE, "this broker has no transactions")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise Refusal(ErrorCode.INVALID_RECORD, "a producer id without a sequence number")
    return header


def stamp(data: bytes, base_offset: int, leader_epoch: int) -> bytearray:
    """Return the batch with its base offset and leader epoch."""
    stamped = bytearray(data)
    length = len(data) - PREFIX_BYTES
    struct.pack_into(">qii", stamped, 0, base_offset, length, leader_epoch)
    return stamped


def record_times(data: bytes) -> list[tuple[int, int]]:
    """Return (offset, timestamp in ms) of each record of a stored batch; only this decompresses."""
    # Imported here: it doubles the startup time, and only lookups by time need it.
    from aiokafka.record.memory_records import MemoryRecords

    batch = MemoryRecords(data).next_batch()
    return [] if batch is None else [(record.offset, record.timestamp) for record in batch]
