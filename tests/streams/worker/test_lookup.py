"""A worker without a committed offset asks the lake, a real one, and goes on or blocks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.errors import Unavailable
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.settings.sections import LakeSettings
from streams.windows.batch import Lost
from streams.windows.seal import Seal, read_seal
from streams.worker.lookup import Lookup
from streams.worker.takeover import LOOKING
from streams.worker.watch import Watch
from tests.streams.falco_records import MAPPING
from tests.streams.worker_parts import TOPIC, Worker, in_loop


@pytest.fixture
def make(tmp_path: Path, settings: LakeSettings) -> Callable[..., Worker]:
    """Workers one after the other, each with its own staging, on the same bucket and topic."""
    made: list[Worker] = []

    def make_worker(topic_id: str = "one", **options: Any) -> Worker:
        worker = Worker(tmp_path / f"staging-{len(made)}", settings, **options)
        worker.kafka.topic_id_now = topic_id
        worker.kafka.unknown = {0}
        worker.kafka.ends = {0: 100}
        made.append(worker)
        return worker

    return make_worker


async def look(worker: Worker, lake: LakeSettings | None = None) -> None:
    """Look into the lake once, and wait for the decision."""
    lake = lake or worker.lake.settings
    watch = Watch(worker.metrics)
    lookup = Lookup(worker.ledger, LakeReader(lake, connect(lake)), TOPIC, watch, 0.0)
    lookup.start()
    assert lookup._task is not None
    await lookup._task
    await lookup.stop()


async def ship_two(worker: Worker) -> None:
    """Ship the windows [0, 20) and [20, 30)."""
    await worker.assign(0)
    await look(worker)
    for first, end in ((0, 20), (20, 30)):
        await worker.take(0, first, end)
        await worker.seal()
        await worker.ship()
    assert worker.kafka.committed[0][0] == 30


def kind(worker: Worker) -> str:
    return {n: each.kind for n, each in worker.ledger.blocked().items()}.get(0, "")


@in_loop
async def test_an_empty_lake_lets_it_begin_and_the_decision_is_committed(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        assert worker.ledger.partitions[0].blocked == LOOKING
        assert worker.metric("blocked_since_seconds", partition="0", kind="unproved") == 0
        await worker.take(0, 0, 5)
        assert worker.ledger.partitions[0].runs == [], "nothing is read before"
        await look(worker)
        assert worker.kafka.committed == {0: (0, Seal(MAPPING.version, (), None, "one").encode())}
        assert worker.kafka.seeks == [{0: 0}]
        assert worker.ledger.undecided()[1] == frozenset()
        await worker.take(0, 0, 5)
        assert worker.ledger.partitions[0].position == 5


@in_loop
async def test_it_goes_on_behind_the_last_window_which_ships_again(
    make: Callable[..., Worker],
) -> None:
    async with make() as first:
        await ship_two(first)
    keys = [each.key for each in first.lake.objects()]
    async with make() as second:
        await second.assign(0)
        await look(second)
        assert second.kafka.committed[0][0] == 20
        assert read_seal(second.kafka.committed[0][1], 20).ends == (30,)
        assert second.kafka.seeks == [{0: 20}]
        await second.take(0, 20, 40)
        await second.ship()
        assert second.kafka.committed[0][0] == 30
        assert [each.key for each in second.lake.objects()] == keys


@in_loop
async def test_windows_of_another_topic_block_it(make: Callable[..., Worker]) -> None:
    async with make() as first:
        await ship_two(first)
    async with make("two") as second:
        await second.assign(0)
        await look(second)
        assert kind(second) == "recreated"
        assert (second.kafka.committed, second.kafka.seeks) == ({}, [])
        assert second.ledger.undecided()[1] == frozenset(), "a person decides, not another look"


@in_loop
async def test_a_lake_that_cannot_be_read_keeps_it_blocked_and_is_asked_again(
    make: Callable[..., Worker], settings: LakeSettings
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await look(worker, settings.model_copy(update={"bucket": "there-is-none"}))
        blocked = worker.ledger.blocked()[0]
        assert (blocked.kind, "NoSuchBucket" in blocked.reason) == ("unproved", True)
        assert worker.metric("blocked_since_seconds", partition="0", kind="unproved") > 0
        await look(worker)
        assert kind(worker) == ""
        assert worker.metric("blocked_since_seconds", partition="0", kind="unproved") == 0


@in_loop
async def test_a_commit_that_kafka_did_not_take_leaves_it_undecided(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        worker.kafka.errors = [Unavailable("Kafka does not answer", "wait")]
        await look(worker)
        assert (kind(worker), worker.kafka.seeks) == ("unproved", [])
        worker.kafka.errors = [Lost()]
        await look(worker)
        assert (kind(worker), worker.kafka.seeks) == ("unproved", [])
        await look(worker)
        assert kind(worker) == ""


@in_loop
async def test_a_topic_that_is_recreated_while_it_is_read_ships_nothing(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await look(worker)
        await worker.take(0, 0, 20)
        await worker.seal()
        worker.kafka.topic_id_now = "two"
        await worker.ship()
        assert kind(worker) == "recreated"
        assert list(worker.lake.objects()) == []
        assert worker.kafka.committed[0][0] == 0


@in_loop
async def test_a_topic_that_is_recreated_while_nothing_is_read_blocks_its_partitions(
    make: Callable[..., Worker],
) -> None:
    """The position may be past all that the new topic will have for long."""
    async with make() as worker:
        await worker.assign(0)
        await look(worker)
        await worker.take(0, 0, 20)
        worker.kafka.ends[0] = 20
        await worker.ledger.ask_bounds()
        assert kind(worker) == ""
        worker.kafka.topic_id_now = "two"
        await worker.ledger.ask_bounds()
        assert kind(worker) == "recreated"
        await worker.seal()
        await worker.ship()
        assert list(worker.lake.objects()) == []
