"""`falcolake adopt`: blocked partitions go on, and every record is in the lake once.

For `pytest --broker apache` only: the project's own broker has no transactions.
"""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from streams import clock
from streams.adopt import adopt
from streams.audit import audit
from streams.control import overview
from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured
from streams.kafka import scan
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.flow.cut_logs import cut_log
from tests.flow.worlds import GARBAGE, World, alert
from tests.waiting import wait_until

#: Runs adopt, and kills it just before it commits the transaction that has everything.
KILLED = """
import os, signal
from kafka import KafkaProducer
KafkaProducer.commit_transaction = lambda self: (self.flush(), os.kill(os.getpid(), signal.SIGKILL))
from cli import app
app(["adopt"])
"""


def publish(world: World, numbers: range, partition: int = 0) -> None:
    """Publish a batch each, so that a log can be cut after any of them."""
    with KafkaProducer(bootstrap_servers=world.bootstrap, acks="all") as producer:
        for number in numbers:
            producer.send(
                world.topic,
                alert(number),
                b"key %d" % number,
                partition=partition,
                headers=[("number", b"%d" % number)],
                timestamp_ms=clock.now_ms() - 10_000_000 + number,
            ).get(30)


def counted(world: World) -> Counter[int]:
    return Counter(number for stored in world.objects() for number in stored.numbers)


def ship(world: World, settings: Settings, name: str) -> None:
    """Run a worker until everything is in the lake."""
    worker = world.worker(name).start()
    wait_until(lambda: worker.said("assigned partitions"), 60)
    wait_until(lambda: overview.read(settings, ask=False).status.lag == 0, 90, "all in the lake")
    assert worker.stop() == 0
    no_members(settings)


def no_members(settings: Settings) -> None:
    wait_until(
        lambda: overview.read(settings, ask=False).status.group_state in adopt.IDLE, 60, "no member"
    )


def ship_and_cut(world: World, stack: EmbeddedStack, settings: Settings) -> None:
    """Ship 100 records; the log loses 40 of them, and has 60 new ones from there on."""
    publish(world, range(100))
    ship(world, settings, "before")
    cut_log(stack, 0, 60)
    publish(world, range(1000, 1060))


def recreate(world: World) -> None:
    """Delete the topic and create it again, as a person would."""
    with KafkaAdminClient(bootstrap_servers=world.bootstrap) as admin:
        admin.delete_topics([world.topic])
        wait_until(lambda: world.topic not in admin.list_topics(), 30)
        admin.create_topics({world.topic: {"num_partitions": 3, "replication_factor": 1}})
        wait_until(lambda: world.topic in admin.list_topics(), 30)


