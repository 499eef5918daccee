"""A partition's log: its segments on disk, their offsets, and the fetches that wait for more.

Files are named by the first offset they may hold (`00000000000000000042.log`). After a crash the
log is what its segments hold up to the first damaged batch; everything after it is cut.
"""

import asyncio
import logging
from pathlib import Path

from streams.embedded.broker.batch import check_produced, stamp
from streams.embedded.broker.configs import TopicConfig
from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.producers import Producers
from streams.embedded.broker.segment import NO_TIMESTAMP, Segment

logger = logging.getLogger(__name__)


class PartitionLog:
    """Offsets `[start, end)` of one partition.

    `watchers` holds an event for every waiting fetch; each is set when the log changes.
    """

    def __init__(
        self, directory: Path, config: TopicConfig, leader_epoch: int, start: int = 0
    ) -> None:
        """Open the log in `directory`; records before `start` have been deleted."""
        self.leader_epoch = leader_epoch
        self._directory = directory
        self._config = config
        self._producers = Producers()
        self._segments: list[Segment] = []
        #: Where each leader epoch begins, by epoch, oldest first.
        self._epochs: dict[int, int] = {}
        self.watchers: set[asyncio.Event] = set()
        directory.mkdir(parents=True, exist_ok=True)
        self._recover()
        if not self._segments or self.end < start:
            self._remove(self._segments)
            self._roll(start)
        self.start = max(start, self._segments[0].base_offset)
        self._epochs.setdefault(leader_epoch, self.end)

    def _recover(self) -> None:
        paths = sorted(self._directory.glob("*.log"))
        for number, path in enumerate(paths):
            segment = Segment(path, int(path.stem))
            length = path.stat().st_size
            for header in segment.recover():
                self._producers.remember(header)
                self._epochs.setdefault(header.leader_epoch, header.base_offset)
            self._segments.append(segment)
            if segment.size < length:
                logger.warning("%s: cut %d damaged bytes", path, length - segment.size)
            following = paths[number + 1 :]
            if following and int(following[0].stem) != segment.next_offset:
                for orphan in following:
                    logger.warning("%s: removed, it follows a damaged segment", orphan)
                    orphan.unlink()
                return

    @property
    def end(self) -> int:
        """Return the offset of the next record."""
        return self._segments[-1].next_offset

    @property
    def size(self) -> int:
        """Return the size on disk in bytes."""
        return sum(segment.size for segment in self._segments)

    def append(self, data: bytes) -> int:
        """Store one batch and return its base offset. A retried batch keeps its earlier offset."""
        header = check_produced(data)
        if header.size > self._config.max_message_bytes:
            raise Refusal(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"a batch of {header.size} bytes; max.message.bytes is "
                f"{self._config.max_message_bytes}",
            )
        duplicate = self._producers.find_duplicate(header)
        if duplicate is not None:
            return duplicate
        active = self._segments[-1]
        if active.size and active.size + header.size > self._config.segment_bytes:
            active = self._roll(self.end)
        header = header._replace(base_offset=self.end)
        try:
            active.append(stamp(data, header.base_offset, self.leader_epoch), header)
        except OSError as error:
            logger.error("%s: %s", active.path, error)
            raise Refusal(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error
        self._producers.remember(header)
        self.wake_watchers()
        return header.base_offset

    def _roll(self, base_offset: int) -> Segment:
        segment = Segment(self._directory / f"{base_offset:020d}.log", base_offset)
        self._segments.append(segment)
        return segment

    def wake_watchers(self) -> None:
        """Wake every waiting fetch."""
        for event in self.watchers:
            event.set()

    def check_offset(self, offset: int) -> None:
        """Raise Refusal for an offset that a fetch cannot start from."""
        if not self.start <= offset <= self.end:
            raise Refusal(ErrorCode.OFFSET_OUT_OF_RANGE)

    def bytes_from(self, offset: int) -> int:
        """Return roughly how many bytes a fetch from `offset` could get."""
        total = 0
        for segment in reversed(self._segments):
            if offset < segment.next_offset:
                total += segment.bytes_from(offset)
            if segment.base_offset <= offset:
                break
        return total

    def read(self, offset: int, max_bytes: int, *, first_always: bool) -> bytes:
        """Return complete batches of one segment, from the one that holds `offset`.

        The first may begin before `offset`. With `first_always` it is included even if it exceeds
        `max_bytes`, so that a reader with a small limit makes progress.
        """
        for segment in self._segments:
            if offset < segment.next_offset:
                return segment.read(offset, max_bytes, first_always)
        return b""

    def offset_at(self, timestamp: int) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the first record with at least `timestamp` (ms)."""
        for segment in self._segments:
            found = segment.first_since(timestamp, self.start)
            if found:
                return found
        return None

    def end_of(self, leader_epoch: int) -> tuple[int, int]:
        """Return the last epoch up to `leader_epoch`, and where the log ends in it.

        That is (-1, -1) for an epoch of the future. Of one whose records are deleted the end is
        where the log starts.
        """
        if leader_epoch == self.leader_epoch:
            return leader_epoch, self.end
        following = next((at for each, at in self._epochs.items() if each > leader_epoch), None)
        if following is None or leader_epoch < 0:
            return -1, -1
        before = [each for each in self._epochs if each <= leader_epoch]
        return (before[-1] if before else leader_epoch), max(following, self.start)

    def latest_time(self) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the first record with the greatest timestamp."""
        newest = max(segment.max_timestamp for segment in self._segments)
        return None if newest == NO_TIMESTAMP else self.offset_at(newest)

    def delete_before(self, offset: int) -> None:
        """Move the start up to `offset` and remove the segments before it."""
        self.start = max(self.start, offset)
        if self.start == self.end and self._segments[-1].size:
            self._roll(self.end)
        keep = next(
            number
            for number, segment in enumerate(self._segments)
            if segment.next_offset > self.start or segment is self._segments[-1]
        )
        self._remove(self._segments[:keep])
        self.wake_watchers()

    def expired_before(self, now_ms: int) -> int:
        """Return the offset up to which retention may delete segments; `start` if it may not."""
        limit_ms, limit_bytes = self._config.retention_ms, self._config.retention_bytes
        excess = -1 if limit_bytes is None else self.size - limit_bytes
        expired = self.start
        for segment in self._segments:
            excess -= segment.size
            too_old = limit_ms is not None and 0 <= segment.max_timestamp < now_ms - limit_ms
            if not segment.size or not (too_old or excess >= 0):
                break
            expired = max(expired, segment.next_offset)
        return expired

    def _remove(self, segments: list[Segment]) -> None:
        gone = list(segments)
        self._segments = self._segments[len(gone) :]
        for segment in gone:
            segment.unlink()

    def flush(self) -> None:
        """Sync every segment to disk."""
        for segment in self._segments:
            segment.flush()

    def close(self) -> None:
        """Close the files and wake every waiting fetch."""
        for segment in self._segments:
            segment.close()
        self._segments.clear()
        self.wake_watchers()
