"""Finds the last window of each partition in the lake: what a group without offsets goes on from.

A window is filed under the days of its alerts, which may be any days, so every key of the prefix is
listed: a request for 1,000 objects, several at a time. Only the last window of each partition stays
in memory, and only its footers are read. Threads are daemons: a lake that does not answer must not
keep a worker from stopping.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from streams.background import in_background
from streams.lake import footers
from streams.lake.keys import Footer, ObjectKey, parse_key
from streams.lake.reader import LakeReader
from streams.lake.store import StoredObject
from streams.windows.lookup import Tail

#: Listings and reads at a time. The answers overlap; a page of 1,000 keys takes Python 0.1 s.
AT_ONCE = 8

#: Footers to read of one window: all its objects have the same window, topic and mapping.
FOOTERS = 8


@dataclass(slots=True)
class _Last:
    """The last window among the keys seen so far, and the end of the one before it."""

    first: int = 0
    end: int = 0
    reach: int = 0
    objects: list[StoredObject] = field(default_factory=list)

    def add(self, place: ObjectKey, stored: StoredObject) -> None:
        if (place.end, place.first) > (self.end, self.first):
            self.reach, self.first, self.end = self.end, place.first, place.end
            self.objects = [stored]
        elif (place.end, place.first) < (self.end, self.first):
            self.reach = max(self.reach, place.end)
        elif len(self.objects) < FOOTERS:
            self.objects.append(stored)


def find(reader: LakeReader, topic: str, partitions: Collection[int]) -> dict[int, Tail]:
    """Return the last window of each of these partitions that has one.

    Raises Misconfigured or Unavailable if the lake cannot be listed and read.
    """
    lasts: dict[int, _Last] = {}
    lock = threading.Lock()
    mark, prefix = f"/{topic}-", reader.settings.prefix

    def collect(after: str, before: str | None) -> None:
        for stored in reader.between(after, before):
            if mark not in stored.key:
                continue
            place = parse_key(stored.key, prefix)
            if place and place.topic == topic and place.partition in partitions:
                with lock:
                    lasts.setdefault(place.partition, _Last()).add(place, stored)

    _side_by_side(collect, _ranges(reader))
    found: dict[int, list[Footer]] = {number: [] for number in lasts}

    def look(number: int, stored: StoredObject) -> None:
        footer, last = footers.read(reader, stored), lasts[number]
        if isinstance(footer, Footer) and footer[:4] == (topic, number, last.first, last.end):
            found[number].append(footer)

    _side_by_side(look, [(number, each) for number, last in lasts.items() for each in last.objects])
    return {
        number: Tail(
            last.first,
            last.end,
            frozenset(each.topic_id for each in found[number]),
            frozenset(each.mapping_version for each in found[number]),
            last.reach,
        )
        for number, last in lasts.items()
    }


def _ranges(reader: LakeReader) -> list[tuple[str, str | None]]:
    """Return ranges of keys, for listing several at a time, that have every object together.

    Each begins at a folder: of an event day or, if there are many, of an account or a region.
    """
    folders = [f"{reader.settings.prefix}/"]
    for level in ("region=", "accountId=", "eventDay="):
        if len(folders) < AT_ONCE:
            folders = [found for each in folders for found in reader.folders(f"{each}{level}")]
    step = -(-len(folders) // AT_ONCE) or 1
    begins: list[str | None] = [*sorted(folders)[::step], None]
    return [(each, until) for each, until in pairwise(begins) if each is not None]


def _side_by_side(work: Callable[..., Any], items: Iterable[Sequence[Any]]) -> None:
    """Do the work for all items, some at a time; raise the first error, after which none begins."""
    left, lock, failed = iter(list(items)), threading.Lock(), threading.Event()

    def run() -> None:
        try:
            while not failed.is_set():
                with lock:
                    item = next(left, None)
                if item is None:
                    return
                work(*item)
        except BaseException:
            failed.set()
            raise

    for future in [in_background(run, "lookup") for _ in range(AT_ONCE)]:
        future.result()
