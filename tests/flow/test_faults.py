"""What the worker survives: kill -9, lost and damaged disks, an unreachable lake or broker."""

import os
import signal
from pathlib import Path

import pytest

from streams.embedded.stack import EmbeddedStack
from tests.flow.worlds import GARBAGE, Worker, World, alert, assert_exactly_once, stored
from tests.waiting import wait_until


def staged(world: World, name: str = "worker") -> int:
    """Return how many bytes of records are in staging's files."""
    return sum(file.stat().st_size for file in world.staging(name).glob("segment-*.wal"))


@pytest.mark.faults
def test_kill_nine_three_times_and_a_lost_disk_change_nothing(world: World) -> None:
    numbers = range(20_000)
    world.publish([alert(n) for n in numbers] + [GARBAGE] * 40)
    for killed in range(3):
        worker = world.worker(WINDOW__MAX_ROWS=500).start()
        before = stored(world)
        wait_until(lambda before=before: stored(world) > before + 3, 60, "further objects")
        worker.kill()
        if killed == 1:
            world.lose_staging()
    assert not world.shipped(), "all was shipped before the last kill: the test shows nothing"
    world.worker(WINDOW__MAX_ROWS=500).start()
    world.wait_until_shipped(90)
    assert_exactly_once(world, numbers, rejects=40)


def test_a_killed_worker_resumes_from_what_it_staged(world: World) -> None:
    world.publish([alert(n) for n in range(5000)])
    worker = world.worker(WINDOW__INTERVAL=3600).start()
    wait_until(lambda: worker.said("assigned partitions"), 60)
    wait_until(lambda: staged(world) > 100_000, 60, "records staged")
    worker.kill()
    again = world.worker().start()
    wait_until(lambda: again.said("staging holds"), 60)
    world.wait_until_shipped()
    assert_exactly_once(world, range(5000))


@pytest.mark.parametrize(
    "damage",
    [
        "flipped",
        pytest.param("truncated", marks=pytest.mark.faults),
        pytest.param("zero tail", marks=pytest.mark.faults),
        pytest.param("garbage tail", marks=pytest.mark.faults),
        pytest.param("missing", marks=pytest.mark.faults),
    ],
)
def test_damaged_staging_is_moved_aside_and_read_again(world: World, damage: str) -> None:
    world.publish([alert(n) for n in range(2000)])
    worker = world.worker(WINDOW__INTERVAL=3600).start()
    wait_until(lambda: staged(world) > 40_000, 60, "records staged")
    worker.kill()
    for wal in world.staging().glob("segment-*.wal"):
        hurt(wal, damage)
    again = world.worker().start()
    world.wait_until_shipped()
    if damage != "truncated":  # DuckDB drops a commit that was cut off, and opens the rest
        assert again.said("moved aside")
        assert list(world.staging().glob("*.damaged"))
    assert_exactly_once(world, range(2000))


def hurt(wal: Path, damage: str) -> None:
    size = wal.stat().st_size
    if damage == "truncated":
        os.truncate(wal, size - 100)
    elif damage == "missing":
        wal.with_suffix("").unlink()
    else:
        with wal.open("r+b") as file:
            file.seek(size // 2 if damage == "flipped" else size - 500)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            if damage == "flipped":
                file.write(bytes([byte[0] ^ 0xFF]))
            else:
                file.write((b"\0" if damage == "zero tail" else b"garbage!") * 60)


@pytest.mark.faults
def test_an_absent_lake_holds_and_then_takes_everything(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    world = own_world
    world.publish([alert(n) for n in range(1000)])
    own_stack.s3.kill()
    worker = world.worker().start()

    def blocked() -> bool:
        found = worker.readiness().get("blocked", {})
        return len(found) == 3 and all("s3://" in each["reason"] for each in found.values())

    wait_until(blocked, 90, "without an answer nobody knows where a new group goes on")
    assert not worker.readiness()["ready"]
    assert world.committed() == {}
    world.publish([alert(n) for n in range(1000, 2000)])
    own_stack.s3.__enter__()
    world.wait_until_shipped(90)
    wait_until(lambda: worker.readiness()["ready"], 30)
    assert_exactly_once(world, range(2000))


@pytest.mark.faults
def test_full_staging_pauses_kafka_until_there_is_room(
    own_world: World, own_stack: EmbeddedStack
) -> None:
    world = own_world
    limit = 500_000
    worker = world.worker(STAGING__MAX_BYTES=limit, WINDOW__MAX_BYTES=1_000_000).start()
    wait_until(lambda: worker.readiness().get("ready"), 60, "it has looked into the lake")
    own_stack.s3.kill()
    world.publish([alert(n) for n in range(20_000)])
    wait_until(lambda: worker.readiness().get("paused"), 60, "paused in /readyz")
    assert "STAGING__MAX_BYTES" in worker.readiness()["paused"]
    assert staged(world) < 5 * limit
    own_stack.s3.__enter__()
    world.wait_until_shipped(120)
    assert_exactly_once(world, range(20_000))


@pytest.mark.faults
def test_a_broker_that_restarts_stops_nothing(own_world: World, own_stack: EmbeddedStack) -> None:
    world = own_world
    world.publish([alert(n) for n in range(2000)])
    worker = world.worker(WINDOW__MAX_ROWS=200).start()
    wait_until(lambda: stored(world) > 2, 60)
    own_stack.kafka.kill()
    own_stack.kafka.__enter__()
    world.publish([alert(n) for n in range(2000, 4000)])
    world.wait_until_shipped(120)
    assert worker.process is not None
    assert worker.process.poll() is None
    assert_exactly_once(world, range(4000))


@pytest.mark.faults
def test_a_zombie_that_wakes_up_doubles_nothing(world: World) -> None:
    numbers = range(6000)
    world.publish([alert(n) for n in numbers])
    zombie = world.worker("zombie", WINDOW__MAX_ROWS=200).start()
    wait_until(lambda: stored(world) > 2, 60)
    zombie.send(signal.SIGSTOP)
    owner = world.worker("owner", WINDOW__MAX_ROWS=300).start()
    world.wait_until_shipped(90)
    zombie.send(signal.SIGCONT)
    more = range(6000, 9000)
    world.publish([alert(n) for n in more])
    world.wait_until_shipped(90)
    wait_until(lambda: zombie.readiness().get("partitions"), 60, "the zombie joined again")
    assert owner.process is not None
    assert owner.process.poll() is None
    assert_exactly_once(world, range(9000))


@pytest.mark.faults
def test_workers_come_and_go_under_load(world: World) -> None:
    first = world.worker("first", WINDOW__MAX_ROWS=300).start()
    world.publish([alert(n) for n in range(5000)])
    wait_until(lambda: stored(world) > 1, 60)
    second = world.worker("second", WINDOW__MAX_ROWS=300).start()
    world.publish([alert(n) for n in range(5000, 10_000)])
    wait_until(lambda: second.readiness().get("partitions"), 60)
    world.publish([alert(n) for n in range(10_000, 15_000)])
    assert first.stop() == 0
    world.publish([alert(n) for n in range(15_000, 20_000)])
    world.wait_until_shipped(120)
    assert_exactly_once(world, range(20_000))


@pytest.mark.faults
def test_a_second_worker_on_the_same_staging_is_refused(world: World) -> None:
    worker = world.worker().start()
    wait_until(lambda: worker.said("assigned partitions"), 60)
    other = Worker(worker.environment, world.directory / "other.log").start()
    assert other.process is not None
    assert other.process.wait(30) == 2
    assert other.said("another worker uses the staging directory")
    assert "Traceback" not in other.tail()
