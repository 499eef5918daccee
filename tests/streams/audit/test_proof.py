"""The proof accepts every whole lake and names each kind of damage."""

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audit.coverage import Coverage, Known, Stored, arrange
from streams.audit.proof import check, day
from streams.lake.keys import Footer, ObjectKey, Unread
from streams.windows.letters import Letters
from streams.windows.window import Counts

TOPIC = "alerts"
#: Noon of 2026-11-23, epoch ms.
NOON = 1_795_435_200_000
DAYS = {"20261123": NOON, "20261124": NOON + 86_400_000}


def stored(
    first: int, end: int, *, event_day: str = "20261123", says: Any = None, **said: Any
) -> Stored:
    """An object that is right, but for what is said otherwise."""
    counts = {"records": end - first, "rejects": 0, "filtered": 0}
    counts |= {name: said.pop(name) for name in Counts._fields if name in said}
    left = counts["records"] - counts["rejects"] - counts["filtered"]
    counts.setdefault("findings", left)
    place = ObjectKey("eu-west-1", said.pop("account", "1" * 12), event_day, TOPIC, 0, first, end)
    rows = said.pop("rows", counts["findings"])
    times = said.pop("times", (DAYS[event_day], DAYS[event_day] + 5) if rows else None)
    assert not said, "no such thing in a footer"
    footer = Footer(TOPIC, 0, first, end, Counts(**counts), "1", rows, times)
    footer = footer._replace(**says or {})
    return Stored(place.under("ext/falco"), place, 1000, footer)


def prove(*objects: Stored, known: Known | None = None, letters: Letters | None = None) -> Coverage:
    windows = arrange(objects).get((TOPIC, 0), [])
    return check(TOPIC, 0, windows, known, letters)


def kinds(found: Coverage) -> list[tuple[str, int | None, int | None]]:
    return [(problem.kind, problem.first, problem.end) for problem in found.problems]


def at(committed: int | None, *sealed: int, begin: int = 0, end: int = 1000) -> Known:
    return Known(begin, end, committed, committed, sealed)


# ---- whole lakes


@dataclass
class Lake:
    """A lake without a fault, and all that is known of it."""

    bounds: list[int]
    objects: list[Stored] = field(default_factory=list)
    letters: list[int] = field(default_factory=list)


@st.composite
def lakes(draw: st.DrawFn) -> Lake:
    """Windows of two days at most, with rejects, filtered records and offsets without a record."""
    first = draw(st.integers(0, 5))
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    lake = Lake(list(accumulate(lengths, initial=first)))
    for low, high in pairwise(lake.bounds):
        offsets = draw(st.permutations(range(low, high)))
        cuts = sorted(draw(st.tuples(*[st.integers(0, high - low)] * 4)))
        one, two, refused, filtered = (b - a for a, b in pairwise([0, *cuts]))
        lake.letters += offsets[cuts[1] : cuts[2]]
        counts = Counts(one + two + refused + filtered, one + two, refused, filtered)
        rows = {"20261123": one, "20261124": two}
        for event_day, count in rows.items():
            if count or (event_day == "20261123" and not two):
                lake.objects.append(
                    stored(low, high, event_day=event_day, rows=count, **counts._asdict())
                )
    return lake


@given(lake=lakes(), data=st.data())
def test_a_whole_lake_has_no_problem(lake: Lake, data: st.DataObject) -> None:
    first, *_, last = lake.bounds
    committed = data.draw(st.sampled_from(lake.bounds), "committed")
    begin = data.draw(st.integers(first, committed), "begin")
    sealed = tuple(end for end in lake.bounds if end > committed)
    letters = Letters({0: sorted(offset for offset in lake.letters if offset < committed)})

    assert prove(*lake.objects).problems == []
    found = prove(*lake.objects, known=Known(begin, last, committed, committed, sealed))
    assert found.problems == []
    found = prove(*lake.objects, known=at(committed, *sealed, begin=first), letters=letters)
    assert found.problems == []
    assert found.bounds == (first, last)
    assert found.counts.records + found.absent == last - first


