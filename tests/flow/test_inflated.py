"""Batches that are small in Kafka and huge once inflated: memory is bounded, the member stays."""

import json

import pytest

from tests.flow.inflated import peak, publish
from tests.flow.worlds import World, alert, assert_exactly_once

MB = 1_000_000


def garbage(number: int) -> bytes:
    return b"%d" % number + bytes(MB)


def large(number: int) -> bytes:
    return json.dumps(json.loads(alert(number)) | {"output": "x" * 20_000}).encode()


@pytest.mark.faults
def test_batches_that_inflate_cost_neither_the_memory_nor_the_membership(world: World) -> None:
    publish(world, [garbage(number) for number in range(300)], 0, "zstd")
    publish(world, [large(number) for number in range(5_000)], 1, "gzip")
    world.publish([alert(number) for number in range(5_000, 6_000)])
    worker = world.worker(KAFKA__SESSION_TIMEOUT=10, WINDOW__INTERVAL=5).start()
    world.wait_until_shipped(300)
    assert_exactly_once(world, range(6_000), rejects=300)
    assert peak(worker) < 1_200
    assert worker.starts() == 1
    assert worker.tail_all().count("assigned partitions") == 1, "it lost its membership"
