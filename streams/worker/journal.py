"""Journal: what happened in the last hours, for the status page, in bounded memory.

It keeps samples of throughput and lag, the windows that were shipped, tallies of the last hour, the
latest rejects, and events that a person may ask about. Unless a setting allows more, it keeps only
the rule's name of an alert. It takes about half a megabyte and ends with the process.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from streams.windows.batch import Rows
from streams.windows.progress import Progress
from streams.windows.window import Window
from streams.worker.tally import SEVERITIES, Tally, most, reason_name

#: Milliseconds between samples, and how many are kept: an hour.
SAMPLE_MS: Final = 10_000
SAMPLES: Final = 360

#: Milliseconds that a bucket of tallies covers, and how many make an hour.
BUCKET_MS: Final = 300_000
BUCKETS: Final = 12

WINDOWS: Final = 600
WINDOWS_MS: Final = 6 * 3_600_000
REJECTS: Final = 10
EVENTS: Final = 40

#: The most rules counted in a bucket and shown, and characters of a name and of a record.
MOST_RULES: Final = 300
SHOWN_RULES: Final = 10
LONGEST_NAME: Final = 200
LONGEST_EXCERPT: Final = 300

OTHER_RULES: Final = "(other rules)"


class Sample(NamedTuple):
    """One point of the charts: rates are records a second since the point before."""

    at: int
    read: float
    shipped: float
    lag: int
    behind: float


class Shipped(NamedTuple):
    """One window in the lake. Times are epoch ms; `oldest` is its oldest record's time in Kafka."""

    partition: int
    first: int
    end: int
    records: int
    findings: int
    rejects: int
    filtered: int
    repeated: int
    bytes: int
    objects: int
    oldest: int
    at: int
    seconds: float


class Refused(NamedTuple):
    """One reject; the excerpt is empty unless contents may be kept."""

    at: int
    partition: int
    offset: int
    reason: str
    excerpt: str


class Event(NamedTuple):
    """Something that happened to the worker."""

    at: int
    kind: str
    text: str


class _Bucket:
    """What was staged in five minutes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.severities = Counter[str]()
        self.rules = Counter[str]()
        self.reasons = Counter[str]()
        self.outcomes = Counter[str]()


class Journal:
    """What one worker process did. With `contents` it keeps excerpts of rejected records."""

    def __init__(self, *, contents: bool = False) -> None:
        self.contents = contents
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._windows: deque[Shipped] = deque(maxlen=WINDOWS)
        self._rejects: deque[Refused] = deque(maxlen=REJECTS)
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)
        self._read = self._shipped = 0
        self._sampled: tuple[int, int, int] | None = None

    # ---- what happened

    def staged(self, rows: Rows, tally: Tally, now: int) -> None:
        """Record that a batch was staged."""
        self._read += rows.records
        bucket = self._bucket(now)
        bucket.severities += tally.severities
        bucket.reasons += tally.reasons
        bucket.outcomes["findings"] += len(rows.findings)
        bucket.outcomes["rejects"] += len(rows.rejects)
        bucket.outcomes["filtered"] += rows.filtered
        for rule, count in tally.rules.items():
            name = rule[:LONGEST_NAME]
            known = name in bucket.rules or len(bucket.rules) < MOST_RULES
            bucket.rules[name if known else OTHER_RULES] += count
        for reject in rows.rejects[-REJECTS:]:
            reason, excerpt = reason_name(reject.reason), ""
            if self.contents:
                reason = reject.reason
                excerpt = (reject.value or b"")[:LONGEST_EXCERPT].decode(errors="replace")
            self._rejects.append(Refused(now, rows.partition, reject.offset, reason, excerpt))

    def _bucket(self, now: int) -> _Bucket:
        number = now // BUCKET_MS
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        return self._buckets[-1]

    def shipped(
        self, window: Window, objects: Mapping[str, int], repeated: int, seconds: float, now: int
    ) -> None:
        """Record that a window was committed."""
        counts = window.counts
        self._shipped += counts.records
        self._windows.append(
            Shipped(
                window.partition,
                window.first,
                window.end,
                *counts,
                repeated,
                sum(objects.values()),
                len(objects),
                window.oldest or now,
                now,
                round(seconds, 3),
            )
        )

    def note(self, kind: str, text: str, now: int) -> None:
        """Record an event that a person may ask about later."""
        self._events.append(Event(now, kind, text))

    def sample(self, found: Sequence[Progress], now: int) -> None:
        """Add a point to the charts, if one is due."""
        if self._sampled is None:
            self._sampled = now, self._read, self._shipped
        before, read, shipped = self._sampled
        if now - before < SAMPLE_MS:
            return
        seconds = (now - before) / 1000
        self._samples.append(
            Sample(
                now,
                round((self._read - read) / seconds, 2),
                round((self._shipped - shipped) / seconds, 2),
                sum(each.lag for each in found),
                round(max((each.behind for each in found), default=0.0), 1),
            )
        )
        self._sampled = now, self._read, self._shipped

    # ---- what it reports

    def plain(self, now: int) -> dict[str, Any]:
        """Return it as JSON types; samples and windows are rows, with their names given once."""
        since = now // BUCKET_MS - BUCKETS
        buckets = [each for each in self._buckets if each.number > since]
        rules, reasons = Counter[str](), Counter[str]()
        severities = Counter(dict.fromkeys(SEVERITIES, 0))
        outcomes = Counter(findings=0, rejects=0, filtered=0)
        for bucket in buckets:
            rules.update(bucket.rules)
            reasons.update(bucket.reasons)
            severities.update(bucket.severities)
            outcomes.update(bucket.outcomes)
        return {
            "samples": {
                "names": Sample._fields,
                "rows": [each for each in self._samples if now - each.at <= SAMPLES * SAMPLE_MS],
            },
            "windows": {
                "names": Shipped._fields,
                "rows": [each for each in self._windows if now - each.at <= WINDOWS_MS],
            },
            "hour": {
                **outcomes,
                "severities": severities,
                "rules": most(rules, SHOWN_RULES),
                "reasons": most(reasons, SHOWN_RULES),
            },
            "rejects": [each._asdict() for each in reversed(self._rejects)],
            "events": [each._asdict() for each in reversed(self._events)],
        }
