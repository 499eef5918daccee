"""How far the lake is behind Kafka, as Kafka alone knows it.

Reads the committed offsets with their metadata, the topic's bounds and the group's members; needs
neither a worker nor the lake. By the protocol the committed offset is the end of what is in the
lake, so the lag is what is not there yet. Changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams import clock
from streams.kafka.client import open_admin
from streams.kafka.epochs import epoch_ends
from streams.kafka.errors import unknown_topic
from streams.kafka.topics import partitions_of, topic_id_of
from streams.kafka.transactions import OpenTransaction, open_transactions
from streams.settings.settings import Settings
from streams.sizes import counted
from streams.windows.seal import NO_EPOCH, Seal, read_seal

if TYPE_CHECKING:
    from kafka import TopicPartition

    from streams.kafka.client import Admin

    Transactions = dict[TopicPartition, OpenTransaction]


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition: its bounds in Kafka, and how much of it the lake has.

    `committed` is None before the first commit; `sealed` are the ends of the windows that are
    sealed and not yet committed; `owner` is the worker's client id and host, None without one.
    `end` is the last stable offset: what follows belongs to, or waits for, the `transaction`.
    `cut` is where the log was cut below what is committed or sealed, if a worker saw that, or if
    the log's leader epochs show it.
    """

    partition: int
    begin: int
    committed: int | None
    end: int
    sealed: tuple[int, ...]
    owner: str | None
    transaction: OpenTransaction | None = None
    #: False if it is known that Kafka has no record past the committed offset.
    waits: bool = True
    cut: int | None = None

    @property
    def reached(self) -> int:
        """Up to where the lake has what the log has now."""
        reached = self.committed or 0
        return max(self.begin, reached if self.cut is None else min(reached, self.cut))

    @property
    def lag(self) -> int:
        """Offsets that are in Kafka and not in the lake: an upper bound of the records."""
        if not self.waits:
            return 0
        return self.end - min(self.reached, self.end)

    @property
    def log_end(self) -> int:
        """The log's next offset."""
        return self.end + (self.transaction.offsets if self.transaction else 0)

    @property
    def lost(self) -> int:
        """Offsets that Kafka's retention deleted before the lake had them."""
        return 0 if self.committed is None else max(0, self.begin - self.committed)


@dataclass(frozen=True, slots=True)
class Status:
    """The topic and its group. `dead_letters` is None while that topic does not exist.

    `topic_id` is empty if Kafka has no ids.
    """

    topic: str
    group: str
    group_state: str
    partitions: tuple[PartitionStatus, ...]
    dead_letters: int | None
    topic_id: str = ""

    @property
    def lag(self) -> int:
        """Offsets not in the lake yet, over all partitions."""
        return sum(partition.lag for partition in self.partitions)

    def problems(self) -> list[str]:
        """Return what needs attention, one sentence each."""
        found = [
            f"partition {partition.partition}: Kafka deleted {counted(partition.lost, 'record')} "
            "before the lake had them"
            for partition in self.partitions
            if partition.lost
        ]
        found += [
            f"partition {partition.partition}: committed {partition.committed} is beyond "
            f"the end {partition.log_end}: Kafka lost records, or the topic was deleted and "
            "recreated; no worker goes on with it before `falcolake adopt`"
            for partition in self.partitions
            if (partition.committed or 0) > partition.log_end
        ]
        found += [
            f"partition {partition.partition}: {partition.transaction}"
            for partition in self.partitions
            if partition.transaction is not None and partition.transaction.is_long
        ]
        found += [
            f"partition {partition.partition}: Kafka lost records: the log was cut to offset "
            f"{partition.cut} and has grown again; no worker goes on with it before "
            "`falcolake adopt`"
            for partition in self.partitions
            if partition.cut is not None and (partition.committed or 0) <= partition.log_end
        ]
        if not any(partition.owner for partition in self.partitions) and self.lag:
            found.append(f"no worker of group {self.group} is running")
        return found

    def plain(self) -> dict[str, Any]:
        """Return the status as JSON types."""
        return {
            "topic": self.topic,
            "topic_id": self.topic_id or None,
            "group": self.group,
            "group_state": self.group_state,
            "lag": self.lag,
            "dead_letters": self.dead_letters,
            "partitions": [
                {
                    "partition": partition.partition,
                    "begin": partition.begin,
                    "committed": partition.committed,
                    "end": partition.end,
                    "lag": partition.lag,
                    "lost": partition.lost,
                    "sealed": list(partition.sealed),
                    "owner": partition.owner,
                    "transaction": partition.transaction and partition.transaction._asdict(),
                    "cut": partition.cut,
                }
                for partition in self.partitions
            ],
            "problems": self.problems(),
        }


