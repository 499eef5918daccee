"""Filing: where a window's findings are, if they are of too many days or places. Pure.

Each event day and each place (region and account) of a window is an object, a put and 50 ms, and a
producer may give every alert a day, a region and an account of its own. So a window has objects of
at most `MOST_DAYS` days: findings of the less frequent days are filed under the day of their
record's Kafka timestamp. And it has at most `MOST_OBJECTS` objects: findings of the less frequent
places are filed under the place of the settings. What is filed where depends on the window's
findings alone, however they were appended.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.falco.alert import spare_key

#: The most event days of a window.
MOST_DAYS: Final = 32

#: The most of these that are there for findings of other days. Producers choose timestamps too.
MOST_RECORD_DAYS: Final = 16

#: The most objects of a window.
MOST_OBJECTS: Final = 512

#: The keys in `unmapped` of a finding's own day and place, where it is filed under another one.
DAY_NOTE: Final = "falcolake.event_day"
REGION_NOTE: Final = "falcolake.region"
ACCOUNT_NOTE: Final = "falcolake.account_id"

#: The end of the year 9999, epoch ms: a producer may write any number as a timestamp.
LATEST: Final = 253_402_300_799_999

_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_decode = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


def place_of(region: str, account_id: str) -> str:
    """Return a region and an account as one text; both are parts of a key, so have no slash."""
    return f"{region}/{account_id}"


def region_and_account(place: str) -> tuple[str, str]:
    """Return the region and the account of a place."""
    region, _, account_id = place.partition("/")
    return region, account_id


class Filing(NamedTuple):
    """The days of a window's objects, as days since the epoch, and their places."""

    days: frozenset[int]
    #: Where findings are filed if neither their own day nor their record's is one of `days`.
    other: int
    places: frozenset[str]
    #: Where findings of any other place are filed.
    home: str

    def places_of(self, own: pa.Array) -> pa.Array:
        """Return the places under which findings are filed, by their own."""
        known = pc.is_in(own, pa.array(sorted(self.places), pa.string()))
        return pc.if_else(known, own, pa.scalar(self.home, pa.string()))

    def of(self, own: pa.Array, recorded: pa.Array) -> pa.Array:
        """Return the days under which findings are filed, by their own and their records' days."""
        days = pa.array(sorted(self.days), pa.int32())
        fallback = pc.if_else(pc.is_in(recorded, days), recorded, pa.scalar(self.other, pa.int32()))
        return pc.if_else(pc.is_in(own, days), own, fallback)


def too_many(days: int, places: int) -> bool:
    """Whether findings of so many days and places have to be limited."""
    return days > MOST_DAYS or days * places > MOST_OBJECTS


def limit(
    own: Mapping[int, int], recorded: Mapping[int, int], places: Mapping[str, int], home: str
) -> Filing:
    """Return where to file findings of too many days or places.

    The mappings are how many findings there are of each day and place: their own days, their
    records' days, and their own places; `home` is the place of the settings. The most frequent
    days and places stay, of equal ones the first.
    """
    arrivals = _frequent(recorded)[:MOST_RECORD_DAYS]
    days = frozenset(own)
    if len(days) > MOST_DAYS:
        others = [day for day in _frequent(own) if day not in arrivals]
        days = frozenset((*arrivals, *others[: MOST_DAYS - len(arrivals)]))
    most = MOST_OBJECTS // len(days)
    kept = frozenset(places)
    if len(kept) > most:
        kept = frozenset((home, *[each for each in _frequent(places) if each != home][: most - 1]))
    return Filing(days, arrivals[0], kept, home)


def _frequent(counts: Mapping[Any, int]) -> list[Any]:
    return sorted(counts, key=lambda each: (-counts[each], each))


def days_of(times: pa.Array) -> pa.Array:
    """Return the days of times in epoch ms, as days since the epoch."""
    return pc.cast(pc.cast(pc.cast(times, pa.timestamp("ms")), pa.date32()), pa.int32())


def record_days(timestamps: Sequence[int]) -> pa.Array:
    """Return the days of records' timestamps, from 1970 to 9999, as days since the epoch."""
    times = pc.max_element_wise(pa.array(timestamps, pa.int64()), 0)
    return pc.cast(pc.divide(pc.min_element_wise(times, LATEST), _DAY_MS), pa.int32())


def name_of(day: int) -> str:
    """Return a day, yyyymmdd, from days since the epoch."""
    found = _EPOCH + timedelta(days=day)
    return f"{found.year:04d}{found:%m%d}"


def number_of(name: str) -> int:
    """Return the days since the epoch of a day, yyyymmdd."""
    return (date(int(name[:4]), int(name[4:6]), int(name[6:])) - _EPOCH).days


def noted(unmapped: str, notes: Mapping[str, str]) -> str:
    """Return the JSON of a finding's unmapped fields, with notes of where it would be filed."""
    fields = _decode(unmapped)
    for name, value in notes.items():
        fields[spare_key(name, fields)] = value
    return _encode(fields).decode()
