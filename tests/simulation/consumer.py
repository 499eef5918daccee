"""The Kafka client of a simulated worker, under the real `BatchConsumer`.

`Network` carries requests to the simulated Kafka: each arrives and is answered after delays that
are drawn, is lost, or takes place and loses its answer. `Client` has what `BatchConsumer` uses of
aiokafka's consumer. `Consumer` replaces what Faust does around it: membership, flow, rebalances.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple, TypeVar

from aiokafka import errors as kafka_errors
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from streams.errors import Unavailable
from streams.worker.transport import NO_MEMBER, BatchConsumer, Intake
from tests.simulation.coordinator import Dealt, Fenced, Group, Joined
from tests.simulation.log import PartitionLog, Record, Topic
from tests.simulation.loop import SimulatedLoop, settle

T = TypeVar("T")
NAME = "falco-events"
HEARTBEAT = 2.0
POLL = 1.0
MOST_RECORDS = 10

#: What may happen to a commit: it never arrives; it is refused; it takes place and its answer is
#: lost, or late; it takes place when its sender has given up.
Trouble = Literal["lost", "refused", "unanswered", "slow", "late"]


class Network:
    """The way between the workers and Kafka."""

    def __init__(self, loop: SimulatedLoop, note: Callable[[str, str], None]) -> None:
        self.away = False
        #: Partitions of which a fetch has shown where the log was cut, before it grew again.
        self.short: set[int] = set()
        #: What happens to the next commits, in order.
        self.troubles: deque[Trouble] = deque()
        self._loop = loop
        self._note = note

    async def ask(self, action: Callable[[], T], *, commits: bool = False) -> T:
        """Send a request and return its answer; may never return. Raises Kafka's errors."""
        loop, draw = self._loop, self._loop.draw
        await asyncio.sleep(draw(0.0005, 0.05))
        if self.away:
            await asyncio.sleep(draw(0.5, 5.0))
            raise kafka_errors.KafkaConnectionError("no connection")
        trouble = self.troubles.popleft() if commits and self.troubles else None
        if trouble:
            self._note("kafka", f"{loop.current().name}'s commit is {trouble}")
        if trouble == "refused":
            raise kafka_errors.NotCoordinatorForGroupError
        answer: asyncio.Future[T] = loop.create_future()
        if trouble != "lost":
            late = draw(31.0, 60.0) if trouble == "late" else draw(0.0005, 0.05)
            loop.run_in(loop.world, late, lambda: self._arrive(action, answer, commits, trouble))
        return await answer

    def _arrive(
        self,
        action: Callable[[], T],
        answer: "asyncio.Future[T]",
        commits: bool,
        trouble: Trouble | None,
    ) -> None:
        """Let a request take place, and send the answer."""
        loop, draw = self._loop, self._loop.draw
        if self.away:
            if not commits:  # the connection ends; a commit's answer never comes
                settle(answer, None, kafka_errors.KafkaConnectionError("no connection"))
            return
        result: T | None = None
        failed: Exception | None = None
        try:
            result = action()
        except kafka_errors.KafkaError as error:
            failed = error
        if trouble != "unanswered":
            late = draw(2.0, 28.0) if trouble == "slow" else draw(0.0005, 0.2)
            loop.run_in(loop.world, late, lambda: settle(answer, result, failed))


@dataclass(eq=False)
class State:
    """Where a consumer is in a partition."""

    position: int | None = None
    stable: int = 0

    @property
    def has_valid_position(self) -> bool:
        """Whether there is a position."""
        return self.position is not None


@dataclass(eq=False)
class Assignment:
    """The partitions of one generation."""

    states: dict[TopicPartition, State] = field(default_factory=dict)
    active: bool = True

    def state_value(self, tp: TopicPartition) -> State | None:
        """Return the state of a partition."""
        return self.states.get(tp)


class Answer(NamedTuple):
    """What a fetch returned of a partition: records, and where it ends."""

    records: list[Record]
    end: int
    stable: int
    leader_epoch: int


