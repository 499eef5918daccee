"""Backoff: waits that double up to a limit, each less a random share."""

from hypothesis import given
from hypothesis import strategies as st

from streams.backoff import Backoff


def test_waits_double_from_the_shortest_to_the_longest() -> None:
    backoff = Backoff(1, 30, jitter=0)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_reset_starts_again_from_the_shortest() -> None:
    backoff = Backoff(0.5, 60, jitter=0)
    assert [backoff.next(), backoff.next()] == [0.5, 1]
    backoff.reset()
    assert backoff.next() == 0.5


@given(st.floats(0, 1), st.integers(0, 20))
def test_a_wait_is_shortened_by_at_most_the_jitter(jitter: float, tries: int) -> None:
    backoff = Backoff(0.5, 60, jitter)
    for number in range(tries):
        longest = min(60, 0.5 * 2**number)
        assert longest * (1 - jitter) <= backoff.next() <= longest


def test_the_jitter_is_drawn_for_each_wait() -> None:
    draws = iter([0.5, 1.0, 0.75])
    asked = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return next(draws)

    backoff = Backoff(4, 100, uniform=uniform)
    assert [backoff.next() for _ in range(3)] == [2, 8, 12]
    assert asked == [(0.5, 1.0)] * 3


def test_a_shortest_wait_of_zero_never_waits() -> None:
    backoff = Backoff(0, 60)
    assert [backoff.next() for _ in range(3)] == [0, 0, 0]
