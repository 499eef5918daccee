"""The listener on the control topic: takes requests, and answers with what delays them.

Its consumer belongs to no group and is separate from Faust, so every worker reads every request. It
starts an hour back, so that a request also reaches a worker that starts after it; a repeated
request changes nothing. Requests to other groups, records that are not messages, and ends that the
topic does not have are counted and skipped. Without the control topic, or the right to read it, the
worker runs on but cannot be asked to flush. Nothing is stored: after a crash the listener reads
that hour again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams import clock
from streams.background import in_background
from streams.backoff import Backoff
from streams.control import messages as control
from streams.control.fleet import Fleet, Member
from streams.errors import FalcolakeError, Misconfigured
from streams.kafka import status
from streams.kafka.client import aiokafka_options
from streams.kafka.errors import translating
from streams.settings.settings import Settings, variable
from streams.worker.identity import page_address, worker_name
from streams.worker.ledger import Ledger
from streams.worker.metrics import Metrics

log = logging.getLogger(__name__)

#: Milliseconds that one fetch and one poll of the topic wait, and so the time between two answers.
LOOK_MS = 1000
ANSWER_TIMEOUT = 10.0

#: Records that one poll takes, and seconds of rest after it: a flood does not hold the loop.
MOST_RECORDS = 5000
REST = 0.05

#: Seconds between two log lines about what is ignored.
SELDOM = 60.0

#: Seconds between tries to reach the topic.
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 30.0


class Listener:
    """Listens for one worker. `held` returns why partitions are held, by number."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        held: Callable[[], dict[int, str]],
        metrics: Metrics,
        fleet: Fleet,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._held = held
        self._metrics = metrics
        self._fleet = fleet
        self._place = TopicPartition(settings.kafka.control_topic, control.PARTITION)
        self._group = settings.kafka.group_id
        self._name = worker_name(settings)
        self._version = version("falcolake")
        self._address = page_address(settings.web)
        self._position: int | None = None
        #: From which offset on records were written after they could be read.
        self._live_from = 0
        self._complaint = ""
        self._request: int | None = None
        self._asked = False
        self._said: tuple[object, ...] = ()
        self._quiet_until: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._members: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start listening."""
        self._task = asyncio.create_task(self._listen(), name="listener")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._members is not None:
            self._members.cancel()

    async def _listen(self) -> None:
        """Follow the topic; while it cannot be reached, log that once and try again."""
        backoff, said = Backoff(SHORTEST_WAIT, LONGEST_WAIT), ""
        while True:
            try:
                with translating(self._settings, TimeoutError, OSError, topic="control_topic"):
                    async with self._connected() as consumer:
                        await self._seek(consumer)
                        backoff.reset()
                        said = self._fleet.trouble = ""
                        async with contextlib.AsyncExitStack() as answers:
                            await self._follow(consumer, answers)
            except FalcolakeError as error:
                self._fleet.trouble = f"{error}"
                if f"{error}" != said:
                    said = f"{error}"
                    log.warning("this worker cannot be asked to flush: %s", said)
            await asyncio.sleep(backoff.next())

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AIOKafkaConsumer]:
        options = aiokafka_options(self._settings)
        consumer = AIOKafkaConsumer(
            **options,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=LOOK_MS,
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        """Continue where it stopped; the first time, start an hour back."""
        if self._place.topic not in await consumer.topics():
            raise Misconfigured(
                f"there is no topic {self._place.topic}",
                f"create it with one partition, or correct {variable('kafka.control_topic')}",
            )
        consumer.assign([self._place])
        self._live_from = (await consumer.end_offsets([self._place]))[self._place]
        if self._position is None:
            since = clock.now_ms() - control.HOLDS_MS
            found = (await consumer.offsets_for_times({self._place: since}))[self._place]
            self._position = self._live_from if found is None else found.offset
        consumer.seek(self._place, self._position)

    async def _follow(self, consumer: AIOKafkaConsumer, answers: contextlib.AsyncExitStack) -> None:
        producer: AIOKafkaProducer | None = None
        while True:
            found = await consumer.getmany(
                self._place, timeout_ms=LOOK_MS, max_records=MOST_RECORDS
            )
            if records := found.get(self._place):
                await self._take(records, consumer)
                await asyncio.sleep(REST)
            now = clock.now_ms()
            if self._fleet.should_seek_members(now):
                self._seek_members()
            state, due = self._state(), self._fleet.is_due(now)
            if state is None and not due:
                continue
            if producer is None:
                options = aiokafka_options(self._settings)
                patience = int(ANSWER_TIMEOUT * 1000)
                producer = AIOKafkaProducer(**options, request_timeout_ms=patience)
                answers.push_async_callback(producer.stop)
                await producer.start()
            if state is not None:
                await self._answer(producer, state)
            if due:
                self._fleet.sent(now)
                await self._ask(producer)

    async def _take(self, records: Sequence[Any], consumer: AIOKafkaConsumer) -> None:
        last: dict[int, int] | None = None
        for record in records:
            message = control.decode(record.value)
            if message is None:
                self._ignore(record, "not a message")
            elif message.group != self._group:
                self._metrics.told("other-group")
            elif isinstance(message, control.Flush):
                if last is None:
                    last = await self._last(consumer)
                self._flush(record, message, last)
            elif isinstance(message, control.Ask):
                self._metrics.told("ask")
                self._request, self._asked = record.offset, True
                self._fleet.note_question(record.offset, self._time_of(record))
            else:
                self._metrics.told("state")
                self._fleet.note_answer(message, len(record.value), self._time_of(record))
            self._position = record.offset + 1

    def _time_of(self, record: Any) -> int:
        """Return when a record came, in epoch ms, by this machine's clock if it can tell."""
        now = clock.now_ms()
        return now if record.offset >= self._live_from else min(record.timestamp, now)

    async def _last(self, consumer: AIOKafkaConsumer) -> dict[int, int]:
        """Return the ends of the topic's partitions in Kafka, as they are now."""
        topic = self._settings.kafka.topic
        cluster = await consumer._client.fetch_all_metadata()  # the consumer's own may be old
        places = [TopicPartition(topic, n) for n in cluster.partitions_for_topic(topic) or ()]
        ends = await consumer.end_offsets(places) if places else {}
        return {place.partition: end for place, end in ends.items()}

    def _flush(self, record: Any, message: control.Flush, last: Mapping[int, int]) -> None:
        ends = control.within(message.ends, last)
        if len(ends) < len(message.ends):
            self._ignore(record, "a flush up to offsets that the topic does not have")
        else:
            self._metrics.told("flush")
        if ends:
            log.info("asked to flush up to %s", ends)
            self._ledger.flush(ends)
            self._request, self._said = record.offset, ()

    def _ignore(self, record: Any, what: str) -> None:
        """Count a record of which something is ignored, and log that now and then."""
        self._metrics.told("ignored")
        now = time.monotonic()
        if now >= self._quiet_until.get(what, 0.0):
            self._quiet_until[what] = now + SELDOM
            log.warning("ignored on %s: offset %d is %s", record.topic, record.offset, what)

    def _state(self) -> control.State | None:
        """Return what to answer; None if nothing is asked, or the answer has not changed."""
        ledger = self._ledger
        if self._request is None or not (self._asked or ledger.flushing()):
            return None
        held = self._held()
        partitions = {number: held.get(number, "") for number in sorted(ledger.partitions)}
        said = (self._request, ledger.pause_reason, partitions)
        if said == self._said and not self._asked:
            return None
        self._said, self._asked = said, False
        return control.State(
            v=1,
            group=self._group,
            request=self._request,
            worker=self._name,
            paused=ledger.pause_reason,
            partitions=partitions,
            lag=sum(each.lag for each in ledger.progress()),
            version=self._version,
            address=self._address,
        )

    async def _answer(self, producer: AIOKafkaProducer, state: control.State) -> None:
        """Send an answer, or give up: it is a courtesy, only the committed offset counts."""
        try:
            await self._send(producer, state)
            self._complaint = ""
        except FalcolakeError as error:
            if f"{error}" != self._complaint:
                self._complaint = f"{error}"
                log.warning("cannot answer on %s: %s", self._place.topic, error)

    async def _ask(self, producer: AIOKafkaProducer) -> None:
        """Ask all workers, for the page; if that fails, the page says so."""
        try:
            await self._send(producer, control.Ask(v=1, group=self._group))
            self._fleet.trouble = ""
        except FalcolakeError as error:
            log.debug("cannot ask on %s: %s", self._place.topic, error)
            self._fleet.trouble = f"{error}"

    async def _send(self, producer: AIOKafkaProducer, message: control.Message) -> None:
        with translating(self._settings, TimeoutError, topic="control_topic"):
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await producer.send_and_wait(
                    self._place.topic, control.encode(message), partition=self._place.partition
                )

    def _seek_members(self) -> None:
        """Ask Kafka for the group's members, beside everything else; one question at a time."""
        if self._members is None or self._members.done():
            self._members = asyncio.create_task(self._find_members(), name="members")

    async def _find_members(self) -> None:
        found = None
        try:
            found = await asyncio.wrap_future(
                in_background(partial(status.members, self._settings), "members")
            )
        except FalcolakeError as error:
            log.debug("the group's members are not known: %s", error)
        self._fleet.note_members(None if found is None else [Member(*each) for each in found])
