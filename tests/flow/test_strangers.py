"""Strangers at a worker's web server, while it works with few descriptors."""

import urllib.request

import pytest

from tests.crowds import crowd
from tests.flow.worlds import World, alert, assert_exactly_once
from tests.waiting import wait_until

#: Descriptors of the worker: it needs about fifty.
FEW = 96


@pytest.mark.faults
def test_a_crowd_of_slow_connections_stops_neither_shipping_nor_probes(world: World) -> None:
    worker = world.worker()
    worker.within = ["prlimit", f"--nofile={FEW}"]
    worker.start()
    wait_until(lambda: worker.readiness().get("partitions"), 60, "the worker has partitions")
    address = worker.address()
    assert address is not None
    with crowd(int(address.rpartition(":")[2]), 400):
        before = worker.log.stat().st_size
        for turn in range(3):
            world.publish([alert(n) for n in range(turn * 300, turn * 300 + 300)])
            world.wait_until_shipped()
            with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
                assert answer.status == 200
        assert worker.log.stat().st_size - before < 20_000, worker.tail()
    assert_exactly_once(world, range(900))
    assert worker.stop() == 0
