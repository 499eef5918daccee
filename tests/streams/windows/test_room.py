"""Room has three limits, and is back only when there is enough for a while."""

from pathlib import Path

import pytest

from streams.windows.room import BATCH_BYTES, Room, Usage

ROOM = Room(max_bytes=1000, min_free_bytes=2 * BATCH_BYTES)
PLENTY = 10 * BATCH_BYTES


@pytest.mark.parametrize(
    ("room", "usage", "reason"),
    [
        (ROOM, Usage(999, 2 * BATCH_BYTES), None),
        (ROOM, Usage(1000, PLENTY), "STAGING__MAX_BYTES is 1000"),
        (ROOM, Usage(0, 2 * BATCH_BYTES - 1), "STAGING__MIN_FREE_BYTES is 20000000"),
        (Room(1000, 1), Usage(500, BATCH_BYTES + 700), None),
        (Room(1000, 1), Usage(500, BATCH_BYTES + 699), "too few for another batch"),
    ],
)
def test_room_ends_at_each_of_its_limits(room: Room, usage: Usage, reason: str | None) -> None:
    lack = room.lack(Path("/staging"), usage, window_bytes=700)
    assert (lack is None) is (reason is None)
    assert lack is None or str(reason) in lack[0]


@pytest.mark.parametrize(
    ("usage", "back"),
    [
        (Usage(899, PLENTY), True),
        (Usage(900, PLENTY), False),
        (Usage(0, 2 * BATCH_BYTES - 1), False),
        (Usage(0, 2 * BATCH_BYTES), True),
    ],
)
def test_room_is_back_when_a_tenth_of_it_is_free(usage: Usage, back: bool) -> None:
    assert ROOM.is_back(usage, window_bytes=700) is back
