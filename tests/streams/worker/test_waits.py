"""Waits: a slow answer is not a missing one, and who is away is known from the begin."""

import pytest

from streams.worker.waits import (
    BUFFERED,
    LATER,
    PATIENCE,
    SLOWEST,
    SOON,
    Away,
    Peer,
    Turn,
    Wait,
    Waits,
    lasting,
)

LAKE = Peer("lake", "the lake", "look")
BROKER = Peer("kafka", "Kafka at b:9092", "look")


class Line:
    """A line to the lake that takes bytes when a test says so."""

    def __init__(self) -> None:
        self.taken = 0

    def __call__(self) -> int:
        return self.taken


def put(size: int, line: Line) -> Wait:
    return Wait(LAKE, "put it", 0.0, 3, size, line, linger=LATER)


def test_a_put_that_never_connects_is_overdue_at_once_whatever_its_size() -> None:
    wait = put(200_000_000, Line())
    assert not wait.is_overdue(PATIENCE)
    assert wait.is_overdue(PATIENCE + 0.1)


@pytest.mark.parametrize("size", [1_000, 1_000_000, BUFFERED])
def test_what_the_kernel_may_still_have_is_granted_a_slow_line(size: int) -> None:
    line = Line()
    wait = put(size, line)
    line.taken = size
    wait.look(1)
    assert not wait.is_overdue(PATIENCE + size / SLOWEST)
    assert wait.is_overdue(PATIENCE + size / SLOWEST + 0.1)


def test_a_put_of_any_size_that_makes_progress_is_never_overdue_but_is_told() -> None:
    line, waits, size = Line(), Waits(), 200_000_000
    wait = put(size, line)
    waits.begin(wait)
    now = 0.0
    while line.taken < size:
        now += 1
        line.taken = min(size, line.taken + 150_000)
        assert waits.look(now) == []
        assert not wait.is_overdue(now)
    assert now > 1000
    assert waits.long(now) == [wait]


def test_a_put_that_stops_half_way_is_overdue_since_its_last_byte() -> None:
    line, waits = Line(), Waits()
    waits.begin(put(200_000_000, line))
    for now in range(1, 101):
        line.taken += 1_000_000
        waits.look(now)
    end = 100 + PATIENCE + BUFFERED / SLOWEST
    assert waits.look(end) == []
    (turn,) = waits.look(end + 1)
    assert turn == Turn(LAKE, "put it (200.0 MB)", end + 1 - 100, back=False)


def test_a_second_try_that_only_fills_the_buffers_is_no_progress() -> None:
    line = Line()
    wait = put(200_000_000, line)
    for now in range(1, 60):
        line.taken = {0: 0, 1: 3_000_000}.get(now % 10, 10_000_000)
        wait.look(now)
    assert wait.since == 0
    assert wait.is_overdue(60)


def test_failures_add_up_from_the_first_one_until_an_answer() -> None:
    waits = Waits()
    for now in (2.0, 4.0, 6.0):
        wait = Wait(LAKE, "put it", now - 1, linger=LATER)
        waits.begin(wait)
        waits.failed(wait, now, f"refused at {now:g}")
        assert waits.look(now) == []
    assert waits.look(10) == [Turn(LAKE, "refused at 6", 9, back=False)]
    assert waits.away(11) == [Away(LAKE, "refused at 6", 1)]
    wait = Wait(LAKE, "put it", 30, linger=LATER)
    waits.begin(wait)
    assert waits.look(31) == []
    waits.answered(wait)
    assert waits.look(32) == [Turn(LAKE, "refused at 6", 31, back=True, answered=True)]
    assert waits.away(33) == []


def test_a_lake_that_nobody_asks_any_more_is_not_away_for_good() -> None:
    waits = Waits()
    for now in (1.0, 20.0):
        wait = Wait(LAKE, "put it", now, linger=LATER)
        waits.begin(wait)
        waits.failed(wait, now)
        waits.look(now)
    assert waits.look(20 + LATER) == []
    (turn,) = waits.look(20 + LATER + 1)
    assert turn.back
    assert not turn.answered


def test_a_broker_that_lost_its_partitions_is_not_away() -> None:
    waits = Waits()
    wait = Wait(BROKER, "fetch", 0.0)
    waits.begin(wait)
    waits.failed(wait, 1.0)
    assert all(waits.look(float(now)) == [] for now in range(1, 60))
    assert SOON < PATIENCE


def test_an_answer_to_another_request_does_not_end_a_wait() -> None:
    waits = Waits()
    waits.begin(Wait(BROKER, "commit", 0.0))
    other = Wait(BROKER, "fetch", 8.0)
    waits.begin(other)
    assert [turn.what for turn in waits.look(9)] == ["commit"]
    waits.answered(other)
    assert waits.look(10) == []
    assert [each.what for each in waits.away(10)] == ["commit"]


def test_an_answer_that_arrives_in_pieces_is_slow_not_missing() -> None:
    waits, line = Waits(), Line()
    wait = Wait(BROKER, "fetch", 0.0, moved=line)
    waits.begin(wait)
    for now in range(1, 60):
        line.taken += 10
        assert waits.look(now) == []
    assert [turn.seconds for turn in waits.look(59 + PATIENCE + 1)] == [PATIENCE + 1]


def test_a_request_that_needs_the_whole_group_may_take_as_long_as_the_group() -> None:
    wait = Wait(BROKER, "join the group", 0.0, extra=45)
    assert not wait.is_overdue(45 + PATIENCE)
    assert wait.is_overdue(46 + PATIENCE)


def test_only_the_first_end_of_a_wait_counts() -> None:
    waits = Waits()
    wait = Wait(BROKER, "connect", 0.0)
    waits.begin(wait)
    waits.failed(wait, 1.0)
    waits.answered(wait)
    waits.begin(other := Wait(BROKER, "connect", 9.0))
    assert [each.since for each in waits.away(9.5)] == [0.0]
    waits.drop(other)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.4, "8 s"), (146, "2 min 26 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert lasting(seconds) == text
