"""The control topic in the simulation, and who uses it.

The real `Listener` of each worker reads it through `Consumer` and answers through `Producer`. What
others write comes from the plan: requests, twice and late, of other groups and versions, garbage.
`Asking` looks at each request some time later: who was able to hear it must have taken it in, and
answered or had nothing to say. A flush is also followed by what `falcolake flush` decides by: the
real `Answers` and `reason`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import errors as kafka_errors
from aiokafka.structs import TopicPartition

from streams.control.flush import reason
from streams.control.messages import Ask, Flush, Message, State, decode, encode
from streams.control.requests import Answers
from streams.kafka.status import PartitionStatus, Status
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings
from streams.windows.seal import read_seal
from tests.simulation.consumer import NAME
from tests.simulation.plan import Fault

if TYPE_CHECKING:
    from tests.simulation.worker import Worker
    from tests.simulation.world import World

SETTINGS = Settings(kafka=KafkaSettings(topic=NAME))
TOPIC, GROUP = SETTINGS.kafka.control_topic, SETTINGS.kafka.group_id

#: Seconds after which a request must have been taken in by those who could.
BOUND = 40.0

#: Seconds after which one that had not answered is looked at again.
AGAIN = 10.0

#: The share of records whose writer gets no answer.
UNANSWERED = 0.1


class Record(NamedTuple):
    """A record of the control topic."""

    topic: str
    offset: int
    timestamp: int
    value: bytes | None


class Request(NamedTuple):
    """A request that is looked at later: its offset, its ends by partition if it is a flush."""

    offset: int
    ends: dict[int, int]


class Tail:
    """The values that come after an offset, for `Answers`."""

    def __init__(self, records: Sequence[Record], first: int) -> None:
        self._records = records
        self._next = first

    def poll(self, milliseconds: int) -> Sequence[bytes | None]:
        """Return what has come since the last call."""
        found = [record.value for record in self._records[self._next :]]
        self._next += len(found)
        return found


class Consumer:
    """What the listener uses of aiokafka's consumer, on the simulated topics."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._position = 0
        self._client = SimpleNamespace(fetch_all_metadata=self._metadata)

    async def start(self) -> None:
        """Connect."""
        await self._world.network.ask(lambda: None)

    async def stop(self) -> None:
        """Do nothing: there is no connection."""

    async def topics(self) -> set[str]:
        """Return the names of all topics."""
        return await self._world.network.ask(lambda: {NAME, TOPIC})

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """Do nothing: there is one place to read."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read on from an offset."""
        self._position = offset

    async def _metadata(self) -> Any:
        logs = await self._world.network.ask(lambda: set(self._world.topic.logs))
        return SimpleNamespace(partitions_for_topic=lambda topic: logs)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the last stable offsets."""
        world = self._world

        def end(place: TopicPartition) -> int:
            if place.topic == TOPIC:
                return len(world.control.records)
            return world.topic.logs[place.partition].stable

        return await world.network.ask(lambda: {place: end(place) for place in places})

    async def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, Record | None]:
        """Return the first records that are not older."""
        records = self._world.control.records

        def first(since: int) -> Record | None:
            return next((each for each in records if each.timestamp >= since), None)

        return await self._world.network.ask(
            lambda: {place: first(since) for place, since in times.items()}
        )

    async def getmany(
        self, place: TopicPartition, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        """Return what comes within the time; as aiokafka does, nothing without a connection."""
        world, first = self._world, self._position
        try:
            found = await world.network.ask(
                lambda: world.control.records[first : first + max_records]
            )
        except kafka_errors.KafkaError:
            found = []
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        self._position += len(found)
        return {place: found}


class Producer:
    """What the listener uses of aiokafka's producer."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def start(self) -> None:
        """Connect."""
        await self._world.network.ask(lambda: None)

    async def stop(self) -> None:
        """Do nothing: there is no connection."""

    async def send_and_wait(self, topic: str, value: bytes, *, partition: int) -> None:
        """Write a record; now and then its answer never comes."""
        world = self._world
        await world.network.ask(lambda: world.control.write(value))
        if world.dice.random() < UNANSWERED:
            await asyncio.get_running_loop().create_future()


