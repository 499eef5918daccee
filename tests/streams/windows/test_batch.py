"""Batches: cut where windows end, and counted so that nothing gets lost."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.windows.batch import PIECE_BYTES, Batch, Rejected, split, tabulate
from tests.streams.falco_records import (
    ACCOUNT,
    DAY,
    MAPPING,
    NOW,
    OTHER_MAPPING,
    REGION,
    Message,
    alert,
    messages,
    mixed,
)

MANY = 1000


def batch(offsets: Iterable[int], first: int | None = None, end: int | None = None) -> Batch:
    offsets = list(offsets)
    first = offsets[0] if first is None else first
    end = offsets[-1] + 1 if end is None else end
    return Batch(0, first, end, messages(offsets, lambda _: b"x"), 1, end)


def pieces(
    made: Batch,
    ends: Iterable[int] = (),
    room: int = MANY,
    max_rows: int = MANY,
    max_bytes: int = PIECE_BYTES,
) -> list[tuple[int, int, list[int]]]:
    found = split(made, list(ends), room, max_rows, max_bytes)
    return [(first, end, [each.offset for each in records]) for first, end, records in found]


def test_without_ends_a_batch_stays_whole_with_its_gaps() -> None:
    assert pieces(batch([3, 4, 8], first=2, end=11)) == [(2, 11, [3, 4, 8])]


def test_a_batch_is_cut_at_every_sealed_end_inside_it() -> None:
    assert pieces(batch(range(10)), [0, 4, 7, 10, 20]) == [
        (0, 4, [0, 1, 2, 3]),
        (4, 7, [4, 5, 6]),
        (7, 10, [7, 8, 9]),
    ]


def test_an_end_in_a_gap_cuts_the_gap() -> None:
    assert pieces(batch([0, 8], end=9), [5]) == [(0, 5, [0]), (5, 9, [8])]


def test_a_piece_between_two_ends_may_have_no_record() -> None:
    assert pieces(batch([0, 8], end=9), [3, 6]) == [(0, 3, [0]), (3, 6, []), (6, 9, [8])]


def test_the_open_window_is_cut_where_it_is_full() -> None:
    assert [end - first for first, end, _ in pieces(batch(range(10)), room=3, max_rows=4)] == [
        3,
        4,
        3,
    ]


def test_a_cut_for_size_is_right_after_a_record_and_gaps_go_to_the_next_piece() -> None:
    assert pieces(batch([0, 5, 9], end=20), room=1, max_rows=2) == [
        (0, 1, [0]),
        (1, 20, [5, 9]),
    ]


def test_a_window_that_could_not_be_sealed_just_grows() -> None:
    assert pieces(batch(range(10)), room=0, max_rows=4) == [(0, 10, list(range(10)))]
    assert pieces(batch(range(10)), room=-7, max_rows=4) == [(0, 10, list(range(10)))]


def test_size_does_not_cut_what_is_sealed_already() -> None:
    assert pieces(batch(range(10)), [8], room=3, max_rows=3) == [
        (0, 8, list(range(8))),
        (8, 10, [8, 9]),
    ]


def sized(sizes: Sequence[int]) -> Batch:
    made = batch(range(len(sizes)), end=len(sizes) + 3)
    for record, size in zip(made.records, sizes, strict=True):
        record.value = b"x" * size if size else None
    return made


@pytest.mark.parametrize("ends", [[], [30]])
def test_a_piece_has_no_more_bytes_than_it_may_or_one_record(ends: list[int]) -> None:
    """In a sealed window as in an open one; what follows the last record is of the last piece."""
    assert pieces(sized([4, 6, 1, 0, 25, 3, 8]), ends, max_bytes=10) == [
        (0, 2, [0, 1]),
        (2, 4, [2, 3]),
        (4, 5, [4]),
        (5, 6, [5]),
        (6, 10, [6]),
    ]


def test_bytes_and_rows_both_cut() -> None:
    found = pieces(sized([5, 5, 5, 1, 1, 1]), room=1, max_rows=3, max_bytes=10)
    assert [ids for _, _, ids in found] == [
        [0],
        [1, 2],
        [3],
        [4, 5],
    ]


def test_ends_that_appear_while_a_batch_is_staged_are_respected() -> None:
    ends: list[int] = []
    found = []
    for first, end, records in split(batch(range(10)), ends, 4, 4):
        found.append((first, end, len(records)))
        ends.append(end)
    assert found == [(0, 4, 4), (4, 8, 4), (8, 10, 2)]


@settings(derandomize=True)
@given(
    data=st.data(),
    offsets=st.sets(st.integers(5, 60), min_size=1).map(sorted),
    ends=st.sets(st.integers(0, 70)).map(sorted),
    max_rows=st.integers(1, 20),
)
def test_pieces_cover_the_batch_and_cross_no_end(
    data: st.DataObject, offsets: list[int], ends: list[int], max_rows: int
) -> None:
    room = data.draw(st.integers(-3, max_rows))
    made = batch(offsets, first=data.draw(st.integers(0, offsets[0])), end=62)
    found = pieces(made, ends, room, max_rows)
    assert [first for first, _, _ in found] == [made.first, *(end for _, end, _ in found[:-1])]
    assert found[-1][1] == made.end
    assert [offset for _, _, records in found for offset in records] == offsets
    for first, end, records in found:
        assert first < end
        assert all(first <= offset < end for offset in records)
        assert not any(first < sealed < end for sealed in ends)


# ---- tabulate


def test_records_are_findings_rejects_and_filtered() -> None:
    made = messages(range(40), mixed)
    found = tabulate(OTHER_MAPPING, 3, 0, 40, made)
    assert (found.partition, found.first, found.end) == (3, 0, 40)
    assert found.records == 40
    assert len(found.rejects) == sum(number % 7 == 3 for number in range(40))
    assert found.filtered == 40 - len(found.rejects)
    warnings = tabulate(OTHER_MAPPING, 3, 0, 2, [Message(0, alert(0, priority="Error"))])
    assert (len(warnings.findings), warnings.filtered) == (1, 0)


@settings(derandomize=True)
@given(values=st.lists(st.one_of(st.none(), st.binary(max_size=50), st.just(alert())), max_size=30))
def test_every_record_is_counted_once_whatever_it_holds(values: list[bytes | None]) -> None:
    made = [Message(offset, value) for offset, value in enumerate(values)]
    found = tabulate(MAPPING, 0, 0, len(values), made)
    assert len(found.offsets) == len(found.findings)
    offsets = found.offsets + [reject.offset for reject in found.rejects]
    assert sorted(offsets) == list(range(len(values)))
    assert found.records == len(values)
    assert found.bytes == sum(len(value or b"") for value in values)


def test_a_reject_keeps_the_record_as_it_came() -> None:
    made = [Message(7, b"not json", 123, b"key"), Message(9, None, -1), Message(10, b"", 5)]
    found = tabulate(MAPPING, 2, 7, 11, made)
    assert [reject._replace(reason="") for reject in found.rejects] == [
        Rejected(7, 123, b"key", b"not json", ""),
        Rejected(9, -1, None, None, ""),
        Rejected(10, 5, None, b"", ""),
    ]
    assert all(reject.reason for reject in found.rejects)
    assert found.oldest == -1


def test_a_finding_is_filed_under_its_alerts_day() -> None:
    found = tabulate(MAPPING, 0, 5, 6, [Message(5, alert(5))])
    ((offset, finding),) = zip(found.offsets, found.findings, strict=True)
    assert (offset, finding.time) == (5, NOW + 5)
    assert (finding.region, finding.account_id, finding.event_day) == (REGION, ACCOUNT, DAY)
    assert finding.raw_data == alert(5).decode()
    assert found.bytes == len(alert(5))
    assert found.oldest == NOW


def test_no_records_make_no_rows() -> None:
    found = tabulate(MAPPING, 0, 5, 9, [])
    assert (found.records, found.bytes, found.oldest) == (0, 0, 0)


def test_what_a_producer_sends_twice_is_two_findings_of_one_uid() -> None:
    twice = tabulate(MAPPING, 0, 0, 2, messages([0, 1], lambda _: alert(7)))
    assert (twice.rejects, len(twice.findings)) == ([], 2)
    first, second = (MAPPING.finding(alert(7), NOW + offset) for offset in (0, 1))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["metadata"]["uid"] == second["metadata"]["uid"]
    assert first["metadata"]["logged_time"] != second["metadata"]["logged_time"]
