"""The publisher: writes records to the topic, each to all in-sync replicas, and knows when it did.

One idempotent producer sends for all requests. It never gives up on a record: what it has when
Kafka goes away is sent when Kafka is back. It is replaced once Kafka refuses any record, because
the sequence numbers of the partition then have a gap, and Kafka refuses all that follow. What was
refused for that reason alone is sent again by the next producer; it is in Kafka once.

Whether Kafka answers and has the topic is looked at every few seconds, for `/readyz`. After a crash
nothing is repaired: what was not answered is the sender's.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.backoff import Backoff
from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.kafka.errors import overheard, translated, translating, unknown_topic
from streams.kafka.producing import NOT_WRITTEN, TOO_LARGE, new_producer
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

#: Bytes of a batch; a larger record is one of its own.
BATCH_BYTES = 16 * 1024

#: The client's own bound; the topic's `max.message.bytes` is the one that counts.
MAX_REQUEST = 256 << 20

#: Milliseconds until a broker that does not answer a request is asked again.
REQUEST_MS = 30_000

#: Seconds between looks at Kafka, and how long one may take.
LOOK = 2.0
LOOK_TIMEOUT = 10.0

#: Seconds between tries to reach Kafka, and before records are sent again.
SHORTEST_WAIT = 0.5
LONGEST_WAIT = 2.0
RETRY = 0.05

#: Seconds that what is still waiting for Kafka has when the process stops.
STOP_TIMEOUT = 5.0


class Publisher:
    """Publishes to the topic of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.kafka.topic
        self._producer: AIOKafkaProducer | None = None
        self._connected = asyncio.Event()
        self._wanted = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._turn = 0
        #: How many requests hand records to a producer at the moment.
        self._users: Counter[AIOKafkaProducer] = Counter()
        #: Of each partition: one request at a time hands its records to the producer.
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Why it cannot publish now; None while it can.
        self.trouble: FalcolakeError | None = Unavailable(
            "Kafka has not answered yet", "wait: it is being asked"
        )

    def start(self) -> None:
        """Begin to connect, and to look at Kafka."""
        self._keeping = asyncio.create_task(self._keep(), name="publisher")

    async def stop(self) -> None:
        """Disconnect. What is still waiting for Kafka has a few seconds."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        if (producer := self._producer) is not None:
            self._retire(producer)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=STOP_TIMEOUT)

    # ---- publishing

    async def publish(self, values: Sequence[bytes]) -> list[int]:
        """Return once Kafka has the values; return the numbers of those it finds too large.

        Waits for Kafka as long as that takes. Raises FalcolakeError if a person has to change
        something first, or if Kafka may have some of the values and does not say.
        """
        left = dict(enumerate(values))
        large: list[int] = []
        while left:
            producer = await self._ready()
            answers = await self._send(producer, left)
            if any(answer is not None for answer in answers.values()):
                self._retire(producer)
            for number, answer in answers.items():
                if isinstance(answer, TOO_LARGE):
                    large.append(number)
                elif answer is not None and not isinstance(answer, NOT_WRITTEN):
                    raise translated(answer, self._settings)
            for number, answer in answers.items():
                if not isinstance(answer, NOT_WRITTEN):
                    del left[number]
            if left:
                await asyncio.sleep(RETRY)
        # Perhaps only the batch was too large that a small one was in.
        small = [number for number in large if len(values[number]) < BATCH_BYTES]
        taken = await self._send_alone({number: values[number] for number in small})
        return sorted(set(large) - taken)

    async def _ready(self) -> AIOKafkaProducer:
        """Return the producer, once there is one. Raises Misconfigured if a person has to act."""
        while True:
            await self._connected.wait()
            if isinstance(self.trouble, Misconfigured):
                raise self.trouble
            if self._producer is not None:
                return self._producer
            self._connected.clear()

    async def _send(
        self, producer: AIOKafkaProducer, values: dict[int, bytes]
    ) -> dict[int, Exception | None]:
        """Send values; return what Kafka says of each, None if it has it.

        Of those that the producer did not take at all, nothing is returned.
        """
        sent: dict[int, asyncio.Future[Any]] = {}
        self._users[producer] += 1
        try:
            place = self._choose(await producer.partitions_for(self._topic), producer)
            # aiokafka wakes all who wait for room in a batch, though few find any: after an
            # outage, with thousands who wait, that would take minutes.
            async with self._locks[place]:
                for number, value in values.items():
                    sent[number] = await producer.send(self._topic, value, partition=place)
        except KafkaTimeoutError:
            pass  # it still has earlier ones to send
        except KafkaError as error:
            trouble = translated(error, self._settings)
            self._retire(producer)
            if isinstance(trouble, Misconfigured):
                await asyncio.gather(*sent.values(), return_exceptions=True)
                raise trouble from error
        finally:
            self._users[producer] -= 1
        answers = await asyncio.gather(*sent.values(), return_exceptions=True)
        found = {}
        for number, answer in zip(sent, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, Exception):
                raise answer
            found[number] = answer if isinstance(answer, Exception) else None
        return found

    async def _send_alone(self, values: dict[int, bytes]) -> set[int]:
        """Send each value in a batch of its own; return the numbers of those that Kafka took."""
        taken: set[int] = set()
        producer: AIOKafkaProducer | None = None
        for number, value in values.items():
            with translating(self._settings, TimeoutError, OSError):
                if producer is None:
                    producer = await self._connect(batch_bytes=1)
                try:
                    await producer.send_and_wait(self._topic, value)
                    taken.add(number)
                except TOO_LARGE:
                    self._leave(producer)
                    producer = None
        if producer is not None:
            self._leave(producer)
        return taken

    def _choose(self, every: Iterable[int], producer: AIOKafkaProducer) -> int:
        """Choose a partition that has a leader, if any: the next one for each request."""
        self._turn += 1
        places = sorted(
            producer.client.cluster.available_partitions_for_topic(self._topic) or every
        )
        return int(places[self._turn % len(places)])

    # ---- the producer

    def _retire(self, producer: AIOKafkaProducer) -> None:
        """Use a producer no longer; it still sends what it has."""
        if self._producer is not producer:
            return
        self._producer = None
        self._connected.clear()
        self._wanted.set()
        self._leave(producer)

    def _leave(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(self._stop(producer), name="retired producer")
        self._leaving.add(task)
        task.add_done_callback(self._left)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        """Stop a producer once nobody uses it and Kafka has what it still sends.

        aiokafka would leave those who use it waiting.
        """
        while self._users[producer]:  # noqa: ASYNC110 - seldom, and not for long
            await asyncio.sleep(RETRY)
        del self._users[producer]
        await producer.stop()

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("a retired producer failed: %s", error)

    async def _keep(self) -> None:
        """Have a producer, and know whether Kafka answers; while it does not, log that once."""
        backoff = Backoff(SHORTEST_WAIT, LONGEST_WAIT)
        with overheard("aiokafka") as reasons:
            while True:
                wait = LOOK
                self._wanted.clear()
                try:
                    with translating(self._settings, TimeoutError, OSError, reasons=reasons):
                        await self._look()
                except FalcolakeError as error:
                    wait = backoff.next()
                    self._note(error)
                else:
                    backoff.reset()
                    self._note(None)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wanted.wait()

    async def _look(self) -> None:
        """Have a producer that knows the topic. Raises Kafka's errors, and Misconfigured."""
        producer = self._producer or await self._connect()
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                cluster = await producer.client.fetch_all_metadata()
                if not cluster.partitions_for_topic(self._topic):
                    raise unknown_topic(self._settings)
                # So that it knows the partitions when Kafka is away.
                await producer.partitions_for(self._topic)
        except BaseException:
            if producer is not self._producer:
                self._leave(producer)
            raise
        self._producer = producer
        self._connected.set()

    async def _connect(self, batch_bytes: int = BATCH_BYTES) -> AIOKafkaProducer:
        producer = new_producer(
            self._settings,
            max_batch_size=batch_bytes,
            max_request_size=MAX_REQUEST,
            request_timeout_ms=REQUEST_MS,
        )
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _note(self, trouble: FalcolakeError | None) -> None:
        if f"{trouble}" != f"{self.trouble}":
            if trouble is None:
                log.info("ready: topic %s", self._topic)
            else:
                log.warning("not ready: %s. %s", trouble, trouble.hint)
        self.trouble = trouble
        if isinstance(trouble, Misconfigured):
            self._connected.set()  # those who wait hear of it
        elif self._producer is None:
            self._connected.clear()
