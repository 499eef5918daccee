"""Rebuilds one window: reads its records from Kafka, and writes its objects to the lake.

Reads, maps, stages and exports as a worker does, in its own staging, so the same records make the
same bytes. Overwrites nothing unless Kafka still has every record of the window: as many, with the
timestamps that its findings have. A log that was cut has other records there. Running it twice
changes nothing the second time; after an interruption, run it again.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Literal

from schemas.mapping import Mapping as AlertMapping
from streams.audit.coverage import LakeWindow, Stored
from streams.kafka.dead_letter_writer import DeadLetterWriter
from streams.kafka.scan import beginning, scan
from streams.lake.contents import logged_times
from streams.lake.footers import read
from streams.lake.keys import Footer
from streams.lake.reader import LakeReader
from streams.lake.store import Lake, StoredObject
from streams.replay.plan import Target
from streams.settings.settings import Settings
from streams.staging.objects import Objects
from streams.staging.parquet import Group
from streams.staging.staging import Staging
from streams.windows.batch import Record, tabulate
from streams.windows.letters import Letters
from streams.windows.window import Counts, Limits, Run, Window

if TYPE_CHECKING:
    from streams.kafka.client import Consumer

#: Records and bytes of values that are mapped and staged at once.
BATCH_RECORDS = 2_500
BATCH_BYTES = 4 << 20

State = Literal["same", "new", "changed", "stale", "deleted"]
Outcome = Literal["same", "changed", "made", "skipped", "refused", "failed"]


class Refusal(Exception):  # noqa: N818 - the outcome of one window, not an error
    """A window that cannot be rebuilt; nothing of it was changed."""


@dataclass(frozen=True, slots=True)
class ObjectReplay:
    """One object. `before` and `after` are its rows; None if it does not exist or is unreadable.

    A `stale` object belongs to the window, but is no longer produced.
    """

    key: str
    state: State
    before: int | None
    after: int | None


@dataclass(slots=True)
class WindowReplay:
    """The result for one window. `letters` is how many were sent, `resolved` how many resolved."""

    partition: int
    first: int
    end: int
    outcome: Outcome
    reason: str = ""
    before: Counts | None = None
    after: Counts | None = None
    versions: tuple[str, ...] = ()
    objects: list[ObjectReplay] = field(default_factory=list)
    letters: int = 0
    resolved: int = 0

    @property
    def stale(self) -> list[str]:
        """The keys of stale objects."""
        return [each.key for each in self.objects if each.state == "stale"]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "partition": self.partition,
            "first": self.first,
            "end": self.end,
            "outcome": self.outcome,
            "reason": self.reason or None,
            "before": self.before._asdict() if self.before else None,
            "after": self.after._asdict() if self.after else None,
            "mapping_versions": list(self.versions),
            "objects": [asdict(each) for each in self.objects],
            "letters_sent": self.letters,
            "letters_resolved": self.resolved,
        }


@dataclass(frozen=True, slots=True)
class Task:
    """What all windows of a replay have in common.

    `source` is the lake. `target` is where objects go, `reader` reads it, and `existing` has its
    objects by window (partition, first, end). `letters` is None if the replay leaves dead letters
    alone. `topic_id` is the topic's id now.
    """

    settings: Settings
    mapping: AlertMapping
    source: LakeReader
    target: Lake
    reader: LakeReader
    existing: dict[tuple[int, int, int], LakeWindow]
    letters: Letters | None
    topic_id: str = ""
    dry_run: bool = False
    prune: bool = False
    resume: bool = False


class Rebuilder:
    """Rebuilds windows, one at a time, with its own staging and consumer."""

    def __init__(self, task: Task, client: "Consumer", directory: Path) -> None:
        self._task = task
        self._client = client
        topic, lake = task.settings.kafka.topic, task.settings.lake
        self._topic = topic
        home = (lake.region, lake.account_id)
        self._staging = Staging(directory, topic, task.mapping.version, home)
        self._objects = Objects(self._staging, task.mapping, topic)
        window = task.settings.window
        #: Offsets that have a dead letter and whose record was read.
        self._met: set[int] = set()
        #: Timestamps of the records of the window.
        self._times: set[int] = set()
        self._limits = Limits(window.interval, window.record_bytes, window.max_rows)

    def __enter__(self) -> "Rebuilder":
        self._staging.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._staging.close()
        shutil.rmtree(self._staging.path, ignore_errors=True)

    def rebuild(self, target: Target) -> Iterator[WindowReplay]:
        """Rebuild a window, or create those of a gap; yield each when it is done.

        A window that cannot be rebuilt is `refused`. Raises FalcolakeError if the lake, Kafka or
        the disk fails; kafka-python's errors come as they are.
        """
        window = target.window
        self._met.clear()
        self._times.clear()
        if window is None:
            try:
                yield from self._fill(target)
            except Refusal as error:
                yield WindowReplay(*target[:3], "refused", f"{error}")
            return
        window.objects = [_with_footer(self._task.source, each) for each in window.objects]
        if others := _others(window.footers, self._task.topic_id):
            reason = f"its records were of an earlier topic of this name, with the id {others[0]}"
            yield WindowReplay(*target[:3], "refused", reason, before=_counts(window))
            return
        if self._task.resume and self._whole(target):
            yield WindowReplay(*target[:3], "skipped", "complete, with the current mapping")
            return
        runs: list[Run] = []
        try:
            self._stage_all(target, runs)
            self._check(target, sum(run.records for run in runs), window)
            yield self._write(Window(*target[:3], tuple(runs)), window)
        except Refusal as error:
            yield WindowReplay(*target[:3], "refused", f"{error}", before=_counts(window))
        finally:
            self._forget(runs)

    # ---- reading

    def _records(self, target: Target) -> Iterator[Record]:
        offsets = {target.partition: (target.first, target.end)}
        yield from scan(self._client, self._topic, offsets)

    def _stage_all(self, target: Target, runs: list[Run]) -> None:
        """Stage the records of a window, a batch at a time."""
        first, batch, size = target.first, [], 0
        for record in self._records(target):
            batch.append(record)
            size += len(record.value or b"")
            if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
                end = record.offset + 1
                runs.append(self._stage(target.partition, first, end, batch))
                first, batch, size = end, [], 0
        if first < target.end:
            runs.append(self._stage(target.partition, first, target.end, batch))

    def _stage(self, partition: int, first: int, end: int, records: Sequence[Record]) -> Run:
        if self._task.letters is not None and (
            letters := set(self._task.letters.of(partition, first, end))
        ):
            self._met |= letters.intersection(record.offset for record in records)
        self._times.update(record.timestamp for record in records)
        task = self._task
        rows = tabulate(task.mapping, partition, first, end, records, task.topic_id)
        return self._staging.append(rows)

    def _check(self, target: Target, records: int, window: LakeWindow | None) -> None:
        """Raise Refusal if Kafka has deleted records of the window, before or during the read."""
        begin = beginning(self._client, self._topic, target.partition)
        if begin > target.first:
            raise Refusal(f"Kafka has deleted its records: the first offset is now {begin}")
        had = max((footer.counts.records for footer in window.footers), default=0) if window else 0
        if records < had:
            raise Refusal(f"Kafka has {records} of its {had} records: was the topic compacted?")

    # ---- gaps

    def _fill(self, target: Target) -> Iterator[WindowReplay]:
        """Create the windows of a gap: each ends where it is full, by its records only."""
        found = False
        for first, end, runs in self._cut(target):
            try:
                records = sum(run.records for run in runs)
                if records:
                    found = True
                    self._check(target._replace(first=first, end=end), records, None)
                    yield self._write(Window(target.partition, first, end, tuple(runs)), None)
            finally:
                self._forget(runs)
        if not found:
            raise Refusal("no window has these offsets, and Kafka has no records there")

    def _cut(self, target: Target) -> Iterator[tuple[int, int, list[Run]]]:
        """Yield (first, end, runs) of each window; the last one ends where the gap does."""
        began = first = target.first
        runs: list[Run] = []
        batch: list[Record] = []
        rows = size = batch_size = 0
        for record in self._records(target):
            # Decided by the records before: so the last window has a record, and ends with the gap.
            full = rows >= self._limits.max_rows or size >= self._limits.max_bytes
            if full or len(batch) >= BATCH_RECORDS or batch_size >= BATCH_BYTES:
                end = batch[-1].offset + 1
                runs.append(self._stage(target.partition, first, end, batch))
                first, batch, batch_size = end, [], 0
            if full:
                yield began, first, runs
                began, runs, rows, size = first, [], 0, 0
            batch.append(record)
            length = len(record.value or b"")
            rows, size, batch_size = rows + 1, size + length, batch_size + length
        runs.append(self._stage(target.partition, first, target.end, batch))
        yield began, target.end, runs

    # ---- writing

    def _write(self, staged: Window, window: LakeWindow | None) -> WindowReplay:
        """Export the objects, compare them with the existing ones, put those that differ."""
        task = self._task
        bounds = staged.partition, staged.first, staged.end
        there = self._existing(bounds, window)
        outcome: Outcome = "changed" if there else "made"
        done = WindowReplay(*bounds, "same", before=_counts(window), after=staged.counts)
        done.versions = _versions(window, task.mapping.version)
        # Before anything of the window changes, what is there must be of the same records.
        prove = cache(partial(self._prove, dict(there)))
        for group, rows in self._objects.groups(staged):
            key = task.target.key(self._objects.key(staged, group))
            done.objects.append(self._put(staged, group, rows, key, there.pop(key, None), prove))
        for key, stored in sorted(there.items()):
            if task.prune and not task.dry_run:
                prove()
                task.target.delete(key)
            state: State = "deleted" if task.prune else "stale"
            done.objects.append(ObjectReplay(key, state, _rows(stored), None))
        if task.letters is not None:
            self._settle(
                staged, task.letters, done, expired=task.letters.trimmed and window is not None
            )
        if any(each.state != "same" for each in done.objects) or done.letters or done.resolved:
            done.outcome = outcome
        return done

    def _existing(
        self, bounds: tuple[int, int, int], window: LakeWindow | None
    ) -> dict[str, Stored]:
        """Return the existing objects of this window at the target, with footers, by key."""
        there = self._task.existing.get(bounds)
        objects = [] if there is None else there.objects
        if there is not window:
            objects = [_with_footer(self._task.reader, each) for each in objects]
        return {each.key: each for each in objects}

    def _prove(self, there: Mapping[str, Stored]) -> None:
        """Raise Refusal if a finding that is there is of none of the records that Kafka has now."""
        for key, stored in there.items():
            if stored.account is None:
                continue  # it has no finding of this window
            with NamedTemporaryFile(dir=self._staging.path) as copy:
                self._task.reader.fetch(key, Path(copy.name))
                others = logged_times(Path(copy.name)) - self._times
            if others:
                raise Refusal(
                    f"Kafka has other records there now: {len(others)} timestamps in the lake are "
                    "those of none of them, as if the log had been cut. The lake has the only copy"
                )

    def _put(
        self,
        staged: Window,
        group: Group,
        rows: int,
        key: str,
        there: Stored | None,
        prove: Callable[[], None],
    ) -> ObjectReplay:
        file = self._staging.target(1)
        try:
            self._objects.export(staged, group, file)
            if there is not None and self._task.reader.equals(key, file):
                return ObjectReplay(key, "same", rows, rows)
            prove()
            if not self._task.dry_run:
                self._task.target.put(key, file, overwrite=True)
        finally:
            file.unlink(missing_ok=True)
        if there is None:
            return ObjectReplay(key, "new", None, rows)
        return ObjectReplay(key, "changed", _rows(there), rows)

    # ---- dead letters

    def _settle(
        self, staged: Window, letters: Letters, done: WindowReplay, *, expired: bool
    ) -> None:
        """Send the dead letters that are missing; resolve those of records that are accepted now.

        Existing letters are not sent again. If retention has deleted the oldest letters, a missing
        letter of an existing window was sent once, and is not sent again.
        """
        known = set(letters.of(staged.partition, staged.first, staged.end))
        first = staged.first
        while rejects := self._staging.rejects(staged, first):
            first = rejects[-1].offset + 1
            missing = [each for each in rejects if each.offset not in known]
            known.difference_update(each.offset for each in rejects)
            if missing and not expired:
                done.letters += len(missing)
                self._tell("send", staged.partition, missing)
        if accepted := known & self._met:
            done.resolved = len(accepted)
            self._tell("resolve", staged.partition, sorted(accepted))

    def _tell(self, what: Literal["send", "resolve"], partition: int, items: Any) -> None:
        if self._task.dry_run:
            return

        async def tell() -> None:
            topic = DeadLetterWriter(self._task.settings)
            try:
                await getattr(topic, what)(partition, items)
            finally:
                await topic.stop()

        asyncio.run(tell())

    # ---- what is there

    def _whole(self, target: Target) -> bool:
        """Whether the footers show that a window needs no work."""
        bounds = target[:3]
        there = self._task.existing.get(bounds)
        if there is None or target.window is None:
            return False
        objects = list(self._existing(bounds, target.window).values())
        footers = [each.account for each in objects]
        if not footers or None in footers:
            return False
        counts, version = footers[0].counts, self._task.mapping.version  # type: ignore[union-attr]
        told = {(each.counts, each.mapping_version) for each in footers if each}
        rows = sum(each.rows for each in footers if each)
        if told != {(counts, version)} or rows != counts.findings:
            return False
        letters = self._task.letters
        if letters is None:
            return True
        found = letters.within(*bounds)
        return found == counts.rejects or (letters.trimmed and found < counts.rejects)

    def _forget(self, runs: Iterable[Run]) -> None:
        self._staging.roll()
        for segment in {run.segment for run in runs}:
            self._staging.forget(segment)


def _with_footer(reader: LakeReader, stored: Stored) -> Stored:
    return stored._replace(footer=read(reader, StoredObject(stored.key, stored.size)))


def _others(footers: Sequence[Footer], topic_id: str) -> list[str]:
    """Return the ids of other topics in footers; those without an id may be of this one."""
    return sorted({each.topic_id for each in footers} - {"", topic_id}) if topic_id else []


def _rows(stored: Stored) -> int | None:
    return stored.footer.rows if isinstance(stored.footer, Footer) else None


def _counts(window: LakeWindow | None) -> Counts | None:
    """Return the counts in the window's footers, or None without a footer."""
    return window.counts if window is not None and window.footers else None


def _versions(window: LakeWindow | None, now: str) -> tuple[str, ...]:
    """Return the mapping's versions, before and now; one if they are the same."""
    before = {footer.mapping_version for footer in window.footers} if window else set()
    return (*sorted(before - {now}), now)
