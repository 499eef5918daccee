"""How a worker stops: at once, or after shipping what it has; nothing is lost either way."""

import json
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.flow.proxies import S3Proxy
from tests.flow.worlds import GARBAGE, Worker, World, alert, assert_exactly_once
from tests.waiting import wait_until

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def staged(world: World) -> bool:
    return any(world.staging().glob("segment-*"))


def start_and_stage(world: World, *options: str, count: int = 600) -> Worker:
    """Return a worker whose windows never become due, once it has staged everything."""
    world.publish([alert(n) for n in range(count)] + [GARBAGE] * 5)
    worker = world.worker(WINDOW__INTERVAL=3600)
    worker.options = options
    worker.start()

    def total() -> float:
        found = worker.scrape() if worker.address() else {}
        return sum(value for (name, _), value in found.items() if name == "staging_records")

    wait_until(lambda: total() == count + 5, 60, "all staged")
    return worker


def leave(worker: Worker, timeout: float) -> tuple[int, float]:
    """Send SIGTERM; return the exit code and the seconds until it ended."""
    assert worker.process is not None
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    return worker.process.wait(timeout), time.monotonic() - began


@pytest.mark.faults
def test_without_drain_it_leaves_at_once_and_loses_nothing(world: World) -> None:
    worker = start_and_stage(world)
    code, seconds = leave(worker, 30)
    assert code == 0
    assert seconds < 10
    assert staged(world)
    assert not world.objects()
    world.worker().start()
    world.wait_until_shipped()
    assert_exactly_once(world, range(600), rejects=5)


def test_with_drain_nothing_stays_in_staging(world: World) -> None:
    worker = start_and_stage(world, "--drain", "--grace", "60")
    code, _ = leave(worker, 60)
    assert (code, worker.said("drained in")) == (0, True), worker.tail()
    assert not staged(world)
    assert world.shipped()
    assert_exactly_once(world, range(600), rejects=5)


@pytest.mark.faults
def test_with_drain_and_the_lake_away_it_ends_within_the_grace_and_says_so(
    world: World, s3: S3Proxy
) -> None:
    worker = start_and_stage(world, "--drain", "--grace", "12")
    s3.away()
    code, seconds = leave(worker, 60)
    assert code == 1
    assert seconds < 12 + 3, worker.tail()
    assert worker.said("not drained: 605 records stay staged, and in Kafka")
    assert worker.said("Could not connect")
    assert staged(world)
    assert {offset for offset, _ in world.committed().values()} <= {0}
    s3.heal()
    s3.back()
    world.worker().start()
    world.wait_until_shipped()
    assert_exactly_once(world, range(600), rejects=5)


@pytest.mark.faults
def test_a_second_signal_ends_a_drain(world: World, s3: S3Proxy) -> None:
    worker = start_and_stage(world, "--drain", "--grace", "300")
    s3.away()
    worker.send(signal.SIGTERM)
    wait_until(lambda: worker.said("draining"), 10)
    wait_until(lambda: worker.readiness().get("draining") and worker.readiness()["held"], 30)
    assert not worker.readiness()["ready"]
    code, seconds = leave(worker, 30)
    assert code == 1
    assert seconds < 20
    assert worker.said("not drained")


@pytest.mark.faults
def test_a_drain_while_others_publish_ends_and_the_rest_is_the_next_worker_s(world: World) -> None:
    worker = start_and_stage(world, "--drain", "--grace", "60")
    worker.send(signal.SIGTERM)
    world.publish([alert(n) for n in range(600, 900)])
    assert worker.process is not None
    assert worker.process.wait(60) == 0, worker.tail()
    assert not staged(world)
    world.worker("second").start()
    world.wait_until_shipped()
    assert_exactly_once(world, range(900), rejects=5)


@pytest.mark.faults
def test_a_worker_whose_kafka_is_away_is_alive_and_says_what_it_waits_for(world: World) -> None:
    worker = world.worker(KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1").start()
    wait_until(lambda: worker.said("starting again"), 60)
    address = worker.address()
    assert address is not None
    for _ in range(3):
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
            assert json.load(answer) == {"healthy": True}
    found = worker.readiness()
    assert not found["ready"]
    assert "127.0.0.1:1" in found["kafka"]["reason"]
    assert worker.starts() >= 1
    code, seconds = leave(worker, 40)
    assert (code, seconds < 30) == (0, True)


def test_in_json_every_line_is_an_object_and_a_window_is_one_line(world: World) -> None:
    world.publish([alert(n) for n in range(600)] + [GARBAGE] * 5)
    worker = world.worker(LOG__FORMAT="json", WINDOW__MAX_ROWS=100).start()
    world.wait_until_shipped()
    assert worker.stop() == 0
    lines = [json.loads(line) for line in worker.tail_all().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    shipped = [line for line in lines if line["message"].startswith("shipped ")]
    objects = world.objects()
    assert {(each["partition"], each["first"], each["end"]) for each in shipped} == {
        stored.window for stored in objects
    }
    assert sorted(key for each in shipped for key in each["keys"]) == sorted(
        stored.key for stored in objects
    )
    named = re.findall(r"of a window ([^;]*);", OPERATIONS.replace("\n", " "))[0]
    assert all(set(re.findall(r"`(\w+)`", named)) <= each.keys() for each in shipped)
    assert sum(each["records"] for each in shipped) == 605
    assert sum(each["rejects"] for each in shipped) == 5
    assert len(lines) < len(shipped) + 20, "a line for each window, none for an alert"
