"""Objects that are put too often: small ones, soon after another of the same partition and day."""

import pytest

from streams.audit.rate import LARGE, too_often
from streams.lake.keys import ObjectKey
from streams.lake.store import StoredObject

KEY = ObjectKey("eu-central-1", "123456789012", "20260102", "falco-events", 0, 0, 5)
NEXT = KEY._replace(first=5, end=9)
NOW = 1_767_323_045_000


def put(key: ObjectKey, seconds: float, size: int = 50_000) -> StoredObject:
    return StoredObject(key.under("ext/falco"), size, NOW + round(seconds * 1000))


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (put(NEXT, 60), 1),
        (put(NEXT, 295), 0),
        (put(NEXT, 3600), 0),
        (put(NEXT, -60), 1),
        (put(NEXT, 60, LARGE + 1), 0),
        (put(NEXT._replace(partition=1), 60), 0),
        (put(NEXT._replace(topic="other"), 60), 0),
        (put(NEXT._replace(event_day="20260103"), 60), 0),
        (put(NEXT._replace(account_id="external"), 60), 0),
        (put(NEXT._replace(region="us-east-1"), 60), 0),
        (StoredObject(NEXT.under("ext/falco"), 1), 0),
        (StoredObject("ext/falco/another.parquet", 1, NOW), 0),
    ],
)
def test_only_small_objects_of_one_partition_and_day_count(other: StoredObject, count: int) -> None:
    assert too_often([put(KEY, 0), other]) == count
    assert too_often([other, put(KEY, 0)]) == count
