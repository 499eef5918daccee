"""Windows: whatever happens, they tile the offsets."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.windows.seal import MIXED, UNSEALED, Seal, read_seal
from streams.windows.window import (
    Blocked,
    Limits,
    Partition,
    Run,
    Totals,
    Window,
    is_due,
    is_flushing,
    is_full,
    resume,
)


def run(first: int, end: int, segment: int = 1, records: int | None = None, **changes: Any) -> Run:
    records = end - first if records is None else records
    made = Run(segment, 0, first, end, records, records, 0, 0, 100 * records, 1000)
    return made._replace(**changes)


BLOCKED = Blocked("overlap", "the lake has its windows", "use another prefix")


# ---- the life of a partition, with crashes


class Life(RuleBasedStateMachine):
    """One partition, its commits in Kafka, its files on disk, and the lake."""

    def __init__(self) -> None:
        super().__init__()
        self.committed, self.metadata = 0, ""
        self.files: list[Run] = []
        self.lake: dict[tuple[int, int], set[str]] = {}
        self.shipped: list[Window] = []
        self.segment = 0
        self.version = "a"
        self.restart()

    def restart(self) -> None:
        seal = read_seal(self.metadata, self.committed)
        self.segment += 1
        self.partition = Partition(
            0,
            self.committed,
            self.committed,
            self.version,
            seal.version if seal.ends and seal.version != self.version else "",
            list(seal.ends),
            resume(self.committed, self.committed, seal.ends, self.files),
        )

    @rule(offsets=st.integers(1, 9), records=st.integers(0, 9))
    def append(self, offsets: int, records: int) -> None:
        first = self.partition.position
        end = min(first + offsets, self.partition.next_end() or first + offsets)
        new = run(first, end, self.segment, min(records, end - first))
        self.files.append(new)
        self.partition.runs.append(new)

    @rule(offsets=st.integers(1, 9))
    def append_without_an_answer(self, offsets: int) -> None:
        """The disk failed: the file may hold the run, but the worker does not rely on it."""
        first = self.partition.position
        end = min(first + offsets, self.partition.next_end() or first + offsets)
        self.files.append(run(first, end, self.segment))
        self.segment += 1

    @precondition(lambda self: self.partition.sealable)
    @rule(answered=st.booleans())
    def seal(self, answered: bool) -> None:
        end = self.partition.position
        self.metadata = self.partition.seal_with(end).encode()
        if answered:
            self.partition.ends.append(end)

    @precondition(lambda self: any(self.partition.sealed_windows()))
    @rule(answered=st.booleans(), committed=st.booleans())
    def ship(self, answered: bool, committed: bool) -> None:
        window = next(self.partition.sealed_windows())
        if window.overwrite:
            self.metadata = self.partition.claim().encode()
        self.lake.setdefault((window.first, window.end), set()).add(self.version)
        if not committed:
            return
        self.committed = window.end
        self.metadata = self.partition.seal_after(window.end).encode()
        if not self.shipped or self.shipped[-1].end < window.end:
            self.shipped.append(window)
        if answered:
            dropped = self.partition.commit(window.end)
            assert dropped == list(window.runs)

    @rule(data=st.data(), version=st.sampled_from("ab"))
    def crash(self, data: st.DataObject, version: str) -> None:
        """Kill -9; segments may be lost with the disk, and another version may take over."""
        segments = sorted({each.segment for each in self.files})
        lost = data.draw(st.sets(st.sampled_from(segments)) if segments else st.just(set()))
        self.files = [each for each in self.files if each.segment not in lost]
        self.version = version
        self.restart()

    @invariant()
    def committed_windows_tile_the_offsets(self) -> None:
        bounds = [0, *(window.end for window in self.shipped)]
        assert [window.first for window in self.shipped] == bounds[:-1]
        assert bounds[-1] == self.committed

    @invariant()
    def what_was_put_is_never_cut_otherwise(self) -> None:
        """A window once put is committed with the same bounds, or will be the next ones."""
        waiting = [0, *(window.end for window in self.shipped), *self.partition.ends]
        for first, end in self.lake:
            assert waiting.index(end) == waiting.index(first) + 1

    @invariant()
    def runs_follow_each_other_from_the_commit(self) -> None:
        position = self.partition.committed
        for each in self.partition.runs:
            assert each.first == position
            position = each.end
        assert position == self.partition.position

    @invariant()
    def each_run_is_in_exactly_one_window(self) -> None:
        runs = [each for window in self.partition.sealed_windows() for each in window.runs]
        for window in self.partition.sealed_windows():
            assert window.runs[0].first == window.first
            assert window.runs[-1].end == window.end
            assert sum(window.counts) == 2 * window.counts.records
        if self.partition.position >= self.partition.sealed_end:
            assert runs + self.partition.open_runs == self.partition.runs

    @invariant()
    def the_running_totals_are_the_sums_of_the_runs(self) -> None:
        partition = self.partition
        for totals, runs in (
            (partition.open, partition.open_runs),
            (partition.staged, partition.runs),
        ):
            assert totals.records == sum(each.records for each in runs)
            assert totals.bytes == sum(each.bytes for each in runs if each.records)
            found = [each.oldest for each in runs if each.records]
            assert totals.oldest == min(found, default=None)
        assert partition.is_open == bool(partition.open_runs)

    @invariant()
    def who_may_meet_objects_of_another_version_overwrites(self) -> None:
        for window in self.partition.sealed_windows():
            if self.lake.get((window.first, window.end), set()) - {self.version}:
                assert window.overwrite


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, derandomize=True)


def test_an_append_to_many_runs_counts_no_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Run] = []
    plus = Totals.plus

    def noted(totals: Totals, run: Run) -> Totals:
        counted.append(run)
        return plus(totals, run)

    monkeypatch.setattr(Totals, "plus", noted)
    partition = Partition(0, 0, 0, "v")
    limits = Limits(300, 10**12, 10**12)
    for first in range(3000):
        partition.runs.append(run(first, first + 1))
        assert not is_full(partition, limits)
        assert not is_due(partition, limits, 0, 0)
        assert partition.sealable
        assert partition.open_records == partition.staged.records == first + 1
    assert len(counted) == 2 * 3000  # once for what is staged, once for what is open


# ---- resume


@st.composite
def staged(draw: st.DrawFn) -> list[Run]:
    """Runs of several segments, with overlaps and holes, in any order."""
    made = []
    for segment in range(1, draw(st.integers(1, 4)) + 1):
        position = draw(st.integers(0, 30))
        for _ in range(draw(st.integers(0, 6))):
            position += draw(st.sampled_from([0, 0, 0, 1]))
            end = position + draw(st.integers(1, 8))
            made.append(run(position, end, segment))
            position = end
    return draw(st.permutations(made))


@settings(derandomize=True)
@given(
    runs=staged(),
    committed=st.integers(0, 40),
    start=st.integers(0, 40),
    ends=st.lists(st.integers(1, 50), max_size=3, unique=True).map(sorted),
)
def test_resume_keeps_a_chain_without_holes_that_crosses_no_end(
    runs: list[Run], committed: int, start: int, ends: list[int]
) -> None:
    kept = resume(committed, start, ends, runs)
    firsts = {each.first for each in runs}
    position = committed if committed in firsts else max(committed, start)
    for each in kept:
        assert each in runs
        assert each.first == position
        assert not any(each.first < end < each.end for end in ends)
        position = each.end
    furthest = max((each.end for each in runs if each.first == position), default=position)
    assert furthest == position or any(position < end < furthest for end in ends)


def test_resume_keeps_nothing_before_the_commit_or_after_a_hole() -> None:
    assert resume(5, 0, [], [run(0, 5), run(5, 7), run(8, 9)]) == [run(5, 7)]
    assert resume(6, 0, [], [run(0, 5), run(5, 7)]) == []
    assert resume(0, 5, [], [run(2, 5), run(5, 7)]) == [run(5, 7)]


def test_only_one_of_a_run_staged_twice_is_kept() -> None:
    again = run(0, 5, segment=2)
    assert resume(0, 0, [], [run(0, 3), again, run(3, 5)]) == [again]


# ---- what can be sealed


def test_a_window_without_a_record_is_not_sealed() -> None:
    partition = Partition(0, 0, 0, "v", runs=[run(0, 5, records=0)])
    assert not partition.sealable
    partition.runs.append(run(5, 6))
    assert partition.sealable


def test_an_open_window_is_not_sealable_when_the_list_of_ends_is_full() -> None:
    ends = list(range(10**18, 10**18 + 204))
    partition = Partition(0, 0, 0, "v", ends=ends, runs=[run(10**18 + 204, 10**18 + 205)])
    assert partition.open_records == 1
    assert not partition.sealable


def test_what_another_version_sealed_is_overwritten_by_every_later_owner() -> None:
    partition = Partition(0, 0, 0, "new", "old", [5], [run(0, 5), run(5, 8)])
    assert next(partition.sealed_windows()).overwrite
    assert partition.claim() == Seal(MIXED, (5,))
    seal = partition.seal_with(8)
    assert seal == Seal(MIXED, (5, 8))
    assert partition.seal_after(5) == UNSEALED
    partition.ends.append(8)
    assert partition.seal_after(5) == Seal(MIXED, (8,))


def test_once_inherited_windows_are_committed_the_version_is_the_workers_own() -> None:
    partition = Partition(0, 0, 0, "new", "old", [5], [run(0, 5), run(5, 8)])
    partition.commit(5)
    assert partition.seal_with(8) == Seal("new", (8,))


def test_a_blocked_partition_seals_and_ships_nothing_and_keeps_nothing() -> None:
    partition = Partition(0, 0, 0, "v", ends=[5], runs=[run(0, 5), run(5, 8)], opened=1.0)
    assert partition.sealable and list(partition.sealed_windows())
    partition.blocked = BLOCKED
    assert not partition.sealable
    assert not list(partition.sealed_windows())
    partition.block(BLOCKED)
    assert (partition.runs, partition.opened, partition.position) == ([], None, 0)


def test_a_flush_does_not_wait_for_a_blocked_partition() -> None:
    behind = Partition(0, 0, 0, "v", highwater=9)
    other = Partition(1, 0, 0, "v", runs=[run(0, 5)], highwater=5)
    targets = {0: 9, 1: 5}
    assert not is_flushing([behind, other], targets)
    behind.block(BLOCKED)
    assert is_flushing([behind, other], targets)
    assert not is_flushing([behind], targets)


def test_a_sealed_window_that_is_not_completely_staged_waits() -> None:
    partition = Partition(0, 0, 0, "v", ends=[5, 9], runs=[run(0, 5), run(5, 7)])
    assert [(w.first, w.end) for w in partition.sealed_windows()] == [(0, 5)]
    assert partition.open_runs == []
    assert partition.next_end() == 9


def test_counts_and_bytes_add_up_and_oldest_ignores_runs_without_records() -> None:
    runs = (
        run(0, 3, findings=2, rejects=1, oldest=50),
        run(3, 5, records=0, oldest=0),
        run(5, 7, findings=0, filtered=2, oldest=40),
    )
    window = Window(0, 0, 7, runs)
    assert window.counts == (5, 2, 1, 2)
    assert window.bytes == 500
    assert window.oldest == 40


# ---- when a window is due

LIMITS = Limits(interval=300, max_bytes=1_000_000, max_rows=1000)


def opened(**changes: Any) -> Partition:
    """An open window of ten records, 100 s old in Kafka and here; nothing more in Kafka."""
    values: dict[str, Any] = {
        "runs": [run(0, 10, oldest=1_000_000)],
        "opened": 5000.0,
        "highwater": 10,
    }
    return Partition(0, 0, 0, "v", **(values | changes))


@pytest.mark.parametrize(
    ("changes", "age", "here", "due"),
    [
        pytest.param({}, 100, 100, False, id="young"),
        pytest.param({}, 300, 100, True, id="old enough in Kafka"),
        pytest.param({}, 299.999, 100, False, id="a millisecond too young"),
        pytest.param({"highwater": 11}, 300, 100, False, id="old, but more is waiting in Kafka"),
        pytest.param({"highwater": 11}, 300, 300, True, id="open for the interval while behind"),
        pytest.param({}, -10_000, 100, False, id="the producer's clock is ahead"),
        pytest.param({}, -10_000, 300, True, id="ahead, but open here for the interval"),
        pytest.param({"sealed_at": 4990.0}, 10**9, 100, False, id="clock behind, just sealed"),
        pytest.param({"sealed_at": 4800.0}, 10**9, 100, True, id="clock behind, rested"),
        pytest.param({"opened": None}, 10**9, 10**9, False, id="not open"),
        pytest.param({"runs": []}, 10**9, 10**9, False, id="empty"),
        pytest.param({"runs": [run(0, 10, records=0)]}, 10**9, 10**9, False, id="no records"),
        pytest.param({"runs": [run(0, 1000)]}, 0, 0, True, id="rows reached"),
        pytest.param({"runs": [run(0, 999, oldest=10**6)]}, 0, 0, False, id="a row less"),
        pytest.param({"runs": [run(0, 9, bytes=10**6)]}, 0, 0, True, id="bytes reached"),
        pytest.param({"ends": [10]}, 10**9, 10**9, False, id="all of it is sealed already"),
        pytest.param({"ends": [50]}, 10**9, 10**9, False, id="inherited and not completely staged"),
    ],
)
def test_a_window_is_due_by_age_or_size(
    changes: dict[str, object], age: float, here: int, due: bool
) -> None:
    now_ms = 1_000_000 + round(age * 1000)
    assert is_due(opened(**changes), LIMITS, now_ms, 5000.0 + here) is due
