"""The demo from outside: what it prints, and that it leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from streams.embedded import demo, showcase
from streams.embedded.process import ServerProcess
from streams.embedded.stack import EmbeddedStack
from streams.errors import Corrupt, Unavailable
from streams.settings.load import load
from tests.conftest import LakeEnvironment, Spawn
from tests.streams.embedded.processes import alive
from tests.streams.falco_records import mixed
from tests.streams.lake_writer import LakeWriter, mixed_lake
from tests.waiting import wait_until


def descendants(pid: int) -> set[int]:
    """Return the process ids of all descendants of a process."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    children = defaultdict(list)
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        children[parent].append(child)
    found, left = set(), [pid]
    while left:
        new = children[left.pop()]
        found.update(new)
        left.extend(new)
    return found


def command_of(pid: int) -> str:
    return subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout


@pytest.fixture
def start(tmp_path: Path, spawn: Spawn) -> Callable[..., "subprocess.Popen[str]"]:
    def run(*options: str, **environment: str) -> "subprocess.Popen[str]":
        temporary = tmp_path / "tmp"
        temporary.mkdir(exist_ok=True)
        return spawn(
            [sys.executable, "-m", "cli", "demo", *options],
            {**os.environ, "TMPDIR": str(temporary), **environment},
        )

    return run


def test_the_demo_ends_with_the_proof_and_leaves_nothing(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    # The user's own settings and credentials must not matter.
    config = tmp_path / "aws"
    config.write_text("[profile elsewhere]\nregion = eu-north-1\nmax_attempts = 1\n")
    process = start(
        "--count",
        "1500",
        FALCOLAKE_KAFKA__SECURITY_PROTOCOL="SSL",
        FALCOLAKE_LAKE__ROLE_ARN="arn:aws:iam::123456789012:role/elsewhere",
        AWS_PROFILE="elsewhere",
        AWS_CONFIG_FILE=str(config),
    )
    out, error = process.communicate(timeout=100)
    assert process.returncode == 0, error
    for view in ("severity", "ATT&CK tactic", "namespace", "rule"):
        assert view in out
    proof = re.search(r"Proved in \d+ s: 1,500 records = ([\d,]+) findings \+ (\d+) rejects", out)
    assert proof, out
    findings, rejects = (int(number.replace(",", "")) for number in proof.groups())
    assert findings + rejects == 1500
    assert rejects > 0
    assert list((tmp_path / "tmp").iterdir()) == []

    document = out[out.index("\n{\n") : out.index("\n}\n") + 3]
    finding = json.loads(document)
    assert (finding["class_uid"], finding["severity"]) == (2004, "Critical")
    assert finding["finding_info"]["title"] == json.loads(finding["raw_data"])["rule"]
    assert finding["resources"]
    assert document.count("\n") < 150
    answer = out[out.index(showcase.QUERY) :].partition("Proved in")[0]
    assert re.search(r"Terminal shell in container +Low +\d+", answer)
    steps = out.partition("\nNext:\n")[2].splitlines()
    commands = [line.strip() for line in steps if line and "# " not in line]
    assert [each.rpartition("cli ")[2] for each in commands] == [
        "demo --stay",
        'stack --detach)"',
        "init",
    ]


@pytest.mark.faults
def test_with_stay_all_of_it_runs_until_ctrl_c_and_the_next_commands_work(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    process = start("--count", "300", "--stay")
    assert process.stdout is not None
    lines: list[str] = []
    while "--count 5" not in "".join(lines[-1:]):
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    family = descendants(process.pid)
    out = "".join(lines)
    assert "Proved in" in out
    (page,) = re.findall(r"The worker's page: (\S+)", out)
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert b"<title>" in answer.read()
    steps = out.partition("Next, in another terminal:")[2].splitlines()
    commands = [line for line in steps if line and "# " not in line]
    assert len(commands) == 3
    done = subprocess.run(
        ["bash", "-ec", "\n".join(commands)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1,000 records sent" in done.stderr
    assert (done.returncode, done.stdout.count("\n")) == (0, 5), done.stderr
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=40)
    assert (process.returncode, out) == (0, ""), error
    wait_until(lambda: not any(map(alive, family)), message="all processes to end")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.faults
def test_kept_data_is_proved_again_together_with_more(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    for total in ("300", "600"):
        out, error = start("--count", "300", "--keep", str(tmp_path / "kept")).communicate(
            timeout=100
        )
        assert f" s: {total} records = " in out, error
        assert f"falcolake stack --data {tmp_path / 'kept'}" in out


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("broker", signal.SIGINT),
        pytest.param("weed", signal.SIGINT, marks=pytest.mark.faults),
        pytest.param("cli worker", signal.SIGINT, marks=pytest.mark.faults),
        pytest.param("cli worker", signal.SIGTERM, marks=pytest.mark.faults),
    ],
)
def test_stopped_anywhere_nothing_is_left_running(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, stage: str, number: int
) -> None:
    process = start("--count", "20000")
    wait_until(lambda: any(stage in command_of(pid) for pid in descendants(process.pid)))
    family = descendants(process.pid)
    process.send_signal(number)
    _, error = process.communicate(timeout=40)
    assert process.returncode == 130
    assert "Traceback" not in error
    wait_until(lambda: not any(map(alive, family)), message="all processes to end")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def shipped(lake_environment: LakeEnvironment, topic: str, tmp_path: Path) -> LakeWriter:
    """A lake as left by a worker."""
    settings = load(environment=lake_environment(KAFKA__GROUP_ID=f"group-of-{topic}"))
    return mixed_lake(settings, tmp_path / "writer")


def test_the_proof_is_of_what_the_lake_and_kafka_have(
    shipped: LakeWriter, stack: EmbeddedStack
) -> None:
    said = demo._look_back(shipped.settings, stack, Console(quiet=True))
    assert said.startswith("20 records = 17 findings + 3 rejects + 0 filtered; 4 objects of 2 ")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda writer, key: writer.delete(key), "short: "),
        (lambda writer, key: writer.rewrite(key, rows=1), "short: "),
        (lambda writer, key: writer.put("ext/falco/x.parquet", writer.lake.read(key)), "foreign: "),
        (lambda writer, _: writer.publish(1, [mixed(0)]), "Kafka has 21 records, the lake 20"),
        (lambda writer, _: writer.refuse(1, [0]), "dead-letters: "),
    ],
)
def test_whatever_is_wrong_the_proof_fails(
    shipped: LakeWriter, stack: EmbeddedStack, harm: Callable[..., object], said: str
) -> None:
    harm(shipped, next(iter(shipped.lake.objects())).key)
    with pytest.raises(Corrupt, match="the proof failed") as caught:
        demo._look_back(shipped.settings, stack, Console(quiet=True))
    assert f"\n  {said}" in caught.value.message
    assert "--keep" in caught.value.hint


def test_a_worker_that_ends_is_reported_with_the_end_of_its_log(
    shipped: LakeWriter, tmp_path: Path
) -> None:
    shipped.publish(1, [mixed(0)] * 5)
    worker = ServerProcess(
        "worker", [sys.executable, "-c", "print('no luck')"], log=tmp_path / "worker.log"
    )
    worker.start(lambda: True)
    try:
        wait_until(lambda: not worker.running, 20, "the worker has ended")
        with pytest.raises(Unavailable, match="the worker has ended, with 5 records left") as told:
            list(demo._watch(shipped.settings, worker))
        assert told.value.hint.endswith("  no luck")
    finally:
        worker.stop()
