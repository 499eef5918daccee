"""An alert's time: nanoseconds since the epoch, and the forms that OCSF and the lake's keys use."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)", re.ASCII)
_REST = re.compile(r"(?:[.,](\d{1,30}))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII)


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A point in time within the years 1 to 9999."""

    ns: int
    """Nanoseconds since the epoch."""
    ms: int
    """Milliseconds since the epoch, rounded down."""
    day: str
    """The UTC day, yyyymmdd."""


def parse(text: str) -> Moment | None:
    """Return the moment that RFC 3339 text names, or None; the fraction is cut to nine digits."""
    second = _second(text[:19])
    if second is None:
        return None
    seconds, day = second
    fraction = text[20:29]
    # Falco's own form, and the fastest to read: nine digits and a Z.
    is_usual = len(text) == 30 and text[19] == "." and text[29] == "Z"
    if not (is_usual and fraction.isdecimal() and fraction.isascii()):
        match = _REST.fullmatch(text[19:])
        if match is None:
            return None
        fraction = ((match[1] or "") + "000000000")[:9]
        if match[2]:
            offset = (int(match[3]) * 60 + int(match[4])) * (60 if match[2] == "+" else -60)
            return of_nanoseconds((seconds - offset) * 1_000_000_000 + int(fraction))
    ns = seconds * 1_000_000_000 + int(fraction)
    return Moment(ns, ns // 1_000_000, day)


def of_nanoseconds(ns: int) -> Moment | None:
    """Return the moment `ns` nanoseconds after the epoch, or None outside the years 1 to 9999."""
    try:
        whole = _EPOCH + timedelta(seconds=ns // 1_000_000_000)
    except OverflowError:
        return None
    return Moment(ns, ns // 1_000_000, f"{whole:%Y%m%d}".rjust(8, "0"))


def of_milliseconds(ms: int) -> str:
    """Return a `Moment.ms` as RFC 3339 in UTC, the form of OCSF's `datetime_t`."""
    whole = _EPOCH + timedelta(seconds=ms // 1000)
    return f"{whole:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{ms % 1000:03d}Z"


@lru_cache(4096)
def _second(text: str) -> tuple[int, str] | None:
    """Return seconds since the epoch, and the day."""
    match = _SECOND.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds, text[:10].replace("-", "")
