"""The guard accepts today's speed and rejects a threefold slowdown."""

import itertools
from collections.abc import Callable, Iterable

import pyarrow.parquet as pq
import pytest

from tests.bench.guard import LIMIT, ROUNDS, Verdict, Work, compare


class Clock:
    """A clock that advances only with work, in proportion to the machine's slowness."""

    def __init__(self, slowness: Iterable[float] = ()) -> None:
        self.now = 0.0
        self._slowness = itertools.chain(slowness, itertools.repeat(1.0))
        self.order: list[str] = []

    def work(self, name: str, cost: float) -> Callable[[], None]:
        def run() -> None:
            self.order.append(name)
            self.now += cost * next(self._slowness)

        return run

    def compare(self, ratio: float) -> Verdict:
        return compare(self.work("ours", ratio), self.work("floor", 1.0), clock=lambda: self.now)


def test_ours_and_the_floor_take_turns_and_the_first_does_not_count() -> None:
    clock = Clock([50.0, 1.0])
    verdict = clock.compare(4.0)
    assert clock.order == ["ours", "floor"] * (1 + ROUNDS)
    assert list(verdict.ratios) == [4.0] * ROUNDS


def test_the_limit_is_between_what_is_now_and_a_slowdown_of_three() -> None:
    now = LIMIT / 2
    assert not Clock().compare(now).slow
    assert not Clock().compare(1.9 * now).slow
    assert Clock().compare(3 * now).slow


def test_a_machine_that_becomes_slower_is_not_a_regression() -> None:
    slower_by_the_round = itertools.chain.from_iterable((n, n) for n in itertools.count(1))
    assert not Clock(slower_by_the_round).compare(LIMIT / 2).slow


def test_rounds_that_were_disturbed_do_not_decide() -> None:
    disturbed = [1.0] * 2 + [9.0, 1.0] * (ROUNDS // 2)
    assert not Clock(disturbed).compare(LIMIT / 2).slow
    helped = [1.0] * 2 + [1.0, 9.0] * (ROUNDS // 2)
    assert Clock(helped).compare(3 * LIMIT / 2).slow


def test_both_write_the_same_rows() -> None:
    with Work(200) as work:
        ours, floor = (pq.read_table(file) for file in (work.ours(), work.floor()))
    assert ours.num_rows == 200
    # Nullability differs: DuckDB knows which columns of a table are never NULL.
    assert ours.column_names == floor.column_names
    assert ours.to_pylist() == floor.to_pylist()


@pytest.mark.faults
def test_the_guard_stops_work_that_takes_three_times_as_long() -> None:
    with Work() as work:
        as_it_is = compare(work.ours, work.floor, rounds=3)
        slowed = compare(lambda: [work.ours() for _ in range(3)], work.floor, rounds=3)
    assert not as_it_is.slow, as_it_is
    assert slowed.slow, slowed
    assert slowed.ratio / as_it_is.ratio == pytest.approx(3, rel=0.25)
