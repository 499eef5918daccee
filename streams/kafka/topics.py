"""What Kafka's admin interface says of one topic: its partitions and its configuration."""

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
