"""A disk that is full, read-only or closed: reading pauses, and resumes when the disk is fixed.

The worker gets a small file system for staging in its own mount namespace. That needs root or user
namespaces; root without them is a failure, not a reason to skip.
Damaged staging files are in test_faults.py.
"""

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.flow.hostility import assert_nothing_committed_that_is_not_there, memory
from tests.flow.proxies import S3Proxy
from tests.flow.worlds import Worker, World, alert, assert_exactly_once
from tests.waiting import wait_until

slow = pytest.mark.faults

ROOT = os.geteuid() == 0
MB = 1_000_000


def noisy(number: int) -> bytes:
    """Return an alert that compresses badly, so that a few thousand fill a disk."""
    noise = {"output": random.Random(number).randbytes(300).hex()}
    return json.dumps(json.loads(alert(number)) | noise).encode()


class SmallDisk:
    """A worker's staging on a small file system that only it sees."""

    def __init__(self, world: World, worker: Worker, megabytes: int) -> None:
        self.worker = worker
        self.place = world.staging()
        self.place.mkdir()
        mount = f'mount -t tmpfs -o size={megabytes}m,mode=700 none {self.place} && exec "$@"'
        spaces = ["--mount"] if ROOT else ["--map-root-user", "--mount"]
        worker.within = ["unshare", *spaces, "sh", "-c", mount, "sh"]

    @property
    def path(self) -> Path:
        """Return the directory, as seen from this process."""
        assert self.worker.process is not None
        return Path(f"/proc/{self.worker.process.pid}/root{self.place}")

    @property
    def free(self) -> int:
        """Return the free space in bytes."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self) -> Path:
        """Fill the disk with another program's file."""
        ballast = self.path / "somebody-elses"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(100_000))
            except OSError:
                return ballast

    def set_read_only(self) -> None:
        """Put a read-only view over it: the worker's lock file keeps it from being remounted."""
        self._mount(f"mount --bind {self.place} {self.place}")
        self._mount(f"mount -o remount,ro,bind {self.place}")

    def set_writable(self) -> None:
        self._mount(f"umount {self.place}")

    def _mount(self, command: str) -> None:
        assert self.worker.process is not None
        user = [] if ROOT else ["--user", "--preserve-credentials"]
        entering = ["nsenter", "--target", f"{self.worker.process.pid}", "--mount", *user]
        subprocess.run([*entering, *command.split()], check=True)


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    spaces = [] if ROOT else ["--map-root-user"]
    done = subprocess.run(["unshare", *spaces, "--mount", "true"], capture_output=True, text=True)
    if done.returncode and not ROOT:
        pytest.skip(f"needs root or user namespaces: {done.stderr}")
    assert done.returncode == 0, done.stderr


def paused(worker: Worker) -> str:
    return worker.readiness().get("paused") or ""


def working(world: World, megabytes: int) -> tuple[Worker, SmallDisk]:
    """Return a worker that has shipped 600 alerts, with staging on a disk of this size."""
    world.publish([alert(n) for n in range(600)])
    worker = world.worker(STAGING__MIN_FREE_BYTES=1, WINDOW__MAX_ROWS=300)
    disk = SmallDisk(world, worker, megabytes)
    worker.start()
    world.wait_until_shipped()
    return worker, disk


def await_pause(worker: Worker) -> str:
    """Wait until reading is paused, and return why."""
    return wait_until(lambda: paused(worker), 60, "paused in /readyz")


def fill_staging(world: World, worker: Worker, s3: S3Proxy) -> str:
    """Take the lake away, publish more than staging has room for, and return why it paused."""
    s3.away()
    world.publish([noisy(n) for n in range(60_000)])
    return await_pause(worker)


def finish(world: World, worker: Worker, end: int) -> None:
    """Assert that everything is shipped once, by the same process."""
    world.wait_until_shipped(120)
    wait_until(lambda: worker.readiness().get("ready"), 60, "ready again")
    assert_exactly_once(world, range(end))
    assert worker.starts() == 1


@slow
def test_a_disk_that_others_fill_pauses_reading_until_there_is_room(world: World) -> None:
    worker, disk = working(world, 40)
    ballast = disk.fill()
    world.publish([alert(n) for n in range(600, 2000)])
    reason = await_pause(worker)
    assert "make room on the disk" in reason
    assert_nothing_committed_that_is_not_there(world)
    ballast.unlink()
    finish(world, worker, 2000)


@slow
def test_a_disk_that_staging_fills_itself_is_emptied_into_the_lake(
    world: World, s3: S3Proxy
) -> None:
    worker = world.worker(STAGING__MIN_FREE_BYTES=1, WINDOW__MAX_BYTES=900_000)
    disk = SmallDisk(world, worker, 30)
    worker.start()
    wait_until(lambda: worker.readiness().get("ready"), 60)
    usual = memory(worker)
    fill_staging(world, worker, s3)
    assert_nothing_committed_that_is_not_there(world)
    assert memory(worker) < usual + 400
    print(paused(worker), disk.free)
    s3.heal()
    finish(world, worker, 60_000)


@slow
def test_the_free_space_that_is_asked_for_is_kept(world: World, s3: S3Proxy) -> None:
    keep = 20 * MB
    worker = world.worker(STAGING__MIN_FREE_BYTES=keep, WINDOW__MAX_BYTES=900_000)
    disk = SmallDisk(world, worker, 45)
    worker.start()
    wait_until(lambda: worker.readiness().get("ready"), 60)
    reason = fill_staging(world, worker, s3)
    assert "STAGING__MIN_FREE_BYTES" in reason
    assert disk.free > keep / 2
    s3.heal()
    finish(world, worker, 60_000)


@slow
def test_a_disk_that_turns_read_only_pauses_reading_until_it_is_writable(world: World) -> None:
    worker, disk = working(world, 60)
    disk.set_read_only()
    world.publish([alert(n) for n in range(600, 2000)])
    reason = await_pause(worker)
    assert "STAGING__PATH" in reason
    assert_nothing_committed_that_is_not_there(world)
    disk.set_writable()
    finish(world, worker, 2000)


@slow
def test_permissions_that_are_taken_away_pause_reading_until_they_are_back(world: World) -> None:
    world.publish([alert(n) for n in range(600)])
    worker = world.worker(WINDOW__MAX_ROWS=300)
    if ROOT:  # root needs this capability to ignore permissions
        dropped = "-dac_override,-dac_read_search"
        worker.within = ["setpriv", "--bounding-set", dropped, "--inh-caps", dropped]
    worker.start()
    world.wait_until_shipped()
    world.staging().chmod(0o500)
    try:
        world.publish([alert(n) for n in range(600, 2000)])
        reason = await_pause(worker)
        assert "in which the worker's user may write" in reason
        assert_nothing_committed_that_is_not_there(world)
    finally:
        world.staging().chmod(0o700)
    finish(world, worker, 2000)
