"""A trickle: what an alert costs that is sent alone, as falcosidekick sends them.

A producer sends each alert in a request of its own, at a fixed rate, to all partitions in turn. The
worker's CPU counts as a whole, also what it uses while nothing arrives. `python -m
tests.bench.trickle` measures only this.
"""

import asyncio
import itertools
import sys
import time
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from tests.bench.cost import until
from tests.bench.ground import MIX, Ground, alerts
from tests.bench.latency import staged_count
from tests.bench.worker import started

RATES = (100, 300, 1_000)
PARTITIONS = (1, 6)
SECONDS = 40
WINDOW = 30

#: Seconds after which nothing of the start is left.
SETTLING = 3


class Trickle(NamedTuple):
    """The rate that was asked for and reached, and the worker's CPU for an alert, in ms."""

    rate: int
    partitions: int
    sent: float
    cpu: float


def idle(ground: Ground, partitions: int, seconds: int = SECONDS) -> float:
    """Run a worker to which nobody sends anything; return its share of a core."""
    topic = ground.empty_topic(MIX, partitions, 1)
    with started(ground, topic, ground.run_name("idle"), 1, WINDOW) as (worker,):
        until(worker.assigned, 60, "the worker has the partitions")
        time.sleep(SETTLING)
        worker.begin()
        time.sleep(seconds)
        cost = worker.cost()
    return cost.cpu / cost.seconds


def measure(ground: Ground, rate: int, partitions: int, seconds: int = SECONDS) -> Trickle:
    """Run a worker and a producer together."""
    count = rate * seconds
    topic = ground.empty_topic(MIX, partitions, count)
    run = ground.run_name("trickle")
    with started(ground, topic, run, 1, WINDOW) as (worker,):
        until(worker.assigned, 60, "the worker has the partitions")
        staged = staged_count(worker)
        worker.begin()
        took = asyncio.run(send(ground, topic.name, rate, partitions, count))
        until(lambda: staged() >= count, 60, "all of it is staged", pause=0.5)
        cost = worker.cost()
    return Trickle(rate, partitions, count / took, cost.cpu / count * 1000)


async def send(ground: Ground, topic: str, rate: int, partitions: int, count: int) -> float:
    """Send each alert in a request of its own; return how many seconds it took."""
    producer = AIOKafkaProducer(bootstrap_servers=ground.stack.kafka_bootstrap, linger_ms=0)
    began = time.monotonic()
    async with producer:
        for number, value in enumerate(itertools.islice(alerts(MIX), count)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            await producer.send_and_wait(topic, value, partition=number % partitions)
    return time.monotonic() - began


def main() -> int:
    """Print a table."""
    with Ground() as ground:
        for partitions in PARTITIONS:
            print(f"idle: {idle(ground, partitions):.2%} of a core", flush=True)
            for rate in RATES:
                print(measure(ground, rate, partitions), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
