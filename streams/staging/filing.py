"""Filing: the days under which a window's findings are, if they are of too many days. Pure.

Each event day of a window is an object, a put and 50 ms, and a producer may give every alert a day
of its own. So a window has objects of at most `MOST_DAYS` days. If its findings are of more, those
of the less frequent days are filed under the day of their record's Kafka timestamp. What is filed
where depends on the window's findings alone, however they were appended.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.falco.alert import spare_key

#: The most event days of a window.
MOST_DAYS: Final = 32

#: The most of these that are there for findings of other days. Producers choose timestamps too.
MOST_RECORD_DAYS: Final = 16

#: The key in `unmapped` of a finding's own day, where it is filed under another one.
NOTE: Final = "falcolake.event_day"

#: The end of the year 9999, epoch ms: a producer may write any number as a timestamp.
LATEST: Final = 253_402_300_799_999

_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_decode = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


class Filing(NamedTuple):
    """The days of a window's objects, as days since the epoch."""

    days: frozenset[int]
    #: Where findings are filed if neither their own day nor their record's is one of `days`.
    other: int

    def of(self, own: pa.Array, recorded: pa.Array) -> pa.Array:
        """Return the days under which findings are filed, by their own and their records' days."""
        days = pa.array(sorted(self.days), pa.int32())
        fallback = pc.if_else(pc.is_in(recorded, days), recorded, pa.scalar(self.other, pa.int32()))
        return pc.if_else(pc.is_in(own, days), own, fallback)


def limit(own: Mapping[int, int], recorded: Mapping[int, int]) -> Filing:
    """Return where to file findings of more than `MOST_DAYS` days.

    The arguments are how many findings there are of each day: their own days, and their records'.
    The most frequent days stay, of equal ones the earlier.
    """
    arrivals = _frequent(recorded)[:MOST_RECORD_DAYS]
    others = [day for day in _frequent(own) if day not in arrivals]
    kept = others[: MOST_DAYS - len(arrivals)]
    return Filing(frozenset((*arrivals, *kept)), arrivals[0])


def _frequent(counts: Mapping[int, int]) -> list[int]:
    return sorted(counts, key=lambda day: (-counts[day], day))


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


def noted(unmapped: str, own: int) -> str:
    """Return the JSON of a finding's unmapped fields, with its own day noted in them."""
    fields = _decode(unmapped)
    return _encode(fields | {spare_key(NOTE, fields): name_of(own)}).decode()
