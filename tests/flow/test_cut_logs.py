"""A log that ends before the committed offset: that partition waits for a person, nothing is lost.

The broker is killed, the end of one partition's log is cut off, and the broker starts again. New
records then get offsets that the lake has windows of already.
"""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import RetriableError

from streams.control import overview
from streams.doctor import group
from streams.embedded.stack import EmbeddedStack
from streams.kafka import status
from streams.settings.load import load
from streams.windows.seal import read_seal
from tests.flow.cut_logs import cut_log
from tests.flow.worlds import Worker, World, alert
from tests.waiting import wait_until

CUT, OTHER = 0, 1


def publish(world: World, partition: int, numbers: Sequence[int]) -> None:
    """Publish alerts to a partition, in a batch of their own."""
    producer = KafkaProducer(bootstrap_servers=world.bootstrap, acks="all", linger_ms=200)
    sent = [producer.send(world.topic, alert(n), partition=partition) for n in numbers]
    producer.close(30)
    assert all(future.succeeded() for future in sent)


def commit(world: World, partition: int) -> tuple[int, str]:
    """Return a partition's offset and metadata; the client may have to connect again first."""
    try:
        return world.committed().get(partition, (0, ""))
    except RetriableError:
        return 0, ""


def committed(world: World, partition: int) -> int:
    return commit(world, partition)[0]


def blocked(worker: Worker) -> dict[str, Any]:
    """Return what /readyz says of the partition that was cut; empty if it is not blocked."""
    found: dict[str, Any] = worker.readiness().get("blocked", {})
    assert found.keys() <= {str(CUT)}
    return found.get(str(CUT), {})


def shipped(world: World) -> Worker:
    """Return a worker that has shipped 100 alerts of the one partition and 10 of the other."""
    publish(world, CUT, range(40))
    publish(world, CUT, range(40, 100))
    publish(world, OTHER, range(1000, 1010))
    worker = world.worker().start()
    wait_until(lambda: committed(world, CUT) == 100 and committed(world, OTHER) == 10, 90, "commit")
    return worker


def assert_held(world: World, worker: Worker, cut: int) -> None:
    """Assert that a worker says everywhere that the partition is held, and ships nothing of it."""
    wait_until(lambda: blocked(worker), 90, "blocked")
    said = blocked(worker)
    assert "Kafka lost the end of the log" in said["reason"]
    assert "falcolake adopt" in said["try"]
    assert not worker.readiness()["ready"]
    assert worker.said(f"partition {CUT}: blocked: Kafka lost the end of the log")
    assert worker.metric('blocked_since_seconds{kind="truncated",partition="0"}')
    with urllib.request.urlopen(f"{worker.address()}/status.json", timeout=10) as answer:
        page = json.load(answer)
    assert ("blocked", CUT) in [(each["kind"], each["partition"]) for each in page["problems"]]
    wait_until(lambda: noted(world) == cut, 30, "noted in Kafka")
    wait_until(lambda: committed(world, CUT) == 100, 30, "the commit stays")


def noted(world: World) -> int | None:
    """Return where the log was cut, as the commit metadata has it."""
    offset, metadata = commit(world, CUT)
    return read_seal(metadata, offset).cut


@pytest.mark.faults
@pytest.mark.parametrize("cut", [40, 0])
@pytest.mark.parametrize("running", [True, False], ids=["while it runs", "while it is stopped"])
def test_a_log_cut_below_the_commit_holds_its_partition_for_every_owner(
    own_world: World, own_stack: EmbeddedStack, cut: int, running: bool
) -> None:
    world = own_world
    worker = shipped(world)
    if not running:
        worker.kill()
    cut_log(own_stack, CUT, cut)
    if not running:
        worker = world.worker("restarted").start()
    assert_held(world, worker, cut)
    publish(world, CUT, range(100, 160 + 100 - cut))
    publish(world, OTHER, range(1010, 1030))
    wait_until(lambda: committed(world, OTHER) == 30, 60, "the other partition ships on")
    worker.kill()
    second = world.worker("second", WINDOW__INTERVAL=1).start()
    wait_until(lambda: world.owned(second) == {0, 1, 2}, 60, "the second worker owns all")
    publish(world, OTHER, range(1030, 1040))
    wait_until(lambda: committed(world, OTHER) == 40, 60, "the other partition ships on")
    assert_held(world, second, cut)
    problems = overview.read(load(environment=world.environment)).problems()
    assert any(f"partition {CUT}: Kafka lost records" in each for each in problems)
    assert any(f"partition {CUT}: cannot ship: Kafka lost" in each for each in problems)
    windows = sorted({each.window for each in world.objects()})
    assert [w for w in windows if w[0] == CUT][-1][2] == 100
    numbers = [n for each in world.objects() for n in each.numbers]
    assert sorted(numbers) == [*range(100), *range(1000, 1040)]


@pytest.mark.faults
def test_a_log_that_was_cut_and_has_grown_past_the_commit_unseen_holds_its_partition(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    """Where the log ends in the leader epoch of the commit shows it, to a worker and to others."""
    world, settings = own_world, load(environment=own_world.environment)
    worker = shipped(world)
    assert worker.stop() == 0
    cut_log(own_stack, CUT, 40)
    publish(world, CUT, range(100, 200))
    publish(world, OTHER, range(1010, 1030))
    (found, *_) = status.read(settings).partitions
    assert (found.committed, found.end, found.cut) == (100, 140, 40)
    said = list(group.group(settings))
    assert any(
        "the log was cut to offset 40" in each.message for each in said if each.level == "bad"
    )
    worker = world.worker("later").start()
    assert_held(world, worker, 40)
    wait_until(lambda: committed(world, OTHER) == 30, 60, "the other partition ships on")
    numbers = [n for each in world.objects() for n in each.numbers]
    assert sorted(numbers) == [*range(100), *range(1000, 1030)]
