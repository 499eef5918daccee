"""What Kafka's admin interface says of one topic: its partitions, configuration and id.

A topic's id (KIP-516) is its own even if another topic had the name before: a topic that is
deleted and recreated gets another one.
"""

import base64
import uuid
from typing import TYPE_CHECKING

from streams.kafka.errors import for_code, is_forbidden

if TYPE_CHECKING:
    from kafka import TopicPartition

    from streams.kafka.client import Admin

UNKNOWN_TOPIC = 3  # Kafka's error code UNKNOWN_TOPIC_OR_PARTITION


def partitions_of(admin: "Admin", topic: str) -> "list[TopicPartition] | None":
    """Return a topic's partitions in order; None if there is no such topic."""
    from kafka import TopicPartition

    (described,) = admin.describe_topics([topic])
    if described["error_code"] == UNKNOWN_TOPIC:
        return None
    if described["error_code"]:
        raise for_code(described["error_code"], topic)
    numbers = sorted(partition["partition_index"] for partition in described["partitions"])
    return [TopicPartition(topic, number) for number in numbers]


def config_of(admin: "Admin", topic: str) -> dict[str, str] | None:
    """Return a topic's configuration, defaults included; None without the right to read it."""
    from kafka.admin import ConfigResource, ConfigResourceType

    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    try:
        found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    except Exception as error:
        if is_forbidden(error):
            return None
        raise
    return {key: value["value"] or "" for key, value in found.items()}


def topic_id_of(admin: "Admin", topic: str) -> str:
    """Return a topic's id as Kafka prints it; empty if there is no topic, or no id (Kafka < 2.8).

    Raises kafka-python's errors.
    """
    (described,) = admin.describe_topics([topic])
    found = described.get("topic_id")
    return "" if found is None else printed(uuid.UUID(found).bytes)


def printed(topic_id: bytes) -> str:
    """Return the 16 bytes of an id as Kafka's tools print them, 22 characters; zeros are no id."""
    if not any(topic_id):
        return ""
    return base64.urlsafe_b64encode(topic_id).rstrip(b"=").decode()
