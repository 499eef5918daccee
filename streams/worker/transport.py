"""The Faust transport: it delivers whole batches, seeks and commits.

Faust's cost is per event: an agent gets through 16 thousand records a second one by one, and 500
thousand in batches, measured. So `BatchConsumer.getmany()` yields one message per fetch, whose
value is a list with a `Batch` for each partition. It also replaces Faust's handling of offsets.
Faust calls `perform_seek()` after every rebalance, before the flow resumes: it asks the intake
where to read on. `commit_offsets()` writes offsets with metadata, and only for the assignment they
belong to. Topics must be declared with `acks=False`, so that Faust itself never commits.

An *epoch* numbers the seeks. Within an epoch the offsets of a batch follow those of the batch
before it without a hole; the intake refuses batches of another epoch. The first epoch of an
assignment also names the assignment, and a commit is for one assignment only.

The transport uses internals of Faust 0.15 and aiokafka 0.14 where they have no public interface:
the tests cover the ranges that pyproject.toml pins.
"""

import asyncio
import contextlib
import copy
import itertools
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka_errors
from aiokafka.consumer.fetcher import READ_UNCOMMITTED
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.backoff import Backoff
from streams.errors import FalcolakeError, Misconfigured
from streams.kafka.errors import no_answer
from streams.kafka.markers import accept_empty_in_worker
from streams.windows.batch import Batch, Found, Lost
from streams.windows.progress import Bounds
from streams.windows.seal import NO_EPOCH, read_seal
from streams.worker import epoch_ends
from streams.worker.fetching import hasten, linger, take, tell_epochs
from streams.worker.topic_ids import ask

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Polling this keeps the group membership alive without returning a record.
NOWHERE = frozenset({TP("", -1)})
COMMIT_TIMEOUT = 30.0

#: Seconds between tries to take over partitions while Kafka does not answer.
SHORTEST_WAIT = 0.5
LONGEST_WAIT = 10.0

#: Seconds that a stopping worker has to leave the group: Kafka may not answer.
STOP_TIMEOUT = 10.0
LOST = (
    kafka_errors.UnknownMemberIdError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.CommitFailedError,
)


class Membership(NamedTuple):
    """What Kafka knows a member's assignment by."""

    generation: int
    member_id: str
    #: aiokafka's own object, of the generation before between the join and the sync of a rebalance.
    assignment: Any


NO_MEMBER = Membership(-1, "", None)


