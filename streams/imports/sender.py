"""The sender: batches → partitions, by one idempotent producer that lives as long as the journal.

A batch that is sent again after a crash, by the next process, has the producer id, epoch and
sequence number that it had before. So Kafka itself keeps it once, even if what the killed process
has sent arrives later than what the next one sends. Kafka forgets a producer that has been idle for
a day (`producer.id.expiration.ms`); by then nothing is on its way any more, and `look` finds out
what is there by the records' headers.

One batch of a partition is under way at a time: Kafka remembers the last five.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import Corrupt, Misconfigured, Unavailable
from streams.imports.journal import Batch, State
from streams.kafka.client import open_admin
from streams.kafka.errors import translating, unknown_topic
from streams.kafka.producing import NOT_WRITTEN, TOO_LARGE, new_producer, partitions_of
from streams.kafka.scan import bounds, open_consumer, scan
from streams.kafka.topics import topic_id_of
from streams.settings.settings import Settings

#: The header of each imported record: the import's id, and the record's number in it.
HEADER = "falcolake-import"

#: Bytes of a batch before compression. A larger record is a batch of its own.
BATCH_BYTES = 512_000

#: The client's own bound for a batch: more than any of ours has.
NO_BOUND = 1 << 30

#: Seconds that Kafka may take for a batch.
SEND_SECONDS = 120.0
STOP_SECONDS = 10.0

_SEQUENCES = 1 << 31


def look(settings: Settings, state: State, outbox: Sequence[Batch]) -> list[Batch]:
    """Compare the state with the topic, complete it, and return what is left of the outbox.

    Raises:
        Misconfigured: there is no such topic, or it is another one than before.
        Corrupt: Kafka has deleted what would tell whether a batch is there.
        Unavailable: Kafka does not answer.
    """
    topic = settings.kafka.topic
    with open_admin(settings) as admin:
        topic_id = topic_id_of(admin, topic)
    if state.run and (state.topic, state.topic_id) != (topic, topic_id):
        named = state.topic if state.topic != topic else f"an earlier topic {topic}"
        raise Misconfigured(
            f"the journal is of {named}",
            "use another --journal: it imports everything, into the topic of today",
        )
    state.topic, state.topic_id = topic, topic_id
    state.run = state.run or secrets.token_hex(6)
    with open_consumer(settings) as client:
        found = bounds(client, topic)
        if not found:
            raise unknown_topic(settings)
        sent = [batch for batch in outbox if batch.partition is not None]
        if not sent:
            state.ends |= {number: end for number, (_, end) in found.items()}
            return list(outbox)
        ranges = {}
        for number in {batch.partition for batch in sent if batch.partition is not None}:
            first, end = found.get(number, (0, 0))
            if first > state.ends[number] or end < state.ends[number]:
                raise Corrupt(
                    f"Kafka no longer has what partition {number} of {topic} got since the import "
                    "was interrupted, so nothing tells which alerts it has",
                    "use another --journal: it imports everything again",
                )
            ranges[number] = state.ends[number], end
        there = {
            value
            for record in scan(client, topic, ranges)
            for name, value in record.headers
            if name == HEADER
        }
    left = []
    for batch in outbox:
        if batch.partition is not None and _mark(state, batch.first) in there:
            _settle(state, batch)
        else:
            left.append(batch)
    doubtful = {batch.partition for batch in left}
    state.ends |= {number: end for number, (_, end) in found.items() if number not in doubtful}
    return left


class Answer(NamedTuple):
    """Batches that Kafka has, those too large for it, and those to send again.

    The latter have lost partition and sequence number: Kafka has forgotten the producer, and there
    is a new one.
    """

    taken: list[Batch]
    large: list[Batch]
    again: list[Batch]


class Sender:
    """Sends batches for a journal's state, which it keeps up to date."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._topic = settings.kafka.topic
        self._producer: AIOKafkaProducer | None = None
        self._turn = 0
        self.partitions: Sequence[int] = ()

    async def start(self) -> None:
        """Connect, as the producer of the state or as a new one."""
        state = self._state
        producer = new_producer(self._settings, max_batch_size=NO_BOUND)
        known = producer._txn_manager
        if state.producer_id >= 0:
            known.set_pid_and_epoch(state.producer_id, state.epoch)
        with translating(self._settings, TimeoutError, OSError):
            try:
                await producer.start()
                found = await partitions_of(producer, self._settings)
            except BaseException:
                await producer.stop()
                raise
        self._producer = producer
        if state.producer_id < 0:
            state.sequences.clear()
        state.producer_id, state.epoch = known.producer_id, known.producer_epoch
        self.partitions = [number for number in found if number in state.ends]

    async def stop(self) -> None:
        """Disconnect; what is under way has a few seconds."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await producer.stop()

    def assign(self, batches: Iterable[Batch]) -> list[Batch]:
        """Choose partitions and sequence numbers; return the batches to send next.

        At most one for each partition: what was assigned before keeps what it has.
        """
        waiting = list(batches)
        chosen = {batch.partition: batch for batch in waiting if batch.partition is not None}
        assert len(chosen) == sum(batch.partition is not None for batch in waiting)
        free = [number for number in self._in_turn() if number not in chosen]
        for batch in waiting:
            if batch.partition is None and free:
                batch.partition = free.pop(0)
                batch.sequence = self._state.sequences.get(batch.partition, 0)
                chosen[batch.partition] = batch
                self._turn += 1
        return list(chosen.values())

    def _in_turn(self) -> list[int]:
        begin = self._turn % len(self.partitions)
        return [*self.partitions[begin:], *self.partitions[:begin]]

    async def send(self, batches: Sequence[Batch]) -> "Answer":
        """Send assigned batches; return what became of each.

        Raises Unavailable or Misconfigured; then Kafka may have any of them.
        """
        answer = Answer([], [], [])
        for batch, found in zip(batches, await self._answers(batches), strict=True):
            if isinstance(found, TOO_LARGE):
                answer.large.append(batch)
            elif isinstance(found, NOT_WRITTEN):
                answer.again.append(batch)
            elif isinstance(found, Exception):
                with translating(self._settings, TimeoutError, OSError):
                    raise found
            else:
                answer.taken.append(batch)
                _settle(self._state, batch)
                if found >= 0 and batch.partition is not None:
                    self._state.ends[batch.partition] = found + len(batch.records)
        if answer.again:
            await self.stop()
            self._state.producer_id = -1
            await self.start()
        for batch in (*answer.large, *answer.again):
            batch.partition = batch.sequence = None
        return answer

    async def _answers(self, batches: Sequence[Batch]) -> list[int | Exception]:
        """Return the offset of each batch, or why it has none."""
        assert self._producer is not None
        with translating(self._settings, TimeoutError, OSError):
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    sent = [await self._hand_over(self._producer, batch) for batch in batches]
                    answers = await asyncio.gather(*sent, return_exceptions=True)
            except TimeoutError:
                raise Unavailable(
                    f"Kafka has not taken a batch for {SEND_SECONDS:.0f} seconds",
                    "run the same command again once Kafka is back: it goes on, and sends nothing "
                    "twice",
                ) from None
        found: list[int | Exception] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                if not isinstance(answer, KafkaError):
                    raise answer
                found.append(answer)
            else:
                found.append(answer.offset)
        return found

    async def _hand_over(self, producer: AIOKafkaProducer, batch: Batch) -> "asyncio.Future[Any]":
        place = TopicPartition(self._topic, batch.partition)
        # aiokafka counts on from the batch before, also from one that Kafka has refused.
        producer._txn_manager._sequence_numbers[place] = batch.sequence
        builder = producer.create_batch()
        for number, record in enumerate(batch.records, start=batch.first):
            headers = [(HEADER, _mark(self._state, number))]
            added = builder.append(key=None, value=record.value, timestamp=None, headers=headers)
            assert added is not None  # None: the client's own bound is reached
        builder.close()
        future: asyncio.Future[Any] = await producer.send_batch(
            builder, self._topic, partition=batch.partition
        )
        return future


def _settle(state: State, batch: Batch) -> None:
    """Note that Kafka has a batch."""
    assert batch.partition is not None
    assert batch.sequence is not None
    state.sequences[batch.partition] = (batch.sequence + len(batch.records)) % _SEQUENCES


def _mark(state: State, number: int) -> bytes:
    return f"{state.run}/{number}".encode()
