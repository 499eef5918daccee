"""Takeover: what is kept of a partition at its assignment, and where reading begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import Misconfigured
from streams.windows.batch import Found
from streams.windows.lookup import GoOn
from streams.windows.seal import NO_EPOCH, Seal, read_seal
from streams.windows.window import Blocked, Partition, Run
from streams.worker.takeover import LOOKING, Losses, go_on, look_at_end, take_over, to_read

NOW = 1234.5
END = 10**6
BLOCKED = Blocked("overlap", "the lake has its windows", "use another prefix")


def run(first: int, end: int, partition: int = 0, segment: int = 1) -> Run:
    return Run(segment, partition, first, end, end - first, end - first, 0, 0, 100, 0)


def found(
    committed: int | None, *ends: int, start: int = 0, end: int = END, version: str = "m"
) -> Found:
    return Found(committed, Seal(version, ends).encode(), start, end)


def taken(state: Found, *held: Run) -> Partition:
    return take_over({0: state}, held, "m", NOW)[0]


def test_without_a_committed_offset_it_waits_for_the_lake_and_keeps_what_is_staged() -> None:
    partition = taken(found(None, start=40), run(40, 50))
    assert partition.blocked == LOOKING
    assert to_read({0: partition}) == frozenset()
    assert (partition.runs, list(partition.sealed_windows())) == ([run(40, 50)], [])
    going = go_on(partition, GoOn(40), 40, NOW)
    assert (going.blocked, going.committed, going.position) == (None, 40, 50)
    assert (going.ends, going.inherited, going.opened) == ([], "", NOW)


def test_it_goes_on_where_the_lake_says() -> None:
    partition = taken(found(None, start=40), run(40, 50), run(50, 60), run(60, 65))
    again = go_on(partition, GoOn(50, (60,), "m"), 40, NOW)
    assert [(each.first, each.end) for each in again.sealed_windows()] == [(50, 60)]
    assert (again.committed, again.position, again.open_records) == (50, 65, 5)
    assert again.seal() == Seal("m", (60,))
    other = go_on(partition, GoOn(50, (60,), "other"), 40, NOW)
    assert [each.overwrite for each in other.sealed_windows()] == [True]
    assert other.seal() == Seal("other", (60,))
    deleted = go_on(partition, GoOn(60), 70, NOW)
    assert (deleted.committed, deleted.position, deleted.runs) == (60, 65, [run(60, 65)])
    gone = go_on(partition, GoOn(65), 70, NOW)
    assert (gone.committed, gone.position, gone.runs) == (65, 70, [])


def test_an_offset_of_an_earlier_topic_blocks_the_partition() -> None:
    state = Found(10, Seal("m", (20,), topic_id="old").encode(), 0, END, "new")
    blocked = taken(state, run(10, 20)).blocked
    assert blocked is not None
    assert blocked.kind == "recreated"
    assert "its id was old, now it is new" in blocked.reason
    assert "falcolake adopt" in blocked.hint
    for known in (state._replace(topic_id="old"), state._replace(topic_id="")):
        assert taken(known).blocked is None
    assert taken(state._replace(metadata=Seal("m", (20,)).encode())).blocked is None
    led = Seal("m", (20,), topic_id="old", leader_epoch=5).encode()
    partition = taken(state._replace(metadata=led, noted_end=3))
    assert (partition.blocked, partition.cut, partition.cut_noted) == (blocked, None, True)


def test_every_seal_has_the_id_of_the_topic() -> None:
    partition = taken(Found(0, "", 0, END, "an-id"), run(0, 10)._replace(topic_id="an-id"))
    partition.ends = [5, 10]
    seals = [partition.seal(), partition.seal_with(12), partition.claim()]
    seals += [partition.seal_after(5), partition.seal_after(10)]
    assert {read_seal(each.encode(), 0).topic_id for each in seals} == {"an-id"}
    assert read_seal(partition.seal_after(10).encode(), 10).ends == ()


def test_runs_that_continue_from_the_committed_offset_are_kept() -> None:
    partition = taken(found(10), run(0, 10), run(10, 20), run(20, 25), run(30, 40))
    assert partition.runs == [run(10, 20), run(20, 25)]
    assert (partition.committed, partition.position) == (10, 25)


def test_runs_of_other_partitions_are_not_mixed_in() -> None:
    partitions = take_over(
        {0: found(0), 1: found(0)}, [run(0, 5), run(0, 9, partition=1)], "m", NOW
    )
    assert {number: each.position for number, each in partitions.items()} == {0: 5, 1: 9}
    assert [each.number for each in partitions.values()] == [0, 1]


def test_runs_beyond_the_end_of_the_log_are_of_an_earlier_topic() -> None:
    assert taken(found(0, end=3), run(0, 30)).position == 0


def test_runs_of_another_topic_of_this_name_are_dropped() -> None:
    state = found(0)._replace(topic_id="second")
    old, new = run(0, 10)._replace(topic_id="first"), run(0, 10)._replace(topic_id="second")
    assert taken(state, old).runs == []
    assert taken(state, new, old).runs == [new]
    assert taken(found(0), run(0, 10)).runs == [run(0, 10)], "a broker without ids"


def test_runs_beyond_the_last_stable_offset_are_read_again_and_are_no_reason_to_wait() -> None:
    state = found(0, end=30)._replace(stable=5)
    partition = taken(state, run(0, 5), run(5, 30))
    assert (partition.runs, partition.highwater, partition.caught_up) == ([run(0, 5)], 5, True)


@pytest.mark.parametrize(
    ("committed", "ends", "end", "cut"),
    [(100, (), 40, 40), (100, (), 99, 99), (50, (80, 100), 60, 60), (50, (80,), 79, 79)],
)
def test_a_log_that_ends_before_what_is_committed_or_sealed_blocks(
    committed: int, ends: tuple[int, ...], end: int, cut: int
) -> None:
    partition = taken(found(committed, *ends, end=end), run(committed, committed + 5))
    assert partition.blocked is not None
    assert partition.blocked.kind == "truncated"
    assert f"cut to offset {cut}" in partition.blocked.reason
    assert "falcolake adopt --partition 0" in partition.blocked.hint
    assert (partition.cut, partition.cut_noted, partition.runs) == (cut, False, [])
    assert partition.committed == committed
    assert not list(partition.sealed_windows())


@pytest.mark.parametrize("end", [50, 100, 130])
def test_a_cut_in_the_metadata_blocks_even_if_the_log_is_longer_again(end: int) -> None:
    seal = Seal("m", (), 40)
    partition = taken(Found(100, seal.encode(), 0, end), run(100, 120))
    assert partition.blocked is not None
    assert (partition.cut, partition.cut_noted, partition.runs) == (40, True, [])
    assert partition.seal() == seal


def test_the_lowest_end_is_remembered() -> None:
    partition = taken(Found(100, Seal("m", (120,), 40).encode(), 0, 30))
    assert (partition.cut, partition.cut_noted) == (30, False)
    assert read_seal(partition.seal().encode(), 100) == Seal("m", (120,), 30)
    assert not look_at_end(partition, 35)
    assert partition.cut == 30


@pytest.mark.parametrize(
    ("ends", "epoch_end", "cut"),
    [
        ((), 40, 40),
        ((), 99, 99),
        ((), 0, 0),
        ((120, 150), 149, 149),
        ((), 100, None),
        ((), 130, None),
        ((120, 150), 150, None),
    ],
)
def test_a_log_that_ends_in_the_noted_leader_epoch_before_what_is_sealed_blocks(
    ends: tuple[int, ...], epoch_end: int, cut: int | None
) -> None:
    """However long it is by now."""
    seal = Seal("m", ends, leader_epoch=5)
    partition = taken(Found(100, seal.encode(), 0, END, noted_end=epoch_end), run(100, 120))
    assert (partition.cut, partition.cut_noted) == (cut, cut is None)
    assert partition.seal() == seal._replace(cut=cut)
    if cut is None:
        assert (partition.blocked, partition.position) == (None, 120)
    else:
        assert partition.blocked is not None
        assert partition.blocked.kind == "truncated"
        assert f"cut to offset {cut}" in partition.blocked.reason
        assert partition.runs == []


def test_staged_runs_beyond_the_end_of_their_leader_epoch_are_read_again() -> None:
    bounds = [(100, 110), (110, 130), (130, 150)]
    runs = [run(first, end)._replace(leader_epoch=5) for first, end in bounds]
    state = Found(100, Seal("m", (), leader_epoch=5).encode(), 0, END, noted_end=120)
    for epoch_end, position in [(150, 150), (149, 130), (130, 130), (105, 100), (0, 100)]:
        partition = taken(state._replace(staged_ends={5: epoch_end}), *runs)
        assert (partition.position, partition.blocked, partition.cut) == (position, None, None)
    assert taken(state._replace(staged_ends={7: 0}), *runs).position == 150, "not of that epoch"


def test_a_run_that_the_log_lost_is_not_taken_for_the_one_that_was_read_again() -> None:
    """Both are staged: staging forgets whole segments, not single runs."""
    lost = [run(100, 120)._replace(leader_epoch=5), run(120, 140)._replace(leader_epoch=5)]
    read = [run(100, 108)._replace(leader_epoch=6), run(108, 130)._replace(leader_epoch=6)]
    state = Found(100, Seal("m", ()).encode(), 0, END, staged_ends={5: 110, 6: 130})
    assert taken(state, *lost, *read).runs == read


def test_a_partition_knows_the_leader_epoch_of_its_last_record() -> None:
    state = Found(100, Seal("m", (), leader_epoch=5).encode(), 0, END)
    led = [run(100, 110)._replace(leader_epoch=5), run(110, 130)._replace(leader_epoch=7)]
    assert taken(state).leader_epoch == 5
    assert taken(state, *led).leader_epoch == 7
    assert taken(state, led[1]).leader_epoch == 5, "it does not continue"
    assert taken(found(100)).leader_epoch == NO_EPOCH
    partition = taken(state, *led)
    seals = [partition.seal(), partition.seal_with(130), partition.claim()]
    seals += [partition.seal_after(130)]
    assert {read_seal(each.encode(), 0).leader_epoch for each in seals} == {7}


def test_a_log_that_ends_where_the_lake_does_is_whole() -> None:
    for state in (found(100, end=100), found(50, 100, end=100)):
        assert taken(state).blocked is None


def test_what_was_only_staged_and_is_lost_is_dropped_and_read_again() -> None:
    partition = taken(found(0, 10), run(0, 10), run(10, 40), run(40, 60))
    assert look_at_end(partition, 60) == range(0)
    assert look_at_end(partition, 50) == range(50, 60)
    assert (partition.position, partition.blocked, partition.cut) == (40, None, None)
    assert look_at_end(partition, 12) == range(12, 40)
    assert (partition.position, partition.opened) == (10, None)
    assert look_at_end(partition, 9) == range(0)
    assert partition.blocked is not None


def test_a_partition_that_is_blocked_for_another_reason_stays_so() -> None:
    partition = taken(found(100))
    partition.block(BLOCKED)
    look_at_end(partition, 40)
    assert (partition.blocked, partition.cut) == (BLOCKED, None)


def test_the_seals_that_were_found_are_the_next_windows() -> None:
    partition = taken(found(10, 20, 30), run(10, 20), run(20, 30), run(30, 33))
    windows = [(each.first, each.end, each.overwrite) for each in partition.sealed_windows()]
    assert windows == [(10, 20, False), (20, 30, False)]
    assert (partition.inherited, partition.open_records) == ("", 3)


def test_windows_that_another_mapping_sealed_are_overwritten() -> None:
    partition = taken(found(0, 20, version="other"), run(0, 20))
    assert partition.inherited == "other"
    assert next(partition.sealed_windows()).overwrite


def test_the_version_of_a_seal_without_windows_does_not_count() -> None:
    assert taken(found(0, version="other")).inherited == ""


def test_age_counts_from_the_takeover_if_the_open_window_has_runs() -> None:
    assert taken(found(0), run(0, 5)).opened == NOW
    assert taken(found(0)).opened is None
    assert taken(found(0, 5), run(0, 5)).opened is None


def test_metadata_of_a_newer_falcolake_is_refused() -> None:
    with pytest.raises(Misconfigured, match="newer falcolake"):
        taken(Found(0, '{"v":2}', 0, END))


@given(
    committed=st.integers(0, 30),
    start=st.integers(0, 30),
    ends=st.sets(st.integers(0, 40)).map(sorted),
    bounds=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=20),
)
def test_what_is_kept_has_no_hole_and_crosses_no_end(
    committed: int, start: int, ends: list[int], bounds: list[tuple[int, int]]
) -> None:
    held = [run(first, first + length) for first, length in bounds]
    partition = taken(found(committed, *ends, start=start), *held)
    firsts = {each.first for each in partition.runs}
    position = committed if committed in firsts else max(committed, start)
    for each in partition.runs:
        assert each.first == position
        assert not any(each.first < end < each.end for end in ends if end > committed)
        position = each.end
    assert partition.position == (position if partition.runs else max(committed, start))


# ---- which partition is read first


def test_partitions_with_inherited_windows_take_turns() -> None:
    partitions = take_over({2: found(0, 10), 1: found(0, 10), 0: found(0)}, [], "m", NOW)
    assert to_read(partitions) == {1}
    partitions[1].runs.append(run(0, 10, partition=1))
    assert to_read(partitions) == {2}
    partitions[2].runs.append(run(0, 10, partition=2))
    assert to_read(partitions) is None


def test_a_blocked_partition_is_not_read_and_keeps_no_other_waiting() -> None:
    partitions = take_over({0: found(0, 10), 1: found(0)}, [], "m", NOW)
    assert to_read(partitions) == {0}
    partitions[0].block(BLOCKED)
    assert to_read(partitions) == {1}
    partitions[1].block(BLOCKED)
    assert to_read(partitions) == frozenset()


# ---- what retention deleted


def lost(losses: Losses, state: Found, *held: Run) -> range:
    """What is reported at a takeover."""
    return losses.at_takeover(taken(state, *held), state)


def test_offsets_are_reported_lost_once() -> None:
    losses = Losses()
    assert lost(losses, found(10, start=40)) == range(10, 40)
    assert not lost(losses, found(10, start=40))
    assert lost(losses, found(10, start=45)) == range(40, 45)
    assert losses.between(0, 50, 60) == range(50, 60)


def test_each_partition_has_its_own_losses() -> None:
    losses = Losses()
    assert losses.between(0, 0, 9) == losses.between(1, 0, 9) == range(9)


@pytest.mark.parametrize("state", [found(None, start=40), found(40, start=40), found(50, start=40)])
def test_nothing_is_lost_that_was_committed_or_never_asked_for(state: Found) -> None:
    assert not lost(Losses(), state)


def test_what_is_staged_is_kept_although_kafka_has_deleted_it() -> None:
    state = found(10, 30, start=40)
    partition = taken(state, run(10, 20), run(20, 35), run(20, 30), run(30, 35))
    assert partition.runs == [run(10, 20)]  # the longer one crosses a sealed end
    partition = taken(state, run(10, 20), run(20, 30), run(30, 35), run(40, 50))
    assert [(each.first, each.end) for each in partition.sealed_windows()] == [(10, 30)]
    assert (partition.position, partition.open_records) == (35, 5)
    assert lost(Losses(), state, run(10, 20), run(20, 30), run(30, 35)) == range(35, 40)
    assert lost(Losses(), state, run(40, 50)) == range(10, 40)