class Intake(Protocol):
    """What takes the batches and decides where to read on: the ledger."""

    @property
    def paused(self) -> bool:
        """Whether to take no records for now."""
        ...

    #: Partitions to read for now; None for all.
    wanted: frozenset[int] | None

    def staged_epochs(self) -> Mapping[int, AbstractSet[int]]:
        """Return the leader epochs of the staged records, by partition, where they are known."""
        ...

    async def assign(self, found: Mapping[int, Found]) -> tuple[int, dict[int, int]]:
        """Take over partitions: return the new epoch and the offset to read next, for each."""
        ...


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread of the aiokafka consumer.

    It reads committed transactions only, and ends even if Kafka does not answer.
    """

    logger = logging.getLogger("faust.consumer")

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        """Return the consumer. Faust itself reads committed records only if it also writes them."""
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # not started yet, so nothing has read it
        hasten(consumer)
        tell_epochs()
        return accept_empty_in_worker(consumer)

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        self.transport.watch(consumer._client)
        return consumer

    async def on_thread_stop(self) -> None:
        """Leave the group and disconnect, in limited time."""
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await super().on_thread_stop()
        except (asyncio.CancelledError, TimeoutError):
            # aiokafka's fetcher raises the cancellation of its own tasks if they wait to fetch
            # again. It would end this thread, and Faust would wait a minute for it.
            log.info("Kafka does not answer: stopped without leaving the group")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._consumer._client.close()


class BatchConsumer(driver.Consumer):
    """Faust's aiokafka consumer, a batch at a time."""

    logger = logging.getLogger("faust.consumer")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._intake: Intake = self.transport.intake
        self._topic: str = self.transport.topic
        # Only the consumer's own thread touches those below.
        self._epoch = 0
        self._held = 0
        self._membership = NO_MEMBER
        self._reached: dict[int, int] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # ---- reading

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Fetch for at most `timeout` seconds, and yield one message if there is anything.

        It has the first batch's partition and last offset. While the intake is paused, poll
        without taking records.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        batches = await self._in_thread(self._fetch(self._wanted(), timeout))
        if not batches or not self.flow_active or self.should_stop:
            return  # a seek follows before the flow resumes
        first = batches[0]
        tp = TP(self._topic, first.partition)
        yield (
            tp,
            ConsumerMessage(
                tp.topic,
                tp.partition,
                first.end - 1,
                first.records[-1].timestamp / 1000 if first.records else 0.0,
                0,
                (),
                None,
                batches,
                None,
                0,
                0,
                tp,
                generation_id=self.app.consumer_generation_id,
            ),
        )

    async def _fetch(self, active: frozenset[TP], timeout: float) -> list[Batch]:
        if not self.flow_active:
            return []
        consumer = self._thread._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise kafka_errors.ConsumerStoppedError
        epoch = self._epoch
        with fetcher._subscriptions.fetch_context():
            most = consumer._max_poll_records or sys.maxsize
            fetched = await take(fetcher, active, timeout, most)
        sought = self._epoch != epoch
        subscription = consumer._subscription.subscription
        assignment = self._membership.assignment
        if subscription is None or subscription.assignment is not assignment:
            return []  # no seek has begun this assignment yet: these are read again
        batches = []
        for number, first in self._reached.items():
            tp = TopicPartition(self._topic, number)
            records, leader_epoch = fetched.get(tp, ([], NO_EPOCH))
            state = assignment.state_value(tp)
            if state is None or not state.has_valid_position:
                continue
            # The position also moves past transaction markers and aborted records.
            end = int(state.position)
            # Without a seek, a position or records before `first` mean that Kafka had no such
            # offset and aiokafka began again at the log's start: the intake must see that.
            if sought and records and not first <= records[0].offset <= records[-1].offset < end:
                records = []  # they were read before the seek
            if records or end != first:
                self._reached[number] = end
                stable = max(end, consumer.last_stable_offset(tp) or 0)
                batches.append(
                    Batch(number, first, end, records, self._epoch, stable, leader_epoch)
                )
        return batches

    def _wanted(self) -> frozenset[TP]:
        """Return the partitions to poll: never an empty set, which would mean all."""
        if self._intake.paused:
            return NOWHERE
        wanted = self._intake.wanted
        active = (
            tp for tp in self._get_active_partitions() if wanted is None or tp.partition in wanted
        )
        return frozenset(active) or NOWHERE

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: a full buffer already makes `getmany` wait."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing, see `on_buffer_full`."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's check knows neither batches nor our pauses and commits."""

    @property
    def answers(self) -> bool:
        """Whether Kafka answered when it was last asked: the group's coordinator is known.

        If the connection is cut, it becomes unknown at once or when the session expires. Safe to
        read from any thread.
        """
        # The consumer and its coordinator do not exist before they are started.
        coordinator = getattr(self._thread._consumer, "_coordinator", None)
        return getattr(coordinator, "coordinator_id", None) is not None

    async def beat(self) -> None:
        """Return once the consumer's own loop has run; at once if it is not started."""
        thread = self._thread
        if thread is not None and thread.thread_loop.is_running():
            await self._in_thread(asyncio.sleep(0))

    # ---- position

    async def perform_seek(self) -> None:
        """Ask the intake where to read on, and seek there.

        Tries as long as the assignment lasts if Kafka does not answer.
        """
        generation = self.app.consumer_generation_id
        backoff = Backoff(SHORTEST_WAIT, LONGEST_WAIT)
        while generation == self.app.consumer_generation_id and not self.should_stop:
            try:
                await self._resume()
            except Lost:
                return  # another rebalance, and another seek, are on their way
            except Misconfigured:
                raise
            except (kafka_errors.KafkaError, FalcolakeError, TimeoutError) as error:
                log.warning("cannot take over partitions yet, trying again: %s", error)
                await self.sleep(backoff.next())
            else:
                return

    async def _resume(self) -> None:
        partitions = sorted(tp.partition for tp in self.assignment() if tp.topic == self._topic)
        staged = self._intake.staged_epochs()
        membership, found = await self._in_thread(self._look_up(partitions, staged))
        epoch, positions = await self._intake.assign(found)
        await self._in_thread(self._begin(epoch, positions, membership))

    async def _look_up(
        self, partitions: list[int], staged: Mapping[int, AbstractSet[int]]
    ) -> tuple[Membership, dict[int, Found]]:
        consumer = self._thread._ensure_consumer()
        hasten(consumer)
        membership = _membership(consumer)
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        async with asyncio.timeout(COMMIT_TIMEOUT):
            committed = await consumer._coordinator.fetch_committed_offsets(tps)
            noted = {
                tp: read_seal(each.metadata, each.offset).leader_epoch
                for tp, each in committed.items()
                if each.offset >= 0
            }
            starts = await consumer.beginning_offsets(tps)
            ids = await self._ids(tps)
            noted_ends = await self._epoch_ends(noted)
            staged_ends = await self._ends_of_each(
                {tp: staged.get(tp.partition, frozenset()) for tp in tps}
            )
            ends, stable = await _log_ends(consumer, tps), await consumer.end_offsets(tps)
        found = {}
        for tp in tps:
            known = committed.get(tp)
            at = known.offset if known is not None and known.offset >= 0 else None
            metadata = known.metadata if known is not None else ""
            found[tp.partition] = Found(
                at,
                metadata or "",
                starts[tp],
                ends[tp],
                ids[tp],
                _open(stable[tp], ends[tp]),
                noted_ends.get(tp),
                staged_ends[tp],
            )
        return membership, found

    async def _ids(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, str]:
        """Return the topic's id by partition, as its leader knows it: it has the records."""
        client = self._thread._ensure_consumer()._client
        leaders = await self._leaders(tps)
        ids = {each: await ask(client, each, self._topic) for each in set(leaders.values())}
        return {tp: ids[leader] for tp, leader in leaders.items()}

    async def _epoch_ends(self, epochs: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return where logs end in a leader epoch, of the partitions for which that is known."""
        client = self._thread._ensure_consumer()._client
        known = {tp: epoch for tp, epoch in epochs.items() if epoch != NO_EPOCH}
        leaders = await self._leaders(known)
        found: dict[TopicPartition, int] = {}
        try:
            for leader in set(leaders.values()):
                asked = {tp: known[tp] for tp in known if leaders[tp] == leader}
                found |= await epoch_ends.ask(client, leader, asked)
        except kafka_errors.KafkaError:
            await client.force_metadata_update()  # it may be led by another broker by now
            raise
        return found

    async def _ends_of_each(
        self, epochs: Mapping[TopicPartition, AbstractSet[int]]
    ) -> dict[TopicPartition, dict[int, int]]:
        """Return where logs end in each of these leader epochs, where that is known."""
        found: dict[TopicPartition, dict[int, int]] = {tp: {} for tp in epochs}
        for some in itertools.zip_longest(*map(sorted, epochs.values()), fillvalue=NO_EPOCH):
            asked = dict(zip(epochs, some, strict=True))
            for tp, end in (await self._epoch_ends(asked)).items():
                found[tp][asked[tp]] = end
        return found

    async def _leaders(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the brokers that lead partitions. Raises LeaderNotAvailableError."""
        client = self._thread._ensure_consumer()._client
        leaders = {tp: client.cluster.leader_for_partition(tp) for tp in tps}
        if any(leader in {None, -1} for leader in leaders.values()):
            await client.force_metadata_update()
            raise kafka_errors.LeaderNotAvailableError(self._topic)
        return leaders

    async def _begin(
        self, epoch: int, positions: Mapping[int, int], membership: Membership
    ) -> None:
        consumer = self._thread._ensure_consumer()
        if _membership(consumer) != membership:
            raise Lost
        linger(consumer)
        self._held, self._membership = epoch, membership
        await self._seek_to(epoch, positions)

    async def _seek_to(self, epoch: int, positions: Mapping[int, int]) -> None:
        consumer = self._thread._ensure_consumer()
        if _membership(consumer) != self._membership:
            raise Lost
        for partition, offset in positions.items():
            try:
                consumer.seek(TopicPartition(self._topic, partition), offset)
            except kafka_errors.IllegalStateError as error:
                raise Lost from error
        self._reached, self._epoch = dict(positions), epoch

    async def seek_again(self, epoch: int, positions: Mapping[int, int]) -> None:
        """Read on from other offsets in the same assignment. Raises Lost if that has ended."""
        await self._in_thread(self._seek_to(epoch, positions))
        self._read_offset.clear()

    # ---- commit

    async def commit_offsets(self, assignment: int, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Commit {partition: (offset, metadata)} for an assignment, named by its first epoch.

        It is one request with that assignment's generation and member id, so the coordinator
        refuses it after a rebalance. aiokafka's own commit retries with those of that moment, and
        could commit for a partition that another worker has. Raises Lost, or Unavailable if Kafka
        does not confirm it.
        """
        try:
            await self._in_thread(self._commit_once(assignment, offsets))
        except LOST as error:
            raise Lost from error
        except (kafka_errors.KafkaError, TimeoutError, OSError) as error:
            raise no_answer("commit offsets", error) from error

    async def _commit_once(self, assignment: int, offsets: Mapping[int, tuple[int, str]]) -> None:
        consumer = self._thread._ensure_consumer()
        coordinator = consumer._coordinator
        async with asyncio.timeout(COMMIT_TIMEOUT):
            await coordinator.ensure_coordinator_known()
            async with coordinator._commit_lock:
                own = self._membership
                if assignment != self._held or _membership(consumer) != own:
                    raise Lost
                if own.assignment is None or not own.assignment.active:
                    raise Lost
                await coordinator._do_commit_offsets(
                    own.assignment,
                    {
                        TopicPartition(self._topic, partition): OffsetAndMetadata(offset, metadata)
                        for partition, (offset, metadata) in offsets.items()
                    },
                )

    async def log_start(self, partition: int) -> int:
        """Return the first offset that Kafka still has of a partition. Raises Unavailable."""
        tp = TopicPartition(self._topic, partition)

        async def ask() -> int:
            found = await self._thread._ensure_consumer().beginning_offsets([tp])
            return int(found[tp])

        return await self._answer(ask(), f"the first offset of {tp}")

    async def topic_id(self, partition: int) -> str:
        """Return the topic's id, as the partition's leader knows it; empty if Kafka has no ids.

        Raises Unavailable, also if there is no such topic.
        """
        tp = TopicPartition(self._topic, partition)
        return (await self._answer(self._ids([tp]), f"the id of {self._topic}"))[tp]

    async def epoch_end(self, partition: int, leader_epoch: int) -> int | None:
        """Return where a partition's log ends in a leader epoch; None if Kafka has no epochs.

        Raises Unavailable.
        """
        tp = TopicPartition(self._topic, partition)
        question = self._epoch_ends({tp: leader_epoch})
        return (await self._answer(question, f"leader epoch {leader_epoch} of {tp}")).get(tp)

    async def bounds(self, epochs: Mapping[int, int]) -> dict[int, Bounds]:
        """Return the bounds of partitions, the times of their first records, and the topic's id.

        `epochs` has the leader epoch of each of them whose end to ask for, or `NO_EPOCH`. Raises
        Unavailable.
        """
        known = {TopicPartition(self._topic, number): epoch for number, epoch in epochs.items()}
        tps = list(known)

        async def ask() -> dict[int, Bounds]:
            consumer = self._thread._ensure_consumer()
            starts = await consumer.beginning_offsets(tps)
            ends, stable = await _log_ends(consumer, tps), await consumer.end_offsets(tps)
            # The first record that is not older than the epoch is the first one.
            firsts = await consumer.offsets_for_times(dict.fromkeys(tps, 0))
            ids = await self._ids(tps)
            epoch_ends = await self._epoch_ends(known)
            return {
                tp.partition: Bounds(
                    starts[tp],
                    ends[tp],
                    found.timestamp if (found := firsts[tp]) else None,
                    _open(stable[tp], ends[tp]),
                    ids[tp],
                    epoch_ends.get(tp),
                )
                for tp in tps
            }

        return await self._answer(ask(), f"the bounds of {self._topic}")

    async def _answer(self, question: Coroutine[Any, Any, T], what: str) -> T:
        """Return Kafka's answer to a question about `what`. Raises Unavailable."""
        try:
            return await self._in_thread(asyncio.wait_for(question, COMMIT_TIMEOUT))
        except (kafka_errors.KafkaError, TimeoutError, OSError) as error:
            raise no_answer(f"look up {what}", error) from error

    async def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop of the consumer's thread."""
        loop = self._thread.thread_loop
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


async def _log_ends(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the ends of partitions, open transactions included.

    The consumer's own `end_offsets` returns the last stable offsets.
    """
    fetcher = copy.copy(consumer._fetcher)
    fetcher._isolation_level = READ_UNCOMMITTED
    ends: dict[TopicPartition, int] = await fetcher.end_offsets(tps, consumer._request_timeout_ms)
    return ends


def _membership(consumer: AIOKafkaConsumer) -> Membership:
    coordinator, subscription = consumer._coordinator, consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    return Membership(coordinator.generation, coordinator.member_id, assignment)


def _open(stable: int, end: int) -> int | None:
    """Return where the first open transaction begins, or None."""
    return stable if stable < end else None


class BatchTransport(driver.Transport):
    """A transport for one topic, with a `BatchConsumer`."""

    Consumer = BatchConsumer

    def __init__(
        self,
        *args: Any,
        topic: str,
        intake: Intake,
        watch: Callable[[Any], None] = lambda client: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.topic = topic
        self.intake = intake
        #: Called with the client of each consumer before it connects.
        self.watch = watch
