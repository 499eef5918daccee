"""Transaction markers that have been emptied: both clients fail on them. This teaches them not to.

Kafka's log cleaner keeps the last batch of a producer even when nothing in it is needed any more,
without its records. If that batch is a transaction marker, readers of committed records (aiokafka
0.14, kafka-python 3.0) look for its record, raise an error, and never get past it. For Kafka's own
clients such a marker ends no transaction: the transaction has no records left.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from streams.kafka.client import Consumer


def accept_empty_in_worker(consumer: "AIOKafkaConsumer") -> "AIOKafkaConsumer":
    """Let aiokafka read past them, in every consumer of this process."""
    from aiokafka.consumer.fetcher import PartitionRecords
    from aiokafka.record.control_record import ABORT_MARKER, ControlRecord

    def is_abort(_: PartitionRecords, batch: Any) -> bool:
        record = next(batch, None)
        return record is not None and ControlRecord.parse(record.key) == ABORT_MARKER

    PartitionRecords._contains_abort_marker = is_abort
    return consumer


def accept_empty(client: "Consumer") -> "Consumer":
    """Let a client of kafka-python read past them."""

    class PartitionRecords(client._fetcher.PartitionRecords):  # type: ignore[misc]
        def _contains_abort_marker(self, batch: Any) -> bool:
            record = next(batch, None) if batch.is_control_batch else None
            return record is not None and bool(record.abort)

    client._fetcher.PartitionRecords = PartitionRecords
    return client
