"""`falcolake produce`, `status` and `stack`, on a real broker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.kafka import client as kafka
from tests.streams.commands.conftest import Run

ALERT = b'{"rule":"r","priority":"Notice","time":"2026-01-01T00:00:00Z"}\n'


@pytest.fixture
def environment(kafka_bootstrap: str, topic: str) -> dict[str, str]:
    """The variables for a topic and a group of this test alone."""
    return {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
        "FALCOLAKE_KAFKA__TOPIC": topic,
        "FALCOLAKE_KAFKA__GROUP_ID": f"group-of-{topic}",
    }


def test_samples_are_produced_and_shown_as_lag(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    produced = falcolake("produce", "--count", "120", "--json", environment=environment)
    report = json.loads(produced.stdout)
    assert (produced.exit_code, report["sent"], report["failed"]) == (0, 120, 0)

    shown = falcolake("status", "--json", environment=environment)
    found = json.loads(shown.stdout)
    assert (found["topic"], found["group_state"], found["lag"]) == (topic, "none", 120)
    assert [partition["partition"] for partition in found["partitions"]] == [0, 1, 2, 3]
    assert shown.stderr == f"Warning: no worker of group group-of-{topic} is running\n"
    assert shown.exit_code == 1


def test_a_file_is_produced_line_by_line(
    falcolake: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(ALERT * 3)
    done = falcolake("produce", "--file", "alerts.jsonl", environment=environment)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("3 records sent")


def test_status_of_a_topic_without_lag_is_no_problem(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    done = falcolake("status", environment=environment)
    head, *rows, summary = done.stdout.splitlines()
    assert head.split() == [
        *("partition", "begin", "committed", "end", "lag", "behind", "sealed", "owner")
    ]
    assert [row.split() for row in rows] == [
        [str(number), "0", "-", "0", "0", "-", "0", "-"] for number in range(4)
    ]
    assert summary == (
        f"topic {topic}, group group-of-{topic} (none): "
        "0 records not in the lake yet, 0 dead letters"
    )
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_watch_in_a_pipe_is_a_line_a_look(
    environment: dict[str, str], topic: str, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "status", "--watch", "--every", "100ms", "--json"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as watching:
        assert watching.stdout is not None
        looks = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert b"Traceback" not in watching.communicate(timeout=30)[1]
    assert watching.returncode == 130
    assert [look["topic"] for look in looks] == [topic, topic]


def test_a_lake_that_does_not_answer_is_a_note(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    lake = {
        "FALCOLAKE_LAKE__BUCKET": "lake",
        "FALCOLAKE_LAKE__REGION": "us-east-1",
        "FALCOLAKE_LAKE__ENDPOINT_URL": "http://127.0.0.1:1",
    }
    done = falcolake("status", environment={**environment, **lake})
    assert (done.exit_code, done.stderr.startswith("Note: the lake ")) == (0, True)


def test_a_missing_topic_is_named(
    falcolake: Run, environment: dict[str, str], make_name: Callable[[], str]
) -> None:
    name = make_name()
    done = falcolake("status", environment={**environment, "FALCOLAKE_KAFKA__TOPIC": name})
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: there is no topic {name} in Kafka at ")
    assert "Try: create it, or correct FALCOLAKE_KAFKA__TOPIC" in done.stderr


def test_a_broker_that_does_not_answer_is_exit_code_1(
    falcolake: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "BOOTSTRAP_TIMEOUT_MS", 300)
    environment = {"FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = falcolake("status", environment=environment)
    error, hint = done.stderr.splitlines()
    assert done.exit_code == 1
    assert error.startswith("Error: Kafka at 127.0.0.1:1 does not answer: ")
    assert hint.startswith("Try: ")


SHELL = """
set -e
eval "$(falcolake stack --partitions 2 --data ./data &)"
trap 'kill $FALCOLAKE_STACK_PID' EXIT
falcolake produce --count 50
echo '{"rule":"r"}' | falcolake produce --file -
falcolake status --json || true
"""


def test_a_shell_can_use_the_stack(tmp_path: Path) -> None:
    (tmp_path / "falcolake").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    (tmp_path / "falcolake").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f'PATH="{tmp_path}:$PATH"\n{SHELL}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lag"] == 51
    assert "50 records sent" in done.stderr
