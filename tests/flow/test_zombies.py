"""Zombies: a worker stopped between two effects, considered dead, and back after all is shipped."""

import signal

import pytest

from tests.flow.worlds import Worker, World, alert, assert_exactly_once
from tests.waiting import wait_until

pytestmark = pytest.mark.faults

#: The worker that takes over would cut other windows, if there were no seals.
ZOMBIE = {"WINDOW__MAX_ROWS": 200}
OWNER = {"WINDOW__MAX_ROWS": 300}


def stopped(world: World, name: str, at: str, **settings: object) -> Worker:
    """Return a worker that stopped itself at a fault point."""
    worker = world.worker(name, FAULT=f"{at}:stop", **settings).start()
    wait_until(lambda: worker.said(f"SIGSTOP at {at}"), 60)
    return worker


def goes_on(world: World, zombie: Worker) -> None:
    """Assert that the zombie joins again and ships what comes next."""
    wait_until(lambda: zombie.readiness().get("partitions"), 60, "the zombie joined again")
    world.publish([alert(n) for n in range(6000, 9000)])
    world.wait_until_shipped(90)
    assert zombie.process is not None
    assert zombie.process.poll() is None
    assert_exactly_once(world, range(9000))


@pytest.mark.parametrize("at", ["seal:after:1", "put:before:1", "put:after:1", "commit:before:1"])
def test_a_zombie_between_seal_and_commit_comes_back_when_all_is_shipped(
    world: World, at: str
) -> None:
    world.publish([alert(n) for n in range(6000)])
    zombie = stopped(world, "zombie", at, **ZOMBIE)
    assert {offset for offset, _ in world.committed().values()} == {0}, "sealed, not committed"
    assert bool(world.bodies()) == (at in ("put:after:1", "commit:before:1"))
    world.worker("owner", **OWNER).start()
    world.wait_until_shipped(90)
    before = world.bodies()
    assert 200 in {stored.window[2] for stored in world.objects()}, "the zombie's window"
    zombie.send(signal.SIGCONT)
    if at.startswith("put:before"):
        wait_until(lambda: zombie.said("was in the lake already"), 60, "the zombie's late put")
    wait_until(lambda: zombie.readiness().get("partitions"), 60, "the zombie joined again")
    assert world.bodies() == before, "the zombie changed the lake"
    goes_on(world, zombie)


@pytest.mark.parametrize("at", ["seal:after:1", "commit:before:1"])
def test_a_zombie_that_another_process_of_its_name_replaced_commits_nothing(
    world: World, at: str
) -> None:
    """As a node that comes back while its pod runs elsewhere: the generation is the same."""
    static = {
        "KAFKA__GROUP_INSTANCE_ID": "one",
        "KAFKA__SESSION_TIMEOUT": 60,
        "KAFKA__HEARTBEAT_INTERVAL": 1,
    }
    world.publish([alert(n) for n in range(6000)])
    zombie = stopped(world, "zombie", at, **ZOMBIE, **static)
    owner = world.worker("owner", **OWNER, **static).start()
    world.wait_until_shipped(90)
    before = world.bodies()
    owner.kill()
    zombie.send(signal.SIGCONT)
    wait_until(lambda: zombie.readiness().get("partitions"), 60, "the zombie joined again")
    assert world.bodies() == before, "the zombie changed the lake"
    goes_on(world, zombie)


def test_a_zombie_s_put_that_comes_before_the_owner_s_is_as_good(world: World) -> None:
    world.publish([alert(n) for n in range(6000)])
    zombie = stopped(world, "zombie", "put:before:1", **ZOMBIE)
    owner = stopped(world, "owner", "put:before:1", **OWNER)
    assert not world.bodies()
    zombie.send(signal.SIGCONT)
    wait_until(lambda: zombie.said("passing put:after:1"), 60)
    late = world.bodies()
    assert late
    owner.send(signal.SIGCONT)
    wait_until(lambda: owner.said("was in the lake already"), 60, "the owner's put, too late")
    world.wait_until_shipped(90)
    assert late.items() <= world.bodies().items()
    goes_on(world, zombie)
