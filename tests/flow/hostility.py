"""What hostile tests check: the lake's progress, the worker's report of itself, its resources."""

import json
import urllib.request
from datetime import UTC, datetime

from streams.lake.keys import parse_key
from tests.buckets import keys
from tests.flow.worlds import Worker, World


def covered(world: World) -> dict[int, int]:
    """Return how far the lake covers each partition without a hole, judging only by its keys."""
    reached: dict[int, int] = {}
    parsed = [parse_key(key, "ext/falco") for key in keys(world.s3, world.bucket)]
    for key in sorted(key for key in parsed if key):
        if key.first <= reached.get(key.partition, 0):
            reached[key.partition] = max(key.end, reached.get(key.partition, 0))
    return reached


def assert_nothing_committed_that_is_not_there(world: World) -> None:
    committed = {number: offset for number, (offset, _) in world.committed().items()}
    reached = covered(world)
    assert all(offset <= reached.get(number, 0) for number, offset in committed.items())


def holds(worker: Worker) -> list[dict[str, str]]:
    return list(worker.readiness().get("held", {}).values())


def events(worker: Worker, kind: str) -> list[str]:
    """Return what happened to a worker, of one kind, newest first, as its page shows it."""
    with urllib.request.urlopen(f"{worker.address()}/status.json", timeout=5) as answer:
        report = json.load(answer)
    return [each["text"] for each in report["events"] if each["kind"] == kind]


def seconds_ago(since: str) -> float:
    """Return how long ago a time of `/readyz` was."""
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()


def memory(worker: Worker) -> float:
    """Return the worker's resident memory in MB."""
    return worker.scrape()["process_resident_memory_bytes", ""] / 1e6


def disk(world: World) -> int:
    """Return the size of the worker's staging directory in bytes."""
    return sum(file.stat().st_size for file in world.staging().rglob("*") if file.is_file())