@given(lake=lakes(), data=st.data())
def test_no_object_can_go_unnoticed(lake: Lake, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(lake.objects))
    rest = [each for each in lake.objects if each is not lost]
    alone = not any(each.place[-2:] == lost.place[-2:] for each in rest)
    first, end = lost.place[-2:]

    found = prove(*rest, known=at(lake.bounds[-1], begin=lake.bounds[0]))
    assert [kind for kind, *_ in kinds(found)] == ["gap" if alone else "short"]
    problem = found.problems[0]
    assert problem.first is not None
    assert problem.end is not None
    assert problem.first <= first < end <= problem.end
    if not alone:
        assert kinds(prove(*rest)) == [("short", first, end)]
    elif lake.bounds[0] < first and end < lake.bounds[-1]:
        assert kinds(prove(*rest)) == [("gap", first, end)]


@given(lake=lakes(), data=st.data())
def test_no_object_can_be_doubled_unnoticed(lake: Lake, data: st.DataObject) -> None:
    with_rows = [each for each in lake.objects if each.footer.rows]
    if with_rows:
        one = data.draw(st.sampled_from(with_rows))
        other = stored(
            *one.place[-2:],
            event_day=one.place.event_day,
            account="2" * 12,
            rows=one.footer.rows,
            **one.footer.counts._asdict(),
        )
        assert kinds(prove(*lake.objects, other)) == [("excess", *one.place[-2:])]


# ---- the chain


def test_a_hole_between_windows_is_a_gap() -> None:
    objects = stored(0, 5), stored(7, 12)
    assert kinds(prove(*objects)) == [("gap", 5, 7)]
    assert kinds(prove(*objects, known=at(12))) == [("gap", 5, 7)]


def test_a_hole_that_kafka_no_longer_has_is_lost() -> None:
    objects = stored(0, 5), stored(9, 12)
    assert kinds(prove(*objects, known=at(12, begin=9))) == [("lost", 5, 9)]
    assert kinds(prove(*objects, known=at(12, begin=7))) == [("lost", 5, 7), ("gap", 7, 9)]
    assert kinds(prove(*objects, known=at(12, begin=12))) == [("lost", 5, 9)]


def test_the_lake_must_reach_from_kafkas_first_to_the_committed_offset() -> None:
    found = prove(stored(3, 5), known=at(9))
    assert kinds(found) == [("gap", 0, 3), ("gap", 5, 9)]
    assert kinds(prove(known=at(9))) == [("gap", 0, 9)]
    assert kinds(prove(stored(3, 9), known=at(9, begin=3))) == []
    assert kinds(prove(known=at(None))) == []


def test_what_kafka_deleted_before_it_was_read_is_lost() -> None:
    assert kinds(prove(stored(0, 5), known=at(5, begin=8))) == [("lost", 5, 8)]


def test_windows_that_share_offsets_overlap() -> None:
    assert kinds(prove(stored(0, 10), stored(9, 12))) == [("overlap", 9, 10)]
    assert kinds(prove(stored(0, 10), stored(0, 4))) == [("overlap", 0, 4)]
    assert kinds(prove(stored(0, 10), stored(2, 4), stored(9, 12), known=at(12))) == [
        ("overlap", 2, 4),
        ("overlap", 9, 10),
    ]


def test_windows_of_two_topics_of_one_name_overlap() -> None:
    one, two = {"topic_id": "first"}, {"topic_id": "second"}
    assert kinds(prove(stored(0, 10, says=one), stored(10, 12, says=two))) == []
    (problem,) = prove(stored(0, 10, says=one), stored(9, 12, says=two)).problems
    assert (problem.kind, problem.first, problem.end) == ("overlap", 9, 10)
    assert "two topics of this name, with the ids first and second" in problem.message
    # Two windows of the same bounds have different keys if their alerts are of different days.
    counts: Any = {"records": 10, "findings": 10, "rows": 5}
    same = [
        stored(0, 10, says=one, **counts),
        stored(0, 10, says=two, event_day="20261124", **counts),
    ]
    (problem,) = prove(*same).problems
    assert (problem.kind, problem.first, problem.end) == ("overlap", 0, 10)
    assert "first and second" in problem.message


