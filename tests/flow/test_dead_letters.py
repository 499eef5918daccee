"""Dead letters keep step with windows: none comes after its window's commit or without a window."""

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from streams.embedded.stack import EmbeddedStack
from tests.flow.worlds import GARBAGE, World, alert, assert_exactly_once
from tests.waiting import wait_until


def mixed(count: int) -> list[bytes]:
    """Alerts, every seventh of them garbage."""
    return [GARBAGE if n % 7 == 0 else alert(n) for n in range(count)]


def numbers(count: int) -> set[int]:
    return {n for n in range(count) if n % 7}


def limit(world: World, topic: str, size: int) -> None:
    """Set the largest record that a topic accepts, in bytes."""
    admin = KafkaAdminClient(bootstrap_servers=world.bootstrap)
    try:
        values = {"max.message.bytes": str(size)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, values)])
    finally:
        admin.close()


@pytest.mark.faults
def test_a_window_is_committed_only_when_its_rejects_are_dead_letters(world: World) -> None:
    world.publish(mixed(2100))
    worker = world.worker(WINDOW__MAX_ROWS=50).start()
    looks = 0

    def shipped() -> bool:
        nonlocal looks
        whole, committed, letters = world.shipped(), world.committed(), world.dead_letters()
        refused = dict.fromkeys(committed, 0)
        for partition, offset in letters:
            refused[partition] += offset < committed[partition][0]
        for stored in world.objects():
            partition, _, end = stored.window
            if end <= committed[partition][0]:
                refused[partition] -= int(stored.footer["rejects"])
        assert not any(refused.values()), f"letters too few or too many: {refused}"
        looks += 0 < sum(offset for offset, _ in committed.values()) < 2100
        return whole

    wait_until(shipped, 90)
    assert looks, "it never looked during the work"
    assert worker.process is not None
    assert_exactly_once(world, numbers(2100), rejects=300)
    assert set(world.dead_letters().values()) == {1}, "no fault, so none is there twice"


@pytest.mark.faults
def test_a_dead_letter_topic_that_refuses_writes_holds_the_window(world: World) -> None:
    letters = f"{world.topic}.dead-letter"
    limit(world, letters, 100)  # the headers alone are longer
    world.publish(mixed(210))
    worker = world.worker().start()
    held = wait_until(lambda: worker.readiness().get("held"), 60, "held in /readyz")
    assert all(letters in hold["reason"] and hold["try"] for hold in held.values())
    assert {offset for offset, _ in world.committed().values()} == {0}, "committed without letters"
    assert not world.dead_letters()
    limit(world, letters, 1_000_000)
    world.wait_until_shipped()
    wait_until(lambda: worker.readiness().get("ready"), 60)
    assert_exactly_once(world, numbers(210), rejects=30)


@pytest.mark.faults
def test_a_dead_letter_topic_that_is_not_there_holds_the_window(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    world, letters = own_world, f"{own_world.topic}.dead-letter"
    admin = KafkaAdminClient(bootstrap_servers=world.bootstrap)
    admin.delete_topics([letters])
    admin.close()
    own_stack.kafka.stop()
    own_stack.kafka.auto_create = False
    own_stack.kafka.start()
    world.publish(mixed(210))
    worker = world.worker().start()
    held = wait_until(lambda: worker.readiness().get("held"), 120, "held in /readyz")
    assert all(letters in hold["reason"] and hold["try"] for hold in held.values())
    assert {offset for offset, _ in world.committed().values()} == {0}, "committed without letters"
    assert all("there is no topic" in hold["reason"] for hold in held.values())
    assert letters not in world._consumer.topics()
    own_stack.create_topic(world.topic, 3)
    world.wait_until_shipped(120)
    assert_exactly_once(world, numbers(210), rejects=30)
