"""What `status` shows of a real worker: times, the last object, and what blocks it."""

import pytest

from streams.clock import now_ms
from streams.control import overview
from streams.embedded.stack import EmbeddedStack
from streams.settings.load import load
from tests.flow.worlds import World, alert
from tests.waiting import wait_until


def test_a_worker_answers_and_the_lake_shows_its_last_object(world: World) -> None:
    settings = load(environment=world.environment)
    worker = world.worker(WINDOW__INTERVAL=2).start()
    wait_until(lambda: worker.readiness().get("partitions"), 60)
    before = now_ms()
    world.publish([alert(n) for n in range(30)])
    world.wait_until_shipped()
    found = overview.read(settings)
    assert found.notes == []
    assert found.problems() == []
    assert set(found.states) == {0, 1, 2}
    assert all("process" in state.worker for state in found.states.values())
    assert found.oldest == {}
    assert found.newest is not None
    assert found.newest.key in {each.key for each in world.objects()}
    assert before // 1000 <= found.newest.written_ms // 1000 <= now_ms() // 1000
    assert "last object" in f"{found}"
    silent = overview.read(settings, ask=False)
    assert (silent.states, silent.notes) == ({}, [])


def test_what_is_not_shipped_has_an_age(world: World) -> None:
    settings = load(environment=world.environment)
    before = now_ms()
    world.publish([alert(n) for n in range(30)])
    found = overview.read(settings)
    lagging = {each.partition for each in found.status.partitions if each.lag}
    assert found.oldest.keys() == lagging
    assert all(before <= oldest <= now_ms() for oldest in found.oldest.values())
    assert all(found.behind(number) is not None for number in lagging)
    assert found.newest is None
    assert "the oldest" in f"{found}"


@pytest.mark.faults
def test_a_held_lake_and_a_dead_worker_are_reported(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    world, settings = own_world, load(environment=own_world.environment)
    worker = world.worker(KAFKA__SESSION_TIMEOUT=30, KAFKA__HEARTBEAT_INTERVAL=2).start()
    wait_until(lambda: worker.readiness().get("ready"), 60)
    own_stack.s3.kill()
    world.publish([alert(n) for n in range(100)])
    wait_until(lambda: worker.readiness().get("held"), 60)
    found = overview.read(settings)
    assert any("cannot ship: cannot put" in each for each in found.problems())
    assert any(each.startswith("the lake ") for each in found.notes)
    worker.kill()
    silent = overview.read(settings)
    assert silent.states == {}
    assert any("this is from Kafka alone" in each for each in silent.notes)
