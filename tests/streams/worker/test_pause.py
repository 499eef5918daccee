"""Pause: when there is too little room to read on, and when there is enough again."""

from pathlib import Path

import pytest

from streams.windows.room import BATCH_BYTES, Room, Usage
from streams.worker.pause import Headroom, Pause

PATH = Path("/staging")
AMPLE = 10**12
HEADROOM = Headroom(Room(max_bytes=1000, min_free_bytes=50), PATH, max_bytes=10_000)
PAUSE = Pause("staging is full", "wait", since=100, until=110)


def test_with_room_there_is_no_lack() -> None:
    assert HEADROOM.lack(Usage(999, AMPLE), 0) is None


def test_a_lack_names_its_setting_and_what_to_try() -> None:
    reason, hint = HEADROOM.lack(Usage(1000, AMPLE), 0)
    assert "STAGING__MAX_BYTES is 1000" in reason
    assert hint
    reason, _ = HEADROOM.lack(Usage(0, 49), 0)
    assert "/staging has 49 bytes free, STAGING__MIN_FREE_BYTES is 50" in reason


@pytest.mark.parametrize(
    ("staged", "needed"), [((), 0), ((3000, 500), 3500), ((9000, 9000), 10_000)]
)
def test_a_small_disk_keeps_room_for_an_object_as_large_as_what_is_staged_or_a_window(
    staged: tuple[int, ...], needed: int
) -> None:
    free = BATCH_BYTES + needed
    assert HEADROOM.lack(Usage(0, free), sum(staged)) is None
    reason, _ = HEADROOM.lack(Usage(0, free - 1), sum(staged))
    assert "too few for another batch and then an object" in reason


def test_a_pause_lasts_until_its_time_however_much_room_there_is() -> None:
    assert not HEADROOM.may_resume(PAUSE, 109.9, Usage(0, AMPLE), 0)
    assert HEADROOM.may_resume(PAUSE, 110, Usage(0, AMPLE), 0)


@pytest.mark.parametrize(
    ("usage", "resumes"),
    [
        (Usage(899, AMPLE), True),
        (Usage(900, AMPLE), False),
        (Usage(0, BATCH_BYTES + 3500), True),
        (Usage(0, BATCH_BYTES + 3499), False),
    ],
)
def test_reading_resumes_once_the_next_batch_would_not_end_it_at_once(
    usage: Usage, resumes: bool
) -> None:
    assert HEADROOM.may_resume(PAUSE, 200, usage, 3500) is resumes


def test_a_pause_reads_as_its_reason_and_hint() -> None:
    assert str(PAUSE) == "staging is full. wait"
