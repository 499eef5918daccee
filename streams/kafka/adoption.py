"""Kafka's side of an adoption: the group's commits, and one transaction for copies and offset.

Every adoption of a group has the same transactional id: a second one ends the first, and what a
killed one left open is aborted before anything is written.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streams.errors import Misconfigured, Unavailable
from streams.kafka import scan
from streams.kafka.client import client_options
from streams.kafka.errors import is_kafkas
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaProducer

    from streams.kafka.client import Admin, Consumer

#: Kafka's default for the longest transaction.
LONGEST_TRANSACTION_MS = 900_000

#: Seconds to wait for transactions of other producers to end.
PATIENCE = 120.0

CHUNK = 1000


def commit(admin: "Admin", settings: Settings, partition: int, offset: int, metadata: str) -> None:
    """Commit an offset of a group without members."""
    from kafka import TopicPartition
    from kafka.structs import OffsetAndMetadata

    place = TopicPartition(settings.kafka.topic, partition)
    done = admin.alter_group_offsets(
        settings.kafka.group_id, {place: OffsetAndMetadata(offset, metadata, -1)}
    )[place]
    if done.errno:
        raise Unavailable(
            f"Kafka refuses to commit offsets of group {settings.kafka.group_id}: {done.__name__}",
            "stop all workers of the group, then run adopt again",
        )


class Writer:
    """Writes to one partition in transactions."""

    def __init__(self, settings: Settings, producer: "KafkaProducer", partition: int) -> None:
        self._settings = settings
        self._producer = producer
        self._partition = partition

    def pad(self, offsets: int, progress: Callable[[int], None]) -> None:
        """Write and abort so many records: they only take offsets."""
        self._producer.begin_transaction()
        for number in range(offsets):
            self._send(b"falcolake adopt: padding", b"padding")
            if number % CHUNK == 0:
                progress(number)
        self._producer.flush()
        self._producer.abort_transaction()

    def publish(
        self,
        client: "Consumer",
        copies: Collection[int],
        offset: int,
        metadata: str,
        progress: Callable[[int], None],
    ) -> None:
        """Publish the records at these offsets again and commit an offset: both, or neither."""
        from kafka import TopicPartition
        from kafka.structs import OffsetAndMetadata

        topic, wanted = self._settings.kafka.topic, set(copies)
        self._producer.begin_transaction()
        sent: list[Any] = []
        if wanted:
            ranges = {self._partition: (min(wanted), max(wanted) + 1)}
            for record in scan.scan(client, topic, ranges):
                if record.offset in wanted:
                    sent.append(
                        self._send(record.value, record.key, record.headers, record.timestamp)
                    )
                    if len(sent) % CHUNK == 0:
                        progress(len(sent))
        self._producer.flush()
        for each in sent:
            each.get(0)  # raises the error of a record that Kafka did not take
        if len(sent) < len(wanted):
            self._producer.abort_transaction()
            raise Unavailable(
                f"Kafka deleted records of partition {self._partition} meanwhile",
                "run adopt again",
            )
        place = TopicPartition(topic, self._partition)
        self._producer.send_offsets_to_transaction(
            {place: OffsetAndMetadata(offset, metadata, -1)}, self._settings.kafka.group_id
        )
        self._producer.commit_transaction()

    def _send(
        self,
        value: bytes | None,
        key: bytes | None,
        headers: Any = (),
        timestamp: int | None = None,
    ) -> Any:
        return self._producer.send(
            self._settings.kafka.topic,
            value,
            key,
            headers=list(headers),
            partition=self._partition,
            timestamp_ms=timestamp if timestamp is None or timestamp >= 0 else None,
        )


@contextmanager
def open_writer(settings: Settings, partition: int) -> Iterator[Writer]:
    """Open a transactional producer; what an earlier one left open is aborted first.

    Raises Misconfigured if Kafka has no transactions, or does not allow them.
    """
    from kafka import KafkaProducer

    name = f"{settings.kafka.group_id}.adopt"
    producer = KafkaProducer(
        **client_options(settings),
        transactional_id=name,
        transaction_timeout_ms=LONGEST_TRANSACTION_MS,
        max_request_size=64 << 20,
        linger_ms=20,
    )
    try:
        try:
            producer.init_transactions()
        except Exception as error:
            if not is_kafkas(error) or getattr(error, "retriable", False):
                raise
            raise Misconfigured(
                f"Kafka gives no transaction to {name}: {error}",
                "allow WRITE and DESCRIBE on that transactional id; the development broker has no "
                "transactions: use another prefix there",
            ) from error
        yield Writer(settings, producer, partition)
    finally:
        producer.close(10)


def wait_until_committed(
    admin: "Admin", settings: Settings, partition: int, offset: int, metadata: str
) -> None:
    """Return when a transaction's offset is the group's. Raises Unavailable.

    Kafka says that a transaction is committed before the group's offsets follow; until then a
    worker would read the old ones.
    """
    from kafka import TopicPartition

    group, place = settings.kafka.group_id, TopicPartition(settings.kafka.topic, partition)
    until = time.monotonic() + PATIENCE
    while True:
        found = admin.list_group_offsets({group: [place]})[group][place]
        if (found.offset, found.metadata or "") == (offset, metadata):
            return
        if time.monotonic() > until:
            raise Unavailable(
                f"Kafka committed the transaction, but not the offset of group {group} in it",
                "start no worker before 'falcolake status' shows the offset; then run adopt again",
            )
        time.sleep(0.1)


def wait_until_stable(
    client: "Consumer", topic: str, offsets: Mapping[int, int], patience: float = PATIENCE
) -> None:
    """Return when no transaction is open before these offsets. Raises Unavailable."""
    until = time.monotonic() + patience
    while True:
        found = scan.bounds(client, topic)
        behind = {n: found[n][1] for n, offset in offsets.items() if found[n][1] < offset}
        if not behind:
            return
        if time.monotonic() > until:
            where = ", ".join(f"{number}: {offset}" for number, offset in behind.items())
            raise Unavailable(
                f"transactions have been open since these offsets of partitions {where}",
                "'falcolake status' names their producers; run adopt again when they have ended",
            )
        time.sleep(0.5)
