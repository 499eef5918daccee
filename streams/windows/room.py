"""Room: whether staging may take more, by what it takes and what its disk has left. Pure."""

from pathlib import PurePath
from typing import NamedTuple

#: Bytes that a batch of the usual size may take in staging, packed as badly as can be: a fetch of a
#: partition, twice over.
BATCH_BYTES = 10_000_000


class Usage(NamedTuple):
    """Bytes that staging takes on disk, and bytes the disk has left."""

    staged: int
    free: int


class Room(NamedTuple):
    """What staging may take: bytes in all, and the bytes to leave free on its disk."""

    max_bytes: int
    min_free_bytes: int

    def lack(self, path: PurePath, usage: Usage, window_bytes: int) -> tuple[str, str] | None:
        """Say why nothing more may be staged in `path`, and what to try; None if there is room.

        `window_bytes`: the most that the records of a window have.
        """
        if usage.staged >= self.max_bytes:
            return (
                f"staging holds {usage.staged} bytes, STAGING__MAX_BYTES is {self.max_bytes}",
                "reading goes on when the lake has taken some",
            )
        if usage.free < self.min_free_bytes:
            return (
                (
                    f"{path} has {usage.free} bytes free, "
                    f"STAGING__MIN_FREE_BYTES is {self.min_free_bytes}"
                ),
                "make room on the disk",
            )
        # Without room for an object a full disk stays full. None is larger than its records are.
        if usage.free < BATCH_BYTES + window_bytes:
            return (
                f"{path} has {usage.free} bytes free, too few for another batch and then an object",
                "make room on the disk; reading goes on when the lake has taken some",
            )
        return None

    def is_back(self, usage: Usage, window_bytes: int) -> bool:
        """Whether there is room again after a lack: so much that it does not end at once."""
        free = max(self.min_free_bytes, BATCH_BYTES + window_bytes)
        return usage.staged < 0.9 * self.max_bytes and usage.free >= free
