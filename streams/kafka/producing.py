"""The producer of everything that writes alerts: idempotent, and acknowledged by all replicas.

It never gives up on a record: what it has when Kafka goes away is sent when Kafka is back.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    RecordListTooLargeError,
    UnknownProducerId,
)

from streams.kafka.client import aiokafka_options
from streams.kafka.errors import unknown_topic
from streams.settings.settings import Settings

TOPIC_SECONDS = 10.0

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
#: Errors that say that Kafka has not written a batch: because of what happened to an earlier one,
#: or because it no longer knows the producer.
NOT_WRITTEN = (OutOfOrderSequenceNumber, UnknownProducerId)


def new_producer(settings: Settings, **options: Any) -> AIOKafkaProducer:
    """Build a producer; `options` are aiokafka's, besides those that each has."""
    return AIOKafkaProducer(
        **aiokafka_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        **options,
    )


async def partitions_of(producer: AIOKafkaProducer, settings: Settings) -> list[int]:
    """Return the topic's partitions in order. Raises Misconfigured if there is no such topic."""
    try:
        async with asyncio.timeout(TOPIC_SECONDS):
            return sorted(await producer.partitions_for(settings.kafka.topic))
    except TimeoutError:
        raise unknown_topic(settings) from None
