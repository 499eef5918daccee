"""The broker's state without its network: the data directory, topics, groups.

One process at a time may use a data directory. A lock file ensures this; the kernel releases it
with the process, however that ends.
"""

import os
from pathlib import Path

from streams.embedded.broker.catalog import Catalog
from streams.embedded.broker.coordinator import Coordinator
from streams.embedded.broker.errors import StartError
from streams.embedded.broker.topics import Topics
from streams.locks import try_lock

NODE_ID = 1


class Broker:
    """The state that handlers work on. Clients are told to connect to `host` and `port`."""

    def __init__(self, directory: Path, default_partitions: int, *, auto_create: bool) -> None:
        """Open the data directory and load everything that was acknowledged."""
        self.default_partitions = default_partitions
        self.auto_create = auto_create
        self.host, self.port = "", 0
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(directory)
        self._catalog = Catalog(directory / "journal.jsonl")
        self.topics = Topics(directory / "topics", self._catalog)
        self.groups = Coordinator(self._catalog)

    @property
    def cluster_id(self) -> str:
        """Return the id that names the data directory to clients."""
        return self._catalog.cluster_id

    def next_producer_id(self) -> int:
        """Return a new id for an idempotent producer."""
        return self._catalog.next_producer_id()

    def close(self) -> None:
        """Sync everything to disk and release the directory."""
        self.groups.close()
        self.topics.close()
        self._catalog.close()
        os.close(self._lock)


def _lock(directory: Path) -> int:
    path = directory / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not try_lock(lock):
        owner = os.pread(lock, 20, 0).decode() or "unknown"
        os.close(lock)
        raise StartError(
            f"{directory} is in use by another broker (process {owner}). "
            "Stop it or choose another data directory."
        )
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock
