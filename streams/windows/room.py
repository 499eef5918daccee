"""Room: whether staging may take more, judged by its size and its disk's free space. Pure."""

from pathlib import PurePath
from typing import NamedTuple

#: Bytes that a batch of the usual size takes in staging at worst: twice what a fetch returns of a
#: partition.
BATCH_BYTES = 10_000_000


class Usage(NamedTuple):
    """The bytes that staging takes on disk, and the bytes that the disk has left."""

    staged: int
    free: int


class Room(NamedTuple):
    """The limits of staging: its most bytes, and the bytes to leave free on its disk."""

    max_bytes: int
    min_free_bytes: int

    def lack(self, path: PurePath, usage: Usage, window_bytes: int) -> tuple[str, str] | None:
        """Return why no more may be staged in `path`, and what to try; None if there is room.

        `window_bytes` is the most that the records of a window have.
        """
        if usage.staged >= self.max_bytes:
            return (
                f"staging holds {usage.staged} bytes, STAGING__MAX_BYTES is {self.max_bytes}",
                "reading resumes once some of it is in the lake",
            )
        if usage.free < self.min_free_bytes:
            return (
                (
                    f"{path} has {usage.free} bytes free, "
                    f"STAGING__MIN_FREE_BYTES is {self.min_free_bytes}"
                ),
                "make room on the disk",
            )
        # Without room for an object a full disk stays full. No object is larger than its records.
        if usage.free < BATCH_BYTES + window_bytes:
            return (
                f"{path} has {usage.free} bytes free, too few for another batch and then an object",
                "make room on the disk; reading resumes once some of it is in the lake",
            )
        return None

    def is_back(self, usage: Usage, window_bytes: int) -> bool:
        """Whether there is so much room again that reading does not stop at once."""
        free = max(self.min_free_bytes, BATCH_BYTES + window_bytes)
        return usage.staged < 0.9 * self.max_bytes and usage.free >= free
