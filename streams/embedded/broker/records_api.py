"""Handlers of record requests: produce, fetch, and the offsets to fetch from."""

import asyncio
from typing import Any

from kafka.protocol.admin import DeleteRecordsResponse
from kafka.protocol.consumer import (
    FetchResponse,
    ListOffsetsResponse,
    OffsetForLeaderEpochResponse,
)
from kafka.protocol.producer import ProduceResponse

from streams.embedded.broker.broker import Broker
from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.log import PartitionLog
from streams.embedded.broker.wire import Call

MAX_FETCH = 16 * 1024 * 1024
"""Bytes of records in one answer, whatever the client allows. Kafka's `fetch.max.bytes` is 55 MB;
larger answers are copied at half the speed here."""


async def produce(broker: Broker, call: Call) -> Any:
    """Produce: stores each partition's batch, and answers for each separately."""
    topics = [
        ProduceResponse.TopicProduceResponse(
            name=topic.name,
            partition_responses=[
                _append(broker, topic.name, partition, call.body.acks)
                for partition in topic.partition_data
            ],
        )
        for topic in call.body.topic_data
    ]
    return None if call.body.acks == 0 else ProduceResponse(responses=topics)


def _append(broker: Broker, topic: str, partition: Any, acks: int) -> Any:
    answer = ProduceResponse.TopicProduceResponse.PartitionProduceResponse
    try:
        if acks not in (-1, 0, 1):
            raise Refusal(ErrorCode.INVALID_REQUIRED_ACKS)
        log = broker.topics.log(topic, partition.index)
        offset = log.append(partition.records or b"")
    except Refusal as error:
        return answer(
            index=partition.index,
            error_code=error.code,
            base_offset=-1,
            error_message=error.message,
        )
    return answer(index=partition.index, base_offset=offset, log_start_offset=log.start)


async def fetch(broker: Broker, call: Call) -> Any:
    """Fetch: answers once there are `min_bytes`, on an error, or when the time is up."""
    body = call.body
    if body.session_id:
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    limit = min(body.max_bytes, MAX_FETCH)
    grown = asyncio.Event()
    watched = _watch(broker, body, grown)
    try:
        async with asyncio.timeout(max(0, body.max_wait_ms) / 1000):
            while not _is_ready(broker, body, min(body.min_bytes, limit)):
                grown.clear()
                await grown.wait()
    except TimeoutError:
        pass
    finally:
        for log in watched:
            log.watchers.discard(grown)
    return FetchResponse(responses=_read(broker, body, limit))


def _watch(broker: Broker, body: Any, grown: asyncio.Event) -> list[PartitionLog]:
    watched = []
    for topic in body.topics:
        for partition in topic.partitions:
            try:
                log = broker.topics.log(topic.topic, partition.partition)
            except Refusal:
                continue
            log.watchers.add(grown)
            watched.append(log)
    return watched


def _is_ready(broker: Broker, body: Any, min_bytes: int) -> bool:
    available = 0
    for topic in body.topics:
        for partition in topic.partitions:
            try:
                log = _log_to_read(broker, topic.topic, partition)
            except Refusal:
                return True
            there = log.bytes_from(partition.fetch_offset)
            available += min(there, partition.partition_max_bytes)
    return not body.topics or available >= min_bytes


def _log_to_read(broker: Broker, topic: str, partition: Any) -> PartitionLog:
    log = broker.topics.log(topic, partition.partition)
    if partition.current_leader_epoch > log.leader_epoch:
        raise Refusal(ErrorCode.UNKNOWN_LEADER_EPOCH)
    log.check_offset(partition.fetch_offset)
    return log


def _read(broker: Broker, body: Any, limit: int) -> list[Any]:
    answer = FetchResponse.FetchableTopicResponse
    taken = 0
    topics = []
    for topic in body.topics:
        partitions = []
        for partition in topic.partitions:
            described = answer.PartitionData(
                partition_index=partition.partition, high_watermark=-1, records=b""
            )
            partitions.append(described)
            try:
                log = _log_to_read(broker, topic.topic, partition)
            except Refusal as error:
                described.error_code = error.code
                continue
            described.error_code = ErrorCode.NONE
            described.high_watermark = described.last_stable_offset = log.end
            described.log_start_offset = log.start
            room = min(partition.partition_max_bytes, limit - taken)
            described.records = log.read(partition.fetch_offset, room, first_always=not taken)
            taken += len(described.records)
        topics.append(answer(topic=topic.topic, partitions=partitions))
    return topics


async def list_offsets(broker: Broker, call: Call) -> Any:
    """ListOffsets: the ends of a log, or the first offset at or after a time."""
    answer = ListOffsetsResponse.ListOffsetsTopicResponse
    return ListOffsetsResponse(
        topics=[
            answer(
                name=topic.name,
                partitions=[
                    _offset_for(broker, topic.name, partition) for partition in topic.partitions
                ],
            )
            for topic in call.body.topics
        ]
    )


def _offset_for(broker: Broker, topic: str, partition: Any) -> Any:
    answer = ListOffsetsResponse.ListOffsetsTopicResponse.ListOffsetsPartitionResponse
    index = partition.partition_index
    try:
        log = broker.topics.log(topic, index)
        found = _find_offset(log, partition.timestamp)
    except Refusal as error:
        return answer(partition_index=index, error_code=error.code)
    if found is None:
        return answer(partition_index=index)
    return answer(
        partition_index=index, offset=found[0], timestamp=found[1], leader_epoch=log.leader_epoch
    )


def _find_offset(log: PartitionLog, timestamp: int) -> tuple[int, int] | None:
    match timestamp:
        case -1:
            return log.end, -1
        case -2 | -4:
            return log.start, -1
        case -3:
            return log.latest_time()
        case _ if timestamp < 0:
            raise Refusal(ErrorCode.UNSUPPORTED_VERSION, f"no offset for timestamp {timestamp}")
        case _:
            return log.offset_at(timestamp)


async def offset_for_leader_epoch(broker: Broker, call: Call) -> Any:
    """OffsetForLeaderEpoch: where logs end in an epoch; each start of the broker begins one."""
    topic_answer = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult
    topics = []
    for topic in call.body.topics:
        partitions = []
        for partition in topic.partitions:
            described = topic_answer.EpochEndOffset(partition=partition.partition)
            partitions.append(described)
            try:
                log = broker.topics.log(topic.topic, partition.partition)
            except Refusal as error:
                described.error_code = error.code
                continue
            epoch, end = log.end_of(partition.leader_epoch)
            described.leader_epoch, described.end_offset = epoch, end
        topics.append(topic_answer(topic=topic.topic, partitions=partitions))
    return OffsetForLeaderEpochResponse(topics=topics)


async def delete_records(broker: Broker, call: Call) -> Any:
    """DeleteRecords: moves the start of partitions forward."""
    topic_answer = DeleteRecordsResponse.DeleteRecordsTopicResult
    topics = []
    for topic in call.body.topics:
        partitions = []
        for partition in topic.partitions:
            described = topic_answer.DeleteRecordsPartitionResult(
                partition_index=partition.partition_index, low_watermark=-1
            )
            partitions.append(described)
            try:
                described.low_watermark = broker.topics.delete_records(
                    topic.name, partition.partition_index, partition.offset
                )
            except Refusal as error:
                described.error_code = error.code
        topics.append(topic_answer(name=topic.name, partitions=partitions))
    return DeleteRecordsResponse(topics=topics)
