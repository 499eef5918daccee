"""One partition's log, as the model has it and as a real broker does, for their common contract."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaAdminClient, KafkaProducer
from kafka import TopicPartition as PythonTopicPartition
from kafka.record.memory_records import MemoryRecords

from streams.kafka import epochs
from streams.kafka.topics import topic_id_of
from tests.simulation.log import PartitionLog, Topic
from tests.streams.embedded.raw_kafka import RawClient, build_batch
from tests.waiting import wait_until

#: What a reader gets: offsets with their values, and the position after them.
Read = tuple[list[tuple[int, bytes]], int]
MOST = 1000


class Log(Protocol):
    """The log of partition 0 of a topic."""

    def write(self, *values: bytes) -> None:
        """Write records at the end, in one batch."""

    def begin(self, transaction: int, *values: bytes) -> None:
        """Write records in a transaction, and leave it open."""

    def finish(self, transaction: int, *, commit: bool) -> None:
        """Commit or abort a transaction."""

    def retain(self, start: int) -> None:
        """Delete what is before an offset."""

    def cut(self, end: int) -> None:
        """Lose what is at an offset, which begins a batch, and after it."""

    def recreate(self) -> None:
        """Delete the topic and create it again."""

    def bounds(self) -> tuple[int, int, int]:
        """Where the log begins, where its first open transaction does, and where it ends."""

    def read(self, position: int) -> Read | None:
        """What a reader of committed records gets from there on; None if that is no offset."""

    def topic_id(self) -> str: ...

    def epoch_at(self, offset: int) -> int:
        """The leader epoch of the record at an offset."""

    def epoch_end(self, epoch: int) -> int:
        """Where the log ends in a leader epoch."""


class Model:
    """The simulation's log."""

    def __init__(self) -> None:
        self._topic = Topic(1)

    @property
    def _log(self) -> PartitionLog:
        return self._topic.logs[0]

    def write(self, *values: bytes) -> None:
        self._topic.produce(0, [(value, "day1") for value in values], 1)

    def begin(self, transaction: int, *values: bytes) -> None:
        self._topic.produce(0, [(value, "day1") for value in values], 1, transaction)

    def finish(self, transaction: int, *, commit: bool) -> None:
        self._log.finish(transaction, commit=commit)

    def retain(self, start: int) -> None:
        self._log.retain(start)

    def cut(self, end: int) -> None:
        self._log.cut(end)

    def recreate(self) -> None:
        self._topic.recreate()

    def bounds(self) -> tuple[int, int, int]:
        return self._log.start, self._log.stable, self._log.end

    def read(self, position: int) -> Read | None:
        if not self._log.start <= position <= self._log.end:
            return None
        records, end = self._log.read(position, MOST)
        return [(each.offset, each.value) for each in records], end

    def topic_id(self) -> str:
        return self._topic.id

    def epoch_at(self, offset: int) -> int:
        return self._log.epoch_before(offset + 1)

    def epoch_end(self, epoch: int) -> int:
        return max(0, self._log.epoch_end(epoch))


class Real:
    """A topic of a broker. `cut_log` stops the broker, cuts the log and starts it again."""

    def __init__(
        self, bootstrap: str, topic: str, cut_log: Callable[[int], None] | None = None
    ) -> None:
        self._bootstrap, self._topic, self._cut_log = bootstrap, topic, cut_log
        self._writers: dict[int, KafkaProducer] = {}
        self._connect()

    def _connect(self) -> None:
        self._raw = RawClient(self._bootstrap)
        self._admin = KafkaAdminClient(bootstrap_servers=self._bootstrap)
        self._await_leader()

    def _await_leader(self) -> None:
        wait_until(lambda: self._raw.list_offset(self._topic, -1).error_code == 0, 30, "a leader")

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close(0)
        self._admin.close()
        self._raw.close()

    def write(self, *values: bytes) -> None:
        assert self._raw.produce(self._topic, build_batch(*values)).error_code == 0

    def begin(self, transaction: int, *values: bytes) -> None:
        if transaction not in self._writers:
            name = f"{self._topic}-{transaction}"
            writer = KafkaProducer(bootstrap_servers=self._bootstrap, transactional_id=name)
            writer.init_transactions()
            writer.begin_transaction()
            self._writers[transaction] = writer
        writer = self._writers[transaction]
        sent = [writer.send(self._topic, value, partition=0) for value in values]
        writer.flush()
        assert all(each.succeeded() for each in sent)

    def finish(self, transaction: int, *, commit: bool) -> None:
        writer = self._writers.pop(transaction)
        before = self.bounds()[2]
        writer.commit_transaction() if commit else writer.abort_transaction()
        writer.close()
        wait_until(lambda: self.bounds()[2] > before, 30, "the transaction's marker")

    def retain(self, start: int) -> None:
        self._admin.delete_records({PythonTopicPartition(self._topic, 0): start})

    def cut(self, end: int) -> None:
        assert self._cut_log is not None
        self.close()
        self._cut_log(end)
        self._connect()

    def recreate(self) -> None:
        self._admin.delete_topics([self._topic])
        wait_until(lambda: self._topic not in self._admin.list_topics(), 30, "it is deleted")
        wait_until(lambda: self._raw.create_topic(self._topic) == 0, 30, "it is created")
        self._await_leader()

    def bounds(self) -> tuple[int, int, int]:
        start = self._raw.list_offset(self._topic, -2).offset
        found = self._raw.fetch(self._topic, start)
        return start, found.last_stable_offset, found.high_watermark

    def read(self, position: int) -> Read | None:
        if self._raw.fetch(self._topic, position).error_code:
            return None
        return asyncio.run(self._read(position, self.bounds()[1]))

    async def _read(self, first: int, stable: int) -> Read:
        tp, found = TopicPartition(self._topic, 0), list[tuple[int, bytes]]()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            consumer.assign([tp])
            consumer.seek(tp, first)
            while True:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += [(each.offset, each.value) for each in records]
                position = await consumer.position(tp)
                if position >= stable:
                    return found, position
        finally:
            await consumer.stop()

    def topic_id(self) -> str:
        return topic_id_of(self._admin, self._topic)

    def epoch_at(self, offset: int) -> int:
        batch, *_ = MemoryRecords(bytes(self._raw.fetch(self._topic, offset).records))
        epoch: int = batch.leader_epoch
        return epoch

    def epoch_end(self, epoch: int) -> int:
        tp = PythonTopicPartition(self._topic, 0)
        return epochs.epoch_ends(self._admin, {tp: epoch})[tp]
