"""Only committed transactions are exported: by the worker, and by every command that reads records.

For `pytest --broker apache` only: the project's own broker has no transactions.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from streams.audit import audit
from streams.control import flush, overview
from streams.embedded.stack import EmbeddedStack
from streams.kafka import dead_letter_reader, scan, status
from streams.replay import replay
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.flow.conftest import FAST
from tests.flow.worlds import GARBAGE, World, alert
from tests.waiting import wait_until


@contextmanager
def transaction(
    world: World, values: Sequence[bytes], partition: int = 0, name: str = "writer"
) -> Iterator[KafkaProducer]:
    """A transaction that has written these values, and is still open."""
    producer = KafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=name)
    try:
        producer.init_transactions()
        producer.begin_transaction()
        for value in values:
            producer.send(world.topic, value, partition=partition)
        producer.flush()
        yield producer
    finally:
        producer.close(0)


def commit(world: World, values: Sequence[bytes], partition: int = 0) -> None:
    with transaction(world, values, partition) as producer:
        producer.commit_transaction()


def abort(world: World, values: Sequence[bytes], partition: int = 0) -> None:
    with transaction(world, values, partition) as producer:
        producer.abort_transaction()


def alerts(*numbers: int) -> list[bytes]:
    return [alert(number) for number in range(*numbers)]


def lake_numbers(world: World) -> list[int]:
    return sorted(number for stored in world.objects() for number in stored.numbers)


def all_in_the_lake(settings: Settings) -> bool:
    return overview.read(settings, ask=False).status.lag == 0


def test_aborted_records_are_in_neither_lake_nor_dead_letters(world: World) -> None:
    settings = load(environment=world.environment)
    commit(world, alerts(0, 20))
    abort(world, [*alerts(1000, 1100), GARBAGE])
    commit(world, [*alerts(20, 40), GARBAGE])
    abort(world, [*alerts(1100, 1200), GARBAGE], partition=1)  # nothing else is in this one
    commit(world, alerts(40, 50), partition=2)
    abort(world, alerts(1200, 1300), partition=2)  # it ends this one
    world.worker().start()
    wait_until(lambda: all_in_the_lake(settings), 60, "everything in the lake")
    assert lake_numbers(world) == list(range(50))
    assert sum(world.dead_letters().values()) == 1
    found = audit.run(settings)
    assert found.problems == ()
    assert found.counts == (51, 50, 1, 0)


def test_a_partition_that_ends_with_an_aborted_transaction_is_caught_up(world: World) -> None:
    settings = load(environment=world.environment)
    commit(world, alerts(0, 10))
    abort(world, alerts(1000, 1010))
    abort(world, alerts(1000, 1010), partition=1)
    worker = world.worker().start()
    wait_until(lambda: lake_numbers(world) == list(range(10)), 60, "the committed records")
    wait_until(lambda: worker.metric('staged_offset{partition="1"}') == 11, 30, "the position")
    wait_until(lambda: worker.metric('staged_offset{partition="0"}') == 22, 30, "the position")
    for number in (0, 1):
        for lag in ("lag_records", "lag_seconds"):  # the commit follows the put
            metric = f'{lag}{{partition="{number}"}}'
            wait_until(lambda metric=metric: worker.metric(metric) == 0, 30, metric)
    shown = overview.read(settings)
    assert (shown.status.lag, shown.oldest, shown.problems()) == (0, {}, [])
    done = flush.run(settings, timeout=30)
    assert not done.lagging
    commit(world, alerts(10, 20))  # the window after it covers the aborted records
    commit(world, alerts(20, 30), partition=1)
    wait_until(lambda: lake_numbers(world) == list(range(30)), 60, "the later records")
    wait_until(lambda: all_in_the_lake(settings), 60)
    assert audit.run(settings).problems == ()


def test_an_open_transaction_holds_back_what_follows_it_and_nothing_else(world: World) -> None:
    settings = load(environment=world.environment)
    world.publish(alerts(0, 30))
    world.worker().start()
    wait_until(lambda: all_in_the_lake(settings), 60)
    with transaction(world, alerts(1000, 1010), name="slow one") as first:
        begin = world.ends()[0] - 10
        commit(world, alerts(30, 40))
        commit(world, alerts(40, 50), partition=1)
        wait_until(lambda: set(lake_numbers(world)) >= {*range(40, 50)}, 60)
        assert not flush.run(settings, timeout=30).lagging  # what is open is not in the topic yet
        assert not {*range(30, 40), *range(1000, 1010)} & {*lake_numbers(world)}
        held = status.read(settings).partitions[0]
        assert (held.end, held.lag, held.log_end) == (begin, 0, world.ends()[0])
        assert held.transaction is not None
        assert (held.transaction.first, held.transaction.transactional_id) == (begin, "slow one")
        assert held.transaction.producer is not None
        assert held.transaction.seconds is not None
        assert status.read(settings).problems() == []
        first.abort_transaction()
    with transaction(world, alerts(50, 60)) as second:
        wait_until(lambda: set(lake_numbers(world)) >= {*range(30, 40)}, 60)
        second.commit_transaction()
    wait_until(lambda: lake_numbers(world) == list(range(60)), 60)
    assert audit.run(settings).problems == ()


def test_a_worker_that_starts_behind_an_open_transaction_waits_for_it(world: World) -> None:
    with transaction(world, alerts(0, 10)) as producer:
        with transaction(world, alerts(10, 20), name="other") as other:
            other.commit_transaction()
        worker = world.worker().start()
        wait_until(lambda: worker.said("assigned partitions"), 60)
        wait_until(lambda: worker.readiness().get("ready"), 30, "ready")
        assert worker.metric('staged_offset{partition="0"}') == 0
        producer.commit_transaction()
    wait_until(lambda: lake_numbers(world) == list(range(20)), 60)


def test_a_transaction_that_is_open_for_long_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(environment=world.environment)
    monkeypatch.setattr("streams.kafka.transactions.LONG_OPEN", 0.5)
    with transaction(world, alerts(0, 10), name="slow one"):
        wait_until(lambda: status.read(settings).problems(), 30, "a problem")
        problems = status.read(settings).problems()
    (said,) = (each for each in problems if "transaction" in each)
    assert "partition 0: a transaction of producer" in said
    assert "('slow one')" in said
    assert "10 offsets from 0 on" in said


def test_every_command_reads_committed_records_only(world: World) -> None:
    """The dead-letter topic too can have aborted records."""
    settings = load(environment=world.environment)
    commit(world, [*alerts(0, 10), GARBAGE])
    abort(world, alerts(1000, 1010))
    commit(world, alerts(10, 20))
    world.worker().start()
    wait_until(lambda: all_in_the_lake(settings), 60)
    with scan.open_consumer(settings) as client:
        first, end = scan.bounds(client, world.topic)[0]
        read = [record.offset for record in scan.scan(client, world.topic, {0: (first, end)})]
        assert read == [*range(11), *range(23, 33)]
        begin = scan.first_records(client, world.topic, {0: (12, end)})[0]
        assert begin.offset == 23
    before = world.bodies()
    done = replay.run(settings, replay.Selection(since=0), replay.Options())
    assert {window.outcome for window in done.windows} == {"same"}
    assert world.bodies() == before
    letter = world.topic + ".dead-letter"
    with KafkaProducer(bootstrap_servers=world.bootstrap, transactional_id="letters") as producer:
        producer.init_transactions()
        producer.begin_transaction()
        headers = [
            ("falcolake.topic", world.topic.encode()),
            ("falcolake.partition", b"0"),
            ("falcolake.offset", b"3"),
        ]
        producer.send(letter, b"x", headers=headers).get(10)
        producer.abort_transaction()
    assert dead_letter_reader.read(settings).of(0, 0, 100) == [10]
    assert audit.run(settings).problems == ()


@pytest.fixture
def compacted(
    stack: EmbeddedStack,
    make_name: Callable[[], str],
    bucket: str,
    lake_environment: LakeEnvironment,
    tmp_path: object,
) -> Iterator[World]:
    """A world whose topic is compacted as soon as Kafka can."""
    topic = make_name()
    with KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap) as admin:
        configs = {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.001",
            "segment.ms": "100",
            "delete.retention.ms": "0",
        }
        admin.create_topics([NewTopic(topic, 1, 1, topic_configs=configs)])
        admin.create_topics(
            [NewTopic(f"{topic}.{each}", 1, 1) for each in ("control", "dead-letter")]
        )
    environment = lake_environment(topic, bucket, KAFKA__GROUP_ID=make_name(), **FAST)
    made = World(stack.kafka_bootstrap, topic, stack.s3.client(), bucket, environment, tmp_path)  # type: ignore[arg-type]
    yield made
    made.close()


def test_a_compacted_topic_with_transactions_is_read_to_its_end(compacted: World) -> None:
    """The cleaner leaves markers without a record, which both clients cannot read by themselves."""
    world, settings = compacted, load(environment=compacted.environment)

    def write(name: str, numbers: range, base: int) -> KafkaProducer:
        producer = KafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=name)
        producer.init_transactions()
        producer.begin_transaction()
        for number in numbers:
            producer.send(world.topic, alert(base + number), b"%d" % number)
        producer.flush()
        return producer

    with write("one", range(10), 0) as one:
        one.commit_transaction()
    with write("two", range(10), 1000) as two:
        two.abort_transaction()
    write("fenced", range(10), 2000).close(0)
    with KafkaProducer(bootstrap_servers=world.bootstrap, transactional_id="fenced") as fencing:
        fencing.init_transactions()  # Kafka aborts what the first one left open
    with write("three", range(5), 3000) as three:
        three.commit_transaction()
    last = 0

    def cleaned() -> bool:
        """Whether Kafka has removed the records that are aborted or have a newer one."""
        nonlocal last
        last += 1
        with write("four", range(100, 101), 4000 + last) as four:  # ends a segment
            four.commit_transaction()
        time.sleep(0.2)
        return not {*range(5), *range(11, 30)} & {*raw_offsets(world)}

    wait_until(cleaned, 90, "a compacted log")
    wait_until(lambda: cleaned() and cleaned(), 10)  # markers go in a later round
    world.worker().start()
    kept = {*range(5, 10), *range(3000, 3005), 4100 + last}
    wait_until(lambda: kept <= {*lake_numbers(world)}, 60, "what compaction has left")
    wait_until(lambda: all_in_the_lake(settings), 60)
    assert not {*range(1000, 1010), *range(2000, 2010)} & {*lake_numbers(world)}
    assert audit.run(settings).problems == ()


def raw_offsets(world: World) -> list[int]:
    """Return the offsets of all records, aborted ones too."""
    place, found = TopicPartition(world.topic, 0), []
    with KafkaConsumer(bootstrap_servers=world.bootstrap) as consumer:
        consumer.assign([place])
        consumer.seek(place, 0)
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            for records in consumer.poll(500).values():
                found += [record.offset for record in records]
    return found


def test_exactly_once_with_transactions_and_two_workers(world: World) -> None:
    for number in range(12):
        partition = number % 3
        abort(world, alerts(5000, 5005), partition)
        commit(world, alerts(number * 10, number * 10 + 10), partition)
    for name in ("one", "two"):
        world.worker(name, WINDOW__MAX_ROWS=7).start()
    settings = load(environment=world.environment)
    wait_until(lambda: all_in_the_lake(settings), 90)
    assert lake_numbers(world) == list(range(120))
    assert audit.run(settings).problems == ()
