"""What a flow test observes: worker processes, the group's offsets, and the lake."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow.parquet as pq
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests import buckets
from tests.streams import falco_records
from tests.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GARBAGE = b"not an alert"


def alert(number: int) -> bytes:
    """Return a small alert that carries its number; there are 100 per second of event time."""
    return falco_records.alert(
        number,
        hostname=f"node-{number % 3}",
        output=f"Notice shell number {number}",
        rule=f"Rule {number % 5}",
        tags=["T1059", "mitre_execution"],
        time=f"2026-11-23T{number // 360_000 % 24:02d}:{number // 6000 % 60:02d}:"
        f"{number // 100 % 60:02d}.{number % 100:02d}0000000Z",
        output_fields={"evt.num": number, "proc.name": "bash", "proc.pid": number % 30_000},
    )


class Process(Protocol):
    """The methods of `subprocess.Popen` that the tests need."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, sig: int, /) -> None: ...


Launch = Callable[[Mapping[str, str], Path], Process]


def _launch(
    environment: Mapping[str, str],
    log: Path,
    within: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Process:
    with log.open("ab") as out:
        return subprocess.Popen(
            [*within, sys.executable, "-m", "cli", "worker", *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


class Worker:
    """`falcolake worker` in its own process."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, launch: Launch | None = None
    ) -> None:
        self.environment = {**environment, "PYTHONUNBUFFERED": "1"}
        #: A command that runs the worker with other rights or mounts.
        self.within: Sequence[str] = ()
        #: Options of `falcolake worker`.
        self.options: Sequence[str] = ()
        self.log = log
        self.process: Process | None = None
        self._launch = launch or _launch
        self._began = 0

    def start(self) -> "Worker":
        self._began = self.log.stat().st_size if self.log.exists() else 0
        if self.within or self.options:
            self.process = _launch(self.environment, self.log, self.within, self.options)
        else:
            self.process = self._launch(self.environment, self.log)
        return self

    def said(self, words: str) -> bool:
        return words in self.tail_all()

    def send(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kill it, like a power cut."""
        assert self.process is not None
        assert self.process.poll() is None, f"the worker ended by itself: {self.tail()}"
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def end(self) -> None:
        """Clean up, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        return self.tail_all()[-3000:]

    def starts(self) -> int:
        """Return how often its app has started, in this or a new process."""
        return self.tail_all().count("starting: topic")

    def address(self) -> str | None:
        """Return where it listens, or None if it has not said so yet."""
        found = re.findall(r"metrics and health on (http[^\s\"]+)", self.tail_all())
        return found[-1] if found else None

    def readiness(self) -> dict[str, Any]:
        """Return what `/readyz` says; empty while the worker does not listen."""
        address = self.address()
        if address is None:
            return {}
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {}

    def metric(self, name: str) -> float:
        """Return one of its metrics, named without prefix and with labels; 0 if missing."""
        if self.address() is None:
            return 0.0
        for sample in self._samples():
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            if sample.name + (f"{{{labels}}}" if labels else "") == f"falcolake_{name}":
                return sample.value
        return 0.0

    def scrape(self) -> dict[tuple[str, str], float]:
        """Return its metrics, {(name without prefix, value of its only label or ""): value}."""
        return {
            (sample.name.removeprefix("falcolake_"), "".join(sample.labels.values())): sample.value
            for sample in self._samples()
            if len(sample.labels) < 2
        }

    def _samples(self) -> Iterator[Sample]:
        """Yield its samples, each without the labels of its deployment, which it must have."""
        deployment = {
            "topic": self.environment["FALCOLAKE_KAFKA__TOPIC"],
            "group": self.environment.get("FALCOLAKE_KAFKA__GROUP_ID", "falcolake"),
        }
        with urllib.request.urlopen(f"{self.address()}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                assert deployment.items() <= sample.labels.items(), sample
                labels = {k: v for k, v in sample.labels.items() if k not in deployment}
                yield sample._replace(labels=labels)

    def tail_all(self) -> str:
        """Return this worker's log, without what others wrote to the same file before."""
        return self.log.read_bytes()[self._began :].decode() if self.log.exists() else ""


@dataclass
class Stored:
    """One object of the lake: its key, its footer and the numbers of its alerts, in row order."""

    key: str
    footer: dict[str, str]
    numbers: list[int]
    times: list[int]

    @property
    def window(self) -> tuple[int, int, int]:
        return tuple(int(self.footer[name]) for name in ("partition", "first", "end"))  # type: ignore[return-value]


def read_object(key: str, body: bytes) -> Stored:
    """Read one object's footer and rows."""
    file = pq.ParquetFile(io.BytesIO(body))
    footer = {
        name.decode().removeprefix("falcolake."): value.decode()
        for name, value in file.metadata.metadata.items()
        if name.startswith(b"falcolake.")
    }
    rows = file.read(columns=["time", "raw_data"])
    numbers = [json.loads(raw)["output_fields"]["evt.num"] for raw in rows["raw_data"].to_pylist()]
    return Stored(key, footer, numbers, rows["time"].to_pylist())


@dataclass
class World:
    """A topic and a bucket, observed from outside."""

    bootstrap: str
    topic: str
    s3: "S3Client"
    bucket: str
    environment: dict[str, str]
    directory: Path
    launch: Launch | None = None
    workers: list[Worker] = field(default_factory=list)

    def worker(self, name: str = "worker", **settings: object) -> Worker:
        """Return a new worker with its own staging directory, not started yet."""
        environment = {
            **self.environment,
            "FALCOLAKE_STAGING__PATH": str(self.staging(name)),
            **{f"FALCOLAKE_{key}": str(value) for key, value in settings.items()},
        }
        worker = Worker(environment, self.directory / f"{name}.log", self.launch)
        self.workers.append(worker)
        return worker

    def setting(self, name: str, default: str = "") -> str:
        return self.environment.get(f"FALCOLAKE_{name}", default)

    def staging(self, name: str = "worker") -> Path:
        return self.directory / f"staging-{name}"

    def lose_staging(self, name: str = "worker") -> None:
        shutil.rmtree(self.staging(name))

    def publish(self, values: Sequence[bytes | None]) -> None:
        """Publish records and wait until all are acknowledged."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=20)
        try:
            keys = (None if value is not None else b"tombstone" for value in values)
            sent = [
                producer.send(self.topic, value, key)
                for value, key in zip(values, keys, strict=True)
            ]
            producer.flush(60)
            assert not [future for future in sent if not future.succeeded()]
        finally:
            producer.close(10)

    @cached_property
    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)

    @cached_property
    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self._consumer.close()
        self._admin.close()

    def ends(self, topic: str | None = None) -> dict[int, int]:
        topic = topic or self.topic
        numbers = self._consumer.partitions_for_topic(topic) or ()
        found = self._consumer.end_offsets([TopicPartition(topic, n) for n in numbers])
        return {tp.partition: end for tp, end in found.items()}

    def committed(self) -> dict[int, tuple[int, str]]:
        """Return the group's offsets and metadata by partition."""
        group = self.setting("KAFKA__GROUP_ID", "falcolake")
        found = self._admin.list_group_offsets([group])[group]
        return {
            tp.partition: (entry.offset, entry.metadata or "")
            for tp, entry in found.items()
            if tp.topic == self.topic and entry.offset >= 0
        }

    def owned(self, worker: Worker) -> set[int]:
        """Return the partitions that a worker says it has; none while it does not answer."""
        return set(worker.readiness().get("partitions", ()))

    def shipped(self) -> bool:
        """Return whether the committed offsets have reached the topic's ends."""
        ends = {n: end for n, end in self.ends().items() if end}
        return {n: offset for n, (offset, _) in self.committed().items() if offset} == ends

    def wait_until_shipped(self, timeout: float = 60) -> None:
        try:
            wait_until(self.shipped, timeout, "committed offsets at the topic's end")
        except BaseException:
            for worker in self.workers:
                print(worker.log.name, worker.tail())
            raise

    def objects(self) -> list[Stored]:
        """Read every object of the lake."""
        return [read_object(key, body) for key, body in self.bodies().items()]

    def bodies(self) -> dict[str, bytes]:
        """Return the bytes of every object of the lake by its key."""
        return buckets.bodies(self.s3, self.bucket, self.setting("LAKE__PREFIX"))

    def dead_letters(self) -> Counter[tuple[int, int]]:
        """Return how often each (partition, offset) is in the dead-letter topic."""
        topic = self.setting("KAFKA__DEAD_LETTER_TOPIC", f"{self.topic}.dead-letter")
        ends = self.ends(topic)
        consumer, seen = self._consumer, Counter[tuple[int, int]]()
        tps = [TopicPartition(topic, number) for number in ends]
        consumer.assign(tps)
        consumer.seek_to_beginning()
        while any(consumer.position(tp) < ends[tp.partition] for tp in tps):
            for records in consumer.poll(500).values():
                for record in records:
                    headers = dict(record.headers)
                    where = headers["falcolake.partition"], headers["falcolake.offset"]
                    seen[int(where[0]), int(where[1])] += 1
        consumer.unsubscribe()
        return seen


def stored(world: World) -> int:
    """Return how many objects the bucket has."""
    return len(buckets.keys(world.s3, world.bucket))


def assert_exactly_once(world: World, numbers: Iterable[int], rejects: int = 0) -> list[Stored]:
    """Assert that the lake has each number once, without holes, and that its footers add up."""
    objects = world.objects()
    counted = Counter(number for stored in objects for number in stored.numbers)
    wanted = set(numbers)
    assert not wanted - counted.keys(), f"{len(wanted - counted.keys())} alerts are missing"
    assert counted.keys() == wanted
    assert {n for n, times in counted.items() if times > 1} == set()
    windows: dict[tuple[int, int, int], list[Stored]] = {}
    for stored in objects:
        windows.setdefault(stored.window, []).append(stored)
        assert stored.times == sorted(stored.times)
    reached: dict[int, int] = {}
    refused = 0
    for (partition, first, end), parts in sorted(windows.items()):
        assert first == reached.get(partition, 0), f"hole or overlap at {partition}:{first}"
        reached[partition] = end
        footers = {tuple(sorted(part.footer.items())) for part in parts}
        assert len(footers) == 1, "objects of one window tell different stories"
        footer = parts[0].footer
        assert sum(len(part.numbers) for part in parts) == int(footer["findings"])
        counts = [int(footer[name]) for name in ("findings", "rejects", "filtered")]
        assert int(footer["records"]) == sum(counts)
        refused += int(footer["rejects"])
    assert reached == {n: end for n, end in world.ends().items() if end}
    assert refused == rejects
    assert len(world.dead_letters()) == rejects
    return objects
