"""Letters: which records of the topic have a dead letter. Pure."""

from bisect import bisect_left
from dataclasses import dataclass, field


@dataclass(slots=True)
class Letters:
    """Offsets of the topic's records that have a dead letter, by partition, sorted, each once."""

    offsets: dict[int, list[int]] = field(default_factory=dict)
    #: How many letters repeat one that is there: sent again after a crash.
    repeated: int = 0
    #: Whether the topic no longer has its oldest letters.
    trimmed: bool = False

    def of(self, partition: int, first: int, end: int) -> list[int]:
        """Give the offsets of `[first, end)` that have a letter."""
        offsets = self.offsets.get(partition, [])
        return offsets[bisect_left(offsets, first) : bisect_left(offsets, end)]

    def within(self, partition: int, first: int, end: int) -> int:
        """Count the distinct letters of offsets `[first, end)`."""
        return len(self.of(partition, first, end))
