"""`falcolake receive` while the broker or itself is killed or stopped, under load.

Then the topic is read: what was answered 200 is there, and nothing is there twice.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import aiohttp
import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.embedded.apache import ApacheKafka
from streams.embedded.kafka import EmbeddedKafka, KafkaServer
from streams.embedded.ports import HOST, free_ports
from streams.embedded.stack import BrokerName
from tests.flow.worlds import alert
from tests.streams.worker_parts import in_loop
from tests.waiting import wait_until

TOPIC = "falco-events"
SENDERS = 12


@pytest.fixture
def kafka(tmp_path: Path, broker: BrokerName) -> Iterator[KafkaServer]:
    """A broker of this test's own, with a topic of three partitions."""
    kind = {"embedded": EmbeddedKafka, "apache": ApacheKafka}[broker]
    with kind(tmp_path / "kafka") as running:
        running.ensure_topics({TOPIC: 3})
        yield running


class Receiver:
    """`falcolake receive` in its own process."""

    def __init__(self, kafka: KafkaServer, log: Path, port: int, timeout: float = 60.0) -> None:
        self.log = log
        self.url = f"http://{HOST}:{port}/"
        environment = {
            **os.environ,
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
            "FALCOLAKE_KAFKA__TOPIC": TOPIC,
            "FALCOLAKE_RECEIVE__PORT": str(port),
            "FALCOLAKE_RECEIVE__TIMEOUT": str(timeout),
        }
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "receive"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._address = HOST, port

    def __enter__(self) -> Self:
        wait_until(self.listens, 60, "the receiver listens")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def listens(self) -> bool:
        assert self.process.poll() is None or self.process.returncode == 0, self.log.read_text()
        try:
            socket.create_connection(self._address, 1).close()
        except OSError:
            return False
        return True


class Load:
    """Falcos, each of which sends one alert after the other; `answers` has what came of each."""

    def __init__(self, url: str) -> None:
        self.answers: dict[int, int | None] = {}
        self._url = url
        self._ended = False
        self._number = 0

    async def __aenter__(self) -> Self:
        self._senders = [asyncio.create_task(self._send()) for _ in range(SENDERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = True
        await asyncio.wait_for(asyncio.gather(*self._senders), 120)

    async def _send(self) -> None:
        async with aiohttp.ClientSession() as http:
            while not self._ended:
                number, self._number = self._number, self._number + 1
                try:
                    async with http.post(self._url, data=alert(number)) as answer:
                        self.answers[number] = answer.status
                except aiohttp.ClientError:
                    self.answers[number] = None
                    await asyncio.sleep(0.05)

    def accepted(self) -> int:
        return Counter(self.answers.values())[200]

    async def more(self, count: int) -> None:
        """Wait until so many more are accepted."""
        wanted = self.accepted() + count
        async with asyncio.timeout(120):
            while self.accepted() < wanted:  # noqa: ASYNC110 - the senders count them
                await asyncio.sleep(0.05)


def published(kafka: KafkaServer) -> Counter[int]:
    """Return how often each alert is in the topic, by its number."""
    with KafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest") as consumer:
        places = [TopicPartition(TOPIC, n) for n in consumer.partitions_for_topic(TOPIC)]
        consumer.assign(places)
        left = sum(consumer.end_offsets(places).values())
        found: Counter[int] = Counter()
        while left > 0:
            for batch in consumer.poll(500).values():
                left -= len(batch)
                found.update(json.loads(each.value)["output_fields"]["evt.num"] for each in batch)
    return found


def prove(load: Load, found: Counter[int]) -> None:
    """What was answered 200 is in the topic, and nothing is there twice."""
    accepted = {number for number, status in load.answers.items() if status == 200}
    assert accepted - found.keys() == set()
    assert [number for number, times in found.items() if times > 1] == []


@in_loop
async def test_nothing_is_answered_200_that_a_killed_broker_does_not_have(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    with Receiver(kafka, tmp_path / "log", port) as receiver:
        async with Load(receiver.url) as load:
            for _ in range(2):
                await load.more(150)
                await asyncio.to_thread(kafka.kill)
                await asyncio.to_thread(kafka.start)
            await load.more(150)
            receiver.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(receiver.process.wait, 90) == 0
    prove(load, await asyncio.to_thread(published, kafka))
    assert Counter(load.answers.values()).keys() <= {200, None}


@in_loop
async def test_a_request_under_way_at_sigterm_is_answered_when_kafka_has_it(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    with Receiver(kafka, tmp_path / "log", port) as receiver:
        async with Load(receiver.url) as load:
            await load.more(20)
            await asyncio.to_thread(kafka.kill)
            async with asyncio.timeout(60):
                while not await all_wait(receiver.url):  # noqa: ASYNC110 - for Kafka
                    await asyncio.sleep(0.05)
            load._ended = True
            receiver.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(wait_until, lambda: not receiver.listens(), 30, "it leaves")
            assert receiver.process.poll() is None
            before = load.accepted()
            await asyncio.to_thread(kafka.start)
        assert await asyncio.to_thread(receiver.process.wait, 90) == 0
        assert load.accepted() == before + SENDERS
    prove(load, await asyncio.to_thread(published, kafka))


async def all_wait(url: str) -> bool:
    """Whether so much is in flight that all senders must be waiting."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}metrics") as answer:
        found = re.search(
            rf'^falcolake_receive_in_flight_bytes{{group="falcolake",topic="{TOPIC}"}} (\S+)',
            await answer.text(),
            re.MULTILINE,
        )
    assert found is not None
    return float(found[1]) > (SENDERS - 1) * (512 + len(alert(10_000)))


@in_loop
async def test_killed_receivers_under_load_have_answered_200_for_what_kafka_has_alone(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    with Receiver(kafka, tmp_path / "log", port) as first:
        async with Load(first.url) as load:
            await load.more(200)
            first.process.kill()
            first.process.wait()
            with Receiver(kafka, tmp_path / "log", port):
                await load.more(200)
                load._ended = True
    prove(load, await asyncio.to_thread(published, kafka))
