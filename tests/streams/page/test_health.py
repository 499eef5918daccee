"""Liveness feels both event loops; readiness says why not."""

import asyncio
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from streams import clock
from streams.control.fleet import Fleet
from streams.embedded.ports import free_ports
from streams.embedded.s3 import ACCOUNT_ID
from streams.errors import Unavailable
from streams.page.health import Health
from streams.page.report import Reporter
from streams.page.server import Web
from streams.settings.sections import LakeSettings, WebSettings
from streams.settings.settings import Settings
from streams.worker.metrics import Metrics
from streams.worker.waits import Peer, Wait, Waits
from streams.worker.watch import LAKE as LAKE_PEER
from tests.streams.worker_parts import BLOCKED, Worker, in_loop
from tests.waiting import wait_until

LAKE = LakeSettings(bucket="lake", region="us-east-1", account_id=ACCOUNT_ID)


class OtherLoop:
    """An event loop in a thread of its own, as the consumer's, that can be blocked."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def beat(self) -> None:
        turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop)
        await asyncio.wrap_future(turn)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition, 20)


@in_loop
async def test_a_stuck_consumer_loop_is_unhealthy_until_it_turns_again(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        other, health, free = OtherLoop(), Health(0.05, 0.5), threading.Event()
        worker.kafka.beat = other.beat  # type: ignore[method-assign]
        health.runs(worker.ledger, worker.shipper)
        health.start()
        await asyncio.sleep(1)
        assert health.liveness() == {"healthy": True}
        other.loop.call_soon_threadsafe(free.wait, 20)
        await until(lambda: not health.liveness()["healthy"])
        found = health.liveness()
        assert "event loop has been stuck" in found["reason"]
        assert found["try"]
        free.set()
        await until(lambda: health.liveness()["healthy"])
        health.stop()
        other.stop()


def test_a_stuck_main_loop_answers_no_probe() -> None:
    """The probe's own timeout is the answer."""
    settings, free = WebSettings(port=free_ports(1)[0]), threading.Event()
    url = f"http://{settings.host}:{settings.port}/healthz"
    loop = asyncio.new_event_loop()
    health, metrics = Health(), Metrics()
    reporter = Reporter(Settings(lake=LAKE, web=settings), health, metrics.journal, Fleet(), "me")
    server = Web(settings, health, metrics, reporter)
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert urllib.request.urlopen(url, timeout=5).status == 200
        loop.call_soon_threadsafe(free.wait, 20)
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            urllib.request.urlopen(url, timeout=1)
        free.set()
        assert urllib.request.urlopen(url, timeout=5).status == 200
    finally:
        free.set()
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@in_loop
async def test_a_worker_that_waits_to_start_again_is_alive_and_says_why(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        health = Health()
        assert health.readiness()["reasons"] == ["the worker is starting"]
        health.runs(worker.ledger, worker.shipper)
        assert health.readiness()["reasons"] == ["no partition is assigned to this worker"]
        health.rests(Unavailable("Kafka cannot be reached", "is it up?"))
        found = health.readiness()
        assert (found["ready"], found["partitions"]) == (False, [])
        assert found["kafka"]["reason"] == "Kafka cannot be reached"
        assert found["kafka"]["try"] == "is it up?"
        assert health.liveness()["healthy"]
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0)
        assert health.readiness()["ready"]


@in_loop
async def test_every_problem_is_told_at_once_with_since_when(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        health = Health()
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0, 1)
        worker.ledger._pause("staging is full", "wait")
        worker.shipper._hold(1, Unavailable("the lake is away", "look after it"))
        worker.kafka.answers = False
        found = health.blockers()
        assert [each.kind for each in found] == ["kafka", "paused", "held"]
        assert [each.partition for each in found] == [None, None, 1]
        assert [each.hint for each in found[1:]] == ["wait", "look after it"]
        assert all(0 <= each.seconds < 60 for each in found)


