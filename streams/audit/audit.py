"""The audit: proves from the lake that nothing is missing and nothing duplicated.

Lists the keys under the prefix and reads footers, not rows. Also reads Kafka's offsets and dead
letters, unless told not to. Changes nothing, and workers can run meanwhile.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from streams.audit import proof
from streams.audit.coverage import Coverage, Known, LakeWindow, Problem, Stored, arrange
from streams.audit.recount import recount
from streams.errors import Misconfigured
from streams.kafka import dead_letter_reader, status
from streams.kafka.status import Status
from streams.lake import footers
from streams.lake.keys import ObjectKey, parse_key
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import StoredObject, is_probe
from streams.settings.settings import Settings, variable
from streams.sizes import counted
from streams.terminal import OnProgress
from streams.windows.letters import Letters
from streams.windows.window import Counts


@dataclass(frozen=True, slots=True)
class Days:
    """A range of event days, both ends included; None is no bound."""

    first: date | None = None
    last: date | None = None

    def __bool__(self) -> bool:
        return self.first is not None or self.last is not None

    def __contains__(self, day: str) -> bool:
        """Whether a day, yyyymmdd, is in the range."""
        low, high = self.first or date.min, self.last or date.max
        return low.isoformat() <= f"{day[:4]}-{day[4:6]}-{day[6:]}" <= high.isoformat()


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit. `group` is None if Kafka was not asked."""

    place: str
    topic: str
    group: str | None
    days: Days
    partitions: tuple[Coverage, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    requests: dict[str, int]

    @property
    def counts(self) -> Counts:
        """The totals over all windows whose footers were read."""
        each = [partition.counts for partition in self.partitions]
        return Counts(*map(sum, zip(*each, strict=True))) if each else Counts(0, 0, 0, 0)

    @property
    def repeated(self) -> int:
        """How many records repeat an earlier one of their window."""
        return sum(partition.repeated for partition in self.partitions)

    @property
    def windows(self) -> int:
        """The number of windows that were checked."""
        return sum(w.selected for partition in self.partitions for w in partition.windows)

    @property
    def objects(self) -> int:
        """The number of objects in those windows."""
        selected = (w for each in self.partitions for w in each.windows if w.selected)
        return sum(len(window.objects) for window in selected)

    def __str__(self) -> str:
        counts = self.counts
        asked = f"with group {self.group}" if self.group else "from the lake alone"
        repeated = f"; repeated: {self.repeated:,}" if self.repeated else ""
        sent = ", ".join(f"{count:,} {name}" for name, count in self.requests.items())
        return (
            f"{self.place}, {asked}: {counted(self.objects, 'object')} "
            f"of {counted(self.windows, 'window')}; "
            f"requests: {sent}\n"
            f"{counted(counts.records, 'record')} = {counted(counts.findings, 'finding')}"
            f" + {counted(counts.rejects, 'reject')} + {counts.filtered:,} filtered{repeated}; "
            f"problems: {len(self.problems) or 'none'}"
        )

    def plain(self) -> dict[str, Any]:
        """Return the audit as JSON types."""
        return {
            "lake": self.place,
            "topic": self.topic,
            "group": self.group,
            "from": self.days.first.isoformat() if self.days.first else None,
            "to": self.days.last.isoformat() if self.days.last else None,
            "windows": self.windows,
            "objects": self.objects,
            **self.counts._asdict(),
            "repeated": self.repeated,
            "requests": self.requests,
            "partitions": [partition.plain() for partition in self.partitions],
            "problems": [problem.plain() for problem in self.problems],
            "notes": list(self.notes),
        }


def run(
    settings: Settings,
    *,
    days: Days | None = None,
    kafka: bool = True,
    reader: LakeReader | None = None,
    progress: OnProgress = lambda done, total: None,
) -> Audit:
    """Audit the lake of these settings.

    Args:
        settings: where the lake and, with `kafka`, the topic and the group are.
        days: check only windows that have findings of these days.
        kafka: whether to compare with Kafka.
        reader: reads the lake; by default made from the settings and boto3's credentials.
        progress: called after each window.

    Raises:
        Misconfigured: no bucket is set, the topic does not exist, a right is missing.
        Unavailable: the lake or Kafka does not answer.
    """
    lake = settings.lake
    if not lake.bucket:
        raise Misconfigured(f"not set: {variable('lake.bucket')}", "set it to the lake's bucket")
    days = days or Days()
    reader = reader or LakeReader(lake, connect(lake))
    # Kafka first and last: what is committed before the keys are listed must be among them.
    before = status.read(settings) if kafka else None
    arranged, foreign = sort_objects(reader.objects(), lake.prefix)
    _look_into(reader, (each for windows in arranged.values() for each in windows), days, progress)
    known = dead = None
    if before is not None:
        after = status.read(settings)
        known = _known(before, after)
        dead = Letters() if after.dead_letters is None else dead_letter_reader.read(settings)
    partitions = _check(settings.kafka.topic, arranged, known, dead, whole=not days)
    for found, problem in recount(settings, partitions, before.topic_id if before else ""):
        found.problems.append(problem)
    return Audit(
        f"s3://{lake.bucket}/{lake.prefix}",
        settings.kafka.topic,
        settings.kafka.group_id if kafka else None,
        days,
        tuple(partitions),
        (*foreign, *(problem for found in partitions for problem in found.problems)),
        tuple(_notes(partitions, settings.kafka.topic, days, dead)),
        dict(sorted(reader.requests.items())),
    )


def sort_objects(
    listed: Iterable[StoredObject], prefix: str
) -> tuple[dict[tuple[str, int], list[LakeWindow]], list[Problem]]:
    """Sort the objects into windows; return objects of other origin as problems."""
    ours, foreign = [], []
    for found in listed:
        place = parse_key(found.key, prefix)
        if place is not None and place.under(prefix) == found.key and _possible(place):
            ours.append(Stored(found.key, place, found.size))
        elif is_probe(found.key):
            continue
        elif found.size or not found.key.endswith("/"):  # consoles create these to show a folder
            foreign.append(Problem("foreign", "its key is not one of falcolake's", key=found.key))
    return arrange(ours), foreign


def _possible(place: ObjectKey) -> bool:
    return place.first < place.end and _is_day(place.event_day)


@cache
def _is_day(text: str) -> bool:
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _look_into(
    reader: LakeReader, windows: Iterable[LakeWindow], days: Days, progress: OnProgress
) -> None:
    """Read the footers of the windows that have an object of these days."""
    selected = []
    for window in windows:
        window.selected = any(stored.place.event_day in days for stored in window.objects)
        if window.selected:
            selected.append(window)
    wanted = [stored for window in selected for stored in window.objects]
    progress(0, len(wanted))
    found = footers.read_all(reader, [StoredObject(each.key, each.size) for each in wanted])
    done = 0
    for window in selected:
        window.objects = [
            stored._replace(footer=footer)
            for stored, footer in zip(window.objects, found, strict=False)
        ]
        done += len(window.objects)
        progress(done, len(wanted))


def _known(before: Status, after: Status) -> dict[int, Known]:
    earlier = {each.partition: each.committed for each in before.partitions}
    return {
        each.partition: Known(
            each.begin, each.end, earlier.get(each.partition), each.committed, each.sealed
        )
        for each in after.partitions
    }


def _check(
    topic: str,
    arranged: Mapping[tuple[str, int], list[LakeWindow]],
    known: Mapping[int, Known] | None,
    dead: Letters | None,
    *,
    whole: bool,
) -> list[Coverage]:
    """Check every partition that the lake or Kafka has."""
    places = sorted({*arranged, *((topic, number) for number in known or ())})
    partitions = []
    for place in places:
        own = known is not None and place[0] == topic
        found = proof.check(
            *place,
            arranged.get(place, []),
            known.get(place[1]) if known and own else None,
            dead if own else None,
            whole=whole,
        )
        if own and found.known is None:
            first, end = found.bounds or (0, 0)
            text = "Kafka has no such partition"
            found.problems.append(Problem("beyond", text, *place, first, end))
        partitions.append(found)
    return partitions


def _notes(
    partitions: Sequence[Coverage], topic: str, days: Days, dead: Letters | None
) -> Iterator[str]:
    """Yield what is not a problem but worth knowing, and what could not be checked."""
    if not any(partition.windows for partition in partitions):
        yield "the lake has no objects yet"
    for found in partitions:
        where = f"{found.topic}-{found.partition}"
        if found.absent:
            yield (
                f"{where}: {found.absent:,} offsets inside the windows had no record: transaction "
                "markers, or records compacted or deleted by Kafka before they were read"
            )
        if dead is not None and found.topic != topic:
            yield f"{where}: another topic; not compared with Kafka"
    if repeated := [each for each in partitions if each.repeated]:
        counts = ", ".join(f"{each.topic}-{each.partition} {each.repeated:,}" for each in repeated)
        yield f"a producer sent the same bytes again within a window; repeated records: {counts}"
    if dead is None:
        yield "without Kafka, records missing after the last windows cannot be found"
    elif dead.repeated:
        yield f"duplicates: {counted(dead.repeated, 'dead letter')}, as expected after a crash"
    if dead is not None and dead.trimmed:
        yield "the dead-letter topic no longer has its oldest letters: missing ones are not counted"
    if days:
        yield "windows without an event day in the range were checked by their keys only"
