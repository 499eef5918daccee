"""The worker's Prometheus metrics: all names in one place, each changed by one small method.

Every worker has its own registry, so that two workers in one process do not mix. Nothing here
survives a restart; what is in the lake, the lake itself records.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, ProcessCollector

from streams import clock
from streams.errors import (
    Corrupt,
    FalcolakeError,
    Misconfigured,
    Occupied,
    Unavailable,
    Unproved,
)
from streams.registry import NO_LABELS, LabelledRegistry
from streams.windows.batch import Rows
from streams.windows.progress import Progress
from streams.windows.room import Usage
from streams.windows.window import Blocked, Window
from streams.worker.journal import Journal
from streams.worker.tally import SEVERITIES, Tallier
from streams.worker.waits import lasting

PREFIX: Final = "falcolake"

#: Seconds. A put takes tenths, a window minutes, and an outage of the lake hours.
PUT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
WINDOW_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
AGE_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 300, 450, 600, 900, 1800, 3600, 7200, 21_600, 86_400)

OUTCOMES = ("finding", "reject", "filtered")


class Metrics:
    """Counts what is staged and shipped; on both sides records = findings + rejects + filtered.

    It also writes the `journal`, which the status page shows. Every series has the `labels`.
    """

    def __init__(
        self, journal: Journal | None = None, labels: Mapping[str, str] = NO_LABELS
    ) -> None:
        self.journal = journal or Journal()
        self.registry = registry = LabelledRegistry(labels)
        ProcessCollector(registry=registry)
        self._tallier = Tallier()
        #: Since when, by partition; monotonic.
        self._holding: dict[int, float] = {}
        self._blocking: dict[int, Blocked] = {}
        #: What the gauges of the partitions show.
        self._shown: dict[int, Progress] = {}
        self._declare_reading()
        self._declare_shipping()
        self._declare_partitions()
        self._build = self._gauge(
            "build_info", "1; the version of falcolake and of its mapping", "version", "mapping"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, text, namespace=PREFIX, registry=self.registry, buckets=buckets)

    def _declare_reading(self) -> None:
        counter, gauge = self._counter, self._gauge
        self._consumed = counter(
            "consumed_records", "records taken from Kafka; those read again count again"
        )
        records = counter("staged_records", "records staged, by outcome", "outcome")
        self._bytes = counter("staged_bytes", "bytes of the values of staged records")
        self._findings = counter("staged_findings", "findings staged, by OCSF severity", "severity")
        self._rejects = counter("staged_rejects", "rejects staged, by reason", "reason")
        self._filtered = counter(
            "staged_filtered",
            "records filtered, by minimum_priority or the rule of mapping.drop, and Falco's rule",
            "by",
            "rule",
        )
        self._lost = counter(
            "lost_records", "offsets that Kafka's retention deleted unread", "partition"
        )
        self._mapping_seconds = counter("mapping_seconds", "time spent mapping alerts to findings")
        self._staging_seconds = counter("staging_seconds", "time spent appending to staging")
        self._told = counter("control_messages", "records of the control topic, by kind", "kind")
        self._rebalances = counter("rebalances", "times that Kafka gave this worker partitions")
        self._paused = gauge("paused", "1 while reading from Kafka is paused")
        self._staging = gauge("staging_bytes", "bytes that staging takes on disk")
        self._free = gauge("staging_free_bytes", "bytes free on staging's disk")
        self._by_outcome = {outcome: records.labels(outcome) for outcome in OUTCOMES}
        for severity in SEVERITIES:
            self._findings.labels(severity)

    def _declare_shipping(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self._sealed = counter("sealed_windows", "windows sealed")
        self._windows = counter("shipped_windows", "windows committed")
        self._shipped = counter(
            "shipped_records", "records of committed windows, by outcome", "outcome"
        )
        self._repeated = counter(
            "repeated_records",
            "records of committed windows that repeat an earlier one of their window byte for byte",
        )
        self._objects = counter(
            "put_objects", "objects put; result existed: the lake had them already", "result"
        )
        self._object_bytes = counter("put_bytes", "bytes of objects put")
        self._put_seconds = histogram("put_seconds", "time of a put to S3", PUT_BUCKETS)
        self._export_seconds = counter("export_seconds", "time spent writing Parquet")
        self._window_seconds = histogram(
            "window_seconds",
            "time to ship a window: export, puts, dead letters, commit",
            WINDOW_BUCKETS,
        )
        self._age = histogram(
            "event_to_lake_seconds",
            "from a record's time in Kafka to the commit of its window; the oldest of each batch",
            AGE_BUCKETS,
        )
        self._retries = counter(
            "retries", "failed tries to ship a window, by what a person has to do", "kind"
        )
        self._held = gauge(
            "held_since_seconds",
            "when shipping was held, epoch s; absent while it is not",
            "partition",
        )
        self._blocked = gauge(
            "blocked_since_seconds",
            "when a partition was blocked, epoch s; absent while it is not",
            "partition",
            "kind",
        )
        self._away = gauge(
            "away_since_seconds",
            "when Kafka or the lake was first asked and has not answered since, epoch s; absent "
            "while it answers",
            "peer",
        )
        self._last = gauge(
            "last_shipped_timestamp_seconds", "when a window was last committed, epoch s"
        )
        for outcome in OUTCOMES:
            self._shipped.labels(outcome)
        for result in ("put", "existed"):
            self._objects.labels(result)
        for kind in (Unavailable, Misconfigured, Corrupt, Unproved, Occupied):
            self._retries.labels(kind.__name__)

    def _declare_partitions(self) -> None:
        gauge = self._gauge
        self._assigned = gauge("assigned_partitions", "partitions that this worker has")
        self._committed = gauge("committed_offset", "offset committed", "partition")
        self._position = gauge("staged_offset", "offset staged up to", "partition")
        self._end = gauge("end_offset", "end of the partition in Kafka", "partition")
        self._start = gauge(
            "start_offset", "first offset that Kafka still has, see retention", "partition"
        )
        self._lag = gauge(
            "lag_records", "offsets in Kafka that are not in the lake yet", "partition"
        )
        self._behind = gauge(
            "lag_seconds", "age of the oldest record that is not in the lake yet", "partition"
        )
        self._staged = gauge(
            "staging_records", "records in staging, not in the lake yet", "partition"
        )
        self._waiting = gauge(
            "waiting_windows", "windows sealed and not committed yet", "partition"
        )
        self._spare_records = gauge(
            "retention_spare_records",
            "offsets between the first that Kafka still has and the first not in the lake; "
            "absent while nothing waits or nothing was ever deleted",
            "partition",
        )
        self._spare_seconds = gauge(
            "retention_spare_seconds",
            "seconds between the oldest record that Kafka still has and the oldest not in the "
            "lake; absent as retention_spare_records is",
            "partition",
        )

    def running(self, version: str, mapping_version: str) -> None:
        """Publish the versions that run."""
        self._build.labels(version, mapping_version).set(1)

    def consumed(self, records: int) -> None:
        """Count a batch from Kafka."""
        self._consumed.inc(records)

    def staged(self, rows: Rows, mapping_seconds: float, staging_seconds: float) -> None:
        """Count records that are durable in staging."""
        self._by_outcome["finding"].inc(len(rows.findings))
        self._by_outcome["reject"].inc(len(rows.rejects))
        self._by_outcome["filtered"].inc(rows.filtered)
        self._bytes.inc(rows.bytes)
        self._mapping_seconds.inc(mapping_seconds)
        self._staging_seconds.inc(staging_seconds)
        tally = self._tallier.count(rows)
        for severity, count in tally.severities.items():
            self._findings.labels(severity).inc(count)
        for reason, count in tally.reasons.items():
            self._rejects.labels(reason).inc(count)
        for filtered, count in tally.filtered.items():
            self._filtered.labels(filtered.by, filtered.rule).inc(count)
        self.journal.staged(rows, tally, clock.now_ms())

    def lost(self, partition: int, count: int) -> None:
        """Count offsets that Kafka deleted before they were read."""
        self._lost.labels(str(partition)).inc(count)
        self._note("lost", f"partition {partition}: Kafka's retention deleted {count:,} unread")

    def sealed(self, windows: int) -> None:
        """Count sealed windows."""
        self._sealed.inc(windows)

    def exported(self, seconds: float) -> None:
        """Count the time to write an object, before its put."""
        self._export_seconds.inc(seconds)

    def put(self, size: int, seconds: float, written: bool) -> None:
        """Count an object in the lake; not `written` if it was there before."""
        self._objects.labels("put" if written else "existed").inc()
        self._put_seconds.observe(seconds)
        if written:
            self._object_bytes.inc(size)

    def shipped(
        self, window: Window, objects: Mapping[str, int], repeated: int, seconds: float
    ) -> None:
        """Count a committed window; `objects` are its keys with their bytes."""
        counts, now_ms = window.counts, clock.now_ms()
        self._windows.inc()
        self._window_seconds.observe(seconds)
        self._shipped.labels("finding").inc(counts.findings)
        self._shipped.labels("reject").inc(counts.rejects)
        self._shipped.labels("filtered").inc(counts.filtered)
        self._repeated.inc(repeated)
        self._last.set(now_ms / 1000)
        self.journal.shipped(window, objects, repeated, seconds, now_ms)
        for run in window.runs:
            if run.records:
                self._age.observe(max(0.0, (now_ms - run.oldest) / 1000))

    def held(self, partition: int, since: float, error: FalcolakeError) -> None:
        """Count a failed try to ship a window; `since` is monotonic."""
        self._retries.labels(type(error).__name__).inc()
        if partition not in self._holding:
            self._holding[partition] = since
            self._note("held", f"partition {partition}: held: {error.message}")
        self._held.labels(str(partition)).set(clock.now_ms() / 1000 - (time.monotonic() - since))

    def released(self, partition: int) -> None:
        """Record that a partition ships again, or belongs to another worker."""
        span = lasting(time.monotonic() - self._holding.pop(partition))
        self._held.remove(str(partition))
        self._note("released", f"partition {partition}: no longer held, after {span}")

    def blocked(self, partition: int, blocked: Blocked, since: float) -> None:
        """Publish that a partition is blocked; `since` is monotonic."""
        if self._blocking.get(partition) != blocked:
            self.unblocked(partition, released=False)
            self._blocking[partition] = blocked
            self._note("blocked", f"partition {partition}: blocked: {blocked.reason}")
        epoch = clock.now_ms() / 1000 - (time.monotonic() - since)
        self._blocked.labels(str(partition), blocked.kind).set(epoch)

    def unblocked(self, partition: int, *, released: bool = True) -> None:
        """Record that a partition is read again, or belongs to another worker."""
        before = self._blocking.pop(partition, None)
        if before is None:
            return
        self._blocked.remove(str(partition), before.kind)
        if released:
            self._note("unblocked", f"partition {partition}: no longer blocked here")

    def away(self, kind: str, seconds: float | None) -> None:
        """Publish for how long Kafka or the lake has not answered; None while it does."""
        if seconds is None:
            with contextlib.suppress(KeyError):
                self._away.remove(kind)
        else:
            self._away.labels(kind).set(clock.now_ms() / 1000 - seconds)

    def noted(self, kind: str, text: str) -> None:
        """Record an event that others have described."""
        self._note(kind, text)

    def told(self, kind: str) -> None:
        """Count a record of the control topic."""
        self._told.labels(kind).inc()

    def paused(self, reason: str | None) -> None:
        """Publish why reading is paused, or None when it resumes."""
        self._paused.set(reason is not None)
        if reason is None:
            self._note("resumed", "reading resumes")
        else:
            self._note("paused", f"reading paused: {reason}")

    def usage(self, usage: Usage) -> None:
        """Publish what staging takes and what its disk has left."""
        self._staging.set(usage.staged)
        self._free.set(usage.free)

    def assigned(self, partitions: Collection[int]) -> None:
        """Count a rebalance and publish what is assigned."""
        self._rebalances.inc()
        self._assigned.set(len(partitions))
        numbers = ", ".join(map(str, sorted(partitions))) or "none"
        self._note("assigned", f"assigned partitions: {numbers}")

    def _note(self, kind: str, text: str) -> None:
        self.journal.note(kind, text, clock.now_ms())

    def progress(self, found: Sequence[Progress]) -> None:
        """Publish where the partitions are, and drop those that this worker no longer has."""
        gauges: dict[Gauge, Callable[[Progress], float | None]] = {
            self._committed: lambda p: p.committed,
            self._position: lambda p: p.staged,
            self._end: lambda p: p.end,
            self._start: lambda p: p.start,
            self._lag: lambda p: p.lag,
            self._behind: lambda p: p.behind,
            self._staged: lambda p: p.staged_records,
            self._waiting: lambda p: p.waiting_windows,
            self._spare_records: lambda p: p.spare_records,
            self._spare_seconds: lambda p: p.spare_seconds,
        }
        before, self._shown = self._shown, {each.partition: each for each in found}
        changed = [each for each in found if before.get(each.partition) != each]
        gone = [str(number) for number in before.keys() - self._shown.keys()]
        for gauge, read in gauges.items():
            absent = [*gone]
            for each in changed:
                value = read(each)
                if value is None:
                    absent.append(str(each.partition))
                else:
                    gauge.labels(str(each.partition)).set(value)
            for number in absent:
                with contextlib.suppress(KeyError):
                    gauge.remove(number)
        self.journal.sample(found, clock.now_ms())
