"""Values of an answer as JSON and as text."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from streams.query.values import plain, text, unique


@pytest.mark.parametrize(
    ("value", "as_json", "as_text"),
    [
        (None, None, ""),
        (True, True, "true"),
        ("a\nb", "a\nb", "a\nb"),
        (Decimal(99999999999999999999), 99999999999999999999, "99999999999999999999"),
        (Decimal("1.50"), 1.5, "1.5"),
        (float("nan"), None, ""),
        (b"\x00\xff", "AP8=", "AP8="),
        (date(2026, 1, 2), "2026-01-02", "2026-01-02"),
        (
            datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - as Arrow has it
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T03:04:05.000Z",
        ),
        (
            datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
            "2026-01-02T03:04:05.000006Z",
            "2026-01-02T03:04:05.000006Z",
        ),
        ([{"a": None, "b": [None, "é"]}], [{"b": [None, "é"]}], '[{"b": [null, "é"]}]'),
    ],
)
def test_a_value_is_json_and_text(value: Any, as_json: Any, as_text: str) -> None:
    assert (plain(value), text(value)) == (as_json, as_text)


def test_a_name_that_was_there_gets_a_number() -> None:
    assert unique(["a", "b", "a", "a_1", "a"]) == ["a", "b", "a_1", "a_1_1", "a_2"]
