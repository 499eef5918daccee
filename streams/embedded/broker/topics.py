"""Topics and their partition logs: create, find, grow, configure, trim, delete.

A topic's files are in a directory named by the topic's id, so that a recreated topic never sees the
old one's records. The catalog is written first: a directory that belongs to no topic is left over
from a deletion, and is removed at startup.
"""

import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from streams.embedded.broker import configs
from streams.embedded.broker.catalog import Catalog
from streams.embedded.broker.configs import TopicConfig
from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.journal import StartMoved, TopicDeleted, TopicSet
from streams.embedded.broker.log import PartitionLog

MAX_PARTITIONS = 1000
"""Per topic: each partition takes at least one open file."""

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Topic:
    """A topic that exists: its settings and one log per partition."""

    def __init__(self, entry: TopicSet) -> None:
        self.name = entry.name
        self.id = entry.id
        self.config = TopicConfig(entry.config)
        self.logs: list[PartitionLog] = []


class Topics:
    """Every topic of the broker, by name."""

    def __init__(self, directory: Path, catalog: Catalog) -> None:
        self._directory = directory
        self._catalog = catalog
        self._topics: dict[str, Topic] = {}
        directory.mkdir(exist_ok=True)
        claimed = {entry.id for entry in catalog.topics.values()}
        for path in directory.iterdir():
            if path.name not in claimed:
                shutil.rmtree(path)
        for entry in catalog.topics.values():
            self._open(entry)

    def _open(self, entry: TopicSet) -> Topic:
        topic = self._topics.get(entry.name)
        if topic is None:
            topic = self._topics[entry.name] = Topic(entry)
        topic.config.overrides = dict(entry.config)
        for index in range(len(topic.logs), entry.partitions):
            directory = self._directory / topic.id / str(index)
            start = self._catalog.starts.get((topic.name, index), 0)
            epoch = self._catalog.leader_epoch
            topic.logs.append(PartitionLog(directory, topic.config, epoch, start))
        return topic

    def _set(self, entry: TopicSet) -> Topic:
        self._catalog.record(entry)
        return self._open(entry)

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def names(self) -> list[str]:
        """Return the names of all topics."""
        return list(self._topics)

    def get(self, name: str) -> Topic:
        """Return the topic, or raise UNKNOWN_TOPIC_OR_PARTITION."""
        topic = self._topics.get(name)
        if topic is None:
            raise Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return topic

    def log(self, name: str, partition: int) -> PartitionLog:
        """Return the log of one partition, or raise UNKNOWN_TOPIC_OR_PARTITION."""
        logs = self.get(name).logs
        if not 0 <= partition < len(logs):
            raise Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return logs[partition]

    def logs(self) -> Iterator[tuple[str, int, PartitionLog]]:
        """Yield every (topic name, partition, log)."""
        for topic in list(self._topics.values()):
            for index, log in enumerate(topic.logs):
                yield topic.name, index, log

    def check_new(self, name: str, partitions: int, overrides: Mapping[str, str | None]) -> None:
        """Raise Refusal if the topic cannot be created."""
        if not _NAME.fullmatch(name) or name in {".", ".."}:
            raise Refusal(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"{name!r} is not a topic name: use 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'",
            )
        if name in self._topics:
            raise Refusal(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        self._check_partitions(partitions)
        configs.check(overrides)

    @staticmethod
    def _check_partitions(partitions: int) -> None:
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise Refusal(
                ErrorCode.INVALID_PARTITIONS,
                f"{partitions} partitions: a topic has 1 to {MAX_PARTITIONS}",
            )

    def create(
        self, name: str, partitions: int, overrides: Mapping[str, str | None] | None = None
    ) -> Topic:
        """Create a topic."""
        overrides = overrides or {}
        self.check_new(name, partitions, overrides)
        return self._set(TopicSet(name, uuid.uuid4().hex, partitions, configs.check(overrides)))

    def check_growth(self, name: str, partitions: int) -> None:
        """Raise Refusal unless the topic would get more partitions."""
        present = len(self.get(name).logs)
        if partitions <= present:
            raise Refusal(
                ErrorCode.INVALID_PARTITIONS, f"Topic '{name}' already has {present} partitions."
            )
        self._check_partitions(partitions)

    def grow(self, name: str, partitions: int) -> None:
        """Add empty partitions until there are `partitions`."""
        self.check_growth(name, partitions)
        topic = self.get(name)
        self._set(TopicSet(name, topic.id, partitions, topic.config.overrides))

    def configure(self, name: str, overrides: Mapping[str, str | None]) -> None:
        """Replace all of a topic's overrides."""
        topic = self.get(name)
        self._set(TopicSet(name, topic.id, len(topic.logs), configs.check(overrides)))

    def delete(self, name: str) -> None:
        """Delete a topic, its records, and the offsets that groups committed for it."""
        topic = self.get(name)
        self._catalog.record(TopicDeleted(name))
        del self._topics[name]
        for log in topic.logs:
            log.close()
        shutil.rmtree(self._directory / topic.id)

    def delete_records(self, name: str, partition: int, before: int) -> int:
        """Delete a partition's records before an offset (-1: all); return the new start."""
        log = self.log(name, partition)
        offset = log.end if before == -1 else before
        if not 0 <= offset <= log.end:
            raise Refusal(ErrorCode.OFFSET_OUT_OF_RANGE)
        if offset > log.start:
            self._catalog.record(StartMoved(name, partition, offset))
            log.delete_before(offset)
        return log.start

    def apply_retention(self, now_ms: int) -> None:
        """Delete the records that have passed their topic's retention."""
        for name, partition, log in self.logs():
            expired = log.expired_before(now_ms)
            if expired > log.start:
                self.delete_records(name, partition, expired)

    def close(self) -> None:
        """Sync all records to disk and close the files."""
        for _, _, log in self.logs():
            log.flush()
            log.close()
