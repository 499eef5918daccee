"""An alert's time is read to the nanosecond, or the alert is a reject."""

from __future__ import annotations

import pytest

from schemas.mapping import Reject
from tests.alerts import SHELL, native
from tests.schemas.kinds import OLD, finding_of, mapped


@pytest.mark.parametrize(
    "text", ["2026", "yesterday", "2026-07-04T20:46:44.1e5Z", "٢٠٢٦-07-04T20:46:44Z"]
)
def test_an_invalid_time_is_a_reject(text: str) -> None:
    fields = {"proc.name": "sh"}
    record = native({**SHELL, "time": text, "output_fields": fields})

    assert OLD.map(record, 0) == Reject("The alert has no valid time.")


@pytest.mark.parametrize("text", ["2026", "2026-07-10 12:00:00.123", ""])
@pytest.mark.parametrize(
    "fields",
    [
        {"evt.time": 1783684800123456789},
        {"evt.time.iso8601": 1783684800123456789},
        {"evt.time.iso8601": "2026-07-10T12:00:00.123456789+0000"},
        {"evt": {"time": 1783684800123456789}},
    ],
)
def test_a_time_that_cannot_be_read_gives_way_to_the_fields(text: str, fields: object) -> None:
    record = native({**SHELL, "time": text, "output_fields": fields})

    assert mapped(OLD, record).time == 1783684800123


@pytest.mark.parametrize(
    ("text", "ms", "day"),
    [
        ("1970-01-01T00:00:00Z", 0, "19700101"),
        ("1969-12-31T23:59:59.999999999Z", -1, "19691231"),
        ("2026-07-04T20:46:44.180672852Z", 1_783_198_004_180, "20260704"),
        ("2026-07-04T20:46:44.1806728529999Z", 1_783_198_004_180, "20260704"),
        ("2026-07-04T20:46:44.18Z", 1_783_198_004_180, "20260704"),
        ("2026-07-05T00:46:44.18+04:00", 1_783_198_004_180, "20260704"),
        ("2026-07-04T20:46:44.180672852+0000", 1_783_198_004_180, "20260704"),
        ("0001-01-01T00:00:00.000Z", -62_135_596_800_000, "00010101"),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999, "99991231"),
    ],
)
def test_a_time_is_rounded_down_to_its_millisecond(text: str, ms: int, day: str) -> None:
    found = mapped(OLD, native({**SHELL, "time": text}))
    finding = finding_of(OLD, native({**SHELL, "time": text}))

    assert (found.time, found.event_day) == (ms, day)
    assert finding["time"] == finding["finding_info"]["created_time"] == ms
    assert finding["time_dt"].startswith(f"{day[:4]}-{day[4:6]}-{day[6:]}T")
    assert finding["time_dt"].endswith(f".{ms % 1000:03d}Z")
    assert finding["metadata"]["original_time"] == text
