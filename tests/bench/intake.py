"""From HTTP into Kafka: `falcolake receive` beside falcosidekick, which it takes the place of.

Each gets the same alerts, one a request, over connections that each wait for the answer before the
next request, as a Falco does. Both ask Kafka for the acknowledgement of all replicas, and each has
a topic of its own, of which the records are counted at the end: who lost or doubled one gets no
figure. falcosidekick answers before it sends, so its time runs until the last record is in Kafka.

falcosidekick is measured if `FALCOSIDEKICK` names its program; nothing here fetches or builds it.
"""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import aiohttp
from kafka import KafkaConsumer, TopicPartition

from streams.embedded.ports import free_ports
from tests.bench import programs
from tests.bench.cost import Cost, cpu_seconds, peak_memory, until
from tests.bench.ground import Ground, Topic

#: The environment variable with falcosidekick's path, or its name on the PATH.
VARIABLE = "FALCOSIDEKICK"

#: As many Falcos send at once.
CONNECTIONS = 16
PARTITIONS = 4

#: Alerts that are sent before anything is counted.
WARM_UP = 1_000

SECONDS = 300


def version(program: str) -> str:
    """Return the version that falcosidekick prints of itself."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(":")
        if name == "GitVersion":
            return value.strip()
    return "of an unknown version"


def receive(ground: Ground, kind: str, count: int) -> Cost:
    """Measure `falcolake receive`."""
    topic, port = _topic(ground, kind, count), free_ports(1)[0]
    environment = ground.environment(topic, ground.run_name("receive"))
    environment["FALCOLAKE_RECEIVE__PORT"] = str(port)
    return _measure(ground, topic, port, [sys.executable, "-m", "cli", "receive"], environment)


def peer(ground: Ground, program: str, kind: str, count: int) -> Cost:
    """Measure falcosidekick's program."""
    topic, port = _topic(ground, kind, count), free_ports(1)[0]
    environment = os.environ | {
        "LISTENADDRESS": "127.0.0.1",
        "LISTENPORT": str(port),
        "KAFKA_HOSTPORT": ground.stack.kafka_bootstrap,
        "KAFKA_TOPIC": topic.name,
        "KAFKA_REQUIREDACKS": "ALL",
    }
    return _measure(ground, topic, port, [program], environment)


def _topic(ground: Ground, kind: str, count: int) -> Topic:
    return ground.empty_topic(kind, PARTITIONS, WARM_UP + count)


def _measure(
    ground: Ground, topic: Topic, port: int, command: list[str], environment: dict[str, str]
) -> Cost:
    values = ground.values(topic)
    log = ground.directory / f"{topic.name}.log"
    ready = programs.serving(command, environment, f"http://127.0.0.1:{port}/ping", log)
    with _Counted(ground, topic) as counted, ready as process:
        asyncio.run(post(port, itertools.islice(values, WARM_UP)))
        until(lambda: counted.records() >= WARM_UP, SECONDS, f"{command[0]} has warmed up")
        began, cpu = time.monotonic(), cpu_seconds(process.pid)
        asyncio.run(post(port, values))
        until(lambda: counted.records() >= topic.count, SECONDS, f"all is in {topic.name}")
        cost = Cost(
            time.monotonic() - began,
            cpu_seconds(process.pid) - cpu,
            peak_memory(process.pid),
        )
    if (found := counted.at_the_end) != topic.count:
        raise ValueError(f"{command[0]} wrote {found:,} records of {topic.count:,} alerts")
    return cost


class _Counted:
    """Counts a topic's records; `at_the_end` is the count at the end of the block."""

    def __init__(self, ground: Ground, topic: Topic) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=ground.stack.kafka_bootstrap)
        self._places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        self.at_the_end = 0

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *exception: object) -> None:
        self.at_the_end = self.records()
        self._consumer.close()

    def records(self) -> int:
        return sum(self._consumer.end_offsets(self._places).values())


async def post(port: int, values: Iterator[bytes]) -> None:
    """Send each value in a request of its own; raise RuntimeError if one is not answered 200."""
    address = f"http://127.0.0.1:{port}/"
    headers = {"Content-Type": "application/json"}

    async def falco(session: aiohttp.ClientSession) -> None:
        for value in values:
            async with session.post(address, data=value, headers=headers) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"answered {answer.status}: {await answer.text()}")

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(falco(session))
