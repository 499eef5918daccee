"""Where logs end in a leader epoch (KIP-101), as commands ask Kafka.

What is before the end of an epoch has not changed since: see `worker.epoch_ends`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streams.windows.seal import NO_EPOCH

if TYPE_CHECKING:
    from kafka import TopicPartition

    from streams.kafka.client import Admin

#: In place of a replica: a consumer asks. In place of the current epoch: it is not compared.
_CONSUMER = _ANY = -1

#: The first version of the request that tells who asks.
_VERSION = 3


def epoch_ends(
    admin: "Admin", epochs: "Mapping[TopicPartition, int]"
) -> "dict[TopicPartition, int]":
    """Return where the logs of partitions end in these epochs; {} from a broker without epochs.

    An epoch that the log has never had ends at 0. Raises kafka-python's errors.
    """
    from kafka.errors import UnsupportedVersionError

    if not epochs:
        return {}
    try:
        found: dict[TopicPartition, int] = admin._manager.run(_ask, admin, epochs)
    except UnsupportedVersionError:
        return {}
    return found


def leader_epoch(admin: "Admin", topic: str, partition: int, end: int) -> int:
    """Return an epoch in which the log has everything before `end`; `NO_EPOCH` if none is known.

    It is the current one: whoever cuts the log later leads it in a higher epoch.
    """
    from kafka import TopicPartition

    place = TopicPartition(topic, partition)
    (described,) = admin.describe_topics([topic])
    epochs = {each["partition_index"]: each["leader_epoch"] for each in described["partitions"]}
    found: int = epochs.get(partition, NO_EPOCH)
    if found == NO_EPOCH or epoch_ends(admin, {place: found}).get(place, 0) < end:
        return NO_EPOCH
    return found


async def _ask(admin: Any, epochs: "Mapping[TopicPartition, int]") -> "dict[TopicPartition, int]":
    from kafka import TopicPartition
    from kafka.errors import for_code
    from kafka.protocol.consumer import OffsetForLeaderEpochRequest as Request

    Topic = Request.OffsetForLeaderTopic  # noqa: N806 - a class
    found = {}
    leaders = await admin._async_get_leader_for_partitions(set(epochs))
    for leader, places in leaders.items():
        topics: dict[str, list[Any]] = {}
        for place in places:
            asked = Topic.OffsetForLeaderPartition(
                partition=place.partition,
                current_leader_epoch=_ANY,
                leader_epoch=epochs[place],
            )
            topics.setdefault(place.topic, []).append(asked)
        request = Request(
            replica_id=_CONSUMER,
            topics=[Topic(topic=topic, partitions=parts) for topic, parts in topics.items()],
            min_version=_VERSION,
        )
        answer = await admin._manager.send(request, node_id=leader)
        for topic in answer.topics:
            for each in topic.partitions:
                if each.error_code:
                    raise for_code(each.error_code)(topic.topic)
                found[TopicPartition(topic.topic, each.partition)] = max(0, each.end_offset)
    return found
