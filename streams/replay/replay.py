"""The replay: rebuilds windows of the lake from Kafka, with the same bounds and keys.

A selection, by time, by offsets or from an audit's problems, is planned per partition (`plan`) and
rebuilt window by window (`rebuild`), several at a time, each in its own staging. It never moves the
group's offsets and touches nothing at or past them, so workers can run meanwhile. Running it again
does what is left; running it twice changes nothing the second time.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streams.audit.audit import sort_objects
from streams.audit.coverage import Known, LakeWindow
from streams.audit.proof import day
from streams.errors import FalcolakeError, Misconfigured
from streams.kafka import dead_letter_reader, scan, status
from streams.kafka.errors import translating
from streams.lake import footers
from streams.lake.keys import Footer
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import Lake, StoredObject
from streams.replay import plan as replay_plan
from streams.replay.plan import Plan, Target
from streams.replay.rebuild import Rebuilder, Task, WindowReplay
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings
from streams.sizes import counted
from streams.terminal import OnProgress

#: Greater than any offset.
LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """What to replay: times (epoch ms, by Kafka's time index) or offset ranges by partition.

    `until` None is no bound. In `ranges` the partition None stands for all of them. If
    `partitions` is not empty, the others are left alone.
    """

    partitions: frozenset[int] = frozenset()
    since: int | None = None
    until: int | None = None
    ranges: tuple[tuple[int | None, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay. `to` is the (bucket, prefix) of a copy; None is the lake itself."""

    to: tuple[str, str] | None = None
    dry_run: bool = False
    prune: bool = False
    resume: bool = False
    parallel: int = 2


def _sum(counts: Mapping[Any, int], what: str) -> str:
    """Return the total and the count of each kind as text."""
    each = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return counted(sum(counts.values()), what) + (f" ({each})" if each else "")


@dataclass(slots=True)
class Replay:
    """What was done, or with `dry_run` would be done. `left` counts targets that were not tried."""

    topic: str
    place: str
    dry_run: bool
    windows: list[WindowReplay] = field(default_factory=list)
    left: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[WindowReplay]:
        """The windows that could not be rebuilt, or that have stale objects."""
        bad = {"refused", "failed"}
        return [each for each in self.windows if each.outcome in bad or each.stale]

    def __str__(self) -> str:
        outcomes = Counter(each.outcome for each in self.windows)
        states = Counter(each.state for window in self.windows for each in window.objects)
        text = "dry run, nothing written: " if self.dry_run else ""
        text += f"{self.place}, from topic {self.topic}: {_sum(outcomes, 'window')}"
        text += f", {_sum(states, 'object')}" if states else ""
        for name in ("letters", "resolved"):
            if count := sum(getattr(each, name) for each in self.windows):
                text += f", {counted(count, 'dead letter')} {'sent' if name == 'letters' else name}"
        return text + (f"; not tried: {counted(self.left, 'window')}" if self.left else "")

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "topic": self.topic,
            "lake": self.place,
            "dry_run": self.dry_run,
            "problems": len(self.problems),
            "not_tried": self.left,
            "windows": [each.plain() for each in self.windows],
            "notes": self.notes,
        }


def run(
    settings: Settings,
    selection: Selection,
    options: Options,
    *,
    progress: OnProgress = lambda done, total: None,
) -> Replay:
    """Rebuild the windows that the selection touches, and create those that are missing.

    Raises:
        Misconfigured: a setting is missing, the topic does not exist, Kafka refuses the settings.
        Unavailable: Kafka or the lake does not answer at the start. Later it is a failed window.
    """
    settings.require_lake()
    lake = settings.lake
    client = connect(lake)
    source = LakeReader(lake, client)
    changes = dict(zip(("bucket", "prefix"), options.to, strict=True)) if options.to else {}
    goal = lake.model_copy(update=changes)
    # What is committed before the keys are listed must be among them.
    state = status.read(settings)
    known = _known(state)
    arranged, _ = sort_objects(source.objects(), lake.prefix)
    topic = settings.kafka.topic
    windows = {number: arranged.get((topic, number), []) for number in known}
    reader = LakeReader(goal, client) if options.to else source
    there = windows
    if options.to:
        copied, _ = sort_objects(reader.objects(), goal.prefix)
        there = {number: copied.get((topic, number), []) for number in known}
    ranges = _ranges(settings, selection, known, windows, source)
    plans = {n: replay_plan.make(n, windows[n], known[n], ranges[n]) for n in ranges}
    task = Task(
        settings,
        build_mapping(settings),
        source,
        Lake(goal, client),
        reader,
        {(n, each.first, each.end): each for n, some in there.items() for each in some},
        None if options.to else dead_letter_reader.read(settings),
        state.topic_id,
        options.dry_run,
        options.prune,
        options.resume,
    )
    found = Replay(topic, f"s3://{goal.bucket}/{goal.prefix}", options.dry_run)
    found.notes = list(_notes(selection, known, ranges, task))
    _rebuild(task, plans, options.parallel, found, progress)
    found.windows.sort(key=lambda each: (each.partition, each.first))
    return found


def _known(state: status.Status) -> dict[int, Known]:
    return {
        each.partition: Known(each.begin, each.end, each.committed, each.committed, each.sealed)
        for each in state.partitions
    }


# ---- what is asked for


