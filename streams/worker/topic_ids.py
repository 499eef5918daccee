"""Asks brokers for the id of a topic (KIP-516) through aiokafka, whose own requests lack it.

The request is Metadata in version 10, the first one with ids. It goes through the consumer's own
client, so it needs no connection, credentials or rights of its own.
"""

from io import BytesIO
from typing import Any

from aiokafka import errors as kafka_errors
from aiokafka.client import ConnectionGroup
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streams.kafka.topics import printed

NO_ID = bytes(16)


class _Uuid:
    """The 16 bytes of an id."""

    repr = repr

    @staticmethod
    def encode(value: bytes) -> bytes:
        return value

    @staticmethod
    def decode(data: BytesIO) -> bytes:
        return data.read(len(NO_ID))


_NAME = CompactString("utf-8")


class _Answer(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", _NAME),
                ("port", Int32),
                ("rack", _NAME),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", _NAME),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _NAME),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("topic", _NAME), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _IdRequest(Request[_Question]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_Question]) -> _Question:
        return request_struct_class([(NO_ID, self._topic, {})], False, False, False, {})


async def ask(client: Any, node_id: int, topic: str) -> str:
    """Ask a broker for a topic's id; return it as Kafka prints it, or "" if brokers have no ids.

    `client` is an `AIOKafkaClient`. Raises aiokafka's errors, also if there is no such topic.
    """
    try:
        # On its own connection: a fetch that waits for records would delay the answer.
        answer = await client.send(node_id, _IdRequest(topic), group=ConnectionGroup.COORDINATION)
    except NotImplementedError:  # the broker is older than the request
        return ""
    ((code, _, topic_id, *_),) = answer.topics
    if code:
        raise kafka_errors.for_code(code)(topic)
    return printed(topic_id)
