"""The Prometheus metrics of `falcolake receive`: counts and sizes, nothing of what alerts say.

Every receiver has its own registry. Nothing here survives a restart.
"""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, ProcessCollector

from streams.registry import NO_LABELS, LabelledRegistry

PREFIX: Final = "falcolake_receive"

#: What a request may come to, in the order in which it is decided.
RESULTS: Final = (
    "unauthorized",
    "refused",
    "no_alerts",
    "too_large",
    "slow",
    "full",
    "unavailable",
    "timeout",
    "accepted",
)
#: What a record may come to.
OUTCOMES: Final = ("acknowledged", "late", "too_large", "failed")

#: Seconds. Kafka takes a few milliseconds, and some broker's restart a minute.
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts requests by their answer, and records by what Kafka said of them.

    Every series has the `labels`.
    """

    def __init__(self, labels: Mapping[str, str] = NO_LABELS) -> None:
        self.registry = registry = LabelledRegistry(labels)
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "requests",
            "requests with alerts, by answer",
            ["result"],
            namespace=PREFIX,
            registry=registry,
        )
        self._records = Counter(
            "records",
            "records by what Kafka said; late: acknowledged after the request was answered 503",
            ["outcome"],
            namespace=PREFIX,
            registry=registry,
        )
        self._bytes = Counter(
            "bytes", "bytes of acknowledged records", namespace=PREFIX, registry=registry
        )
        self._seconds = Histogram(
            "seconds",
            "time from a request's head to its answer",
            namespace=PREFIX,
            registry=registry,
            buckets=BUCKETS,
        )
        self._in_flight = Gauge(
            "in_flight_bytes",
            "bytes that are taken of receive.max_bytes_in_flight",
            namespace=PREFIX,
            registry=registry,
        )
        self._ready = Gauge(
            "ready", "1 while Kafka answers and has the topic", namespace=PREFIX, registry=registry
        )
        for result in RESULTS:
            self._requests.labels(result)
        for outcome in OUTCOMES:
            self._records.labels(outcome)

    def answered(self, result: str, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(result).inc()
        self._seconds.observe(seconds)

    def acknowledged(self, records: int, size: int, *, late: bool) -> None:
        """Count records that Kafka has; `late` if their request was answered before that."""
        self._records.labels("late" if late else "acknowledged").inc(records)
        self._bytes.inc(size)

    def lost(self, outcome: str, records: int) -> None:
        """Count records that Kafka did not take."""
        self._records.labels(outcome).inc(records)

    def in_flight(self, size: int) -> None:
        """Publish how many bytes are in flight."""
        self._in_flight.set(size)

    def ready(self, ready: bool) -> None:
        """Publish whether Kafka answers and has the topic."""
        self._ready.set(ready)