def _ranges(
    settings: Settings,
    selection: Selection,
    known: Mapping[int, Known],
    windows: Mapping[int, Sequence[LakeWindow]],
    reader: LakeReader,
) -> dict[int, list[tuple[int, int]]]:
    """Return the offset ranges to replay, by partition."""
    if unknown := sorted(selection.partitions - known.keys()):
        raise Misconfigured(
            f"topic {settings.kafka.topic} has no partition {', '.join(map(str, unknown))}",
            f"its partitions are {', '.join(map(str, sorted(known)))}",
        )
    if selection.partitions:
        known = {number: each for number, each in known.items() if number in selection.partitions}
    found: dict[int, list[tuple[int, int]]] = {number: [] for number in known}
    for partition, first, end in selection.ranges:
        for number in known if partition is None else known.keys() & {partition}:
            found[number].append((first, end))
    if selection.since is not None or selection.until is not None:
        for number, bounds in _between(settings, selection, known).items():
            found[number].append(bounds)
            if bounds[0] <= known[number].begin:
                # Kafka has no times for records that it has deleted; the lake does.
                found[number] += _before(reader, windows[number], known[number], selection)
    return found


def _between(
    settings: Settings, selection: Selection, known: Mapping[int, Known]
) -> dict[int, tuple[int, int]]:
    """Return Kafka's offsets for the times, by partition."""

    def at(moment: int) -> dict[int, int]:
        found = scan.offsets_at(client, settings.kafka.topic, known, moment)
        return {number: LAST if offset is None else offset for number, offset in found.items()}

    firsts, ends = dict.fromkeys(known, 0), dict.fromkeys(known, LAST)
    with scan.open_consumer(settings) as client:
        if selection.since is not None:
            firsts = at(selection.since)
        if selection.until is not None:
            ends = at(selection.until)
    return {number: (firsts[number], ends[number]) for number in known}


def _before(
    reader: LakeReader, windows: Sequence[LakeWindow], known: Known, selection: Selection
) -> Iterator[tuple[int, int]]:
    """Yield the windows of these times whose records Kafka has deleted, by their rows' times."""
    since = 0 if selection.since is None else selection.since
    until = LAST if selection.until is None else selection.until
    for window in windows:
        if window.end > known.begin:
            return
        for each in window.objects:
            if not day(since) <= each.place.event_day <= (day(until) if until < LAST else "99"):
                continue
            footer = footers.read(reader, StoredObject(each.key, each.size))
            times = footer.times if isinstance(footer, Footer) else None
            if times is not None and times[0] < until and since <= times[1]:
                yield window.first, window.end
                break


def _notes(
    selection: Selection,
    known: Mapping[int, Known],
    ranges: Mapping[int, Sequence[tuple[int, int]]],
    task: Task,
) -> Iterator[str]:
    """Yield what is left out, and why."""
    named = {each[0] for each in selection.ranges if each[0] is not None}
    for partition in sorted(named | selection.partitions):
        if partition not in known:
            yield f"Kafka has no partition {partition}"
    for number, bounds in ranges.items():
        committed = known[number].committed or 0
        if selection.ranges and any(committed < end < LAST for _, end in bounds):
            yield f"partition {number}: offsets from {committed} on are left to the workers"
    if task.letters is not None and task.letters.trimmed:
        yield "the dead-letter topic no longer has its oldest letters: existing windows get none"


# ---- doing it


def _rebuild(
    task: Task, plans: Mapping[int, Plan], parallel: int, found: Replay, progress: OnProgress
) -> None:
    """Rebuild all targets, several at a time; after a failure, start no more."""
    for plan in plans.values():
        for each in plan.refused:
            before = each.window.counts if each.window and each.window.footers else None
            bounds = each.partition, each.first, each.end
            found.windows.append(WindowReplay(*bounds, "refused", each.reason, before=before))
    targets = deque(target for plan in plans.values() for target in plan.targets)
    total, lock, done = sum(plan.offsets for plan in plans.values()), threading.Lock(), 0
    progress(0, total)

    def add(window: WindowReplay) -> None:
        nonlocal done
        with lock:
            found.windows.append(window)
            done += window.end - window.first
            progress(min(done, total), total)

    stop = threading.Event()
    with TemporaryDirectory(prefix="falcolake-replay-") as directory:
        several = min(parallel, len(targets))
        threads = ThreadPoolExecutor(max(1, several), "replay")
        paths = [Path(directory) / f"{number}" for number in range(several)]
        try:
            for _ in threads.map(lambda path: _work(task, targets, path, stop, add), paths):
                pass
        finally:
            stop.set()
            threads.shutdown()
    found.left = len(targets)


def _work(
    task: Task,
    targets: deque[Target],
    path: Path,
    stop: threading.Event,
    add: Callable[[WindowReplay], None],
) -> None:
    """Rebuild one target after another, until none is left or one fails."""
    try:
        with (
            translating(task.settings),
            scan.new_consumer(task.settings) as client,
            Rebuilder(task, client, path) as one,
        ):
            while not stop.is_set():
                try:
                    target = targets.popleft()
                except IndexError:
                    return
                try:
                    for window in one.rebuild(target):
                        add(window)
                except FalcolakeError as error:
                    stop.set()
                    add(WindowReplay(*target[:3], "failed", f"{error}. {error.hint}"))
    except FalcolakeError:
        stop.set()
        raise
