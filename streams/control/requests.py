"""The admin's side of the control topic: write a request, read what workers answer.

An answer only explains; nothing waits for it longer than it says. What another wrote is shown to a
person, so what a terminal would obey is left out of it.
"""

from typing import TYPE_CHECKING

from streams.control.messages import PARTITION, Message, State, decode, encode
from streams.errors import Misconfigured
from streams.kafka import status
from streams.kafka.client import client_options
from streams.settings.settings import Settings, variable
from streams.terminal import printable

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer

#: Seconds that Kafka may take to acknowledge a request.
PATIENCE = 30


def write(settings: Settings, admin: "KafkaAdminClient", request: Message) -> int:
    """Write a request; return its offset. Raises Misconfigured if there is no control topic."""
    from kafka import KafkaProducer

    topic = settings.kafka.control_topic
    if status.partitions_of(admin, topic) is None:
        raise Misconfigured(
            f"there is no topic {topic} in Kafka at {settings.kafka.bootstrap_servers}",
            f"create it, with one partition, or correct {variable('kafka.control_topic')}",
        )
    with KafkaProducer(**client_options(settings), acks="all") as producer:
        sent = producer.send(topic, encode(request), partition=PARTITION)
        return int(sent.get(timeout=PATIENCE).offset)


class Answers:
    """What the group's workers have said since a request; the newest of each counts."""

    def __init__(self, settings: Settings, client: "KafkaConsumer", request: int) -> None:
        from kafka import TopicPartition

        self._group = settings.kafka.group_id
        self._client = client
        self._place = TopicPartition(settings.kafka.control_topic, PARTITION)
        self._states: dict[str, State] = {}
        client.assign([self._place])
        client.seek(self._place, request)

    def listen(self, milliseconds: int) -> None:
        """Take in what comes, for at most so long."""
        for record in self._client.poll(timeout_ms=milliseconds).get(self._place, ()):
            message = decode(record.value)
            if isinstance(message, State) and message.group == self._group:
                self._states.pop(message.worker, None)  # the newest comes last
                self._states[message.worker] = message

    def of(self, partition: int) -> State | None:
        """Give the newest answer of a worker that says it owns a partition."""
        for state in reversed(self._states.values()):
            if partition in state.partitions:
                return State(
                    v=1,
                    group=state.group,
                    request=state.request,
                    worker=printable(state.worker),
                    paused=printable(state.paused),
                    partitions={n: printable(held) for n, held in state.partitions.items()},
                )
        return None
