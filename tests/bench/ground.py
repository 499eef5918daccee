"""The setup that all contenders share: one embedded stack, with topics that are filled once.

Every contender reads the same records and puts Parquet under a prefix of its own in the same
bucket; `check` then counts the rows and checks columns and codec. A contender that lost or doubled
anything gets no figure.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow.parquet as pq
from pyarrow.fs import S3FileSystem

from schemas.mapping import Mapping as Mapper
from schemas.mapping import Options
from streams import samples
from streams.embedded.stack import EmbeddedStack
from streams.kafka import produce
from streams.settings.load import load
from tests.bench.cost import Cost, read_cost
from tests.buckets import keys

ROOT = Path(__file__).parents[2]

#: 2026-11-23T00:00:00Z: a million alerts, 50 ms apart, fit into a day; ten million are of six.
START_NS = 1_795_392_000_000_000_000
INTERVAL_NS = 50_000_000

SYSCALL = "syscall"
STOCK = "stock"
MIX = "mix"
SOME_VARIED = "varied-30"
ALL_VARIED = "varied-100"
KINDS = {
    SYSCALL: "syscall alerts of 35 fields, Falco's native JSON",
    STOCK: "syscall alerts of 17 fields, as Falco's own rules print most of them",
    MIX: "alerts of all sources, in the forms of Falco, falcosidekick and Fluent Bit",
    SOME_VARIED: "of the first, 30 % with a file name, arguments and command lines of their own",
    ALL_VARIED: "each with a file name, arguments and command lines of its own",
}
_VARIED = {SOME_VARIED: 30, ALL_VARIED: 100}
_OWN = ("fd.name", "evt.arg.", "proc.cmdline", "proc.pcmdline")


class Topic(NamedTuple):
    """A topic with this many alerts; `size` is their mean length in bytes."""

    name: str
    kind: str
    partitions: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    size: float


def alerts(kind: str) -> Iterator[bytes]:
    """Return endless alerts of a kind, the same every time."""
    if kind in _VARIED:
        return _varied(_VARIED[kind])
    if kind == SYSCALL:
        return samples.wide_syscall_alerts(1, None, START_NS, INTERVAL_NS)
    if kind == STOCK:
        return samples.stock_syscall_alerts(1, None, START_NS, INTERVAL_NS)
    return samples.alerts(1, None, START_NS, interval_ns=INTERVAL_NS)


def _varied(percent: int) -> Iterator[bytes]:
    """Yield the syscall alerts; of each hundred, so many have values that no other alert has."""
    for number, value in enumerate(alerts(SYSCALL)):
        # 37 and 100 have no common divisor: those that vary are spread evenly.
        if number * 37 % 100 >= percent:
            yield value
            continue
        alert = json.loads(value)
        fields = alert["output_fields"]
        for name in fields:
            if name.startswith(_OWN):
                fields[name] = f"{fields[name]}-{number}"
        alert["output"] += f" {number}"
        yield json.dumps(alert, separators=(",", ":")).encode()


class Ground:
    """Use `with`: the stack, and a directory for what the runs leave."""

    def __init__(self) -> None:
        self._topics: dict[tuple[str, int, int], Topic] = {}
        self._runs = itertools.count(1)

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            name = parts.enter_context(tempfile.TemporaryDirectory(prefix="falcolake-bench-"))
            self.directory = Path(name)
            self.stack = parts.enter_context(EmbeddedStack(self.directory / "stack", partitions=1))
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._parts.close()

    def topic(self, kind: str, partitions: int, count: int) -> Topic:
        """Return the topic with just these alerts, made and filled when first asked for."""
        key = (kind, partitions, count)
        if key not in self._topics:
            self._topics[key] = self.empty_topic(kind, partitions, count)
            self.fill(self._topics[key])
        return self._topics[key]

    def empty_topic(self, kind: str, partitions: int, count: int) -> Topic:
        """Create a topic for these alerts, which `fill` publishes."""
        file = self._file(kind, count)
        if not file.exists():
            with file.open("wb") as lines:
                lines.writelines(value + b"\n" for value in itertools.islice(alerts(kind), count))
        name = f"bench-{kind}-{partitions}-{count}-{next(self._runs)}"
        self.stack.create_topic(name, partitions)
        return Topic(name, kind, partitions, count, file.stat().st_size / count - 1)

    def fill(self, topic: Topic) -> None:
        """Publish a topic's alerts."""
        file = self._file(topic.kind, topic.count)
        settings = load(environment=self.stack.environment(topic.name))
        report = produce.run(settings, start_ns=START_NS, count=None, file=file)
        assert report.sent == topic.count, report

    def forget(self, topic: Topic) -> None:
        """Remove the file of a topic's alerts, and do not return the topic again."""
        del self._topics[topic.kind, topic.partitions, topic.count]
        self._file(topic.kind, topic.count).unlink()

    def values(self, topic: Topic) -> Iterator[bytes]:
        """Yield a topic's alerts."""
        with self._file(topic.kind, topic.count).open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\n")

    def _file(self, kind: str, count: int) -> Path:
        return self.directory / f"{kind}-{count}.jsonl"

    def run_name(self, what: str) -> str:
        """Return a unique name for a run, for its group, prefix and directory."""
        return f"{re.sub('[^a-z0-9]+', '.', what.lower()).strip('.')}.{next(self._runs)}"

    def environment(self, topic: Topic, run: str) -> dict[str, str]:
        """Return the environment of a run: our settings, and BENCH_* variables for the peers."""
        return {
            **os.environ,
            **self.stack.environment(topic.name),
            "FALCOLAKE_KAFKA__GROUP_ID": run,
            "FALCOLAKE_LAKE__PREFIX": run,
            "FALCOLAKE_STAGING__PATH": str(self.directory / run),
            "FALCOLAKE_WEB__PORT": "0",
            "BENCH_BOOTSTRAP": self.stack.kafka_bootstrap,
            "BENCH_TOPIC": topic.name,
            "BENCH_KIND": topic.kind,
            "BENCH_PARTITIONS": str(topic.partitions),
            "BENCH_COUNT": str(topic.count),
            "BENCH_RUN": run,
            "BENCH_BUCKET": self.stack.bucket,
            "BENCH_ENDPOINT": self.stack.s3.endpoint_url,
            "PYTHONPATH": str(ROOT),
        }

    def run_script(
        self,
        module: str,
        topic: Topic,
        run: str,
        *arguments: str,
        python: str = sys.executable,
        extra: Mapping[str, str] | None = None,
    ) -> Cost:
        """Run a contender's module, which prints its cost; raise if it fails."""
        log = self.directory / f"{run}.log"
        with log.open("wb") as errors:
            done = subprocess.run(
                [python, "-m", module, *arguments],
                cwd=self.directory,
                env=self.environment(topic, run) | dict(extra or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=900,
            )
        if done.returncode:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]
            raise RuntimeError(f"{module} ended with {done.returncode}: {last[0]}")
        return read_cost(done.stdout.decode())

    def objects(self, run: str) -> list[str]:
        """Return the objects of a run, `bucket/key`."""
        bucket = self.stack.bucket
        return [f"{bucket}/{key}" for key in keys(self.stack.s3.client(), bucket, f"{run}/")]

    def files(self) -> S3FileSystem:
        """Return the lake, for pyarrow."""
        s3 = self.stack.s3
        return S3FileSystem(
            access_key=s3.access_key_id,
            secret_key=s3.secret_access_key,
            endpoint_override=s3.endpoint_url,
            region=s3.region,
        )

    def counter(self, run: str) -> Callable[[], int]:
        """Return a function that counts the rows in a run's objects, and reads each footer once."""
        rows: dict[str, int] = {}
        files = self.files()

        def count() -> int:
            for path in self.objects(run):
                if path not in rows:
                    rows[path] = pq.read_metadata(path, filesystem=files).num_rows
            return sum(rows.values())

        return count

    def check(self, topic: Topic, run: str) -> int:
        """Check a run's objects; return how many there are.

        Raises ValueError if rows are missing or doubled, columns differ or the codec is not zstd.
        """
        wanted, files = list(Mapper(Options()).columns), self.files()
        rows, objects = 0, self.objects(run)
        for path in objects:
            footer = pq.read_metadata(path, filesystem=files)
            rows += footer.num_rows
            columns = footer.schema.to_arrow_schema().names
            if columns != wanted:
                raise ValueError(f"{path} has other columns: {set(columns) ^ set(wanted)}")
            codec = footer.row_group(0).column(0).compression
            if codec != "ZSTD":
                raise ValueError(f"{path} is compressed with {codec}")
        if rows != topic.count:
            raise ValueError(f"{run} wrote {rows:,} rows of {topic.count:,} alerts")
        return len(objects)
