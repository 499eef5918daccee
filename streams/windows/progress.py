"""Progress: how far each partition is, in records and in time, for metrics and the status page.

It combines what the ledger holds with what Kafka last answered (`Bounds`). After a crash it starts
again from nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from streams.windows.window import Partition


class Bounds(NamedTuple):
    """A partition in Kafka: its first and next offset, and the time of its first record.

    `oldest` is in epoch ms; None if there is no record.
    """

    start: int
    end: int
    oldest: int | None


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
        """Return how many offsets are in Kafka and not in the lake: at least as many as records."""
        return max(0, self.end - max(self.committed, self.start or 0))


class Tracker:
    """Follows the partitions of one worker."""

    def __init__(self) -> None:
        self._bounds: dict[int, Bounds] = {}
        self._since: dict[int, int] = {}

    def note(self, bounds: Mapping[int, Bounds]) -> None:
        """Remember the partitions' bounds until Kafka is asked again."""
        self._bounds = dict(bounds)

    def look(self, partitions: Mapping[int, Partition], now_ms: int) -> list[Progress]:
        """Return how far these partitions are at a moment."""
        self._since = {n: since for n, since in self._since.items() if n in partitions}
        return [self._progress(partitions[number], now_ms) for number in sorted(partitions)]

    def _progress(self, partition: Partition, now_ms: int) -> Progress:
        number, bounds = partition.number, self._bounds.get(partition.number)
        end = max(partition.highwater, partition.position, bounds.end if bounds else 0)
        oldest = min((run.oldest for run in partition.runs if run.records), default=None)
        if partition.committed >= end:
            self._since.pop(number, None)
            behind = 0.0
        elif oldest is not None:
            self._since.pop(number, None)
            behind = max(0.0, (now_ms - oldest) / 1000)
        else:
            # Its age is unknown until it is read; it is at least the time since it was first seen.
            behind = (now_ms - self._since.setdefault(number, now_ms)) / 1000
        progress = Progress(
            number,
            partition.committed,
            partition.position,
            end,
            bounds.start if bounds else None,
            bounds.oldest if bounds else None,
            sum(run.records for run in partition.runs),
            len(partition.ends),
            behind,
            None,
            None,
        )
        if bounds is None or not bounds.start or not progress.lag:
            return progress
        spare = None
        if bounds.oldest is not None:
            spare = (now_ms - bounds.oldest) / 1000 - behind
        return progress._replace(
            spare_records=partition.committed - bounds.start, spare_seconds=spare
        )