def test_sealed_windows_may_be_past_the_committed_offset() -> None:
    objects = stored(0, 5), stored(5, 8), stored(8, 9)
    assert kinds(prove(*objects, known=at(5, 8, 9))) == []
    assert kinds(prove(*objects[:2], known=at(5, 8, 9))) == []
    assert kinds(prove(objects[0], objects[2], known=at(5, 8, 9))) == []


def test_windows_that_nobody_sealed_are_beyond() -> None:
    objects = stored(0, 5), stored(5, 8), stored(8, 9)
    assert kinds(prove(*objects, known=at(5))) == [("beyond", 5, 9)]
    assert kinds(prove(*objects, known=at(5, 8))) == [("beyond", 8, 9)]
    assert kinds(prove(*objects, known=at(7, 8))) == [("beyond", 5, 9)]
    (problem,) = prove(*objects, known=at(None)).problems
    assert (problem.kind, problem.first, problem.end) == ("beyond", 0, 9)
    assert "3 windows without a seal, but the group has committed nothing" in problem.message


def test_a_commit_past_kafkas_end_is_beyond() -> None:
    assert kinds(prove(stored(0, 9), known=at(9, end=4))) == [("beyond", 4, 9)]


def test_what_is_shipped_during_the_audit_is_no_problem() -> None:
    known = Known(0, 30, committed=5, committed_since=20, sealed=(25,))
    late = stored(10, 20, records=10, rows=3)
    assert kinds(prove(stored(0, 5), late, stored(20, 25), known=known)) == []
    assert kinds(prove(stored(0, 5), stored(20, 26), known=known)) == [("beyond", 20, 26)]


# ---- objects and windows


@pytest.mark.parametrize(
    ("objects", "expected", "said"),
    [
        ([stored(0, 9, rows=8)], "short", "8 rows in 1 object, but 9 findings"),
        ([stored(0, 9, rows=10)], "excess", "10 rows"),
        ([stored(0, 9, records=10)], "counts", "10 records do not fit into 9 offsets"),
        ([stored(0, 9, findings=7, rejects=1)], "counts", "records are not the sum"),
        ([stored(0, 9, findings=10, rejects=-1)], "counts", "records are not the sum"),
        (
            [stored(0, 9, says={"partition": 1})],
            "foreign",
            "its key says partition 0; its footer says 1",
        ),
        ([stored(0, 9, says={"end": 8})], "foreign", "its key says end 9; its footer says 8"),
        (
            [stored(0, 9, says={"topic": "b"})],
            "foreign",
            "its key says topic alerts; its footer says b",
        ),
        (
            [stored(0, 9, says={"partition": 1, "first": 2})],
            "foreign",
            "its key says partition 0, first 0; its footer says 1, 2",
        ),
        ([stored(0, 9, times=(NOON, NOON + 43_200_000))], "misplaced", "20261123 to 20261124"),
        ([stored(0, 9, times=(NOON - 86_400_000, NOON))], "misplaced", "20261122 to 20261123"),
        ([stored(0, 9, times=(1 << 62, 1 << 62))], "misplaced", f"{1 << 62} ms"),
        ([stored(0, 9, says={"repeated": 9})], "counts", "9 of 9 records cannot be repeated"),
        ([stored(0, 9, says={"repeated": -1})], "counts", "cannot be repeated"),
        ([stored(0, 9, says={"other_days": 10})], "counts", "10 of 9 findings cannot be of other"),
        (
            [
                stored(0, 9, rows=5, says={"repeated": 1}),
                stored(0, 9, rows=4, says={"repeated": 2}, event_day="20261124"),
            ],
            "disagreement",
            "1 repeated against",
        ),
        ([stored(0, 9, times=None)], "foreign", "its footer lacks the times of its rows"),
        ([stored(0, 9)._replace(footer=Unread("torn"))], "unreadable", "torn"),
        ([stored(0, 9)._replace(footer=Unread("theirs", foreign=True))], "foreign", "theirs"),
        (
            [stored(0, 9, rows=5), stored(0, 9, rows=4, filtered=5, event_day="20261124")],
            "disagreement",
            "9 findings",
        ),
        (
            [
                stored(0, 9, rows=5),
                stored(0, 9, rows=4, says={"mapping_version": "2"}, event_day="20261124"),
            ],
            "disagreement",
            "1 against 2",
        ),
    ],
)
def test_damage_is_named(objects: list[Stored], expected: str, said: str) -> None:
    found = prove(*objects)
    (problem,) = (problem for problem in found.problems if problem.kind == expected)
    assert said in problem.message
    assert (problem.topic, problem.partition, problem.first, problem.end) == (TOPIC, 0, 0, 9)
    if expected in {"foreign", "misplaced", "unreadable"}:
        assert problem.key == objects[0].key


