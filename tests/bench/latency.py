"""Latency: the time from producing an alert until it is staged, and until it is in S3.

A producer sends at a fixed rate to one partition, where the count of staged records tells which
they are. A record's production is its Kafka timestamp, set by the producer as it makes the record;
it is staged when the worker's own count of staged records (its metrics, read every 20 ms) has
passed it, and in S3 when a listing (every 50 ms) first shows the object whose key covers it.
"""

import re
import threading
import time
import urllib.request
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from streams.kafka import produce
from streams.lake.keys import parse_key
from streams.settings.load import load
from tests.bench.cost import until
from tests.bench.ground import Ground, Topic
from tests.bench.worker import Worker, started

RATE = 1_000
WINDOW = 5
STAGED = re.compile(
    r'^falcolake_staged_records_total\{.*outcome="finding".*\} (\S+)$', re.MULTILINE
)


class Watch:
    """Records when a growing count changed: pairs of (time in ms, count)."""

    def __init__(self, count: Callable[[], int], pause: float) -> None:
        self.seen: list[tuple[float, int]] = []
        self._count, self._pause = count, pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def reached(self) -> int:
        """Return the last count."""
        return self.seen[-1][1] if self.seen else 0

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            count = self._count()
            if count > self.reached():
                self.seen.append((time.time() * 1000, count))

    def delays(self, produced: list[int]) -> list[float]:
        """Return the time from production to count of each record in order, in ms."""
        counts = [count for _, count in self.seen]
        return [
            self.seen[bisect_right(counts, number)][0] - at for number, at in enumerate(produced)
        ]


def measure(ground: Ground, seconds: int = 30) -> dict[str, Any]:
    """Run a worker and a producer together; return p50 and p99 in ms."""
    name, count = "bench-latency", RATE * seconds
    ground.stack.create_topic(name, 1)
    topic, run = Topic(name, "mix", 1, count, 0), ground.run_name("latency")
    with started(ground, topic, run, 1, WINDOW) as (worker,):
        until(worker.reads, 60, "the worker reads the partition")
        worker.begin()
        with (
            Watch(staged_count(worker), 0.02) as staged,
            Watch(_stored(ground, run), 0.05) as stored,
        ):
            produce.run(
                load(environment=ground.environment(topic, run)),
                start_ns=time.time_ns(),
                count=count,
                rate=RATE,
            )
            until(lambda: stored.reached() >= count, 120, "all of it is in S3")
        cost = worker.cost()
    produced = _produced(ground, name, count)
    return {
        "rate": RATE,
        "window": WINDOW,
        "count": count,
        "cores": cost.cpu / cost.seconds,
        "staged": _percentiles(staged.delays(produced)),
        "stored": _percentiles(stored.delays(produced)),
    }


def staged_count(worker: Worker) -> Callable[[], int]:
    address = worker.address()

    def count() -> int:
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as page:
            found = STAGED.search(page.read().decode())
        return int(float(found[1])) if found else 0

    return count


def _stored(ground: Ground, run: str) -> Callable[[], int]:
    client, bucket = ground.stack.s3.client(), ground.stack.bucket

    def end() -> int:
        listed = client.list_objects_v2(Bucket=bucket, Prefix=f"{run}/").get("Contents", [])
        keys = (parse_key(each["Key"], run) for each in listed)
        return max((key.end for key in keys if key), default=0)  # windows are put in order

    return end


def _produced(ground: Ground, topic: str, count: int) -> list[int]:
    """Return the records' timestamps, by offset."""
    consumer = KafkaConsumer(
        bootstrap_servers=ground.stack.kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
    )
    consumer.assign([TopicPartition(topic, 0)])
    times = []
    for record in consumer:
        times.append(record.timestamp)
        if len(times) == count:
            break
    consumer.close()
    return times


def _percentiles(delays: list[float]) -> dict[str, float]:
    ordered = sorted(delays)
    return {
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[len(ordered) * 99 // 100],
        "most": ordered[-1],
    }