class Fetcher:
    """Fetches from the simulated log."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._closed = False
        self._isolation_level = 1
        self._subscriptions = SimpleNamespace(fetch_context=contextlib.nullcontext)

    async def end_offsets(
        self, tps: Iterable[TopicPartition], _: float
    ) -> dict[TopicPartition, int]:
        """Return the ends of logs, open transactions included."""
        return await self._client.look(tps, lambda log: log.end)

    async def take(
        self, wanted: Iterable[TopicPartition], wait: float, most: int
    ) -> dict[TopicPartition, tuple[list[Record], int]]:
        """Return records and their leader epoch, as `streams.worker.fetching.take` does."""
        client = self._client
        assignment, logs = client.assignment, client.topic.logs
        states = {tp: assignment.states[tp] for tp in sorted(wanted) if tp in assignment.states}
        positions = {
            tp: state.position for tp, state in states.items() if state.position is not None
        }

        def read() -> dict[TopicPartition, Answer | None]:
            found: dict[TopicPartition, Answer | None] = {}
            for tp, position in positions.items():
                log = logs()[tp.partition]
                if log.start <= position <= log.end:
                    records, end = log.read(position, MOST_RECORDS)
                    epoch = log.epoch_before(end) if client.has_epochs else -1
                    found[tp] = Answer(records, end, log.stable, epoch)
                else:
                    found[tp] = None
                    if position > log.end == log.epochs[-1][1]:
                        client.network.short.add(tp.partition)
            return found

        taken: dict[TopicPartition, tuple[list[Record], int]] = {}
        if positions:
            with contextlib.suppress(kafka_errors.KafkaError):  # it fetches again
                for tp, answer in (await client.network.ask(read)).items():
                    if states[tp].position == positions[tp]:  # no seek came between
                        taken[tp] = await self._move(tp, states[tp], answer)
        if not any(records for records, _ in taken.values()):
            await asyncio.sleep(wait)
        return taken

    async def _move(
        self, tp: TopicPartition, state: State, answer: Answer | None
    ) -> tuple[list[Record], int]:
        if answer is not None:
            state.position, state.stable = answer.end, answer.stable
            return answer.records, answer.leader_epoch
        state.position = None
        start = (await self._client.beginning_offsets([tp]))[tp]
        if state.position is None:
            state.position = start
        return [], -1


class Coordinator:
    """The client's side of the group."""

    coordinator_id: int | None = 0

    def __init__(self, client: "Client") -> None:
        self.generation = -1
        self._client = client
        self._commit_lock = asyncio.Lock()

    @property
    def member_id(self) -> str:
        """The member's id."""
        return self._client.member

    async def ensure_coordinator_known(self) -> None:
        """Do nothing: there is one broker."""

    async def fetch_committed_offsets(
        self, tps: Iterable[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return what the group has committed."""
        group = self._client.group

        def fetch() -> dict[TopicPartition, OffsetAndMetadata]:
            return {
                tp: OffsetAndMetadata(*group.offsets[tp.partition])
                for tp in tps
                if tp.partition in group.offsets
            }

        return await self._client.network.ask(fetch)

    async def _do_commit_offsets(
        self, _: Any, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> None:
        client, generation, member = self._client, self.generation, self._client.member
        sent = {tp.partition: (each.offset, each.metadata) for tp, each in offsets.items()}
        await client.network.ask(
            lambda: client.group.commit(member, generation, sent), commits=True
        )


class Client:
    """What `BatchConsumer` uses of aiokafka's consumer."""

    _closed = False
    _max_poll_records = MOST_RECORDS
    _request_timeout_ms = 40_000

    def __init__(
        self, name: str, topic: Topic, group: Group, network: Network, instance: str = ""
    ) -> None:
        self.name = name
        #: The member's id, another one after each expulsion.
        self.member = name
        #: The name of a static member; empty for others.
        self.instance = instance
        self.group = group
        self.network = network
        self.topic = SimpleNamespace(logs=lambda: topic.logs, id=lambda: topic.id)
        self.has_epochs = topic.has_epochs
        self.assignment = Assignment()
        self._coordinator = Coordinator(self)
        self._fetcher = Fetcher(self)
        self._subscription: Any = SimpleNamespace(subscription=None)
        cluster = SimpleNamespace(leader_for_partition=lambda tp: 0)
        self._client = SimpleNamespace(
            cluster=cluster,
            ask_id=self._id,
            ask_ends=self._ends,
            force_metadata_update=self._refresh,
        )

    async def _refresh(self) -> None:
        """Do nothing: there is one broker."""

    async def _ends(self, epochs: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        logs = self.topic.logs
        if not self.has_epochs:
            return {}
        found = await self.network.ask(
            lambda: {tp: logs()[tp.partition].epoch_end(each) for tp, each in epochs.items()}
        )
        return {tp: max(0, end) for tp, end in found.items()}

    async def _id(self) -> str:
        return await self.network.ask(self.topic.id)

    def expelled(self) -> None:
        """Forget the membership: the group no longer knows it."""
        self._coordinator.generation = -1
        name, _, number = self.member.partition("#")
        self.member = f"{name}#{int(number or 0) + 1}"

    @property
    def generation(self) -> int:
        """The generation that the group was last in, as this member knows it."""
        return self._coordinator.generation

    @generation.setter
    def generation(self, generation: int) -> None:
        self._coordinator.generation = generation

    def begin(self, partitions: Iterable[int]) -> None:
        """Take the partitions of a new generation."""
        self.assignment.active = False
        states = {TopicPartition(NAME, number): State() for number in partitions}
        self.assignment = Assignment(states)
        self._subscription.subscription = SimpleNamespace(assignment=self.assignment)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read on from an offset."""
        state = self.assignment.state_value(tp)
        if state is None:
            raise kafka_errors.IllegalStateError(tp)
        state.position = offset

    def last_stable_offset(self, tp: TopicPartition) -> int | None:
        """Return the last stable offset, as of the last fetch."""
        state = self.assignment.state_value(tp)
        return None if state is None else state.stable

    async def look(
        self, tps: Iterable[TopicPartition], what: Callable[[PartitionLog], Any]
    ) -> dict[TopicPartition, Any]:
        """Return something of each log."""
        return await self.network.ask(
            lambda: {tp: what(self.topic.logs()[tp.partition]) for tp in tps}
        )

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the first offsets of logs."""
        return await self.look(tps, lambda log: log.start)

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the last stable offsets."""
        return await self.look(tps, lambda log: log.stable)

    async def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, Record | None]:
        """Return the first record of each log."""
        return await self.look(times, lambda log: next(iter(log.records), None))


async def ask_id(client: Any, node_id: int, topic: str) -> str:
    """Return the topic's id, in place of `streams.worker.topic_ids.ask`."""
    return await client.ask_id()


async def ask_ends(client: Any, node_id: int, epochs: Any) -> dict[TopicPartition, int]:
    """Return where logs end in leader epochs, in place of `streams.worker.epoch_ends.ask`."""
    return await client.ask_ends(epochs)


async def take(fetcher: Fetcher, wanted: Any, wait: float, most: int) -> Any:
    """Fetch, in place of `streams.worker.fetching.take`."""
    return await fetcher.take({tp for tp in wanted if tp.partition >= 0}, wait, most)


class Consumer(BatchConsumer):
    """The real transport's consumer, on a simulated client and without Faust's services."""

    should_stop = False

    def __init__(
        self,
        client: Client,
        intake: Intake,
        deal: Callable[[list[str]], Dealt],
        between: Callable[[], Awaitable[None]],
    ) -> None:
        """`deal` deals partitions to members; `between` is called between join and sync."""
        self.client = client
        self._deal = deal
        self._between = between
        self.flow_active = False
        self.app = SimpleNamespace(consumer_generation_id=-1)
        self.left = False
        self._thread = SimpleNamespace(_ensure_consumer=lambda: client, _consumer=client)
        self._read_offset: dict[Any, Any] = {}
        self._intake = intake
        self._topic = NAME
        self._epoch = self._held = 0
        self._membership = NO_MEMBER
        self._reached: dict[int, int] = {}
        self._flows = asyncio.Event()
        self._dealt = asyncio.Event()

    # ---- in place of Faust's

    async def _in_thread(self, work: Any) -> Any:
        return await work

    async def beat(self) -> None:
        """Return: there is one loop."""

    async def sleep(self, n: float, **_: Any) -> None:
        """Wait."""
        await asyncio.sleep(n)

    def can_resume_flow(self) -> None:
        """Stand for Faust's event; see `wait`."""

    async def wait(self, *_: Any, **__: Any) -> Any:
        """Wait until the flow resumes."""
        await self._flows.wait()

    def assignment(self) -> set[TP]:
        """Return the assigned partitions."""
        return {TP(tp.topic, tp.partition) for tp in self.client.assignment.states}

    def _get_active_partitions(self) -> set[TP]:
        return self.assignment()

    def _flow(self, *, on: bool) -> None:
        self.flow_active = on
        if on:
            self._flows.set()
        else:
            self._flows.clear()

    async def belong(self) -> None:
        """Be a member of the group: join, synchronize, beat, join again.

        Raises Unavailable where aiokafka fails: if another process has this one's instance.
        """
        while True:
            self._flow(on=False)
            try:
                partitions = await self._join()
            except Fenced as error:
                raise Unavailable("another process has the same instance", "wait") from error
            except (kafka_errors.UnknownMemberIdError, kafka_errors.IllegalGenerationError):
                self.client.expelled()
                continue
            except kafka_errors.RebalanceInProgressError:
                continue
            except (kafka_errors.KafkaError, TimeoutError):
                await asyncio.sleep(1.0)
                continue
            self.client.begin(partitions)
            self.app.consumer_generation_id = self.client.generation
            self._dealt.set()
            await self._beat_until_rebalance(self.client.generation)

    async def _join(self) -> tuple[int, ...]:
        """Join and synchronize; return the partitions. The generation is known before them."""
        client, loop = self.client, asyncio.get_running_loop()
        group, member = client.group, client.member
        answer: asyncio.Future[Joined] = loop.create_future()
        join = partial(group.join, member, answer, client.instance)
        await asyncio.wait_for(client.network.ask(join), 15)
        generation, members = await asyncio.wait_for(answer, 40)
        client.generation = generation
        await self._between()
        dealt = self._deal(list(members)) if members else None
        given: asyncio.Future[tuple[int, ...]] = loop.create_future()
        sync = partial(group.sync, member, generation, dealt, given)
        await asyncio.wait_for(client.network.ask(sync), 15)
        partitions = await asyncio.wait_for(given, 40)
        await asyncio.sleep(loop.draw(0.001, 0.5))  # type: ignore[attr-defined]
        return partitions

    async def _beat_until_rebalance(self, generation: int) -> None:
        client = self.client
        beat = partial(client.group.beat, client.member, generation)
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await asyncio.wait_for(client.network.ask(beat), 5)
            except kafka_errors.RebalanceInProgressError:
                return
            except (kafka_errors.UnknownMemberIdError, kafka_errors.IllegalGenerationError):
                client.expelled()
                return
            except (kafka_errors.KafkaError, TimeoutError):
                continue

    async def recover(self) -> None:
        """After each assignment seek, then let the records flow."""
        while True:
            await self._dealt.wait()
            self._dealt.clear()
            generation = self.app.consumer_generation_id
            await self.perform_seek()
            if generation == self.app.consumer_generation_id and not self._dealt.is_set():
                self._flow(on=True)