def test_a_log_that_was_cut_and_has_grown_past_the_commit_goes_on_and_loses_nothing(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    """No worker looked in between: the log's leader epochs alone show it."""
    world, settings = own_world, load(environment=own_world.environment)
    ship_and_cut(world, own_stack, settings)
    worker = world.worker("blocked").start()
    wait_until(lambda: worker.said("partition 0: blocked: Kafka lost the end of the log"), 60)
    assert worker.stop() == 0
    no_members(settings)
    (one,) = adopt.run(settings).partitions
    assert (one.kind, one.copies, one.padding, one.offset) == ("truncated", 40, 0, 100)
    assert "cut" not in world.committed()[0][1]
    ship(world, settings, "after")
    assert counted(world) == Counter([*range(100), *range(1000, 1060)])
    assert audit.run(settings).problems == ()


def test_a_log_that_is_cut_again_before_a_worker_runs_is_blocked_again(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    world, settings = own_world, load(environment=own_world.environment)
    ship_and_cut(world, own_stack, settings)
    adopt.run(settings)
    assert '"e":' in world.committed()[0][1]
    cut_log(own_stack, 0, 80)  # of the new records, 20 are left, and the copies are lost
    publish(world, range(2000, 2060))
    (again,) = adopt.run(settings).partitions
    assert (again.kind, again.copies, again.offset) == ("truncated", 40, 100)
    ship(world, settings, "after")
    assert counted(world) == Counter([*range(100), *range(1000, 1020), *range(2000, 2060)])
    assert audit.run(settings).problems == ()


def test_a_log_that_is_shorter_than_the_lake_is_filled_up(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    world, settings = own_world, load(environment=own_world.environment)
    publish(world, range(100))
    with KafkaProducer(bootstrap_servers=world.bootstrap) as producer:
        producer.send(world.topic, GARBAGE, partition=0).get(30)
    ship(world, settings, "before")
    cut_log(own_stack, 0, 60)
    publish(world, range(1000, 1030))  # the log ends at 90, the lake at 101
    planned = adopt.run(settings, dry_run=True)
    (one,) = planned.partitions
    assert (one.kind, one.copies, one.padding, one.offset) == ("truncated", 30, 11, 101)
    assert world.committed()[0][0] == 101
    done = adopt.run(settings)
    (one,) = done.partitions
    assert (one.records, one.copies) == (90, 30)
    assert adopt.run(settings).partitions == []
    publish(world, range(1030, 1040))
    ship(world, settings, "after")
    assert counted(world) == Counter([*range(100), *range(1000, 1040)])
    assert sum(world.dead_letters().values()) == 1
    assert audit.run(settings).problems == ()


def test_a_recreated_topic_goes_on_in_the_lake_of_the_old_one(world: World) -> None:
    settings = load(environment=world.environment)
    publish(world, range(50))
    ship(world, settings, "before")
    recreate(world)
    publish(world, range(1000, 1050))
    publish(world, range(2000, 2010), partition=1)  # the lake has nothing of this one
    done = adopt.run(settings)
    (one,) = done.partitions
    assert (one.partition, one.kind, one.copies, one.offset) == (0, "recreated", 50, 50)
    ship(world, settings, "after")
    assert counted(world) == Counter([*range(50), *range(1000, 1050), *range(2000, 2010)])
    assert audit.run(settings).problems == ()


@pytest.mark.parametrize("records", [20, 50, 80])
def test_killed_between_publish_and_commit_and_run_again(world: World, records: int) -> None:
    settings = load(environment=world.environment)
    publish(world, range(50))
    ship(world, settings, "before")
    recreate(world)
    publish(world, range(1000, 1000 + records))
    for _ in range(2):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED], env=world.environment, capture_output=True, text=True
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert "publishing" in killed.stderr
    done = subprocess.run(
        [sys.executable, "-m", "cli", "adopt", "--json"],
        env=world.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)["partitions"]
    assert one["copies"] == min(records, 50)
    ship(world, settings, "after")
    assert counted(world) == Counter([*range(50), *range(1000, 1000 + records)])
    assert audit.run(settings).problems == ()


def test_copies_have_key_headers_and_time_of_the_record(world: World) -> None:
    settings = load(environment=world.environment)
    publish(world, range(5))
    ship(world, settings, "before")
    recreate(world)
    publish(world, range(1000, 1005))
    adopt.run(settings)
    with scan.open_consumer(settings) as client:
        first, end = scan.bounds(client, world.topic)[0]
        read = list(scan.scan(client, world.topic, {0: (first, end)}))
    told = [(each.key, each.value, each.headers, each.timestamp) for each in read]
    assert len(told) == 10
    assert told[:5] == told[5:]


def test_while_workers_run_it_refuses(world: World) -> None:
    settings = load(environment=world.environment)
    world.publish([alert(1)])
    worker = world.worker().start()
    wait_until(lambda: worker.said("assigned partitions"), 60)
    with pytest.raises(Misconfigured, match="has members"):
        adopt.run(settings)
    with pytest.raises(Misconfigured, match="has no partition 77"):
        assert worker.stop() == 0
        no_members(settings)
        adopt.run(settings, partitions=frozenset({77}))


def test_nothing_is_adopted_where_nothing_is_blocked(world: World) -> None:
    settings = load(environment=world.environment)
    publish(world, range(10))
    assert adopt.run(settings).partitions == []
    ship(world, settings, "one")
    before = world.committed(), world.ends()
    assert adopt.run(settings).partitions == []
    assert (world.committed(), world.ends()) == before
