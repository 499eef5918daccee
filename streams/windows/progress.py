"""Progress: how far each partition is, in records and in time, for metrics and the status page.

Also finds transactions that stay open: Kafka gives out nothing that follows the start of one.

It combines what the ledger holds with what Kafka last answered (`Bounds`). After a crash it starts
again from nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from streams.windows.window import Partition

#: Seconds after which a transaction that is still open is reported.
LONG_OPEN = 60.0


class Bounds(NamedTuple):
    """A partition in Kafka: its first and next offset, and the time of its first record.

    `oldest` is in epoch ms; None if there is no record. `stable` is where the first open
    transaction begins; None if none is open. `topic_id` is the topic's id; empty if Kafka has none.
    `epoch_end` is where the log ends in the leader epoch that was asked for; None if none was.
    """

    start: int
    end: int
    oldest: int | None
    stable: int | None = None
    topic_id: str = ""
    epoch_end: int | None = None


class Delay(NamedTuple):
    """A transaction that has been open for long: where it begins, and what waits for its end.

    `since` is when it was first seen open, in epoch ms; `offsets` counts its own and what follows.
    """

    partition: int
    first: int
    offsets: int
    since: int

    @property
    def reason(self) -> str:
        """Return what waits for what."""
        return (
            f"a transaction that has been open for over {LONG_OPEN:.0f} s, since offset "
            f"{self.first}, holds back {self.offsets:,} offsets"
        )

    @property
    def hint(self) -> str:
        """Return what to try."""
        return (
            "nothing is lost: Kafka ends it after the producer's transaction timeout; "
            "'falcolake status' names the producer"
        )


class Progress(NamedTuple):
    """How far one partition is.

    `lag` counts the offsets that are in Kafka and not in the lake; `behind` is the age in seconds
    of the oldest record among them. `spare_records` and `spare_seconds` are how far Kafka's
    retention is from deleting it: None while nothing waits, and until retention first deletes.
    """

    partition: int
    committed: int
    staged: int
    end: int
    start: int | None
    oldest: int | None
    staged_records: int
    waiting_windows: int
    behind: float
    spare_records: int | None
    spare_seconds: float | None

    @property
    def lag(self) -> int:
        """Return how many offsets are in Kafka and not in the lake: at least as many as records.

        Zero if all has been read and there is no record: transaction markers and aborted records
        get no window.
        """
        if self.staged >= self.end and not self.staged_records and not self.waiting_windows:
            return 0
        return max(0, self.end - max(self.committed, self.start or 0))


class Tracker:
    """Follows the partitions of one worker."""

    def __init__(self) -> None:
        self._bounds: dict[int, Bounds] = {}
        self._since: dict[int, int] = {}
        #: Where the first open transaction of a partition begins, and when it was first seen.
        self._open: dict[int, tuple[int, int]] = {}

    def note(self, bounds: Mapping[int, Bounds], now_ms: int) -> None:
        """Remember the partitions' bounds, as they are at this moment, until Kafka is asked again.

        The first open transaction is as old as the first note that had it.
        """
        self._bounds = dict(bounds)
        before, self._open = self._open, {}
        for number, each in bounds.items():
            if each.stable is not None:
                first, since = before.get(number, (-1, 0))
                self._open[number] = each.stable, since if first == each.stable else now_ms

    def delays(self, now_ms: int) -> list[Delay]:
        """Return the transactions that have been open for long."""
        return [
            Delay(number, first, self._bounds[number].end - first, since)
            for number, (first, since) in sorted(self._open.items())
            if now_ms - since >= LONG_OPEN * 1000
        ]

    def look(self, partitions: Mapping[int, Partition], now_ms: int) -> list[Progress]:
        """Return how far these partitions are at a moment."""
        self._since = {n: since for n, since in self._since.items() if n in partitions}
        return [self._progress(partitions[number], now_ms) for number in sorted(partitions)]

    def _progress(self, partition: Partition, now_ms: int) -> Progress:
        number, bounds = partition.number, self._bounds.get(partition.number)
        readable = 0 if bounds is None else bounds.end if bounds.stable is None else bounds.stable
        end = max(partition.highwater, partition.position, readable)
        oldest = partition.staged.oldest
        progress = Progress(
            number,
            partition.committed,
            partition.position,
            end,
            bounds.start if bounds else None,
            bounds.oldest if bounds else None,
            partition.staged.records,
            len(partition.ends),
            0.0,
            None,
            None,
        )
        if not progress.lag or oldest is not None:
            self._since.pop(number, None)
            behind = 0.0 if oldest is None else max(0.0, (now_ms - oldest) / 1000)
        else:
            # Its age is unknown until it is read; it is at least the time since it was first seen.
            behind = (now_ms - self._since.setdefault(number, now_ms)) / 1000
        progress = progress._replace(behind=behind)
        if bounds is None or not bounds.start or not progress.lag:
            return progress
        spare = None
        if bounds.oldest is not None:
            spare = (now_ms - bounds.oldest) / 1000 - behind
        return progress._replace(
            spare_records=partition.committed - bounds.start, spare_seconds=spare
        )
