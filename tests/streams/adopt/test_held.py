"""Which of a log's records the lake holds."""

from collections import Counter
from typing import Any, NamedTuple

import schemas.mapping
from streams.adopt.held import digest, missing
from streams.audit.coverage import LakeWindow
from tests.streams.adopt.test_decide import NOW, OLD, window
from tests.streams.falco_records import ACCOUNT, REGION, alert


class Record(NamedTuple):
    offset: int
    value: bytes | None
    timestamp: int = 1_700_000_000_000
    key: bytes | None = None
    headers: Any = ()


MAPPING = schemas.mapping.Mapping(
    schemas.mapping.Options(region=REGION, account_id=ACCOUNT, minimum_priority="warning")
)


def told(records: list[Record], *windows: LakeWindow, rows: Any = (), letters: Any = ()) -> Any:
    there = Counter(map(digest, rows))
    return list(missing(records, windows, lambda _: there, dict(letters), MAPPING, NOW))


def loud(number: int) -> bytes:
    return alert(number, priority="Critical")


def test_records_are_held_by_rows_letters_and_filters_of_their_own_window() -> None:
    records = [
        Record(0, loud(0)),
        Record(1, loud(1)),
        Record(2, loud(0)),  # once in the lake, twice in the log
        Record(3, b"garbage"),
        Record(4, b"other garbage"),
        Record(5, b"long garbage"),
        Record(6, alert(6, priority="Debug")),
        Record(7, None),
        Record(8, loud(8)),
    ]
    letters = [(3, digest(b"garbage")), (4, digest(b"garbage")), (5, 12), (7, None)]
    found = told(records, window(0, 8), rows=[loud(0)], letters=letters)
    assert found == [1, 2, 4, 8]


def test_no_record_is_held_by_a_window_of_another_topic_or_by_none() -> None:
    records = [Record(0, loud(0)), Record(3, b"garbage"), Record(6, alert(6, priority="Debug"))]
    letters = [(3, digest(b"garbage"))]
    assert told(records, window(0, 8, OLD), rows=[loud(0)], letters=letters) == [0, 3]
    assert told(records, window(8, 9), rows=[loud(0)], letters=letters) == [0, 3]
    assert told(records, window(0, 8, ""), rows=[loud(0)], letters=letters) == []
