"""Coverage: what the lake has of a partition, by keys and footers. Pure.

Objects are sorted into windows, windows into partitions, with Kafka's offsets if they were read.
`proof` finds what is wrong; each finding is a `Problem`.
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
    "overlap",  # offsets that two windows cover, or windows of two topics of one name
    "short",  # a window with fewer rows than findings: an object is missing
    "excess",  # a window with more rows than findings: an object is duplicated or stale
    "counts",  # counts that do not add up, or exceed the window
    "disagreement",  # objects of one window that contradict each other
    "misplaced",  # rows of another day than the key's
    "foreign",  # an object that is not falcolake's, or is not what its key says
    "unreadable",  # an object that is not readable Parquet
    "beyond",  # windows past the committed offset that no worker has sealed
    "dead-letters",  # a window whose rejects and dead letters differ in number
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One contradiction: its kind, a message, and where it is."""

    kind: Kind
    message: str
    topic: str | None = None
    partition: int | None = None
    first: int | None = None
    end: int | None = None
    key: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the problem as JSON types."""
        return asdict(self)


class Stored(NamedTuple):
    """An object with a key of falcolake. `footer` is None if it was not read."""

    key: str
    place: ObjectKey
    size: int
    footer: Footer | Unread | None = None

    @property
    def account(self) -> Footer | None:
        """Its footer, if it is of the window in the key."""
        footer = self.footer
        return footer if isinstance(footer, Footer) and footer[:4] == self.place[3:] else None


class Known(NamedTuple):
    """Kafka's offsets of a partition.

    `committed` was read before the lake was listed, `committed_since` and `sealed` after it. While
    workers run, the lake must have everything below the first, and may have what the others allow.
    """

    begin: int
    end: int
    committed: int | None
    committed_since: int | None
    sealed: tuple[int, ...] = ()


@dataclass(slots=True)
class LakeWindow:
    """One window and its objects in the lake."""

    first: int
    end: int
    objects: list[Stored] = field(default_factory=list)
    #: Whether its footers were read; not if it is outside the days that the audit covers.
    selected: bool = True

    @property
    def footers(self) -> list[Footer]:
        """The footers that belong to this window."""
        return [footer for each in self.objects if (footer := each.account) is not None]

    @property
    def topic_ids(self) -> frozenset[str]:
        """The ids of the topics in its footers; none if they have no ids."""
        return frozenset(footer.topic_id for footer in self.footers if footer.topic_id)

    @property
    def counts(self) -> Counts:
        """The counts in its first footer, or zeros without a footer."""
        return next((footer.counts for footer in self.footers), Counts(0, 0, 0, 0))

    @property
    def repeated(self) -> int:
        """How many of its records repeat an earlier one of it; 0 if its objects do not say."""
        return next((footer.repeated or 0 for footer in self.footers), 0)

    @property
    def absent(self) -> int:
        """The number of its offsets that had no record when read; 0 without a footer."""
        return self.end - self.first - self.counts.records if self.footers else 0


@dataclass(slots=True)
class Coverage:
    """What the lake has of one partition. Counts cover the windows whose footers were read."""

    topic: str
    partition: int
    windows: list[LakeWindow]
    known: Known | None = None
    letters: int | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The first window's first offset and the last window's end."""
        if not self.windows:
            return None
        return self.windows[0].first, max(window.end for window in self.windows)

    @property
    def objects(self) -> int:
        """The number of objects in its windows."""
        return sum(len(window.objects) for window in self.windows)

    @property
    def counts(self) -> Counts:
        """The totals over its windows."""
        each = [window.counts for window in self.windows]
        return Counts(*map(sum, zip(*each, strict=True))) if each else Counts(0, 0, 0, 0)

    @property
    def repeated(self) -> int:
        """How many records repeat an earlier one of their window."""
        return sum(window.repeated for window in self.windows)

    @property
    def absent(self) -> int:
        """The number of offsets inside the windows that had no record when read.

        Transaction markers, and records that were compacted or deleted before they were read.
        """
        return sum(max(0, window.absent) for window in self.windows)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types, without its problems."""
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
            "repeated": self.repeated,
            "absent": self.absent,
            "dead_letters": self.letters,
            "problems": len(self.problems),
        }


def arrange(objects: Iterable[Stored]) -> dict[tuple[str, int], list[LakeWindow]]:
    """Sort objects into the windows of each (topic, partition), in order."""
    windows: dict[tuple[str, int, int, int], LakeWindow] = {}
    for stored in objects:
        place = stored.place
        bounds = (place.topic, place.partition, place.first, place.end)
        windows.setdefault(bounds, LakeWindow(*bounds[2:])).objects.append(stored)
    arranged: dict[tuple[str, int], list[LakeWindow]] = defaultdict(list)
    for (topic, partition, *_), window in sorted(windows.items()):
        arranged[topic, partition].append(window)
    return dict(arranged)
