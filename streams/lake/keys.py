"""Keys and footers: what an object's key and footer say. Pure.

A key says what its object holds (`ObjectKey`), so the lake is its own ledger. A footer repeats the
window and adds its counts.
"""

import re
from typing import NamedTuple

from streams.windows.window import Counts


class ObjectKey(NamedTuple):
    """What an object's key says: its place, and the window `[first, end)` it belongs to."""

    region: str
    account_id: str
    event_day: str
    topic: str
    partition: int
    first: int
    end: int

    def under(self, prefix: str) -> str:
        """Return the key below a prefix; never with a leading slash."""
        return (
            f"{prefix}/region={self.region}/accountId={self.account_id}/eventDay={self.event_day}/"
            f"{self.topic}-{self.partition:05d}-{self.first:020d}-{self.end:020d}.parquet"
        ).lstrip("/")


KEY = re.compile(
    r"region=([^/]+)/accountId=([^/]+)/eventDay=(\d{8})/([^/]+)-(\d{5,})-(\d{20})-(\d{20})\.parquet",
    re.ASCII,
)


def parse_key(key: str, prefix: str) -> ObjectKey | None:
    """Parse a key; None if it is not one of falcolake's under this prefix."""
    found = KEY.fullmatch(key.removeprefix(f"{prefix}/")) if key.startswith(f"{prefix}/") else None
    if found is None:
        return None
    region, account_id, event_day, topic, partition, first, end = found.groups()
    return ObjectKey(region, account_id, event_day, topic, int(partition), int(first), int(end))


class Footer(NamedTuple):
    """What a footer says: window, counts and mapping; the rows in the file, and their times."""

    topic: str
    partition: int
    first: int
    end: int
    counts: Counts
    mapping_version: str
    rows: int
    #: Lowest and highest `time`, epoch ms; None without rows or without statistics.
    times: tuple[int, int] | None
    #: The id of the topic (KIP-516); empty if Kafka has no ids, or an older version wrote it.
    topic_id: str = ""
    #: How many of the window's records repeat an earlier one of it; None in older objects.
    repeated: int | None = None
    #: How many of the window's findings are filed under another day, see `staging.filing`.
    other_days: int = 0
    #: How many are filed under the region and account of the settings in place of their own.
    other_places: int = 0


class Unread(NamedTuple):
    """Why an object has no usable footer."""

    reason: str
    #: Whether another program wrote it, as opposed to a damaged object.
    foreign: bool = False
