"""End to end: records in Kafka become findings in S3, each once; the lake proves it."""

import re
import signal
from itertools import pairwise

import pytest

from tests.flow.worlds import GARBAGE, World, alert, assert_exactly_once
from tests.waiting import wait_until


def test_every_record_is_in_the_lake_once_or_in_the_dead_letter_topic(world: World) -> None:
    numbers = range(3000)
    world.publish([alert(n) for n in numbers] + [GARBAGE, None, b""] * 10)
    world.worker().start()
    world.wait_until_shipped()
    objects = assert_exactly_once(world, numbers, rejects=30)
    assert set(world.dead_letters().values()) == {1}
    assert sum(int(stored.footer["records"]) for stored in objects) == 3030


def test_keys_say_what_the_objects_hold(world: World) -> None:
    world.publish([alert(n) for n in range(500)])
    world.worker().start()
    world.wait_until_shipped()
    for stored in world.objects():
        partition, first, end = stored.window
        assert stored.key == (
            "ext/falco/region=us-east-1/accountId=123456789012/eventDay=20261123/"
            f"{world.topic}-{partition:05d}-{first:020d}-{end:020d}.parquet"
        )
        assert stored.footer["topic"] == world.topic


def test_an_object_is_of_one_event_day_and_the_window_spans_both(world: World) -> None:
    late = [alert(n).replace(b"2026-11-23T", b"2026-11-24T") for n in range(300, 600)]
    world.publish([alert(n) for n in range(300)] + late)
    world.worker().start()
    world.wait_until_shipped()
    objects = assert_exactly_once(world, range(600))
    days = {re.findall(r"eventDay=(\d+)", stored.key)[0] for stored in objects}
    assert days == {"20261123", "20261124"}


@pytest.mark.faults
def test_committed_offsets_move_only_to_the_ends_of_windows(world: World) -> None:
    world.publish([alert(n) for n in range(900)])
    world.worker(WINDOW__MAX_ROWS=100).start()
    seen: set[tuple[int, int]] = set()

    def shipped() -> bool:
        seen.update((n, offset) for n, (offset, _) in world.committed().items())
        return world.shipped()

    wait_until(shipped, 60)
    windows = {stored.window for stored in world.objects()}
    ends = {(partition, end) for partition, _, end in windows} | {(n, 0) for n in range(3)}
    assert seen <= ends
    assert all(end - first <= 100 for _, first, end in windows)


def test_an_idle_partition_is_still_sealed_by_age(world: World) -> None:
    worker = world.worker().start()
    wait_until(lambda: worker.said("assigned partitions"), 60)
    world.publish([alert(1)])
    world.wait_until_shipped()
    assert_exactly_once(world, [1])


def test_the_worker_stops_cleanly_and_resumes_where_it_was(world: World) -> None:
    world.publish([alert(n) for n in range(500)])
    worker = world.worker().start()
    world.wait_until_shipped()
    assert worker.stop() == 0
    world.publish([alert(n) for n in range(500, 1000)])
    assert world.worker("second").start()
    world.wait_until_shipped()
    objects = assert_exactly_once(world, range(1000))
    for partition in range(3):
        windows = sorted({s.window for s in objects if s.window[0] == partition})
        assert all(one[2] == other[1] for one, other in pairwise(windows))


@pytest.mark.faults
def test_stopping_before_anything_is_sealed_loses_nothing(world: World) -> None:
    world.publish([alert(n) for n in range(500)])
    worker = world.worker(WINDOW__INTERVAL=3600).start()
    wait_until(lambda: any(world.staging().glob("segment-*")), 60)
    worker.send(signal.SIGINT)
    assert worker.process is not None
    assert worker.process.wait(30) == 0
    assert not world.objects()
    world.worker().start()
    world.wait_until_shipped()
    assert_exactly_once(world, range(500))
