"""The metadata journal: one JSON line per change to anything but records.

A change is in the file before the broker acts on it. After a crash only the last line can be torn,
and it is cut. A damaged line before it prevents the start: a crash cannot cause that.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from streams.embedded.broker.errors import ErrorCode, Refusal, StartError

logger = logging.getLogger(__name__)


class ClusterNamed(msgspec.Struct, frozen=True, tag="cluster"):
    """The cluster's id was chosen."""

    id: str


class ProducerIdGiven(msgspec.Struct, frozen=True, tag="producer-id"):
    """Producer ids up to and including `id` are in use."""

    id: int


class LeaderElected(msgspec.Struct, frozen=True, tag="leader"):
    """The broker started, and leads every partition in this epoch."""

    epoch: int


class TopicSet(msgspec.Struct, frozen=True, tag="topic"):
    """A topic exists, with this many partitions and these overrides."""

    name: str
    id: str
    partitions: int
    config: dict[str, str]


class TopicDeleted(msgspec.Struct, frozen=True, tag="topic-deleted"):
    """A topic is gone, and what was committed for it."""

    name: str


class StartMoved(msgspec.Struct, frozen=True, tag="start"):
    """Records of a partition before `offset` are deleted."""

    topic: str
    partition: int
    offset: int


class Committed(msgspec.Struct, frozen=True, array_like=True):
    """A group's position in one partition."""

    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str


class OffsetsCommitted(msgspec.Struct, frozen=True, tag="commit"):
    """A group committed these positions, all of them or none."""

    group: str
    offsets: list[Committed]


class OffsetsForgotten(msgspec.Struct, frozen=True, tag="commit-deleted"):
    """A group's positions in these (topic, partition) are deleted."""

    group: str
    partitions: list[tuple[str, int]]


class GroupDeleted(msgspec.Struct, frozen=True, tag="group-deleted"):
    """A group and its positions are gone."""

    group: str


Entry = (
    ClusterNamed
    | ProducerIdGiven
    | LeaderElected
    | TopicSet
    | TopicDeleted
    | StartMoved
    | OffsetsCommitted
    | OffsetsForgotten
    | GroupDeleted
)

_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_SMALLEST_COMPACTED = 256 * 1024
_GROWTH_ALLOWED = 8


class Journal:
    """An append-only file of entries, compacted from time to time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._size = os.fstat(self._file).st_size
        self._compacted_size = 0

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def replay(self) -> Iterator[Entry]:
        """Yield every entry, oldest first; cut a torn last line."""
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                entry = _DECODER.decode(line)
            except msgspec.MsgspecError as error:
                raise StartError(
                    f"line {number} of {self._path} is damaged ({error}). "
                    "Remove the data directory to start over."
                ) from error
            yield entry
        os.ftruncate(self._file, whole)
        self._size = whole

    def write(self, entry: Entry) -> None:
        """Append one entry; if the disk cannot take all of it, remove what was written."""
        line = msgspec.json.encode(entry) + b"\n"
        try:
            if os.write(self._file, line) < len(line):
                raise OSError("the disk took only part of an entry")
        except OSError as error:
            logger.error("%s: %s", self._path, error)
            os.ftruncate(self._file, self._size)
            raise Refusal(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error
        self._size += len(line)

    @property
    def is_overgrown(self) -> bool:
        """Return whether most of the file is history that `compact` would drop."""
        return self._size > max(_SMALLEST_COMPACTED, _GROWTH_ALLOWED * self._compacted_size)

    def compact(self, entries: Iterable[Entry]) -> None:
        """Replace the file's content with `entries`, atomically."""
        shorter = self._path.with_suffix(".new")
        content = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        shorter.write_bytes(content)
        shorter.replace(self._path)
        os.close(self._file)
        self._file = self._open()
        self._size = self._compacted_size = len(content)

    def close(self) -> None:
        """Sync the file to disk and close it."""
        os.fsync(self._file)
        os.close(self._file)
