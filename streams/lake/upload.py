"""An upload: a file that counts how much of it was handed to the network.

Every pass over a file, such as a checksum's, ends with a seek; so does a try that failed. What is
counted is therefore the pass under way.
"""

import io
from pathlib import Path


class Upload(io.BufferedReader):
    """A file to put; `taken` is the bytes read since the last seek. Any thread may look at it."""

    def __init__(self, file: Path) -> None:
        super().__init__(io.FileIO(file))
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on, and count."""
        data = super().read(size)
        self.taken += len(data)
        return data

    def seek(self, target: int, whence: int = 0, /) -> int:
        """Begin another pass."""
        self.taken = 0
        return super().seek(target, whence)
