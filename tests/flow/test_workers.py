"""Many workers that come and go under load, restart, and meet new partitions and versions."""

import io
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest

from streams.embedded.stack import EmbeddedStack
from tests.flow.worlds import Worker, World, alert, assert_exactly_once, stored
from tests.waiting import wait_until

pytestmark = pytest.mark.faults


@contextmanager
def load(world: World, portion: int = 200) -> Iterator[list[int]]:
    """Publish batches of alerts until the block ends; yield the numbers sent."""
    sent: list[int] = []
    failed: list[BaseException] = []
    ended = threading.Event()

    def publish() -> None:
        try:
            for first in itertools.count(0, portion):
                numbers = range(first, first + portion)
                world.publish([alert(n) for n in numbers])
                sent.extend(numbers)
                if ended.wait(0.5):
                    return
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()
    assert not failed, failed


def shared(world: World, workers: list[Worker], partitions: int) -> bool:
    """Return whether the workers share all partitions, each has some, and none has two owners."""
    owned = [world.owned(worker) for worker in workers]
    together = [number for each in owned for number in each]
    return all(owned) and sorted(together) == list(range(partitions))


def ships_on(world: World) -> None:
    """Wait until every partition's committed offset has moved."""
    before = {n: offset for n, (offset, _) in world.committed().items()}

    def moved() -> bool:
        now = {n: offset for n, (offset, _) in world.committed().items()}
        return all(now[n] > before.get(n, 0) for n in now) and now.keys() >= before.keys()

    wait_until(moved, 120, "every partition ships on")


def assignments(worker: Worker) -> list[str]:
    return re.findall(r"assigned partitions (\[[\d, ]*\])", worker.tail_all())


def test_one_worker_becomes_four_and_one_again_under_load(
    make_world: Callable[..., World],
) -> None:
    world = make_world(partitions=8)
    with load(world) as sent:
        workers = [world.worker("0", WINDOW__MAX_ROWS=150).start()]
        wait_until(lambda: shared(world, workers, 8), 60, "one has all")
        ships_on(world)
        workers += [world.worker(f"{n}", WINDOW__MAX_ROWS=150 + n).start() for n in (1, 2, 3)]
        wait_until(lambda: shared(world, workers, 8), 120, "four share")
        ships_on(world)
        assert workers.pop().stop() == 0
        workers.pop().kill()
        wait_until(lambda: shared(world, workers, 8), 120, "two share")
        ships_on(world)
        assert workers.pop(0).stop() == 0
        wait_until(lambda: shared(world, workers, 8), 120, "the last one has all")
        ships_on(world)
    world.wait_until_shipped(120)
    assert_exactly_once(world, sent)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_static_member_that_restarts_in_its_session_moves_nothing(
    make_world: Callable[..., World], how: str
) -> None:
    world = make_world(partitions=4)
    settings = {"KAFKA__SESSION_TIMEOUT": 60, "KAFKA__HEARTBEAT_INTERVAL": 1}
    one, two = (
        world.worker(name, KAFKA__GROUP_INSTANCE_ID=name, **settings).start()
        for name in ("one", "two")
    )
    wait_until(lambda: shared(world, [one, two], 4), 90, "two share")
    before = world.owned(one), world.owned(two), len(assignments(one))
    world.publish([alert(n) for n in range(2000)])
    world.wait_until_shipped()
    if how == "killed":
        two.kill()
    else:
        assert two.stop() == 0
    world.publish([alert(n) for n in range(2000, 4000)])
    two.start()
    wait_until(lambda: shared(world, [one, two], 4), 50, "the second has its partitions again")
    world.wait_until_shipped()
    assert (world.owned(one), world.owned(two), len(assignments(one))) == before
    assert len(assignments(two)) == 1
    assert_exactly_once(world, range(4000))


def test_partitions_added_to_the_topic_are_taken_up_while_it_runs(
    make_world: Callable[..., World], stack: EmbeddedStack
) -> None:
    world = make_world(partitions=2)
    with load(world, portion=100) as sent:
        workers = [world.worker(name, WINDOW__MAX_ROWS=500).start() for name in ("one", "two")]
        wait_until(lambda: shared(world, workers, 2), 90, "two share")
        stack.create_topic(world.topic, 5)
        wait_until(lambda: len(world.ends()) == 5 and all(world.ends().values()), 90)
        wait_until(lambda: shared(world, workers, 5), 150, "five partitions shared")
        ships_on(world)
    world.wait_until_shipped(120)
    assert_exactly_once(world, sent)
    assert len(world.committed()) == 5


def tenants(body: bytes) -> set[str]:
    """Return the tenants in an object's rows: each version of the mapping writes its own."""
    metadata = pq.ParquetFile(io.BytesIO(body)).read(columns=["metadata"])["metadata"]
    return {row["tenant_uid"] for row in metadata.to_pylist()}


@pytest.mark.timeout(600)
def test_two_versions_of_the_mapping_side_by_side_never_share_a_window(
    make_world: Callable[..., World],
) -> None:
    """Assert that all objects of a window are of one version, whichever worker put them."""
    world = make_world(partitions=4)
    numbers = range(12_000)
    days = (b"-11-23T", b"-11-24T", b"-11-25T")
    world.publish([alert(n).replace(days[0], days[n % 3]) for n in numbers])
    names = ("old", "new")
    workers = [
        world.worker(name, WINDOW__MAX_ROWS=150, MAPPING__TENANT_UID=name).start() for name in names
    ]
    wait_until(lambda: shared(world, workers, 4), 90, "two share")
    for turn in range(4):
        before = stored(world)
        wait_until(lambda before=before: stored(world) > before + 9, 60, "further objects")
        workers[turn % 2].kill()
        workers[turn % 2].start()
    assert not world.shipped(), "all was shipped before the last kill: the test shows nothing"
    world.wait_until_shipped(240)
    objects = assert_exactly_once(world, numbers)  # one window, one version: the footers are equal
    bodies = world.bodies()
    put_by = {
        (found.footer["mapping_version"], tenant)
        for found in objects
        for tenant in tenants(bodies[found.key])
    }
    assert {tenant for _, tenant in put_by} == set(names)
    assert len({version for version, _ in put_by}) == len(put_by) == 2, "rows of another version"
