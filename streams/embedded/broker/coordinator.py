"""All consumer groups: their members and committed offsets."""

from collections.abc import Iterable

from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription

from streams.embedded.broker.catalog import Catalog, Positions
from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.groups import Group
from streams.embedded.broker.journal import (
    Committed,
    GroupDeleted,
    OffsetsCommitted,
    OffsetsForgotten,
)
from streams.embedded.broker.members import GroupState

MAX_METADATA = 4096
"""Maximum length of a commit's metadata (Kafka's `offset.metadata.max.bytes`)."""


class Coordinator:
    """The groups of the broker, by name. Offsets outlive a restart, members do not."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._groups = {name: Group(name) for name in catalog.groups}

    def names(self) -> list[str]:
        """Return the groups that have members or committed offsets."""
        return [
            name
            for name, group in self._groups.items()
            if group.members or self._catalog.positions(name)
        ]

    def find(self, name: str) -> Group | None:
        """Return the group, or None if no client has used it."""
        return self._groups.get(name)

    def get(self, name: str) -> Group:
        """Return an existing group, for a request that only a member can make."""
        if not name:
            raise Refusal(ErrorCode.INVALID_GROUP_ID)
        group = self._groups.get(name)
        if group is None:
            raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID)
        return group

    def get_or_create(self, name: str) -> Group:
        """Return the group, creating it when its first member joins."""
        if not name:
            raise Refusal(ErrorCode.INVALID_GROUP_ID)
        return self._groups.setdefault(name, Group(name))

    def check_commit(
        self, name: str, member_id: str, instance_id: str | None, generation: int
    ) -> None:
        """Raise Refusal unless the commit comes from the group's current generation."""
        group = self._groups.get(name)
        if group is not None:
            group.check_commit(member_id, instance_id, generation)
        elif generation >= 0:
            raise Refusal(ErrorCode.ILLEGAL_GENERATION)

    def commit(self, name: str, offsets: list[Committed]) -> None:
        """Store positions, all or none."""
        if offsets:
            self._groups.setdefault(name, Group(name))
            self._catalog.record(OffsetsCommitted(name, offsets))

    def positions(self, name: str) -> Positions:
        """Return what a group has committed, by (topic, partition)."""
        return self._catalog.positions(name)

    def delete(self, name: str) -> None:
        """Delete a group that has no members, and its offsets."""
        group = self._groups.get(name)
        if group is None:
            raise Refusal(ErrorCode.GROUP_ID_NOT_FOUND)
        if group.members:
            raise Refusal(ErrorCode.NON_EMPTY_GROUP)
        self._catalog.record(GroupDeleted(name))
        del self._groups[name]
        group.close()

    def forget(self, name: str, partitions: Iterable[tuple[str, int]]) -> None:
        """Delete committed offsets."""
        self._catalog.record(OffsetsForgotten(name, list(partitions)))

    def subscribed(self, name: str) -> set[str]:
        """Return the topics that the group's members consume; their offsets cannot be deleted."""
        group = self._groups.get(name)
        if group is None:
            raise Refusal(ErrorCode.GROUP_ID_NOT_FOUND)
        if group.members and group.protocol_type != "consumer":
            raise Refusal(ErrorCode.NON_EMPTY_GROUP)
        if group.state is not GroupState.STABLE or group.protocol is None:
            return set()
        topics: set[str] = set()
        for member in group.members.values():
            metadata = member.protocols[group.protocol]
            topics.update(ConsumerProtocolSubscription.decode(metadata).topics)
        return topics

    def close(self) -> None:
        """End every wait."""
        for group in self._groups.values():
            group.close()
