"""Letters: the records of the topic that have a dead letter. Pure."""

from bisect import bisect_left
from dataclasses import dataclass, field


@dataclass(slots=True)
class Letters:
    """The offsets of records that have a dead letter: by partition, sorted, without repeats."""

    offsets: dict[int, list[int]] = field(default_factory=dict)
    #: How many letters repeat another one: they were sent again after a crash.
    repeated: int = 0
    #: Whether the topic no longer has its oldest letters.
    trimmed: bool = False

    def of(self, partition: int, first: int, end: int) -> list[int]:
        """Return the offsets of `[first, end)` that have a letter."""
        offsets = self.offsets.get(partition, [])
        return offsets[bisect_left(offsets, first) : bisect_left(offsets, end)]

    def within(self, partition: int, first: int, end: int) -> int:
        """Return how many offsets of `[first, end)` have a letter."""
        return len(self.of(partition, first, end))
