"""The plan of a replay: whatever is asked for, it keeps the bounds that the lake has."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.audit.coverage import Known, LakeWindow
from streams.replay.plan import Plan, make

offsets = st.integers(0, 60)


def known(begin: int = 0, committed: int | None = 100, end: int = 100) -> Known:
    return Known(begin, end, committed, committed)


def windows(*bounds: tuple[int, int]) -> list[LakeWindow]:
    return [LakeWindow(first, end) for first, end in bounds]


def targets(plan: Plan) -> list[tuple[int, int, bool]]:
    return [(each.first, each.end, each.window is None) for each in plan.targets]


def refused(plan: Plan) -> list[tuple[int, int]]:
    return [(each.first, each.end) for each in plan.refused]


def test_a_window_that_is_touched_is_rebuilt_whole() -> None:
    lake = windows((0, 30), (30, 60), (60, 100))
    assert targets(make(0, lake, known(), [(29, 31)])) == [(0, 30, False), (30, 60, False)]
    assert targets(make(0, lake, known(), [(30, 60)])) == [(30, 60, False)]
    assert targets(make(0, lake, known(), [(30, 30)])) == []


def test_a_gap_is_made_whole_whoever_asks() -> None:
    lake = windows((10, 30), (60, 80))
    for asked in ((40, 41), (31, 59), (30, 60)):
        assert targets(make(0, lake, known(), [asked])) == [(30, 60, True)]
    assert targets(make(0, lake, known(), [(0, 1), (99, 100)])) == [(0, 10, True), (80, 100, True)]


def test_a_lake_without_windows_is_one_gap_from_what_kafka_has() -> None:
    assert targets(make(0, [], known(begin=20), [(0, 1000)])) == [(20, 100, True)]


def test_from_the_committed_offset_on_nothing_is_touched() -> None:
    lake = windows((0, 50), (50, 70))
    assert targets(make(0, lake, known(committed=50), [(0, 1000)])) == [(0, 50, False)]
    assert targets(make(0, lake, known(committed=60), [(55, 1000)])) == []
    assert targets(make(0, lake, known(committed=None), [(0, 1000)])) == []


def test_what_kafka_no_longer_has_is_refused_and_the_rest_of_a_gap_made() -> None:
    lake = windows((0, 30), (60, 100))
    plan = make(0, lake, known(begin=45), [(0, 100)])
    assert refused(plan) == [(0, 30), (30, 45)]
    assert targets(plan) == [(45, 60, True), (60, 100, False)]


def test_windows_that_share_offsets_are_refused() -> None:
    plan = make(0, windows((0, 30), (20, 40), (40, 100)), known(), [(0, 100)])
    assert refused(plan) == [(0, 30), (20, 40)]
    assert targets(plan) == [(40, 100, False)]


def test_a_recreated_topic_is_refused() -> None:
    plan = make(0, windows((0, 100)), known(end=10), [(0, 1000)])
    assert (targets(plan), refused(plan)) == ([], [(0, 100)])
    assert "recreated" in plan.refused[0].reason


@given(
    st.lists(st.tuples(offsets, offsets).filter(lambda pair: pair[0] < pair[1]), max_size=8),
    offsets,
    st.none() | offsets,
    st.lists(st.tuples(offsets, offsets), min_size=1, max_size=3),
)
def test_the_bounds_are_the_lake_s_or_a_gap_s_whatever_is_asked(
    lake: list[tuple[int, int]], begin: int, committed: int | None, asked: list[tuple[int, int]]
) -> None:
    stored = windows(*sorted(set(lake)))
    bounds = known(begin, committed, 60)
    plan, everything = make(0, stored, bounds, asked), make(0, stored, bounds, [(0, 60)])
    assert set(targets(plan)) <= set(targets(everything))
    assert set(refused(plan)) <= set(refused(everything))
    for first, end, gap in targets(everything):
        assert begin <= first < end <= (committed or 0)
        touched = [pair for pair in lake if pair[0] < end and first < pair[1]]
        assert set(touched) <= (set() if gap else {(first, end)})
    for one, other in pairwise(sorted(targets(everything))):
        assert one[1] <= other[0]
    covered = {n for first, end, _ in targets(everything) for n in range(first, end)}
    named = {n for first, end in refused(everything) for n in range(first, end)}
    over = {n for first, end in lake if end > (committed or 0) for n in range(first, end)}
    assert covered | named | over >= set(range(begin, committed or 0))
