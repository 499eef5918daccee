"""A network to Kafka that breaks, stalls or is slow, and a broker that stops: nothing is lost.

A real worker and a real broker that advertises a proxy's port. The worker notices, says so in
/readyz, commits nothing that the lake does not have, and recovers in the same process.
"""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from streams.embedded.ports import HOST, free_ports
from streams.embedded.stack import BrokerName, EmbeddedStack
from tests.flow.hostility import (
    assert_nothing_committed_that_is_not_there,
    covered,
    events,
    seconds_ago,
)
from tests.flow.proxies import KafkaProxy
from tests.flow.worlds import GARBAGE, Worker, World, alert, assert_exactly_once
from tests.waiting import wait_until

slow = pytest.mark.faults


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory, broker: BrokerName
) -> Iterator[tuple[KafkaProxy, EmbeddedStack]]:
    """A stack for this module, whose broker is reached only through a proxy."""
    (port,) = free_ports(1)
    with (
        KafkaProxy(port) as proxy,
        EmbeddedStack(
            tmp_path_factory.mktemp("stack"),
            kafka_port=port,
            broker=broker,
            advertised_port=proxy.port,
        ) as stack,
    ):
        yield proxy, stack


@pytest.fixture
def kafka(world: World, network: tuple[KafkaProxy, EmbeddedStack]) -> Iterator[KafkaProxy]:
    """The proxy between the world's workers and the broker."""
    proxy, stack = network
    world.environment["FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS"] = f"{HOST}:{proxy.port}"
    yield proxy
    proxy.heal()
    stack.kafka.start()


@pytest.fixture
def stack(network: tuple[KafkaProxy, EmbeddedStack]) -> EmbeddedStack:
    """Replaces the session's stack, so that `world` uses this one."""
    return network[1]


def working(world: World, kafka: KafkaProxy) -> Worker:
    """Return a worker that has shipped 600 alerts through the proxy."""
    world.publish([alert(n) for n in range(600)])
    worker = world.worker(WINDOW__MAX_ROWS=100).start()
    world.wait_until_shipped()
    assert kafka.victims, "the worker does not go through the proxy"
    return worker


def recovered(worker: Worker) -> bool:
    return bool(worker.readiness().get("ready"))


def told(worker: Worker) -> bool:
    """Return whether the worker says that Kafka does not answer, and what that means."""
    found = worker.readiness()
    said = found.get("kafka") or {}
    assert not found.get("ready") or not said
    return (
        said.get("reason", "").startswith("Kafka does not answer")
        and "nothing is lost" in said["try"]
    )


def finish(world: World, worker: Worker, end: int, rejects: int = 0) -> None:
    """Assert that everything is shipped once, by the same process."""
    world.wait_until_shipped(120)
    wait_until(lambda: recovered(worker), 60, "ready again")
    assert_exactly_once(world, range(end), rejects)
    assert worker.process is not None
    assert worker.process.poll() is None


def survive(
    world: World, kafka: KafkaProxy, fault: Callable[[], None], end: int, patience: float
) -> None:
    """Break the network; assert that the worker says so, commits nothing, and recovers."""
    worker = working(world, kafka)
    fault()
    world.publish([alert(n) for n in range(600, end)] + [GARBAGE] * 5)
    wait_until(lambda: told(worker), patience, "not ready")
    assert_nothing_committed_that_is_not_there(world)
    kafka.heal()
    finish(world, worker, end, rejects=5)


@pytest.mark.faults
def test_a_cut_network_is_survived(world: World, kafka: KafkaProxy) -> None:
    survive(world, kafka, kafka.cut_off, 900, 60)


@slow
def test_connections_that_are_reset_again_and_again_are_survived(
    world: World, kafka: KafkaProxy
) -> None:
    worker = working(world, kafka)
    for number in range(8):
        first = 600 + 1000 * number
        world.publish([alert(n) for n in range(first, first + 1000)])
        before = sum(covered(world).values())
        wait_until(lambda before=before: sum(covered(world).values()) > before, 60, "objects")
        assert_nothing_committed_that_is_not_there(world)
        kafka.cut_victims()
    finish(world, worker, 8600)


