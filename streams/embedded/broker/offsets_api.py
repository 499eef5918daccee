"""Handlers of a consumer group's committed offsets: commit, fetch, delete."""

from collections.abc import Iterable
from typing import Any

from kafka.protocol.consumer import (
    OffsetCommitResponse,
    OffsetDeleteResponse,
    OffsetFetchResponse,
)

from streams.embedded.broker.broker import Broker
from streams.embedded.broker.coordinator import MAX_METADATA
from streams.embedded.broker.errors import ErrorCode, Refusal, refusal_code
from streams.embedded.broker.journal import Committed
from streams.embedded.broker.wire import Call


async def offset_commit(broker: Broker, call: Call) -> Any:
    """OffsetCommit: stores the valid positions of a request together."""
    body = call.body
    fenced = refusal_code(
        broker.groups.check_commit,
        body.group_id,
        body.member_id,
        body.group_instance_id,
        body.generation_id_or_member_epoch,
    )
    positions = [
        _committed(topic.name, partition) for topic in body.topics for partition in topic.partitions
    ]
    codes = {
        (one.topic, one.partition): fenced or refusal_code(_check_position, broker, one)
        for one in positions
    }
    accepted = [one for one in positions if not codes[one.topic, one.partition]]
    stored = refusal_code(broker.groups.commit, body.group_id, accepted)
    answer = OffsetCommitResponse.OffsetCommitResponseTopic
    return OffsetCommitResponse(
        topics=[
            answer(
                name=topic.name,
                partitions=[
                    answer.OffsetCommitResponsePartition(
                        partition_index=partition.partition_index,
                        error_code=codes[topic.name, partition.partition_index] or stored,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in body.topics
        ]
    )


def _check_position(broker: Broker, position: Committed) -> None:
    broker.topics.log(position.topic, position.partition)
    if len(position.metadata) > MAX_METADATA:
        raise Refusal(ErrorCode.OFFSET_METADATA_TOO_LARGE)


def _committed(topic: str, partition: Any) -> Committed:
    return Committed(
        topic,
        partition.partition_index,
        partition.committed_offset,
        partition.committed_leader_epoch,
        partition.committed_metadata or "",
    )


async def offset_fetch(broker: Broker, call: Call) -> Any:
    """OffsetFetch: of one group, or (from version 8) of several."""
    body = call.body
    if call.version < 8:
        answer = OffsetFetchResponse.OffsetFetchResponseTopic
        return OffsetFetchResponse(
            topics=_positions(
                broker, body.group_id, body.topics, answer, answer.OffsetFetchResponsePartition
            )
        )
    group_answer = OffsetFetchResponse.OffsetFetchResponseGroup
    answer = group_answer.OffsetFetchResponseTopics
    return OffsetFetchResponse(
        groups=[
            group_answer(
                group_id=group.group_id,
                topics=_positions(
                    broker,
                    group.group_id,
                    group.topics,
                    answer,
                    answer.OffsetFetchResponsePartitions,
                ),
            )
            for group in body.groups
        ]
    )


def _positions(
    broker: Broker, group: str, topics: Any, topic_answer: Any, partition_answer: Any
) -> list[Any]:
    committed = broker.groups.positions(group)
    wanted: dict[str, Iterable[int]] = {}
    if topics is None:
        for name, index in sorted(committed):
            wanted[name] = [*wanted.get(name, ()), index]
    else:
        wanted = {topic.name: topic.partition_indexes for topic in topics}
    return [
        topic_answer(
            name=name,
            partitions=[
                _position(committed.get((name, index)), index, partition_answer)
                for index in indexes
            ],
        )
        for name, indexes in wanted.items()
    ]


def _position(committed: Committed | None, index: int, answer: Any) -> Any:
    if committed is None:
        return answer(partition_index=index, committed_offset=-1, metadata="")
    return answer(
        partition_index=index,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
    )


async def offset_delete(broker: Broker, call: Call) -> Any:
    """OffsetDelete: not for topics that members of the group consume."""
    body = call.body
    try:
        subscribed = broker.groups.subscribed(body.group_id)
    except Refusal as error:
        return OffsetDeleteResponse(error_code=error.code, topics=[])
    answer = OffsetDeleteResponse.OffsetDeleteResponseTopic
    forgotten: list[tuple[str, int]] = []
    topics = []
    for topic in body.topics:
        kept = topic.name in subscribed
        indexes = [partition.partition_index for partition in topic.partitions]
        if not kept:
            forgotten.extend((topic.name, index) for index in indexes)
        code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if kept else ErrorCode.NONE
        topics.append(
            answer(
                name=topic.name,
                partitions=[
                    answer.OffsetDeleteResponsePartition(partition_index=index, error_code=code)
                    for index in indexes
                ],
            )
        )
    broker.groups.forget(body.group_id, forgotten)
    return OffsetDeleteResponse(topics=topics)
