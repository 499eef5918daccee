"""Letters: which offsets of a range have a dead letter."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from streams.windows.letters import Letters


def test_a_range_is_half_open() -> None:
    letters = Letters({0: [3, 7, 10]})
    assert letters.of(0, 3, 10) == [3, 7]
    assert letters.within(0, 3, 10) == 2
    assert letters.of(0, 4, 7) == []


def test_partitions_are_separate() -> None:
    letters = Letters({0: [3], 1: [4]})
    assert letters.of(1, 0, 10) == [4]
    assert letters.of(2, 0, 10) == []
    assert letters.within(2, 0, 10) == 0


@given(st.sets(st.integers(0, 50)).map(sorted), st.sets(st.integers(0, 50)).map(sorted))
def test_ranges_that_follow_each_other_have_every_letter_once(
    offsets: list[int], ends: list[int]
) -> None:
    letters, bounds = Letters({0: offsets}), [0, *ends, 51]
    found = [letters.of(0, *both) for both in itertools.pairwise(bounds)]
    assert [offset for part in found for offset in part] == offsets
