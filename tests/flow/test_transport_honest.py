"""Our transport and Faust's own on the same topics: the same records, order, sharing and stop.

Each test runs against both, so that it shows what Faust does and that ours does the same.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.embedded.stack import EmbeddedStack
from tests.flow.transport_reader import SESSION
from tests.waiting import wait_until

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
KINDS = ("own", "batch")


class Reader:
    """A worker of `tests.flow.transport_reader` and what it has printed."""

    def __init__(self, kind: str, where: tuple[str, str], group: str, directory: Path) -> None:
        self.output = directory / "output.jsonl"
        directory.mkdir()
        with self.output.open("wb") as out, (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.flow.transport_reader", kind, *where, group],
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=log,
            )

    def lines(self) -> list[Any]:
        text = self.output.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def records(self) -> list[list[Any]]:
        return [line for line in self.lines() if isinstance(line, list)]

    def assigned(self) -> list[int]:
        found = [line["assigned"] for line in self.lines() if isinstance(line, dict)]
        return found[-1] if found else []

    def runs(self) -> list[dict[int, list[int]]]:
        """Return the offsets by partition, separately for each assignment."""
        runs: list[dict[int, list[int]]] = [{}]
        for line in self.lines():
            if isinstance(line, dict):
                runs.append({})
            else:
                runs[-1].setdefault(line[0], []).append(line[1])
        return runs

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Field:
    """A topic, and the readers on it."""

    def __init__(self, bootstrap: str, topic: str, directory: Path) -> None:
        self.where = bootstrap, topic
        self.sent: dict[int, list[list[Any]]] = {number: [] for number in range(PARTITIONS)}
        self._directory = directory
        self._numbers = itertools.count()
        self.readers: list[Reader] = []

    def read(self, kind: str, group: str) -> Reader:
        directory = self._directory / f"{len(self.readers)}"
        self.readers.append(Reader(kind, self.where, group, directory))
        return self.readers[-1]

    def publish(self, count: int, compression: str | None = None) -> None:
        """Publish records to all partitions, some without a key, some without a value."""
        producer = KafkaProducer(
            bootstrap_servers=self.where[0], acks="all", compression_type=compression
        )
        for number in itertools.islice(self._numbers, count):
            key = f"key {number}" if number % 3 else None
            value = f"value {number}" if number % 7 or key is None else None
            future = producer.send(
                self.where[1],
                value and value.encode(),
                key and key.encode(),
                partition=number % PARTITIONS,
                timestamp_ms=1_795_392_000_000 + 7 * number,
            )
            sent = [number % PARTITIONS, future, 1_795_392_000_000 + 7 * number, key, value]
            self.sent[number % PARTITIONS].append(sent)
        producer.flush(60)
        for sent in itertools.chain(*self.sent.values()):
            if not isinstance(sent[1], int):
                sent[1] = sent[1].get().offset
        producer.close(10)

    def all_read(self) -> bool:
        """Return whether the readers together have read everything."""
        read = {(line[0], line[1]) for reader in self.readers for line in reader.records()}
        sent = {(line[0], line[1]) for line in itertools.chain(*self.sent.values())}
        assert read <= sent
        return read == sent

    def shared(self, *readers: Reader) -> bool:
        """Return whether these readers share all partitions and each has some."""
        each = [reader.assigned() for reader in readers]
        return all(each) and sorted(itertools.chain(*each)) == list(range(PARTITIONS))


@pytest.fixture
def field(stack: EmbeddedStack, make_topic: Callable[..., str], tmp_path: Path) -> Iterator[Field]:
    made = Field(stack.kafka_bootstrap, make_topic(partitions=PARTITIONS), tmp_path)
    yield made
    for reader in made.readers:
        reader.end()


def by_partition(records: list[list[Any]]) -> dict[int, list[list[Any]]]:
    return {number: [line for line in records if line[0] == number] for number in range(PARTITIONS)}


def test_both_read_the_same_records_in_the_same_order(
    field: Field, make_name: Callable[[], str]
) -> None:
    for compression in (None, "gzip", "snappy", "lz4", "zstd"):
        field.publish(200, compression)
    own, batch = (field.read(kind, make_name()) for kind in KINDS)
    for reader in (own, batch):
        wait_until(lambda reader=reader: len(reader.records()) >= 1000, 120, "all is read")
    field.publish(100)  # while both are at the end
    for reader in (own, batch):
        wait_until(lambda reader=reader: len(reader.records()) >= 1100, 120, "the rest is read")
    assert by_partition(own.records()) == by_partition(batch.records()) == field.sent


@pytest.mark.parametrize("kind", KINDS)
def test_two_workers_share_the_partitions_and_nothing_is_left_out(
    field: Field, make_name: Callable[[], str], kind: str
) -> None:
    group = make_name()
    field.publish(400)
    first = field.read(kind, group)
    wait_until(lambda: field.shared(first) and first.records(), 120, "one has all")
    second = field.read(kind, group)
    field.publish(400)
    wait_until(lambda: field.shared(first, second), 120, "two share")
    assert [len(reader.assigned()) for reader in (first, second)] == [2, 2]
    field.publish(400)
    wait_until(field.all_read, 120, "all is read")
    for reader in (first, second):
        for run in reader.runs():
            for offsets in run.values():
                assert offsets == list(range(offsets[0], offsets[-1] + 1))
        # After the last rebalance it reads only its own partitions.
        assert reader.runs()[-1].keys() <= set(reader.assigned())


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_stops_leaves_the_group_and_the_next_continues_without_a_double(
    field: Field, make_name: Callable[[], str], kind: str
) -> None:
    group = make_name()
    first, second = field.read(kind, group), field.read(kind, group)
    wait_until(lambda: field.shared(first, second), 120, "two share")
    field.publish(400)
    wait_until(field.all_read, 120, "all is read")
    assert first.stop() == 0
    # Had it not left, the other would get its partitions only after its session expired.
    wait_until(lambda: field.shared(second), SESSION / 2, "the other has all")
    field.publish(400)
    wait_until(field.all_read, 120, "all is read")
    assert second.stop() == 0
    last = field.read(kind, group)
    wait_until(lambda: field.shared(last), 120, "the next has all")
    field.publish(40)
    wait_until(field.all_read, 120, "the next reads on")
    assert by_partition(last.records()) == {n: sent[-10:] for n, sent in field.sent.items()}
