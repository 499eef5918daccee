"""Writes the dead-letter topic, where records go unchanged that cannot become findings.

A dead letter has the record's key, value and headers, and more headers that say why it was refused
and where it stood: `falcolake.reason`, `.topic`, `.partition`, `.offset`, `.timestamp` (decimal
text; epoch ms). Its own timestamp is the time of sending: Kafka refuses those of long ago or of the
future (`message.timestamp.before.max.ms`, `.after.max.ms`). After a crash it may be sent again with
the same headers, so (topic, partition, offset) identifies it. If the record could not be sent
unchanged, more headers say so: `.truncated_from` (the value's size), `.key_truncated_from`,
`.headers_dropped`, `.null_key`. A record's own headers named `falcolake.…` are sent as
`original.falcolake.…`.
A letter cannot be taken back. A later one with the same origin, no value and the header `.resolved`
cancels it: a replay has made the record a finding, or filtered it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from streams import faults
from streams.errors import FalcolakeError
from streams.kafka.client import aiokafka_options
from streams.kafka.errors import translating
from streams.settings.settings import Settings
from streams.windows.batch import Rejected, size_of

#: The client's own bound; the topic's `max.message.bytes` is the one that counts.
MAX_REQUEST = 64 << 20
SEND_TIMEOUT = 30.0

PREFIX = "falcolake."
RESOLVED = "falcolake.resolved"


class DeadLetterWriter:
    """Sends rejects, each acknowledged by all in-sync replicas. Connects when first needed.

    `timeout` is for each step, in seconds. `watch` is called with each client before it connects.
    """

    def __init__(
        self,
        settings: Settings,
        timeout: float = SEND_TIMEOUT,
        watch: Callable[[Any], None] = lambda client: None,
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._watch = watch
        self._topic = settings.kafka.dead_letter_topic
        self._source = settings.kafka.topic
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def send(self, partition: int, rejects: Sequence[Rejected]) -> None:
        """Return once all are durable. Raises Unavailable or Misconfigured: then some may be."""
        async with self._producing() as producer:
            target = await self._target(producer, partition)
            answers = await asyncio.gather(
                *(self._deliver(producer, target, partition, reject) for reject in rejects),
                return_exceptions=True,
            )
            for reject, answer in zip(rejects, answers, strict=True):
                if isinstance(answer, MessageSizeTooLargeError):
                    await self._deliver_alone(producer, target, partition, reject)
                elif answer is not None:
                    raise answer

    async def resolve(self, partition: int, offsets: Sequence[int]) -> None:
        """Cancel the letters of these offsets, no longer rejects. Raises as `send` does."""
        async with self._producing() as producer:
            target = await self._target(producer, partition)
            for offset in offsets:
                origin = self._origin(partition, offset)
                async with asyncio.timeout(self._timeout):
                    await producer.send_and_wait(
                        self._topic, b"", partition=target, headers=[*origin, (RESOLVED, b"true")]
                    )

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[AIOKafkaProducer]:
        """Yield the producer; after an error inside the block the next call gets a new one."""
        try:
            with translating(self._settings, TimeoutError, OSError, topic="dead_letter_topic"):
                async with asyncio.timeout(self._timeout):
                    producer = await self._connected()
                yield producer
        except FalcolakeError as error:
            await self.stop()
            text = f"cannot write to dead-letter topic {self._topic}: {error}"
            raise type(error)(text, error.hint) from error

    async def _target(self, producer: AIOKafkaProducer, partition: int) -> int | None:
        """Choose the partition for the letters of one: always the same, so that they keep order."""
        async with asyncio.timeout(self._timeout):
            known = await producer.partitions_for(self._topic)
        return partition % len(known) if known else None

    async def _deliver_alone(
        self, producer: AIOKafkaProducer, target: int | None, partition: int, reject: Rejected
    ) -> None:
        """Send a record again whose batch was too large, and cut it until the topic takes it.

        The record itself was under its own topic's limit. With more headers it may be over that,
        and the limit of the dead-letter topic may be lower.
        """
        cut = reject
        while True:
            try:
                await self._deliver(producer, target, partition, cut, whole=reject)
            except MessageSizeTooLargeError:
                shorter = shorten(cut)
                if shorter is None:
                    raise
                cut = shorter
            else:
                return

    async def _deliver(
        self,
        producer: AIOKafkaProducer,
        target: int | None,
        partition: int,
        reject: Rejected,
        whole: Rejected | None = None,
    ) -> None:
        headers = self._headers(partition, reject)
        if whole is not None:
            headers += _cuts(reject, whole)
        key = reject.key
        if key is None and reject.value is None:
            # aiokafka refuses to send a record that has neither.
            key = b""
            headers.append(("falcolake.null_key", b"true"))
        with faults.around("letter"):
            async with asyncio.timeout(self._timeout):
                await producer.send_and_wait(
                    self._topic,
                    value=reject.value,
                    key=key,
                    partition=target,
                    headers=headers,
                )

    def _headers(self, partition: int, reject: Rejected) -> list[tuple[str, bytes | None]]:
        own = [
            (f"original.{name}" if name.startswith(PREFIX) else name, value)
            for name, value in reject.headers
        ]
        return [
            *own,
            ("falcolake.reason", reject.reason.encode()),
            ("falcolake.timestamp", str(reject.timestamp).encode()),
            *self._origin(partition, reject.offset),
        ]

    def _origin(self, partition: int, offset: int) -> list[tuple[str, bytes]]:
        return [
            ("falcolake.topic", self._source.encode()),
            ("falcolake.partition", str(partition).encode()),
            ("falcolake.offset", str(offset).encode()),
        ]

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **aiokafka_options(self._settings),
                    acks="all",
                    # aiokafka's idempotent producer never gives up on a record, and hangs in
                    # stop() while Kafka is away. A duplicate dead letter is harmless.
                    enable_idempotence=False,
                    max_request_size=MAX_REQUEST,
                    # Shorter than our own, so that the client has time to report a missing topic.
                    request_timeout_ms=int(self._timeout * 1000) // 2,
                )
                self._watch(producer.client)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()


def shorten(reject: Rejected) -> Rejected | None:
    """Return a reject with its longest part cut by a quarter; None if nothing is left to cut.

    The parts are the value, the key and the headers, which are dropped together.
    """
    value, key = reject.value or b"", reject.key or b""
    headers = size_of(reject) - len(value) - len(key)
    longest = max(len(value), len(key), headers)
    if not longest:
        return None
    if headers == longest:
        return reject._replace(headers=())
    if len(value) == longest:
        return reject._replace(value=value[: longest * 3 // 4])
    return reject._replace(key=key[: longest * 3 // 4])


def _cuts(sent: Rejected, whole: Rejected) -> list[tuple[str, bytes]]:
    """Return the headers that say what a dead letter lacks of the record."""
    headers = []
    if sent.value != whole.value:
        headers.append(("falcolake.truncated_from", str(len(whole.value or b"")).encode()))
    if sent.key != whole.key:
        headers.append(("falcolake.key_truncated_from", str(len(whole.key or b"")).encode()))
    if sent.headers != whole.headers:
        headers.append(("falcolake.headers_dropped", str(len(whole.headers)).encode()))
    return headers
