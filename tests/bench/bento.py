"""Bento, a program for the same job: Kafka, a mapping in its own language, Parquet, S3.

`peers/bento.yaml` and `peers/bento.blobl` are its configuration, for syscall alerts. `configure`
adds the columns, and what all findings of a rule share. Bento's engine maps, nests, writes and
puts: nothing of ours runs in it. It is measured if `BENTO` names its program; nothing here fetches
or builds it.

`python -m tests.bench.bento DIRECTORY` only writes the complete configuration.
"""

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from streams.embedded.ports import free_ports
from tests.bench import programs
from tests.bench.cost import Cost, cpu_seconds, peak_memory, until
from tests.bench.ground import STOCK, SYSCALL, Ground, Topic, alerts
from tests.bench.peers.parquet import MAPPING, SCHEMA

#: The environment variable with Bento's path, or its name on the PATH.
VARIABLE = "BENTO"

#: Alerts that show every rule of their kind.
SAMPLE = 5_000
SECONDS = 900

_HERE = Path(__file__).parent / "peers"
_SHARED = ("confidence_id", "confidence", "confidence_score")


def version(program: str) -> str:
    """Return the version that Bento prints of itself."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    found = re.search(r"Version: (\S+)", done.stdout)
    return found[1] if found else "of an unknown version"


def configure(directory: Path) -> Path:
    """Write the configuration into a directory, made if missing; return its file."""
    directory.mkdir(parents=True, exist_ok=True)
    mapping = (_HERE / "bento.blobl").read_text()
    rules = json.dumps(_rules(), indent=2, ensure_ascii=False)
    (directory / "bento.blobl").write_text(f"let rules = {rules}\n\n{mapping}")
    text = (_HERE / "bento.yaml").read_text()
    columns = json.dumps([_column(field) for field in SCHEMA])
    file = directory / "bento.yaml"
    # JSON is YAML.
    file.write_text(text.replace("schema: []", f"schema: {columns}"))
    return file


def _rules() -> dict[str, dict[str, Any]]:
    """Return what findings of a rule share because of its tags, by the rule's name."""
    rules: dict[str, dict[str, Any]] = {}
    for kind in (SYSCALL, STOCK):
        for value in itertools.islice(alerts(kind), SAMPLE):
            rule = json.loads(value)["rule"]
            if rule in rules:
                continue
            finding = MAPPING.finding(value, -1)
            assert isinstance(finding, dict), finding
            info = finding["finding_info"]
            rules[rule] = {name: finding.get(name) for name in _SHARED} | {
                name: info.get(name) for name in ("types", "attacks", "src_url")
            }
    return rules


def _column(field: pa.Field) -> dict[str, Any]:
    """Return a column of Parquet as `parquet_encode` has it; it has no timestamps."""
    return {"name": field.name, "optional": True, **_type(field.type)}


def _type(kind: pa.DataType) -> dict[str, Any]:
    if kinds.is_struct(kind):
        return {"type": "STRUCT", "fields": [_column(field) for field in kind]}
    if kinds.is_list(kind):
        return {"type": "LIST", "fields": [{"name": "element", **_type(kind.value_type)}]}
    if kinds.is_map(kind):
        both = {"key": kind.key_type, "value": kind.item_type}
        return {"type": "MAP", "fields": [{"name": name, **_type(of)} for name, of in both.items()]}
    if kinds.is_string(kind):
        return {"type": "UTF8"}
    if kinds.is_floating(kind):
        return {"type": "DOUBLE"}
    return {"type": "INT32" if kinds.is_int32(kind) else "INT64"}


@contextmanager
def started(
    ground: Ground, topic: Topic, run: str, program: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run Bento on a topic until the end of the block, which begins once it has connected."""
    directory = ground.directory / f"bento-{run}"
    file = configure(directory)
    (port,) = free_ports(1)
    environment = ground.environment(topic, run) | {
        "BENCH_PORT": str(port),
        "BENCH_MAPPING": str(file.with_suffix(".blobl")),
    }
    page, log = f"http://127.0.0.1:{port}/ready", ground.directory / f"{run}.log"
    command = [program, "-c", str(file)]
    with programs.serving(command, environment, page, log, pause=0.01) as process:
        yield process


def measure(ground: Ground, topic: Topic, program: str) -> tuple[Cost, str]:
    """Run Bento over a topic's backlog; return what it took, and its run.

    Raises ValueError if rows are missing or doubled, or columns or codec are others.
    """
    run = ground.run_name("bento")
    rows = ground.counter(run)
    with started(ground, topic, run, program) as process:
        began, cpu = time.monotonic(), cpu_seconds(process.pid)
        until(lambda: rows() >= topic.count, SECONDS, f"all of {topic.name} is in {run}")
        cost = Cost(
            time.monotonic() - began, cpu_seconds(process.pid) - cpu, peak_memory(process.pid)
        )
    ground.check(topic, run)
    return cost, run


if __name__ == "__main__":
    print(configure(Path(sys.argv[1])))