@in_loop
async def test_a_blocked_partition_is_shown_until_it_is_another_worker_s(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        health = Health()
        health.runs(worker.ledger, worker.shipper)
        settings = Settings(lake=LAKE)
        reporter = Reporter(settings, health, worker.metrics.journal, Fleet(), "me")
        await worker.assign(0, 1)
        worker.shipper._hold(0, Unavailable("the lake is away", "look after it"))
        await worker.block(0)
        worker.shipper.start()
        found = health.readiness()
        assert (found["ready"], found["held"], found["paused"]) == (False, {}, None)
        assert found["reasons"] == [BLOCKED.reason]
        assert found["blocked"]["0"]["try"] == BLOCKED.hint
        assert worker.shipper.reasons() == {0: f"{BLOCKED.reason} ({BLOCKED.hint})"}
        report = reporter.plain()
        assert [(each["kind"], each["partition"]) for each in report["problems"]] == [
            ("blocked", 0)
        ]
        assert [each["blocked"] for each in report["partitions"]] == [True, False]
        since = worker.metric("blocked_since_seconds", partition="0", kind="overlap")
        assert abs(since - clock.now_ms() / 1000) < 60
        await worker.assign(1)
        assert health.readiness()["ready"]
        assert not worker.metric("blocked_since_seconds", partition="0", kind="overlap")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning; another test may have let less than that be logged too."""
    return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


@in_loop
async def test_a_transaction_that_is_open_for_long_is_logged_once_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.windows.progress.LONG_OPEN", 0.0)
    async with Worker(tmp_path / "staging", LAKE) as worker:
        health, metrics = Health(), Metrics()
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0, 1)
        worker.kafka.ends, worker.kafka.stable = {0: 70, 1: 70}, {1: 40}
        for _ in range(2):
            await worker.ledger.ask_bounds()
        (line,) = warnings(caplog)
        assert line.startswith("partition 1: a transaction that has been open for over 0 s, since")
        assert "offset 40, holds back 30 offsets" in line
        found = health.readiness()
        assert (found["ready"], found["reasons"]) == (True, [])
        assert [each["partition"] for each in found["transactions"]] == [1]
        reporter = Reporter(Settings(lake=LAKE), health, metrics.journal, Fleet(), "me")
        (problem,) = reporter.plain()["problems"]
        assert (problem["kind"], problem["partition"]) == ("transaction", 1)
        worker.kafka.stable = {}
        await worker.ledger.ask_bounds()
        assert health.readiness()["transactions"] == []
        assert warnings(caplog) == [line]


@in_loop
async def test_a_put_that_hangs_is_told_with_its_size_until_it_is_held(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        waits = worker.shipper.waits
        health, began = Health(waits=waits), time.monotonic() - 60
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0, 1)
        put = Wait(LAKE_PEER, "put a/b.parquet in s3://lake", began, partition=1, size=2_000_000)
        waits.begin(put)
        (found,) = health.blockers()
        assert (found.kind, found.partition, round(found.seconds)) == ("lake", 1, 60)
        assert found.reason == ("the lake does not answer: put a/b.parquet in s3://lake (2.0 MB)")
        assert found.hint == LAKE_PEER.hint
        assert worker.shipper.reasons() == {1: f"{found.reason} ({found.hint})"}
        assert not health.readiness()["ready"]
        (waiting,) = health.readiness()["waiting"]
        assert (waiting["bytes"], waiting["sent"], waiting["overdue"]) == (2_000_000, 0, True)
        worker.shipper._hold(1, Unavailable("the lake is away", "look after it"))
        assert [each.kind for each in health.blockers()] == ["held"]


@in_loop
async def test_a_slow_put_is_told_and_leaves_the_worker_ready(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        waits = worker.shipper.waits
        health, began = Health(waits=waits), time.monotonic() - 20
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0)
        waits.begin(
            Wait(LAKE_PEER, "put it", began, partition=0, size=9 * 10**6, moved=lambda: 2_000_000)
        )
        found = health.readiness()
        assert found["ready"]
        assert [each["overdue"] for each in found["waiting"]] == [False]


@in_loop
async def test_a_frozen_broker_is_told_with_its_address_and_since_when(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        waits = Waits()
        health = Health(waits=waits)
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0)
        broker = Peer("kafka", "Kafka at b1:9092", "look at it; nothing is lost")
        waits.begin(Wait(broker, "fetch falco-events-[0]", time.monotonic() - 12))
        found = health.readiness()["kafka"]
        assert found["reason"] == (
            "Kafka does not answer: fetch falco-events-[0] from Kafka at b1:9092"
        )
        assert found["seconds"] == pytest.approx(12, abs=1)


@in_loop
async def test_a_worker_that_drains_is_not_ready(tmp_path: Path) -> None:
    async with Worker(tmp_path / "staging", LAKE) as worker:
        health = Health()
        health.runs(worker.ledger, worker.shipper)
        await worker.assign(0)
        health.draining = True
        found = health.readiness()
        assert (found["ready"], found["draining"], found["reasons"]) == (False, True, [])
