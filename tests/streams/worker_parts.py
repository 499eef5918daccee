"""A ledger and a shipper over real staging and a real lake, with Kafka and dead letters recorded.

Effects are recorded in order: `seal 0 [50]`, `put 0: 0-50`, `letter 7`, `commit 0 50`. Kafka's side
is hand-written so that a test can have every error at every step; `tests/flow` tests workers with a
real broker.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.mapping import Mapping as FalcoMapping
from streams.embedded.stack import EmbeddedStack
from streams.lake.keys import parse_key
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings import sections
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows.batch import Batch, Found, Rejected
from streams.windows.progress import Bounds
from streams.windows.room import Room
from streams.windows.seal import NO_EPOCH, read_seal
from streams.windows.window import Blocked, Limits
from streams.worker.ledger import Ledger
from streams.worker.metrics import Metrics
from streams.worker.shipping import STOP_PATIENCE, Shipper
from tests.streams.falco_records import ACCOUNT, MAPPING, REGION, alert, messages

TOPIC = "falco-events"
LIMITS = Limits(interval=300, max_bytes=10**9, max_rows=10**6)
ROOM = Room(10**9, 0)
BLOCKED = Blocked("overlap", "the lake has its windows", "use another prefix")


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test to its end."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


def lake_of(stack: EmbeddedStack, bucket: str) -> sections.LakeSettings:
    """The settings of a bucket on a stack."""
    return sections.LakeSettings(
        bucket=bucket, region=REGION, account_id=ACCOUNT, endpoint_url=stack.s3.endpoint_url
    )


class RecordedKafka:
    """The group's offsets and the log's bounds. Each call raises the next of `errors`, if any.

    It raises before it acts, or afterwards if the error is `("after", error)`.
    """

    def __init__(self, effects: list[str], staging_path: Path) -> None:
        self.effects = effects
        self.committed: dict[int, tuple[int, str]] = {}
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.oldest: dict[int, int] = {}
        self.stable: dict[int, int] = {}
        self.seeks: list[dict[int, int]] = []
        self.answers = True
        self.topic_id_now = ""
        #: Where the log of a partition ends in a leader epoch.
        self.epoch_ends: dict[tuple[int, int], int] = {}
        self.asked: list[tuple[int, int]] = []
        #: Partitions of which Kafka has no committed offset.
        self.unknown: set[int] = set()
        self.errors: list[Any] = []
        self._path = staging_path

    async def commit_offsets(self, assignment: int, offsets: Mapping[int, tuple[int, str]]) -> None:
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, Exception):
            raise error
        for number, (offset, metadata) in sorted(offsets.items()):
            before = self.committed.get(number, (self.starts.get(number, 0), ""))[0]
            seal = read_seal(metadata, offset)
            ends = list(seal.ends)
            if offset == before:
                self.effects.append(f"seal {number} {ends}")
            else:
                self.effects.append(f"commit {number} {offset}")
            kept = seal.cut is not None or any(self._path.glob("segment-*"))
            assert kept or number not in self.committed, "forgotten before it was committed"
            self.committed[number] = (offset, metadata)
        if error:
            raise error[1]

    async def seek_again(self, epoch: int, positions: Mapping[int, int]) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        self.seeks.append(dict(positions))

    async def log_start(self, partition: int) -> int:
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        return self.starts.get(partition, 0)

    async def topic_id(self, partition: int) -> str:
        return self.topic_id_now

    async def epoch_end(self, partition: int, leader_epoch: int) -> int | None:
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        self.asked.append((partition, leader_epoch))
        return self.epoch_ends.get((partition, leader_epoch))

    async def beat(self) -> None:
        """Do nothing: there is no second loop."""

    async def bounds(self, epochs: Mapping[int, int]) -> dict[int, Bounds]:
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        return {
            number: Bounds(
                self.starts.get(number, 0),
                self.ends.get(number, 10**6),
                self.oldest.get(number),
                self.stable.get(number),
                self.topic_id_now,
                self.epoch_ends.get((number, epoch)),
            )
            for number, epoch in epochs.items()
        }

    def found(self, *partitions: int, staged: Mapping[int, set[int]] = {}) -> dict[int, Found]:
        """What a worker finds at assignment."""
        made = {}
        for number in partitions:
            start = self.starts.get(number, 0)
            begin = None if number in self.unknown else start
            offset, metadata = self.committed.get(number, (begin, ""))
            end, stable = self.ends.get(number, 10**6), self.stable.get(number)
            noted = read_seal(metadata, 0).leader_epoch
            made[number] = Found(
                offset,
                metadata,
                start,
                end,
                self.topic_id_now,
                stable,
                self.epoch_ends.get((number, noted)),
                {
                    epoch: self.epoch_ends[number, epoch]
                    for epoch in staged.get(number, ())
                    if (number, epoch) in self.epoch_ends
                },
            )
        return made


class RecordedLetters:
    """A dead-letter topic in memory."""

    def __init__(self, effects: list[str]) -> None:
        self.effects = effects
        self.sent: list[tuple[int, Rejected]] = []
        self.errors: list[Exception] = []

    async def send(self, partition: int, rejects: Sequence[Rejected]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        for reject in rejects:
            self.effects.append(f"letter {reject.offset}")
            self.sent.append((partition, reject))


class Worker:
    """The parts of one worker; `kafka` and the bucket outlive it.

    `pause` and `hold` are the shortest waits, in seconds: zero, so that a test can go on at once.
    """

    def __init__(
        self,
        path: Path,
        settings: sections.LakeSettings,
        kafka: RecordedKafka | None = None,
        mapping: FalcoMapping = MAPPING,
        limits: Limits = LIMITS,
        room: Room = ROOM,
        pause: float = 0.0,
        hold: float = 0.0,
        stop_patience: float = STOP_PATIENCE,
    ) -> None:
        self.effects: list[str] = kafka.effects if kafka else []
        self.kafka = kafka or RecordedKafka(self.effects, path)
        self.letters = RecordedLetters(self.effects)
        self.metrics = Metrics()
        self.staging = Staging(path, TOPIC, mapping.version, (REGION, ACCOUNT))
        self.ledger = Ledger(self.staging, mapping, limits, room, self.metrics, pause)
        self.ledger.kafka = self.kafka
        self.lake = Lake(settings, connect(settings))
        putter = self.lake._putter(0)  # of small objects, as all are here
        putter.meta.events.register("before-parameter-build.s3.PutObject", self._put)
        self.shipper = Shipper(
            self.ledger,
            Objects(self.staging, mapping, TOPIC),
            self.lake,
            self.letters,
            self.metrics,
            hold,
            stop_patience,
        )

    def _put(self, params: dict[str, Any], **_: Any) -> None:
        key = parse_key(params["Key"], self.lake.settings.prefix)
        assert key is not None
        condition = "put" if params.get("IfNoneMatch") == "*" else "overwrite"
        self.effects.append(f"{condition} {key.partition}: {key.first}-{key.end}")

    async def __aenter__(self) -> "Worker":
        await self.ledger.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shipper.stop()
        await self.ledger.close()

    async def assign(self, *partitions: int) -> dict[int, int]:
        """Take partitions over; return where to read on."""
        _, positions = await self.ledger.assign(
            self.kafka.found(*partitions, staged=self.ledger.staged_epochs())
        )
        return positions

    async def take(
        self,
        partition: int,
        first: int,
        end: int,
        value: Callable[[int], bytes | None] = alert,
        offsets: Iterable[int] | None = None,
        highwater: int | None = None,
        epoch: int | None = None,
        leader_epoch: int = NO_EPOCH,
    ) -> None:
        """Append a batch, as the transport does."""
        records = messages(range(first, end) if offsets is None else offsets, value)
        epoch = self.ledger.epoch if epoch is None else epoch
        batch = Batch(partition, first, end, records, epoch, highwater or end, leader_epoch)
        await self.ledger.append(batch)

    async def block(self, partition: int) -> None:
        """Block a partition, as a check does that fails."""
        async with self.ledger._lock:
            await self.ledger.block(partition, BLOCKED)

    async def seal(self) -> None:
        """Seal all that is open, as a flush does."""
        async with self.ledger._lock:
            await self.ledger._seal_or_grow()

    async def ship(self) -> None:
        """Ship what waits, until it is shipped or held."""
        self.shipper.start()
        await asyncio.gather(*self.shipper._tasks)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(f"falcolake_{name}", labels) or 0.0