def test_rows_of_other_days_are_right_where_the_window_says_so() -> None:
    times = (NOON, NOON + 43_200_000)
    assert prove(stored(0, 9, times=times, says={"other_days": 1})).problems == []


def test_repeated_records_are_a_number_and_no_problem() -> None:
    found = prove(stored(0, 9, says={"repeated": 4}), stored(9, 12), stored(12, 20))
    assert (found.problems, found.repeated, found.plain()["repeated"]) == ([], 4, 4)


def test_a_window_without_findings_is_one_empty_object() -> None:
    found = prove(stored(0, 4, filtered=1, rejects=3), stored(4, 9), known=at(9))
    assert found.problems == []
    assert found.counts == Counts(9, 5, 3, 1)


def test_the_year_1_and_the_year_9999_are_days() -> None:
    assert day(-62_135_596_800_000) == "00010101"
    assert day(253_402_300_799_999) == "99991231"
    assert day(253_402_300_800_000) == "253402300800000 ms"


# ---- dead letters


def test_every_reject_has_its_dead_letter() -> None:
    objects = stored(0, 5, rejects=2), stored(5, 9, rejects=1)
    whole = Letters({0: [1, 4, 5], 1: [7]})
    found = prove(*objects, known=at(9), letters=whole)
    assert (found.problems, found.letters) == ([], 3)
    short = prove(*objects, known=at(9), letters=Letters({0: [1, 5]}))
    assert kinds(short) == [("dead-letters", 0, 5)]
    over = prove(*objects, known=at(9), letters=Letters({0: [1, 4, 5, 6]}))
    assert kinds(over) == [("dead-letters", 5, 9)]


def test_letters_that_kafka_deleted_do_not_count_as_missing() -> None:
    window = stored(0, 5, rejects=2)
    assert kinds(prove(window, known=at(5), letters=Letters({0: [4]}, trimmed=True))) == []
    over = Letters({0: [1, 2, 4]}, trimmed=True)
    assert kinds(prove(window, known=at(5), letters=over)) == [("dead-letters", 0, 5)]


def test_letters_of_a_window_on_its_way_are_not_counted_yet() -> None:
    objects = stored(0, 5), stored(5, 9, rejects=2)
    assert kinds(prove(*objects, known=at(5, 9), letters=Letters({0: [6]}))) == []


# ---- a part of the lake


def test_problems_outside_the_selected_windows_are_left_out() -> None:
    objects = [stored(0, 5), stored(6, 9), stored(9, 12), stored(14, 20)]
    windows = arrange(objects)[TOPIC, 0]
    for window in windows:
        window.selected = window.first == 9
    assert kinds(check(TOPIC, 0, windows, at(30), whole=False)) == [("gap", 12, 14)]
    windows[2].selected, windows[1].selected = False, True
    assert kinds(check(TOPIC, 0, windows, at(30), whole=False)) == [("gap", 5, 6)]
