"""Records made to stop a worker, all in one topic: the alerts around them arrive, and in time."""

import json
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import KafkaProducer

from tests.flow.inflated import peak, publish
from tests.flow.worlds import Worker, World, alert
from tests.waiting import wait_until

ALERTS = 10_000
DAYS = 2_000
#: Seconds within which a `/healthz` must answer.
ANSWER = 5
MB = 1_000_000

Pill = tuple[bytes | None, bytes | None, int | None]


def garbage(number: int, size: int) -> bytes:
    """Bytes that are not UTF-8 and cannot be compressed."""
    return b"\xff" + random.Random(number).randbytes(size - 1)


def rejects() -> list[Pill]:
    """Values, keys and timestamps (epoch ms) of records that are not alerts.

    None of the future: a topic with Kafka's defaults does not take them.
    """
    return [
        *((garbage(n, 1_000_000), None, None) for n in range(100)),
        *((None, garbage(n, 900_000), None) for n in range(60)),
        (None, b"k" * 1_048_450, None),
        (b"v" * 500_000, b"k" * 500_000, None),
        (b"[" * 101 + b'"' + b'\\"' * 250_000, None, None),
        (b"[" * 500_000, None, None),
        (b'{"rule":' * 100_000, None, None),
        *((odd({"evt.arg.a": nested(depth)}), None, None) for depth in range(101, 500, 20)),
        (b"from the past", None, 1_000),
        (b"", b"", None),
        (b"\0" * 900_000, None, None),
    ]


def odd(fields: dict[str, Any], **keys: Any) -> bytes:
    """Return an alert without a number, with these fields."""
    return json.dumps(json.loads(alert(0)) | {"output_fields": fields} | keys).encode()


def nested(depth: int) -> Any:
    """Return lists in lists."""
    return json.loads("[" * depth + "]" * depth)


def findings() -> list[bytes]:
    """Return alerts that once cost minutes, gigabytes or an object each."""
    names = [random.Random(n).randbytes(15_000).hex() for n in range(300)]
    return [
        odd({"fd.name": ":1->" * 16_000}),
        odd({f"container.label.{n}": "x" for n in range(15_000)} | {"container.id": "c"}),
        odd({f"proc.aname[{n}]": "x" for n in range(15_000)}),
        odd({}, **{f"key{n}": 1 for n in range(64_000)}),
        odd({"container.full_id": "\0abc"}),
        *(odd({"proc.exepath": f"/{name}"}) for name in names),
        *(odd({"container.name": name, "k8s.pod.name": name}) for name in names),
        *(odd({}, rule=name) for name in names),
        *(
            odd({}, time=f"{1900 + n // 300}-{1 + n // 25 % 12:02d}-{1 + n % 25:02d}T00:00:00Z")
            for n in range(DAYS)
        ),
    ]


@contextmanager
def health_checked(workers: list[Worker]) -> Iterator[list[str]]:
    """Ask each worker's `/healthz` four times a second; yield the failures, which are added."""
    failures: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.25):
            for worker in workers:
                began = time.monotonic()
                try:
                    with urllib.request.urlopen(f"{worker.address()}/healthz", timeout=ANSWER):
                        pass
                except OSError as error:
                    failures.append(
                        f"{worker.log.name} after {time.monotonic() - began:.1f}: {error}"
                    )

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failures
    finally:
        done.set()
        thread.join()


@pytest.mark.faults
def test_no_record_stops_a_worker(world: World) -> None:
    good: list[Pill] = [(alert(number), None, None) for number in range(ALERTS)]
    hostile = [*rejects(), *((value, None, None) for value in findings())]
    records = good + hostile
    random.Random(2).shuffle(records)
    producer = KafkaProducer(
        bootstrap_servers=world.bootstrap, acks="all", linger_ms=20, max_request_size=2_000_000
    )
    try:
        sent = [
            producer.send(
                world.topic, value, key, headers=[("trace", b"1")], timestamp_ms=timestamp
            )
            for value, key, timestamp in records
        ]
        producer.flush(120)
        assert not [future.exception for future in sent if not future.succeeded()]
    finally:
        producer.close(10)
    inflated = [b"%d" % number + bytes(MB) for number in range(200)]
    publish(world, inflated, 0, "zstd")
    workers = [world.worker(name, WINDOW__INTERVAL=10).start() for name in ("one", "two")]
    wait_until(lambda: all(worker.address() for worker in workers), 60)
    began = time.monotonic()
    with health_checked(workers) as failures:
        world.wait_until_shipped(300)
    print(f"shipped in {time.monotonic() - began:.0f} s, at most {max(map(peak, workers)):.0f} MB")
    assert failures == []
    assert max(map(peak, workers)) < 1_000
    assert [worker.starts() for worker in workers] == [1, 1], "none started again"
    refused = len(rejects()) + len(inflated)
    assert len(world.dead_letters()) == refused
    audit = subprocess.run(
        [sys.executable, "-m", "cli", "audit", "--json"],
        env=world.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert audit.returncode == 0, audit.stdout
    found = json.loads(audit.stdout)
    counts = [sum(each[name] for each in found["partitions"]) for name in ("findings", "rejects")]
    assert counts == [ALERTS + len(findings()), refused]
