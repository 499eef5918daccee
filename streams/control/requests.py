"""The admin's side of the control topic: write a request, read what workers answer.

An answer only explains, so nothing depends on one. Anyone who may write to the topic can answer, so
what is kept is bounded, and control characters that a terminal would obey are removed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from streams.control.messages import PARTITION, Message, State, decode, encode
from streams.errors import Misconfigured
from streams.kafka import scan
from streams.kafka.client import send
from streams.kafka.topics import partitions_of
from streams.settings.settings import Settings, variable
from streams.terminal import printable

if TYPE_CHECKING:
    from streams.kafka.client import Admin, Consumer


#: Bytes of answers that are kept.
MOST_BYTES = 16 << 20


def write(settings: Settings, admin: "Admin", request: Message) -> int:
    """Write a request and return its offset. Raises Misconfigured if there is no control topic."""
    topic = settings.kafka.control_topic
    if partitions_of(admin, topic) is None:
        raise Misconfigured(
            f"there is no topic {topic} in Kafka at {settings.kafka.bootstrap_servers}",
            f"create it, with one partition, or correct {variable('kafka.control_topic')}",
        )
    return send(settings, topic, PARTITION, encode(request))


def answers(settings: Settings, client: "Consumer", request: int) -> "Answers":
    """Follow what the group's workers answer to a request, named by its offset."""
    tail = scan.Tail(client, settings.kafka.control_topic, PARTITION, request)
    return Answers(settings.kafka.group_id, tail)


class Values(Protocol):
    """Where answers come from: `scan.Tail`, but for tests."""

    def poll(self, milliseconds: int) -> Sequence[bytes | None]:
        """Return the values of the records that come, waiting at most this long."""
        ...


class Answers:
    """What a group's workers have answered; the newest answer of each counts."""

    def __init__(self, group: str, tail: Values) -> None:
        self._group = group
        self._tail = tail
        self._states: dict[str, tuple[State, int]] = {}
        self._bytes = 0

    def listen(self, milliseconds: int) -> None:
        """Take in the answers that come, waiting at most this long."""
        for value in self._tail.poll(milliseconds):
            message = decode(value)
            if isinstance(message, State) and message.group == self._group:
                self._drop(message.worker)  # the newest comes last
                self._states[message.worker] = message, len(value or b"")
                self._bytes += len(value or b"")
                while self._bytes > MOST_BYTES:
                    self._drop(next(iter(self._states)))

    def _drop(self, worker: str) -> None:
        _, size = self._states.pop(worker, (None, 0))
        self._bytes -= size

    def of(self, partition: int) -> State | None:
        """Return the newest answer of a worker that says it owns a partition."""
        for state, _ in reversed(self._states.values()):
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
