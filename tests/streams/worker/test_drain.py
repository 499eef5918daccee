"""A drain: reading ends, and everything staged is sealed and shipped within the grace."""

import asyncio
from pathlib import Path

import pytest

from streams.embedded.stack import EmbeddedStack
from streams.errors import Unavailable
from streams.windows.seal import Seal
from streams.worker.drain import LEAVING, drain
from tests.streams.falco_records import MAPPING
from tests.streams.worker_parts import Worker, in_loop, lake_of


@pytest.fixture
def worker(tmp_path: Path, stack: EmbeddedStack, bucket: str) -> Worker:
    return Worker(tmp_path / "staging", lake_of(stack, bucket))


async def ticks(worker: Worker) -> None:
    """The app's timer."""
    while True:
        await worker.ledger.resume_if_room()
        await worker.ledger.seal_due()
        worker.shipper.start()
        await asyncio.sleep(0.02)


async def drained(worker: Worker, grace: float = 60, leaving: float = LEAVING) -> bool:
    timer = asyncio.create_task(ticks(worker))
    try:
        return await drain(worker.ledger, worker.shipper, grace, leaving)
    finally:
        timer.cancel()


@in_loop
async def test_what_is_open_is_sealed_and_shipped_and_nothing_is_staged(worker: Worker) -> None:
    async with worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 20)
        await worker.take(1, 0, 5)
        await worker.seal()
        await worker.take(0, 20, 30)
        assert await drained(worker)
        assert worker.kafka.committed == {0: (30, ""), 1: (5, "")}
        assert worker.ledger.undrained() == 0
    assert not list(worker.staging.path.glob("segment-*"))


@in_loop
async def test_what_comes_after_is_not_taken(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        await worker.ledger.drain()
        assert worker.ledger.paused
        await worker.take(0, 20, 40)
        await worker.ledger.resume_if_room()
        assert worker.ledger.partitions[0].position == 20
        assert await drained(worker)
        assert worker.kafka.committed == {0: (20, "")}


@in_loop
async def test_a_blocked_partition_does_not_delay_it(worker: Worker) -> None:
    async with worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 20)
        await worker.take(1, 0, 5)
        await worker.block(0)
        assert await drained(worker)
        assert worker.kafka.committed == {1: (5, "")}


@in_loop
async def test_a_held_window_is_tried_at_once(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        await worker.seal()
        worker.shipper._hold(0, Unavailable("away", "wait"))
        worker.shipper.held[0].until += 3600
        assert await drained(worker)


@in_loop
async def test_when_the_grace_is_over_it_says_what_is_left_and_why(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        worker.letters.errors = []
        worker.kafka.errors = [Unavailable("Kafka is away", "wait")] * 1000
        assert not await drained(worker, grace=1.5, leaving=0.5)
        assert worker.ledger.undrained() == 20
    assert "not drained: 20 records stay staged, and in Kafka" in caplog.text


@in_loop
async def test_half_of_a_window_that_another_worker_sealed_does_not_delay_a_drain(
    worker: Worker,
) -> None:
    async with worker:
        worker.kafka.committed = {0: (0, Seal(MAPPING.version, (50,)).encode())}
        await worker.assign(0)
        await worker.take(0, 0, 20)
        assert await drained(worker)
        assert worker.kafka.committed[0][0] == 0


@in_loop
async def test_a_batch_that_is_being_staged_is_shipped_too(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        taking = asyncio.create_task(worker.take(0, 0, 2000))
        await asyncio.sleep(0)
        assert await drained(worker)
        await taking
        assert worker.kafka.committed == {0: (2000, "")}
