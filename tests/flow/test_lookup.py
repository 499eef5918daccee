"""Kafka has no committed offset: the lake says where to go on, or why a person has to decide."""

import signal
from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from streams.kafka.topics import topic_id_of
from tests import buckets
from tests.flow import proxies
from tests.flow.proxies import ERRORS, S3Proxy
from tests.flow.worlds import GARBAGE, Worker, World, alert, assert_exactly_once, stored
from tests.waiting import wait_until


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A topic of one partition, so that its offsets are the alerts' numbers."""
    return make_world(partitions=1)


@pytest.fixture
def admin(world: World) -> KafkaAdminClient:
    """A client to delete groups and topics with."""
    return KafkaAdminClient(bootstrap_servers=world.bootstrap)


def forget(world: World, admin: KafkaAdminClient) -> None:
    """Let Kafka forget the group, as it does after a week without members."""
    group = world.setting("KAFKA__GROUP_ID")

    def gone() -> bool:
        admin.delete_groups([group])
        return world.committed() == {}

    wait_until(gone, 30, "the group is forgotten")


def blocked(worker: Worker) -> dict[str, str]:
    """Return why partition 0 is blocked and what to try, as `/readyz` says."""
    found = worker.readiness().get("blocked", {}).get("0", {})
    return found if "looking" not in found.get("reason", "looking") else {}


def footers(world: World, name: str) -> list[str | None]:
    """Return what the objects' footers have under a name."""
    return [each.footer.get(name) for each in world.objects()]


@pytest.mark.faults
def test_a_group_that_kafka_forgot_goes_on_where_the_lake_ends(
    world: World, admin: KafkaAdminClient
) -> None:
    world.publish([*map(alert, range(57)), *[GARBAGE] * 3])
    worker = world.worker().start()
    world.wait_until_shipped(120)
    assert set(footers(world, "topic_id")) == {topic_id_of(admin, world.topic)}
    worker.stop()
    forget(world, admin)
    before = world.bodies()

    world.lose_staging()
    again = world.worker().start()
    world.wait_until_shipped(120)
    assert again.said("the lake says where to go on")
    assert world.bodies() == before, "60 records are 57 rows, not 114"
    world.publish([alert(n) for n in range(57, 80)])
    world.wait_until_shipped(120)
    again.stop()

    # A new group on the same prefix, also without staging.
    world.environment["FALCOLAKE_KAFKA__GROUP_ID"] += "-2"
    world.publish([alert(n) for n in range(80, 90)])
    world.worker("other").start()
    world.wait_until_shipped(120)
    assert_exactly_once(world, range(90), rejects=3)


@pytest.mark.faults
def test_a_last_window_that_lacks_an_object_is_shipped_again(
    world: World, admin: KafkaAdminClient
) -> None:
    days = [
        alert(n).replace(b"2026-11-23T", b"2026-11-24T") if n % 2 else alert(n) for n in range(60)
    ]
    world.publish(days)
    worker = world.worker().start()
    world.wait_until_shipped(120)
    worker.stop()
    whole = world.bodies()
    assert len(whole) == 2
    for missing in whole:
        forget(world, admin)
        world.s3.delete_object(Bucket=world.bucket, Key=missing)
        again = world.worker().start()
        world.wait_until_shipped(120)
        again.stop()
        assert world.bodies() == whole


@pytest.mark.faults
def test_a_recreated_topic_is_held_until_a_person_decides(
    world: World, admin: KafkaAdminClient
) -> None:
    world.publish([alert(n) for n in range(60)])
    worker = world.worker().start()
    world.wait_until_shipped(120)
    worker.stop()
    before, old = world.bodies(), topic_id_of(admin, world.topic)

    admin.delete_topics([world.topic])
    wait_until(lambda: topic_id_of(admin, world.topic) == "", 30, "the topic is gone")
    admin.create_topics([NewTopic(world.topic, 1, 1)])
    admin.wait_for_topics([world.topic])
    new = topic_id_of(admin, world.topic)
    world.publish([alert(n) for n in range(1000, 1050)])
    assert world.committed() == {}, "Kafka forgets the offsets of a deleted topic"

    held = world.worker().start()
    wait_until(lambda: blocked(held), 120, "the partition is blocked")
    found = blocked(held)
    assert old in found["reason"]
    assert new in found["reason"]
    assert "falcolake adopt" in found["try"]
    assert "LAKE__PREFIX" in found["try"]
    assert held.metric('blocked_since_seconds{kind="recreated",partition="0"}') > 0
    assert world.bodies() == before
    assert world.committed() == {}
    held.send(signal.SIGTERM)

    # One way that the hint names. Nothing of the new topic is lost.
    world.environment["FALCOLAKE_LAKE__PREFIX"] = "ext/second"
    world.worker("second").start()
    world.wait_until_shipped(120)
    assert_exactly_once(world, range(1000, 1050))
    assert set(footers(world, "topic_id")) == {new}


@pytest.mark.faults
def test_without_the_right_to_list_a_new_group_waits_for_it(world: World, s3: S3Proxy) -> None:
    world.publish([alert(n) for n in range(30)])
    s3.fault, s3.methods = proxies.answer(ERRORS["AccessDenied"], "AccessDenied"), {"GET"}
    worker = world.worker().start()
    wait_until(lambda: blocked(worker), 120, "the partition is blocked")
    found = blocked(worker)
    assert "AccessDenied" in found["reason"]
    assert "s3:ListBucket" in found["try"]
    assert "s3:GetObject" in found["try"]
    assert stored(world) == 0
    assert world.committed() == {}
    s3.heal()
    world.wait_until_shipped(120)
    # Once there is a committed offset, no right to list is needed.
    s3.fault = proxies.answer(ERRORS["AccessDenied"], "AccessDenied")
    worker.stop()
    world.publish([alert(n) for n in range(30, 50)])
    world.worker().start()
    world.wait_until_shipped(120)
    s3.heal()
    assert_exactly_once(world, range(50))
    assert len(buckets.keys(world.s3, world.bucket)) == stored(world)
