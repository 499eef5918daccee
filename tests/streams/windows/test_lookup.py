"""Where a partition without a committed offset goes on: only where the lake proves it."""

from typing import Any

import pytest

from streams.windows.lookup import GoOn, Tail, decide
from streams.windows.seal import MIXED
from streams.windows.window import Blocked

OWN = "own-id"


def tail(**said: Any) -> Tail:
    whole = Tail(40, 60, frozenset({OWN}), frozenset({"m"}), 40)
    return whole._replace(**said)


def test_without_windows_it_begins_with_the_first_record() -> None:
    assert decide(None, OWN, 7, 100) == GoOn(7)
    assert decide(None, "", 7, 100) == GoOn(7), "a broker without ids"


def test_the_last_window_is_shipped_again_with_its_bounds() -> None:
    assert decide(tail(), OWN, 0, 100) == GoOn(40, (60,), "m")
    assert decide(tail(), OWN, 40, 60) == GoOn(40, (60,), "m")


def test_windows_of_several_mappings_are_overwritten() -> None:
    found = decide(tail(versions=frozenset({"m", "n"})), OWN, 0, 100)
    assert found == GoOn(40, (60,), MIXED)


@pytest.mark.parametrize("start", [41, 60, 61])
def test_a_last_window_whose_records_are_gone_stays_as_it_is(start: int) -> None:
    assert decide(tail(), OWN, start, 100) == GoOn(60)


@pytest.mark.parametrize(
    ("found", "topic_id", "kind", "said"),
    [
        (tail(ids=frozenset({"old"})), OWN, "recreated", "its id was old, now it is own-id"),
        (tail(ids=frozenset({"old", OWN})), OWN, "recreated", "its id was old"),
        (tail(ids=frozenset({"old", ""})), OWN, "recreated", "its id was old"),
        (tail(ids=frozenset({""})), OWN, "overlap", "no topic id proves"),
        (tail(ids=frozenset({"", OWN})), OWN, "overlap", "no topic id proves"),
        (tail(ids=frozenset()), OWN, "overlap", "no topic id proves"),
        (tail(), "", "overlap", "no topic id proves"),
        (tail(ids=frozenset({""})), "", "overlap", "no topic id proves"),
        (tail(reach=41), OWN, "overlap", "overlap"),
        (tail(end=101), OWN, "truncated", "the log ends at 100"),
    ],
)
def test_what_is_not_proved_blocks_the_partition(
    found: Tail, topic_id: str, kind: str, said: str
) -> None:
    where = decide(found, topic_id, 0, 100)
    assert isinstance(where, Blocked)
    assert where.kind == kind
    assert said in where.reason
    assert f"up to offset {found.end}" in where.reason
    assert "falcolake adopt" in where.hint
    assert "LAKE__PREFIX" in where.hint
