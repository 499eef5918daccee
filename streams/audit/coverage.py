"""Coverage: what the lake has of a partition, as far as keys and footers tell. Pure.

Objects are sorted into their windows, windows into partitions; beside them stands what Kafka says,
if somebody asked. `proof` looks for what is wrong, and each such thing is a `Problem`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from streams.lake.keys import Footer, ObjectKey, Unread
from streams.windows.window import Counts

Kind = Literal[
    "gap",  # offsets that no window covers; Kafka has them, or was not asked
    "lost",  # offsets that no window covers and Kafka no longer has
    "overlap",  # offsets that two windows cover
    "short",  # a window with fewer rows than findings: an object is missing
    "excess",  # a window with more rows than findings: an object is there twice, or is stale
    "counts",  # counts that cannot be: they do not add up, or exceed the window
    "disagreement",  # objects of one window that tell different stories of it
    "misplaced",  # rows of another day than the key's
    "foreign",  # an object that is not falcolake's, or is not what its key says
    "unreadable",  # an object that is no readable Parquet
    "beyond",  # windows past the committed offset that nobody has sealed
    "dead-letters",  # a window whose rejects are not in the dead-letter topic, or too many are
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One contradiction: what it is, where, and a sentence about it."""

    kind: Kind
    message: str
    topic: str | None = None
    partition: int | None = None
    first: int | None = None
    end: int | None = None
    key: str | None = None

    def plain(self) -> dict[str, Any]:
        """Give the problem as JSON types."""
        return asdict(self)


class Stored(NamedTuple):
    """An object whose key is one of ours. `footer` is None where it was not asked for."""

    key: str
    place: ObjectKey
    size: int
    footer: Footer | Unread | None = None

    @property
    def account(self) -> Footer | None:
        """Its footer, if that is of the window that the key names."""
        footer = self.footer
        return footer if isinstance(footer, Footer) and footer[:4] == self.place[3:] else None


class Known(NamedTuple):
    """What Kafka says of a partition.

    `committed` was read before the lake was listed, `committed_since` and `sealed` after it: while
    workers work, the lake must have what is before the one and may have what the others allow.
    """

    begin: int
    end: int
    committed: int | None
    committed_since: int | None
    sealed: tuple[int, ...] = ()


@dataclass(slots=True)
class Window:
    """The objects of one window."""

    first: int
    end: int
    objects: list[Stored] = field(default_factory=list)
    #: Whether its footers were read; those outside the days that were asked for are not.
    selected: bool = True

    @property
    def footers(self) -> list[Footer]:
        """The footers that count."""
        return [footer for each in self.objects if (footer := each.account) is not None]

    @property
    def counts(self) -> Counts:
        """What its first object says; nothing if none says anything."""
        return next((footer.counts for footer in self.footers), Counts(0, 0, 0, 0))

    @property
    def absent(self) -> int:
        """How many of its offsets had no record when they were read; 0 if no footer says."""
        return self.end - self.first - self.counts.records if self.footers else 0


@dataclass(slots=True)
class Coverage:
    """What the lake has of one partition. Counts are of the windows whose footers were read."""

    topic: str
    partition: int
    windows: list[Window]
    known: Known | None = None
    letters: int | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """From the first window's first offset to the last one's end."""
        if not self.windows:
            return None
        return self.windows[0].first, max(window.end for window in self.windows)

    @property
    def objects(self) -> int:
        """How many objects its windows have."""
        return sum(len(window.objects) for window in self.windows)

    @property
    def counts(self) -> Counts:
        """The sums over its windows."""
        each = [window.counts for window in self.windows]
        return Counts(*map(sum, zip(*each, strict=True))) if each else Counts(0, 0, 0, 0)

    @property
    def absent(self) -> int:
        """Offsets inside the windows that had no record when they were read.

        Transaction markers, records compacted away, or deleted by retention before they were read.
        """
        return sum(max(0, window.absent) for window in self.windows)

    def plain(self) -> dict[str, Any]:
        """Give it as JSON types, without its problems."""
        first, end = self.bounds or (None, None)
        return {
            "topic": self.topic,
            "partition": self.partition,
            "first": first,
            "end": end,
            "committed": self.known.committed if self.known else None,
            "windows": len(self.windows),
            "objects": self.objects,
            **self.counts._asdict(),
            "absent": self.absent,
            "dead_letters": self.letters,
            "problems": len(self.problems),
        }


def arrange(objects: Iterable[Stored]) -> dict[tuple[str, int], list[Window]]:
    """Sort objects into the windows of each (topic, partition), in order."""
    windows: dict[tuple[str, int, int, int], Window] = {}
    for stored in objects:
        place = stored.place
        bounds = (place.topic, place.partition, place.first, place.end)
        windows.setdefault(bounds, Window(*bounds[2:])).objects.append(stored)
    arranged: dict[tuple[str, int], list[Window]] = defaultdict(list)
    for (topic, partition, *_), window in sorted(windows.items()):
        arranged[topic, partition].append(window)
    return dict(arranged)