@slow
def test_a_network_that_stalls_past_the_session_is_survived(
    world: World, kafka: KafkaProxy
) -> None:
    # aiokafka waits a minute for a heartbeat's answer before it considers Kafka dead.
    survive(world, kafka, kafka.stall, 1200, 120)


@slow
def test_a_frozen_kafka_is_reported_at_once_and_remembered(world: World, kafka: KafkaProxy) -> None:
    worker = working(world, kafka)
    wait_until(lambda: recovered(worker), 30)
    kafka.stall()
    wait_until(lambda: told(worker), 15, "not ready")
    found = worker.readiness()
    assert f"from Kafka at {HOST}:{kafka.port}" in found["kafka"]["reason"]
    assert "check that the broker runs" in found["kafka"]["try"]
    assert 8 <= seconds_ago(found["kafka"]["since"]) < 20
    waiting = [each["what"] for each in found["waiting"]]
    assert f"fetch {world.topic}-[0, 1, 2]" in waiting
    wait_until(lambda: worker.said(f"Kafka at {HOST}:{kafka.port} has not answered for"), 3)
    wait_until(lambda: worker.metric('away_since_seconds{peer="kafka"}'), 3)
    (told_so,) = wait_until(lambda: events(worker, "away"), 3)
    assert "is away since" in told_so
    kafka.heal()
    (back,) = wait_until(lambda: events(worker, "back"), 30)
    assert re.fullmatch(rf"Kafka at {HOST}:{kafka.port} is back after \d+ s", back)
    wait_until(lambda: recovered(worker), 60, "ready again")
    wait_until(lambda: worker.metric('away_since_seconds{peer="kafka"}') == 0, 5)
    assert worker.starts() == 1


@slow
def test_a_slow_network_is_only_slow(world: World, kafka: KafkaProxy) -> None:
    worker = working(world, kafka)
    kafka.delay = 0.4
    world.publish([alert(n) for n in range(600, 2600)] + [GARBAGE] * 5)
    finish(world, worker, 2600, rejects=5)
    kafka.delay = 0.0
    assert worker.starts() == 1
    assert not worker.said("has not answered for"), worker.tail()


@slow
@pytest.mark.parametrize("seconds", [0, 25])
def test_a_broker_that_is_away_for_longer_than_the_session_stops_nothing(
    world: World, kafka: KafkaProxy, stack: EmbeddedStack, seconds: int
) -> None:
    worker = working(world, kafka)
    world.publish([alert(n) for n in range(600, 5000)])
    stack.kafka.kill()
    wait_until(lambda: told(worker) or not seconds, 60, "not ready")
    time.sleep(seconds)  # four sessions: there is only time to wait for
    stack.kafka.start()
    world.publish([alert(n) for n in range(5000, 6000)])
    finish(world, worker, 6000)


@slow
def test_a_worker_that_starts_while_kafka_is_away_waits_for_it(
    world: World, kafka: KafkaProxy
) -> None:
    world.publish([alert(n) for n in range(600)])
    kafka.cut_off()
    worker = world.worker().start()
    wait_until(lambda: worker.said("starting again"), 60)
    kafka.heal()
    finish(world, worker, 600)


@slow
@pytest.mark.parametrize("how", ["cut off", "stalled", "killed"])
def test_a_worker_stops_in_time_while_kafka_does_not_answer(
    world: World, kafka: KafkaProxy, stack: EmbeddedStack, how: str
) -> None:
    worker = working(world, kafka)
    {"cut off": kafka.cut_off, "stalled": kafka.stall, "killed": stack.kafka.kill}[how]()
    if how != "stalled":
        wait_until(lambda: told(worker), 60, "not ready")
    assert worker.stop() == 0
    kafka.heal()
    stack.kafka.start()
    world.publish([alert(n) for n in range(600, 900)])
    world.worker("next").start()
    world.wait_until_shipped(120)
    assert_exactly_once(world, range(900))


@slow
def test_dead_letters_wait_for_the_network(world: World, kafka: KafkaProxy) -> None:
    worker = working(world, kafka)
    for _ in range(5):
        sent = sum(world.ends(f"{world.topic}.dead-letter").values())
        world.publish([GARBAGE] * 2000)
        wait_until(
            lambda sent=sent: sum(world.ends(f"{world.topic}.dead-letter").values()) > sent, 60
        )
        kafka.cut_victims()
    finish(world, worker, 600, rejects=10_000)
