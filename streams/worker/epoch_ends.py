"""Asks a broker where logs end in a leader epoch (KIP-101), through aiokafka, which cannot.

Each leader has an epoch of its own, and a log is of a sequence of epochs. What is before the end of
an epoch has not changed since. So if a log ends in a known epoch before an offset that was read in
it, it was cut there, however long it is now. The request goes through the consumer's own client, so
it needs no connection, credentials or rights of its own.
"""

from collections.abc import Mapping
from typing import Any

from aiokafka import errors as kafka_errors
from aiokafka.client import ConnectionGroup
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Int64, Schema, String
from aiokafka.structs import TopicPartition

#: In place of a replica: a consumer asks. In place of the current epoch: it is not compared.
_CONSUMER = _ANY = -1

_NAME = String("utf-8")


class _Answer(Response):  # type: ignore[misc]
    API_KEY = 23
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", _NAME),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader_epoch", Int32),
                        ("end_offset", Int64),
                    ),
                ),
            ),
        ),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    API_KEY = 23
    API_VERSION = 3
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("replica_id", Int32),
        (
            "topics",
            Array(
                ("topic", _NAME),
                (
                    "partitions",
                    Array(
                        ("partition", Int32),
                        ("current_leader_epoch", Int32),
                        ("leader_epoch", Int32),
                    ),
                ),
            ),
        ),
    )


class _EpochRequest(Request[_Question]):  # type: ignore[misc]
    API_KEY = 23

    def __init__(self, epochs: Mapping[TopicPartition, int]) -> None:
        self._epochs = epochs

    def build(self, request_struct_class: type[_Question]) -> _Question:
        topics: dict[str, list[tuple[int, int, int]]] = {}
        for tp, epoch in self._epochs.items():
            topics.setdefault(tp.topic, []).append((tp.partition, _ANY, epoch))
        return request_struct_class(_CONSUMER, list(topics.items()))


async def ask(
    client: Any, node_id: int, epochs: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Ask the leader of partitions where their logs end in these epochs; {} if it cannot tell.

    An epoch that the log has never had ends at 0. `client` is an `AIOKafkaClient`. Raises
    aiokafka's errors, also if the broker does not lead a partition.
    """
    try:
        # On its own connection: a fetch that waits for records would delay the answer.
        answer = await client.send(
            node_id, _EpochRequest(epochs), group=ConnectionGroup.COORDINATION
        )
    except (NotImplementedError, kafka_errors.IncompatibleBrokerVersion):
        return {}
    found = {}
    for topic, partitions in answer.topics:
        for code, partition, _, end in partitions:
            if code:
                raise kafka_errors.for_code(code)(topic)
            found[TopicPartition(topic, partition)] = max(0, end)
    return found
