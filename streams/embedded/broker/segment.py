"""One file of a partition's log: complete record batches in sequence, and their index.

Each batch is written with one `pwrite` after the last, so a crash can tear only the tail. Opening
reads the file, checks every batch and cuts the file at the first damaged or incomplete one.
"""

import mmap
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from streams.embedded.broker.batch import HEADER, BatchHeader, is_intact, read_header, record_times

NO_TIMESTAMP = -1


class Segment:
    """The batches from `base_offset` up to `next_offset`; the caller chooses each one's place."""

    def __init__(self, path: Path, base_offset: int) -> None:
        self.path = path
        self.base_offset = base_offset
        self.next_offset = base_offset
        self.size = 0
        self.max_timestamp = NO_TIMESTAMP
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._offsets = array("q")
        self._positions = array("q")
        self._timestamps = array("q")

    def recover(self) -> Iterator[BatchHeader]:
        """Index the file batch by batch, and cut everything after the last valid one."""
        length = os.fstat(self._file).st_size
        if length:
            with mmap.mmap(self._file, length, access=mmap.ACCESS_READ) as content:
                view = memoryview(content)
                try:
                    yield from self._sound_batches(view)
                finally:
                    view.release()
        if self.size < length:
            os.ftruncate(self._file, self.size)

    def _sound_batches(self, content: memoryview) -> Iterator[BatchHeader]:
        while self.size + HEADER.size <= len(content):
            header = read_header(content, self.size)
            end = self.size + header.size
            in_order = header.base_offset == self.next_offset and header.last_offset_delta >= 0
            if not in_order or header.size < HEADER.size or end > len(content):
                return
            with content[self.size : end] as data:
                if not is_intact(data, header):
                    return
            self._index(header)
            yield header

    def append(self, data: bytearray, header: BatchHeader) -> None:
        """Write one batch; if the disk cannot take all of it, remove what was written."""
        try:
            written = os.pwrite(self._file, data, self.size)
            if written < len(data):
                raise OSError(f"the disk took only {written} of {len(data)} bytes")
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self._index(header)

    def _index(self, header: BatchHeader) -> None:
        self._offsets.append(header.base_offset)
        self._positions.append(self.size)
        self._timestamps.append(header.max_timestamp)
        self.size += header.size
        self.next_offset = header.next_offset
        self.max_timestamp = max(self.max_timestamp, header.max_timestamp)

    def bytes_from(self, offset: int) -> int:
        """Return the bytes from the batch that holds `offset` to the end of the segment."""
        return self.size - self._positions[self._batch_at(offset)]

    def read(self, offset: int, max_bytes: int, first_always: bool) -> bytes:
        """Return complete batches from the one that holds `offset`, at most `max_bytes`.

        With `first_always` the first batch is included even if it is larger.
        """
        first = self._batch_at(offset)
        start = self._positions[first]
        if self.size - start <= max_bytes:
            end = self.size
        else:
            last = bisect_right(self._positions, start + max_bytes) - 1
            if last == first and first_always:
                last += 1
            end = self._positions[last] if last < len(self._positions) else self.size
        return os.pread(self._file, end - start, start)

    def _batch_at(self, offset: int) -> int:
        return max(0, bisect_right(self._offsets, offset) - 1)

    def first_since(self, timestamp: int, from_offset: int) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the first record at or after both, decoded to be exact."""
        if self.max_timestamp < timestamp:
            return None
        for number in range(self._batch_at(from_offset), len(self._offsets)):
            if self._timestamps[number] < timestamp:
                continue
            for offset, time in record_times(self._batch(number)):
                if time >= timestamp and offset >= from_offset:
                    return offset, time
        return None

    def _batch(self, number: int) -> bytes:
        start = self._positions[number]
        last = number + 1 == len(self._positions)
        end = self.size if last else self._positions[number + 1]
        return os.pread(self._file, end - start, start)

    def flush(self) -> None:
        """Sync the file to disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def unlink(self) -> None:
        """Close and remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)