class Control:
    """The control topic of a world, its requests, and what must come of them."""

    def __init__(self, world: "World") -> None:
        self.records: list[Record] = []
        #: How often each worker's listener counted a record, by worker and by what it was.
        self.told: dict[str, Counter[str]] = {}
        #: Since when the way to Kafka has been undisturbed, for all and by worker.
        self.calm_since = 0.0
        self.calm_at: dict[str, float] = {}
        #: Requests that are still to be looked at, and flushes that are not done: why, by offset.
        self._unseen = 0
        self._waiting: dict[int, str] = {}
        self._world = world

    def write(self, value: bytes | None) -> int:
        """Write a record and return its offset."""
        offset, now = len(self.records), self._world.now_ns() // 1_000_000
        self.records.append(Record(TOPIC, offset, now, value))
        return offset

    def ask(self) -> None:
        """Ask all workers how they are."""
        self._ask(Ask(v=1, group=GROUP), {})

    def flush(self) -> None:
        """Ask all workers to ship what there is."""
        self._flush(self._ends())

    def _ends(self) -> dict[int, int]:
        return {number: log.stable for number, log in self._world.topic.logs.items() if log.stable}

    def disturb(self, name: str = "", seconds: float = 0.0) -> None:
        """Note that a worker, or any, cannot hear for a while from now on."""
        until = self._world.loop.time() + seconds
        if name:
            self.calm_at[name] = max(until, self.calm_at.get(name, 0.0))
        else:
            self.calm_since = max(until, self.calm_since)

    # ---- what is written

    def strike(self, fault: Fault) -> None:
        """Write what a fault wants."""
        world, what = self._world, fault.what
        ends = self._ends()
        world.happened[f"control: {what}"] += 1
        world.history.note("admin", f"{what} up to {ends}" if "flush" in what else what)
        if what == "a late flush":
            world.loop.run_in(world.loop.world, fault.seconds, lambda: self._flush(ends))
        elif what == "a flush":
            self._flush(ends)
        elif what == "a flush twice":
            self._flush(ends)
            self._flush(ends)
        elif what == "a question":
            self.ask()
        else:
            self._look_later(Request(self.write(_strange(what, ends)), {}))

    def _flush(self, ends: dict[int, int]) -> None:
        request = self._ask(Flush(v=1, group=GROUP, ends=ends), ends)
        world = self._world
        world.loop.spawn(world.loop.world, self._wait(request), "flush")

    def _ask(self, message: Message, ends: dict[int, int]) -> Request:
        request = Request(self.write(encode(message)), ends)
        self._look_later(request)
        return request

    # ---- what comes of it

    def _look_later(self, request: Request) -> None:
        world = self._world
        able, began = dict(world.workers), world.loop.time()
        self._unseen += 1
        world.loop.run_in(world.loop.world, BOUND, lambda: self._look(request, able, began))

    def _look(self, request: Request, able: dict[int, "Worker"], began: float) -> None:
        """Judge those who were there all the time and could hear."""
        self._unseen -= 1
        if self.calm_since > began:
            return
        for number, worker in able.items():
            is_there = self._world.workers.get(number) is worker and not worker.leaving
            if is_there and self.calm_at.get(worker.name, 0.0) <= began and worker.listens:
                self._judge(request, worker)

    def _judge(self, request: Request, worker: "Worker") -> None:
        listener = worker.listener
        assert listener is not None
        violate = self._world.verdict.violate
        if listener._position is None or listener._position <= request.offset:
            violate(f"{worker.name} has not read request {request.offset} after {BOUND:.0f} s")
            return
        told, expected = self.told.get(worker.name, Counter()), self._expected(listener._position)
        # A flush is ignored, too, if the topic was cut or recreated before it was read.
        told["flush"] += told.pop("ignored", 0)
        if told != expected:
            violate(f"{worker.name} counted {told} on the control topic, not {expected}")
        if self._owes(request, worker):
            # It may have the partition since a moment ago only.
            later = partial(self._look_again, request, worker)
            self._world.loop.run_in(self._world.loop.world, AGAIN, later)

    def _look_again(self, request: Request, worker: "Worker") -> None:
        is_there = worker.host.alive and not worker.leaving and worker.listens
        calm = max(self.calm_since, self.calm_at.get(worker.name, 0.0))
        if is_there and calm <= self._world.loop.time() - AGAIN and self._owes(request, worker):
            said = f"{worker.name} has not answered request {request.offset}"
            self._world.verdict.violate(f"{said} after {BOUND + AGAIN:.0f} s")

    def _owes(self, request: Request, worker: "Worker") -> bool:
        """Whether a worker should answer and has not: a question, or a flush that is not done."""
        what, partitions = decode(self.records[request.offset].value), worker.ledger.partitions
        is_asked = isinstance(what, Ask) or any(
            request.ends.get(number, 0) > each.committed for number, each in partitions.items()
        )
        return is_asked and not self._answered(worker.name, request.offset)

    def _expected(self, end: int) -> Counter[str]:
        """Return what records up to an offset count as; as a flush, too, what is ignored."""
        expected = Counter({"flush": 0})
        for record in self.records[:end]:
            message = decode(record.value)
            if message is not None and message.group != GROUP:
                expected["other-group"] += 1
            else:
                names: dict[Any, str] = {Ask: "ask", State: "state"}
                expected[names.get(type(message), "flush")] += 1
        return expected

    def _answered(self, name: str, offset: int) -> bool:
        answers = (decode(record.value) for record in self.records[offset:])
        return any(
            isinstance(each, State) and each.worker == name and each.request >= offset
            for each in answers
        )

    async def _wait(self, request: Request) -> None:
        """Follow a flush as `falcolake flush` does, until it says that all is in the lake."""
        world = self._world
        topic_id = world.topic.id
        answers = Answers(GROUP, Tail(self.records, request.offset))
        left = dict(request.ends)
        self._waiting[request.offset] = "nobody has looked"
        while left and world.topic.id == topic_id:
            await asyncio.sleep(1.0)
            answers.listen(0)
            status = self._status()
            for each in status.partitions:
                end = left.get(each.partition, 0)
                if end and not world.topic.logs[each.partition].between(each.reached, end):
                    world.verdict.flushed(each.partition, left.pop(each.partition))
            self._waiting[request.offset] = "; ".join(
                f"partition {each.partition}: {reason(status, each, answers.of(each.partition))}"
                for each in status.partitions
                if each.partition in left and not world.verdict.is_excused(each.partition)
            )
        self._waiting.pop(request.offset, None)
        if not left:
            world.history.note("admin", f"flush {request.offset} is done")

    def unsettled(self) -> str:
        """Return what is still to come of requests: why flushes are not done; empty if nothing."""
        if self._unseen:
            return f"{self._unseen} requests are too new"
        open_ = {offset: why for offset, why in self._waiting.items() if why}
        return "; ".join(f"flush {offset} is not done: {why}" for offset, why in open_.items())

    def _status(self) -> Status:
        """Return what Kafka says of the group, as `streams.kafka.status` reads it."""
        world = self._world
        owners = {n: name for name, m in world.group.members.items() for n in m.partitions}
        found = []
        for number, log in world.topic.logs.items():
            committed, metadata = world.group.offsets.get(number, (None, ""))
            seal = read_seal(metadata, committed or 0)
            cut = None if committed is None else seal.cut
            found.append(
                PartitionStatus(
                    number, log.start, committed, log.stable, seal.ends, owners.get(number), cut=cut
                )
            )
        return Status(NAME, GROUP, "Stable", tuple(found), None, world.topic.id)


def _strange(what: str, ends: Mapping[int, int]) -> bytes | None:
    """Return the value of a record that is no request to this group, or not one to obey."""
    made: dict[str, Callable[[], bytes | None]] = {
        "garbage": lambda: b'{"kind": "flush", "v": 1, "group": 7',
        "nothing": lambda: None,
        "another version": lambda: encode(Flush(v=1, group=GROUP, ends=dict(ends))).replace(
            b'"v":1', b'"v":2'
        ),
        "another group": lambda: encode(Flush(v=1, group="another", ends=dict(ends))),
        "ends beyond the log": lambda: encode(
            Flush(v=1, group=GROUP, ends={number: end + 1000 for number, end in ends.items()})
        ),
    }
    return made[what]()
