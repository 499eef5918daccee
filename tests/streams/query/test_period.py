"""Which days a period has, and which rows."""

import pytest

from streams.query.period import ALWAYS, Period

#: 2026-01-02T00:00Z and one day.
MIDNIGHT, DAY = 1_767_312_000_000, 86_400_000


@pytest.mark.parametrize(
    ("period", "days"),
    [
        (ALWAYS, "01 02 03 04"),
        (Period(MIDNIGHT, None), "02 03 04"),
        (Period(MIDNIGHT - 1, None), "01 02 03 04"),
        (Period(None, MIDNIGHT), "01"),
        (Period(None, MIDNIGHT + 1), "01 02"),
        (Period(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY), "03"),
    ],
)
def test_a_period_has_the_days_that_it_touches(period: Period, days: str) -> None:
    found = [day for day in ("01", "02", "03", "04") if period.has(f"202601{day}")]
    assert found == days.split()


def test_the_end_is_not_part_of_it() -> None:
    assert Period(1, 2).condition() == "time >= 1 AND time < 2"
    assert ALWAYS.condition() == "true"
