"""Filing: at most 32 days a window, the most frequent ones, and a note in whatever is moved."""

import json
from collections import Counter

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from streams.staging.filing import (
    LATEST,
    MOST_DAYS,
    MOST_RECORD_DAYS,
    NOTE,
    days_of,
    limit,
    name_of,
    noted,
    number_of,
    record_days,
)

DAY_MS = 86_400_000
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
    filing = limit(Counter(own), Counter(recorded))
    filed = filing.of(pa.array(own, pa.int32()), pa.array(recorded, pa.int32())).to_pylist()
    assert len(set(filed)) <= MOST_DAYS
    for (day, of_record), found in zip(findings, filed, strict=True):
        allowed = [each for each in (day, of_record, filing.other) if each in filing.days]
        assert found == allowed[0]
    if len(set(recorded)) <= MOST_RECORD_DAYS:
        assert set(recorded) <= filing.days


def test_the_days_of_most_findings_stay_whatever_comes_before_them() -> None:
    strange = [20_000 + day for day in range(1000)]
    usual = [7] * 3 + [8] * 2
    filing = limit(Counter(strange + usual), Counter([9] * 1005))
    assert {7, 8, 9} < filing.days
    assert sorted(filing.days)[3:] == strange[: MOST_DAYS - 3]
    assert filing == limit(Counter(usual + strange[::-1]), Counter([9] * 1005))


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


def test_a_note_never_takes_the_place_of_a_field() -> None:
    assert json.loads(noted("{}", 0)) == {NOTE: "19700101"}
    fields = {NOTE: "mine", f"alert.{NOTE}": "too", "é": '"\\'}
    found = json.loads(noted(json.dumps(fields), 31))
    assert found == fields | {f"alert.alert.{NOTE}": "19700201"}
