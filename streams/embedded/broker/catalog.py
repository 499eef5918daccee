"""The broker's metadata: topics, producer ids, log starts, committed offsets.

Each change is first written to the journal, then applied by the code that also replays it.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

from streams.embedded.broker.journal import (
    ClusterNamed,
    Committed,
    Entry,
    GroupDeleted,
    Journal,
    LeaderElected,
    OffsetsCommitted,
    OffsetsForgotten,
    ProducerIdGiven,
    StartMoved,
    TopicDeleted,
    TopicSet,
)

Positions = dict[tuple[str, int], Committed]


class Catalog:
    """The durable state, in memory and in the journal. Change it only through `record`."""

    def __init__(self, path: Path) -> None:
        self.cluster_id = ""
        self.producer_id = 0
        self.leader_epoch = -1
        self.topics: dict[str, TopicSet] = {}
        self.starts: dict[tuple[str, int], int] = {}
        self.groups: dict[str, Positions] = {}
        self._journal = Journal(path)
        for entry in self._journal.replay():
            self._apply(entry)
        if not self.cluster_id:
            self.record(ClusterNamed(uuid.uuid4().hex[:22]))
        self.record(LeaderElected(self.leader_epoch + 1))

    def record(self, entry: Entry) -> None:
        """Apply a change durably; compact the journal when it has grown too long."""
        self._journal.write(entry)
        self._apply(entry)
        if self._journal.is_overgrown:
            self._journal.compact(self._state())

    def next_producer_id(self) -> int:
        """Return an id that no producer of this data directory has had."""
        self.record(ProducerIdGiven(self.producer_id + 1))
        return self.producer_id

    def positions(self, group: str) -> Positions:
        """Return what `group` has committed, by (topic, partition)."""
        return self.groups.get(group, {})

    def _apply(self, entry: Entry) -> None:
        match entry:
            case ClusterNamed(id=cluster_id):
                self.cluster_id = cluster_id
            case ProducerIdGiven(id=producer_id):
                self.producer_id = producer_id
            case LeaderElected(epoch=epoch):
                self.leader_epoch = epoch
            case TopicSet(name=name):
                self.topics[name] = entry
            case TopicDeleted(name=name):
                self._forget_topic(name)
            case StartMoved(topic=topic, partition=partition, offset=offset):
                self.starts[topic, partition] = offset
            case _:
                self._apply_to_group(entry)

    def _apply_to_group(self, entry: Entry) -> None:
        match entry:
            case OffsetsCommitted(group=group, offsets=offsets):
                positions = self.groups.setdefault(group, {})
                positions.update({(one.topic, one.partition): one for one in offsets})
            case OffsetsForgotten(group=group, partitions=partitions):
                for partition_key in partitions:
                    self.groups.get(group, {}).pop(partition_key, None)
            case GroupDeleted(group=group):
                self.groups.pop(group, None)

    def _forget_topic(self, name: str) -> None:
        self.topics.pop(name, None)
        self.starts = {key: start for key, start in self.starts.items() if key[0] != name}
        for positions in self.groups.values():
            for key in [key for key in positions if key[0] == name]:
                del positions[key]

    def _state(self) -> Iterator[Entry]:
        yield ClusterNamed(self.cluster_id)
        yield ProducerIdGiven(self.producer_id)
        yield LeaderElected(self.leader_epoch)
        yield from self.topics.values()
        for (topic, partition), offset in self.starts.items():
            yield StartMoved(topic, partition, offset)
        for group, positions in self.groups.items():
            yield OffsetsCommitted(group, list(positions.values()))

    def close(self) -> None:
        """Compact the journal and close it."""
        self._journal.compact(self._state())
        self._journal.close()
