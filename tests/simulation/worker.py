"""One worker, put together as `streams.app` does it, without Faust and the listener.

The ledger, shipper, lookup, lake, transport's consumer and drain are the real ones.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka import errors as kafka_errors

from streams import faults
from streams.control.fleet import Fleet
from streams.errors import FalcolakeError, Unavailable
from streams.lake.session import patience
from streams.lake.store import Lake
from streams.settings.sections import LakeSettings
from streams.staging.objects import Objects
from streams.windows.batch import Batch, Rejected
from streams.windows.room import Room
from streams.windows.window import Blocked, Limits
from streams.worker.drain import drain
from streams.worker.ledger import Ledger
from streams.worker.listener import Listener
from streams.worker.lookup import Lookup
from streams.worker.shipping import Shipper
from streams.worker.watch import Watch
from tests.simulation import control
from tests.simulation.consumer import NAME, POLL, Client, Consumer
from tests.simulation.staging import ACCOUNT, REGION, Disk, Mapping, ModelStaging
from tests.simulation.store import Reader

if TYPE_CHECKING:
    from tests.simulation.world import World

SETTINGS = LakeSettings(
    bucket="lake", region=REGION, account_id=ACCOUNT, endpoint_url="https://lake.example"
)
#: As in `streams.app`.
TICK, LOOK_AROUND = 0.5, 15.0
GRACE = 15.0


class Metrics:
    """Metrics that count what Kafka lost, and note holds and blocks in the history."""

    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self._name = name
        self._said: dict[int, str] = {}

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None

    def lost(self, number: int, count: int) -> None:
        """Count offsets that Kafka lost."""
        self._world.reported[number] += count
        self._say(number, f"partition {number}: reports {count} lost offsets")

    def held(self, number: int, since: float, error: FalcolakeError) -> None:
        """Note a hold."""
        self._say(number, f"partition {number}: held: {error.message}")

    def blocked(self, number: int, blocked: Blocked, since: float) -> None:
        """Note a block."""
        self._say(number, f"partition {number}: blocked: {blocked.reason}")

    def told(self, what: str) -> None:
        """Count a record of the control topic."""
        self._world.control.told.setdefault(self._name, Counter())[what] += 1

    def paused(self, reason: str | None) -> None:
        """Note a pause of reading."""
        self._say(-1, f"reading is paused: {reason}" if reason else "reading resumes")

    def _say(self, number: int, what: str) -> None:
        if self._said.get(number) != what:
            self._said[number] = what
            self._world.history.note(self._name, what)


class DeadLetters:
    """The way to the dead-letter topic."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def send(self, partition: int, rejects: Sequence[Rejected]) -> None:
        """Write letters, one after the other."""
        world = self._world
        await asyncio.sleep(world.loop.draw(0.001, 0.5))
        for reject in rejects:
            with faults.around("letter"):
                if world.letters_fail or world.network.away:
                    await asyncio.sleep(2.0)
                    raise Unavailable("cannot write to the dead-letter topic", "wait")
                assert reject.value is not None
                world.letter(reject.value.decode())


class Worker:
    """One life of a worker, from its start to its end; its disk lives longer."""

    def __init__(
        self,
        world: "World",
        name: str,
        disk: Disk,
        version: str,
        path: Path,
        instance: str = "",
    ) -> None:
        plan = world.plan
        self.world = world
        self.name = name
        self.disk = disk
        self.version = version
        self.host = world.loop.host(name)
        self.leaving = False
        mapping: Any = Mapping(version)
        staging: Any = ModelStaging(disk, path, version)
        metrics: Any = Metrics(world, name)
        watch = Watch(metrics)
        limits = Limits(plan.interval, 10**9, plan.max_rows)
        self.ledger = Ledger(staging, mapping, limits, Room(10**8, 0), metrics)
        client: Any = world.s3
        lake = Lake(SETTINGS, client)
        lake._putters[patience(0)] = client
        self.shipper = Shipper(
            self.ledger,
            Objects(staging, mapping, NAME),
            lake,
            DeadLetters(world),
            metrics,
            watch=watch,
        )
        reader: Any = Reader(SETTINGS, world.bucket, client)
        self.lookup = Lookup(self.ledger, reader, NAME, watch)
        self.ledger.on_assigned = self.lookup.start
        self.client = Client(name, world.topic, world.group, world.network, instance)
        self.consumer = Consumer(self.client, self.ledger, world.deal, world.between)
        self.ledger.kafka = self.consumer
        self.listener: Listener | None = None
        if plan.listens:
            self.listener = Listener(
                control.SETTINGS, self.ledger, self.shipper.reasons, metrics, Fleet()
            )
            self.listener._name = name
        self._batches: asyncio.Queue[list[Batch]] = asyncio.Queue(2)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def listens(self) -> bool:
        """Whether its listener follows the control topic now."""
        return self.listener is not None and not self.listener._fleet.trouble

    async def live(self) -> None:
        """Work until an error, or until it has left."""
        try:
            await self.ledger.open()
            if self.listener is not None:
                self.listener.start()
            steps = [
                self.consumer.belong(),
                self.consumer.recover(),
                self._read(),
                self._ingest(),
                self._export(),
                self._look_around(),
            ]
            self._tasks = [asyncio.create_task(step) for step in steps]
            await asyncio.gather(*self._tasks)
        except FalcolakeError as error:
            self.world.failed(self, f"{error}", expected=True)
        except Exception as error:
            self.world.failed(self, repr(error), expected=False)

    async def _read(self) -> None:
        while True:
            async for _, message in self.consumer.getmany(POLL):
                await self._batches.put(message.value)

    async def _ingest(self) -> None:
        while True:
            await self.ledger.append(*await self._batches.get())

    async def _export(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.lookup.start()
            await self.ledger.resume_if_room()
            await self.ledger.note_cuts()
            await self.ledger.seal_due()
            self.shipper.start()
            self.ledger.show()

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AROUND)
            await self.ledger.ask_bounds()

    async def leave(self) -> None:
        """Ship what is staged, then stop."""
        self.leaving = True
        drained = await drain(self.ledger, self.shipper, GRACE)
        self.world.history.note(self.name, "drained" if drained else "not drained in time")
        if self.listener is not None:
            await self.listener.stop()
        await self.lookup.stop()
        await self.shipper.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self.client.instance:  # as aiokafka: a static member is to come back
            go = partial(self.client.group.leave, self.client.member)
            # or its session expires
            with contextlib.suppress(kafka_errors.KafkaError, TimeoutError):
                await asyncio.wait_for(self.client.network.ask(go), 5)
        await self.ledger.close()
        self.world.left(self)
