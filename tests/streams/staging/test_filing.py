"""Filing: the most frequent days and places of a window, and a note in whatever is moved."""

import json
from collections import Counter

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from streams.staging.filing import (
    DAY_NOTE,
    LATEST,
    MOST_DAYS,
    MOST_OBJECTS,
    MOST_RECORD_DAYS,
    REGION_NOTE,
    days_of,
    limit,
    name_of,
    noted,
    number_of,
    record_days,
    too_many,
)

DAY_MS = 86_400_000
HOME = "us-east-1/000000000000"
DAYS = st.integers(-400, 3000)
FINDINGS = st.lists(st.tuples(DAYS, st.integers(0, 60)), min_size=1, max_size=300)


@given(FINDINGS)
@example([(day, 20_000) for day in range(3000)])
@example([(day, 20_000 + day) for day in range(3000)])
@example([(day % 33, day % 2) for day in range(3000)])
def test_a_finding_is_under_its_own_day_or_its_records_or_one_that_is_there(
    findings: list[tuple[int, int]],
) -> None:
    own, recorded = zip(*findings, strict=True)
    filing = limit(Counter(own), Counter(recorded), {HOME: 1}, HOME)
    filed = filing.of(pa.array(own, pa.int32()), pa.array(recorded, pa.int32())).to_pylist()
    assert len(set(filed)) <= MOST_DAYS
    for (day, of_record), found in zip(findings, filed, strict=True):
        allowed = [each for each in (day, of_record, filing.other) if each in filing.days]
        assert found == allowed[0]
    if len(set(own)) <= MOST_DAYS:
        assert filed == list(own)
    elif len(set(recorded)) <= MOST_RECORD_DAYS:
        assert set(recorded) <= filing.days


def test_the_days_of_most_findings_stay_whatever_comes_before_them() -> None:
    strange = [20_000 + day for day in range(1000)]
    usual = [7] * 3 + [8] * 2
    filing = limit(Counter(strange + usual), Counter([9] * 1005), {HOME: 1}, HOME)
    assert {7, 8, 9} < filing.days
    assert sorted(filing.days)[3:] == strange[: MOST_DAYS - 3]
    assert filing == limit(Counter(usual + strange[::-1]), Counter([9] * 1005), {HOME: 1}, HOME)


@given(st.integers(-62_135_596_800_000, LATEST))
@example(-1)
@example(-DAY_MS)
@example(LATEST)
def test_a_day_has_one_name_and_one_number(time: int) -> None:
    (number,) = days_of(pa.array([time], pa.int64())).to_pylist()
    assert number == time // DAY_MS
    assert number_of(name_of(number)) == number
    assert len(name_of(number)) == 8


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_timestamp_has_a_day(timestamp: int) -> None:
    (number,) = record_days([timestamp]).to_pylist()
    assert "19700101" <= name_of(number) <= "99991231"


PLACES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([*range(40), *range(1000)])), max_size=900
)


@given(PLACES)
@example([(day, number) for day in range(33) for number in range(20)])
@example([(0, number) for number in range(MOST_OBJECTS + 1)])
@example([(number % 2, number) for number in range(MOST_OBJECTS)])
def test_there_are_at_most_512_objects_and_the_most_frequent_places_stay(
    findings: list[tuple[int, int]],
) -> None:
    days = [day for day, _ in findings] or [0]
    own = [f"eu-west-1/{number:012d}" for _, number in findings] or [HOME]
    counts = Counter(own)
    filing = limit(Counter(days), Counter([9]), counts, HOME)
    filed = filing.places_of(pa.array(own, pa.string())).to_pylist()
    assert len(filing.days) * len(set(filed)) <= MOST_OBJECTS
    assert all(found in (place, HOME) for found, place in zip(filed, own, strict=True))
    moved = {place for place, found in zip(own, filed, strict=True) if place != found}
    stayed = set(own) - moved
    assert not moved or len(stayed | {HOME}) == MOST_OBJECTS // len(filing.days)
    assert all(counts[one] <= counts[other] for one in moved for other in stayed - {HOME})
    assert filing == limit(Counter(days[::-1]), Counter([9]), Counter(own[::-1]), HOME)


def test_windows_of_the_usual_size_are_not_limited() -> None:
    assert not too_many(MOST_DAYS, 16)
    assert not too_many(2, 256)
    assert too_many(MOST_DAYS + 1, 1)
    assert too_many(2, 257)


def test_a_note_never_takes_the_place_of_a_field() -> None:
    assert json.loads(noted("{}", {DAY_NOTE: "19700101"})) == {DAY_NOTE: "19700101"}
    fields = {DAY_NOTE: "mine", f"alert.{DAY_NOTE}": "too", "é": '"\\'}
    found = json.loads(noted(json.dumps(fields), {DAY_NOTE: "19700201", REGION_NOTE: "x"}))
    assert found == fields | {f"alert.alert.{DAY_NOTE}": "19700201", REGION_NOTE: "x"}
