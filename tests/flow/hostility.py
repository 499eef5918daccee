"""What hostile tests look at: how far the lake is, what a worker says of itself, what it takes."""

import urllib.request

from streams.lake.keys import parse_key
from tests.flow.worlds import Worker, World


def covered(world: World) -> dict[int, int]:
    """How far the lake has each partition without a hole, by its keys alone."""
    reached: dict[int, int] = {}
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.bucket)
    listed = [each["Key"] for page in pages for each in page.get("Contents", [])]
    keys = [parse_key(key, "ext/falco") for key in listed]
    for key in sorted(key for key in keys if key):
        if key.first <= reached.get(key.partition, 0):
            reached[key.partition] = max(key.end, reached.get(key.partition, 0))
    return reached


def assert_nothing_committed_that_is_not_there(world: World) -> None:
    committed = {number: offset for number, (offset, _) in world.committed().items()}
    reached = covered(world)
    assert all(offset <= reached.get(number, 0) for number, offset in committed.items())


def holds(worker: Worker) -> list[dict[str, str]]:
    return list(worker.readiness().get("held", {}).values())


def memory(worker: Worker) -> float:
    """The worker's resident memory, MB."""
    address = worker.address()
    assert address is not None
    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as page:
        lines = page.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("process_resident_memory_bytes ")]
    return float(line.split()[1]) / 1e6


def disk(world: World) -> int:
    """Bytes in the worker's staging directory."""
    return sum(file.stat().st_size for file in world.staging().rglob("*") if file.is_file())
