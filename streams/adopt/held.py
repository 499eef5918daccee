"""Which of a log's records the lake holds: as rows of their window, or as dead letters.

A window is of this topic, or no record of the log is in it: its footer has the topic's id. Where it
has no id, or the log lost its end, the records themselves are compared. In doubt a record is not
held: it is better twice in the lake than lost.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from pyarrow import parquet

import schemas.mapping
from streams.audit.coverage import LakeWindow
from streams.lake.reader import LakeReader
from streams.windows.batch import Record

#: By offset: the digest of a dead letter's value, or the size of a value that was cut.
LetterOf = Mapping[int, bytes | int | None]


def digest(value: bytes | None) -> bytes | None:
    """Return what stands for a value: equal for equal values."""
    return None if value is None else blake2b(value, digest_size=16).digest()


def missing(
    records: Iterable[Record],
    windows: Iterable[LakeWindow],
    rows: Callable[[LakeWindow], "Counter[bytes | None]"],
    letters: LetterOf,
    mapping: schemas.mapping.Mapping,
    topic_id: str,
) -> Iterator[int]:
    """Yield the offsets of the records that the lake does not hold, in order.

    `records` and `windows` are in order; `rows` returns the digests of a window's rows.
    """
    coming = iter(windows)
    window = next(coming, None)
    there: Counter[bytes | None] | None = None
    for record in records:
        while window is not None and window.end <= record.offset:
            window, there = next(coming, None), None
        found = mapping.map(record.value, record.timestamp)
        if isinstance(found, schemas.mapping.Filtered):
            continue  # it is in no lake, now or before
        if window is None or record.offset < window.first or _foreign(window, topic_id):
            yield record.offset
        elif isinstance(found, schemas.mapping.Reject):
            letter = letters.get(record.offset, -1)
            size = len(record.value or b"")
            if letter != (size if isinstance(letter, int) else digest(record.value)):
                yield record.offset
        else:
            there = rows(window) if there is None else there
            name = digest(record.value)
            if there[name] > 0:
                there[name] -= 1
            else:
                yield record.offset


def _foreign(window: LakeWindow, topic_id: str) -> bool:
    """Whether a window is of another topic of the same name."""
    return bool(topic_id) and bool(window.topic_ids) and topic_id not in window.topic_ids


def rows_of(reader: LakeReader) -> Callable[[LakeWindow], "Counter[bytes | None]"]:
    """Return a function that reads the digests of a window's rows."""

    def read(window: LakeWindow) -> "Counter[bytes | None]":
        found = Counter[bytes | None]()
        with TemporaryDirectory(prefix="falcolake-adopt-") as directory:
            file = Path(directory) / "object.parquet"
            for stored in window.objects:
                reader.fetch(stored.key, file)
                found.update(map(digest, _values(file)))
        return found

    return read


def _values(file: Path) -> Iterator[bytes]:
    """Yield the alerts of an object as they were received; long ones are in `unmapped`."""
    with parquet.ParquetFile(file) as source:
        for batch in source.iter_batches(1000, columns=["raw_data", "unmapped"]):
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                raw = row["raw_data"] or (row["unmapped"] or {}).get("raw_data") or ""
                yield raw.encode()
