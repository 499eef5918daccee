"""How far a partition is: offsets, lag in records and seconds, and what retention leaves."""

from streams.windows.progress import LONG_OPEN, Bounds, Progress, Tracker
from streams.windows.window import Partition, Run

NOW = 1_000_000_000


def run(first: int, end: int, age: float) -> Run:
    return Run(1, 3, first, end, end - first, end - first, 0, 0, 100, int(NOW - age * 1000))


def partition(*runs: Run, committed: int = 100, highwater: int = 0) -> Partition:
    return Partition(3, committed, committed, "v", runs=list(runs), highwater=highwater)


def look(tracker: Tracker, found: Partition, now: int = NOW) -> Progress:
    (progress,) = tracker.look({3: found}, now)
    return progress


def test_what_is_staged_and_what_is_only_in_kafka_are_both_not_in_the_lake() -> None:
    staged = partition(run(100, 140, 7), run(140, 150, 60), highwater=200)
    progress = look(Tracker(), staged)
    assert (progress.committed, progress.staged, progress.end) == (100, 150, 200)
    assert (progress.lag, progress.staged_records, progress.behind) == (100, 50, 60)


def test_a_partition_that_is_all_in_the_lake_is_not_behind() -> None:
    progress = look(Tracker(), partition(highwater=100))
    assert (progress.lag, progress.behind, progress.waiting_windows) == (0, 0, 0)


def test_what_is_not_read_yet_is_as_old_as_it_has_been_known() -> None:
    tracker, unread = Tracker(), partition(highwater=200)
    assert look(tracker, unread).behind == 0
    assert look(tracker, unread, NOW + 9000).behind == 9
    tracker.look({3: partition(highwater=100)}, NOW + 10_000)
    assert look(tracker, unread, NOW + 20_000).behind == 0


def test_kafka_s_answer_moves_the_end_while_nothing_is_read() -> None:
    tracker = Tracker()
    tracker.note({3: Bounds(0, 500, NOW - 1000)}, NOW)
    assert look(tracker, partition(run(100, 200, 1), highwater=200)).lag == 400


def test_retention_that_deleted_what_was_not_read_leaves_no_lag_of_it() -> None:
    tracker = Tracker()
    tracker.note({3: Bounds(150, 200, NOW)}, NOW)
    progress = look(tracker, partition(highwater=200))
    assert progress.lag == 50
    assert progress.spare_records == -50


def test_spare_is_what_lies_between_retention_and_the_first_record_not_in_the_lake() -> None:
    tracker = Tracker()
    tracker.note({3: Bounds(40, 200, NOW - 3_600_000)}, NOW)
    progress = look(tracker, partition(run(100, 150, 600), highwater=200))
    assert (progress.spare_records, progress.spare_seconds) == (60, 3000)


def test_nothing_is_spare_or_short_where_nothing_waits_or_nothing_was_deleted() -> None:
    waiting, idle = partition(run(100, 150, 600), highwater=150), partition(highwater=100)
    tracker = Tracker()
    for bounds, found in ((Bounds(0, 150, NOW), waiting), (Bounds(40, 100, NOW), idle)):
        tracker.note({3: bounds}, NOW)
        progress = look(tracker, found)
        assert (progress.spare_records, progress.spare_seconds) == (None, None)


def test_what_has_no_record_left_is_not_behind_and_no_lag() -> None:
    """Markers and aborted records move the position, and no window is made for them."""
    tracker = Tracker()
    left = Partition(3, 100, 100, "v", runs=[run(100, 104, 5)._replace(records=0)], highwater=104)
    for now in (NOW, NOW + 3_600_000):
        progress = look(tracker, left, now)
        assert (progress.staged, progress.end, progress.lag, progress.behind) == (104, 104, 0, 0)
    left.highwater = 105
    assert look(tracker, left).lag == 5


def test_a_sealed_window_that_turns_out_empty_still_waits() -> None:
    left = partition(run(100, 104, 5)._replace(records=0), highwater=104)
    left.ends = [104]
    assert look(Tracker(), left).lag == 4


def test_nothing_is_behind_because_of_what_follows_an_open_transaction() -> None:
    tracker = Tracker()
    tracker.note({3: Bounds(0, 500, NOW - 1000, stable=100)}, NOW)
    progress = look(tracker, partition(highwater=100))
    assert (progress.end, progress.lag, progress.behind) == (100, 0, 0)


def test_a_transaction_is_reported_once_it_has_been_open_for_long() -> None:
    tracker, long = Tracker(), int(LONG_OPEN * 1000)
    for late, wanted in ((0, []), (long - 1, []), (long, [(3, 40, 60, NOW)])):
        tracker.note({3: Bounds(0, 100, None, stable=40), 4: Bounds(0, 100, None)}, NOW + late)
        assert tracker.delays(NOW + late) == wanted


def test_transactions_that_follow_each_other_are_not_one_that_is_long() -> None:
    tracker, long = Tracker(), int(LONG_OPEN * 1000)
    for late, stable in ((0, 40), (long - 1, 50), (long, 60), (2 * long - 1, None), (2 * long, 60)):
        tracker.note({3: Bounds(0, 100, None, stable=stable)}, NOW + late)
        assert tracker.delays(NOW + late) == []