def read(settings: Settings) -> Status:
    """Ask Kafka how far the group is.

    Raises:
        Misconfigured: the topic does not exist, or Kafka refuses the settings.
        Unavailable: Kafka does not answer.
    """
    with open_admin(settings) as admin:
        return look(admin, settings)


def look(admin: "Admin", settings: Settings) -> Status:
    """Read the status with an open client; raises as `read` does, or kafka-python's own errors."""
    topic, group = settings.kafka.topic, settings.kafka.group_id
    partitions = partitions_of(admin, topic)
    if partitions is None:
        raise unknown_topic(settings)
    # Committed offsets before ends: what is written in between must not make a negative lag.
    committed = committed_offsets(admin, group, partitions)
    begins, ends, transactions = _bounds(admin, partitions)
    topic_id = topic_id_of(admin, topic)
    cuts = _cuts(admin, committed, topic_id)
    state, found = _members(admin, group, topic)
    owners = {number: name for name, numbers in found for number in numbers}
    dead_letters = _records(admin, settings.kafka.dead_letter_topic)
    return Status(
        topic,
        group,
        state,
        tuple(
            PartitionStatus(
                place.partition,
                begins[place],
                committed[place][0] if place in committed else None,
                ends[place],
                committed[place][1].ends if place in committed else (),
                owners.get(place.partition),
                transactions.get(place),
                cut=cuts.get(place),
            )
            for place in partitions
        ),
        dead_letters,
        topic_id,
    )


def _bounds(
    admin: "Admin", partitions: "list[TopicPartition]"
) -> "tuple[dict[TopicPartition, int], dict[TopicPartition, int], Transactions]":
    """Return the first offsets, the last stable ones, and the transactions after them."""
    from kafka.admin import OffsetSpec
    from kafka.protocol.consumer import IsolationLevel

    # The log's ends before the last stable offsets: what is written in between is not open.
    begins, ends, stable = (
        {
            place: found.offset
            for place, found in admin.list_partition_offsets(
                dict.fromkeys(partitions, spec), isolation_level
            ).items()
        }
        for spec, isolation_level in (
            (OffsetSpec.EARLIEST, IsolationLevel.READ_UNCOMMITTED),
            (OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED),
            (OffsetSpec.LATEST, IsolationLevel.READ_COMMITTED),
        )
    )
    return begins, stable, open_transactions(admin, stable, ends, clock.now_ms())


def _cuts(
    admin: "Admin", committed: "Mapping[TopicPartition, tuple[int, Seal]]", topic_id: str
) -> "dict[TopicPartition, int | None]":
    """Return where logs were cut; None if they were not."""
    epochs = {
        place: seal.leader_epoch
        for place, (_, seal) in committed.items()
        if seal.leader_epoch != NO_EPOCH and seal.topic_id in {"", topic_id}
    }
    ends = epoch_ends(admin, epochs)
    return {
        place: seal.cut_at(offset, ends.get(place)) for place, (offset, seal) in committed.items()
    }


def committed_offsets(
    admin: "Admin", group: str, partitions: "list[TopicPartition]"
) -> "dict[TopicPartition, tuple[int, Seal]]":
    """Return offset and seal of the partitions with a commit (Kafka says -1 for none)."""
    found = admin.list_group_offsets({group: partitions})[group]
    return {
        place: (commit.offset, read_seal(commit.metadata, commit.offset))
        for place, commit in found.items()
        if commit.offset >= 0
    }


def members(settings: Settings) -> list[tuple[str, frozenset[int]]] | None:
    """Return the group's members, by name, with their partitions; None during a rebalance.

    Raises Misconfigured or Unavailable, as `read` does.
    """
    with open_admin(settings) as admin:
        state, found = _members(admin, settings.kafka.group_id, settings.kafka.topic)
    return found if state == "stable" else None


def _members(
    admin: "Admin", group: str, topic: str
) -> tuple[str, list[tuple[str, frozenset[int]]]]:
    """Return the group's state, and its members with their partitions."""
    described = admin.describe_groups([group])[group]
    state = described["group_state"]
    found = []
    for member in described["members"]:
        assignment = member["member_assignment"]
        if not isinstance(assignment, dict):  # still joining, or not a consumer
            continue
        name = member["group_instance_id"] or member["client_id"]
        partitions = frozenset(
            number
            for assigned in assignment["assigned_partitions"]
            if assigned["topic"] == topic
            for number in assigned["partitions"]
        )
        found.append((f"{name} at {member['client_host'].lstrip('/')}", partitions))
    return ("none" if state == "Dead" else described["error"] or state.lower()), found


def _records(admin: "Admin", topic: str) -> int | None:
    """Return how many offsets a topic holds; None if there is no such topic."""
    partitions = partitions_of(admin, topic)
    if partitions is None:
        return None
    begins, ends, _ = _bounds(admin, partitions)
    return sum(ends[place] - begins[place] for place in partitions)
