"""The flush with real workers: it returns when the lake has everything, whatever they do."""

import threading
from collections.abc import Callable

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.control import flush
from streams.control import messages as control
from streams.control.flush import Flushed
from streams.embedded.stack import EmbeddedStack
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.flow.worlds import World, alert, assert_exactly_once
from tests.waiting import wait_until

NEVER = 3600
PATIENCE = 90


@pytest.fixture
def settings(world: World) -> Settings:
    return load(environment=world.environment)


def tell(world: World, *values: bytes) -> None:
    """Write records to the control topic."""
    with KafkaProducer(bootstrap_servers=world.bootstrap) as producer:
        for value in values:
            producer.send(f"{world.topic}.control", value, partition=0)
        producer.flush()


def told(world: World) -> list[control.Message | None]:
    """Read all of the control topic."""
    place = TopicPartition(f"{world.topic}.control", 0)
    with KafkaConsumer(bootstrap_servers=world.bootstrap) as consumer:
        consumer.assign([place])
        consumer.seek_to_beginning()
        end, values = consumer.end_offsets([place])[place], []
        while consumer.position(place) < end:
            for records in consumer.poll(500).values():
                values += [control.decode(record.value) for record in records]
    return values


def in_background(work: Callable[[], Flushed]) -> Callable[[], Flushed]:
    """Start a flush; the returned function waits for its result."""
    results: list[Flushed] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()

    def wait() -> Flushed:
        thread.join(PATIENCE)
        (result,) = results
        return result

    return wait


def test_a_flush_ships_what_no_window_s_age_would(world: World, settings: Settings) -> None:
    workers = [world.worker(name, WINDOW__INTERVAL=NEVER).start() for name in ("one", "two")]
    for worker in workers:
        wait_until(lambda worker=worker: worker.readiness().get("partitions"), 60)
    world.publish([alert(n) for n in range(900)])
    found = flush.run(settings, timeout=PATIENCE)
    assert (found.lagging, found.total, found.warnings) == ([], 900, [])
    assert world.shipped()
    assert_exactly_once(world, range(900))
    windows = {stored.window for stored in world.objects()}
    assert len(windows) == 3, "one flush made more than one window of a partition"
    world.publish([alert(n) for n in range(900, 1000)])
    assert not flush.run(settings, timeout=PATIENCE).lagging
    assert_exactly_once(world, range(1000))


def test_a_flush_of_an_idle_topic_asks_nobody_anything(world: World, settings: Settings) -> None:
    for _ in range(2):
        found = flush.run(settings, timeout=PATIENCE)
        assert (found.request, found.partitions) == (None, [])
    assert told(world) == []
    world.publish([alert(1)])
    world.worker(WINDOW__INTERVAL=NEVER).start()
    assert not flush.run(settings, timeout=PATIENCE).lagging
    assert flush.run(settings, timeout=PATIENCE).request is None


def test_a_worker_that_starts_later_honours_the_request(world: World, settings: Settings) -> None:
    world.publish([alert(n) for n in range(300)])
    found = flush.run(settings, timeout=1)
    assert found.warnings == [f"no worker of group {found.group} is running"]
    assert {each.reason for each in found.lagging} == set(found.warnings)
    assert sum(each.lag for each in found.lagging) == 300
    world.worker(WINDOW__INTERVAL=NEVER).start()
    world.wait_until_shipped(PATIENCE)
    assert_exactly_once(world, range(300))


@pytest.mark.faults
def test_two_flushes_at_once_and_a_worker_joining_meanwhile(
    world: World, settings: Settings
) -> None:
    world.worker("one", WINDOW__INTERVAL=NEVER).start()
    world.publish([alert(n) for n in range(4000)])
    first = in_background(lambda: flush.run(settings, timeout=PATIENCE))
    second = in_background(lambda: flush.run(settings, timeout=PATIENCE))
    other = world.worker("two", WINDOW__INTERVAL=NEVER).start()
    assert (first().lagging, second().lagging) == ([], [])
    wait_until(lambda: other.readiness().get("partitions"), 60)
    world.publish([alert(n) for n in range(4000, 4600)])
    assert not flush.run(settings, timeout=PATIENCE).lagging
    assert_exactly_once(world, range(4600))


def test_garbage_on_the_control_topic_is_ignored_and_counted(
    world: World, settings: Settings
) -> None:
    worker = world.worker(WINDOW__INTERVAL=NEVER).start()
    beyond = control.Flush(v=1, group=settings.kafka.group_id, ends={0: 2**62, 77: 5})
    other = control.Flush(v=1, group="another", ends={0: 1})
    tell(
        world,
        b"",
        b"\xff",
        b"[" * 5000,
        b'{"kind":"flush","v":2}',
        *map(control.encode, (beyond, other)),
    )
    world.publish([alert(n) for n in range(30)])
    wait_until(lambda: worker.metric('control_messages_total{kind="ignored"}') == 5, 60)
    assert worker.metric('control_messages_total{kind="other-group"}') == 1
    assert not flush.run(settings, timeout=PATIENCE).lagging
    assert_exactly_once(world, range(30))


def test_ends_that_the_topic_does_not_have_disable_no_flush(
    make_world: Callable[..., World],
) -> None:
    world = make_world(partitions=1)
    settings = load(environment=world.environment)
    worker = world.worker(WINDOW__INTERVAL=NEVER).start()
    world.publish([alert(n) for n in range(30)])
    group = settings.kafka.group_id
    many = dict.fromkeys(range(20000), 1)
    forged = [{0: 31}, {0: 2**63 - 1}, {1: 0, 2**31 - 1: 5}, many, {}]
    tell(world, *(control.encode(control.Flush(v=1, group=group, ends=ends)) for ends in forged))
    wait_until(lambda: worker.metric('control_messages_total{kind="ignored"}') == 4, 60)
    assert not flush.run(settings, timeout=PATIENCE).lagging
    world.publish([alert(n) for n in range(30, 60)])
    assert not flush.run(settings, timeout=PATIENCE).lagging
    assert_exactly_once(world, range(60))
    assert worker.tail_all().count("ignored on") == 1


@pytest.mark.faults
def test_a_lake_that_is_away_is_the_reason(own_world: World, own_stack: EmbeddedStack) -> None:
    world, settings = own_world, load(environment=own_world.environment)
    worker = world.worker(WINDOW__INTERVAL=NEVER).start()
    wait_until(lambda: worker.readiness().get("ready"), 60)
    own_stack.s3.kill()
    world.publish([alert(n) for n in range(600)])
    wait = in_background(lambda: flush.run(settings, timeout=PATIENCE))
    wait_until(lambda: worker.readiness().get("held"), 60)
    for more in range(600, 604):
        world.publish([alert(more)])
        found = flush.run(settings, timeout=3)
        assert found.lagging
    assert all("cannot ship: cannot put" in each.reason for each in found.lagging), found
    sealed = [metadata.count(",") for _, metadata in world.committed().values()]
    own_stack.s3.__enter__()
    assert not wait().lagging
    assert not flush.run(settings, timeout=PATIENCE).lagging
    assert_exactly_once(world, range(604))
    windows = {stored.window for stored in world.objects()}
    assert len(windows) <= 3 * 3, f"a window per flush: {sorted(windows)}, sealed {sealed}"
