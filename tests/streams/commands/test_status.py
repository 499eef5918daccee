"""`falcolake status`, on a real broker."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.streams.commands.conftest import Run
from tests.streams.commands.terminals import on_a_terminal


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


def test_a_terminal_is_told_after_a_second_who_does_not_answer(
    falcolake: Run, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        environment = {
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": server,
            "FALCOLAKE_KAFKA__BOOTSTRAP_TIMEOUT": "2s",
        }
        with on_a_terminal(
            "status", environment=environment, directory=tmp_path, columns=60
        ) as terminal:
            assert terminal.end() == 1
        done = falcolake("status", environment=environment)
    said, _, error = terminal.text.partition("Error: ")
    assert f"waiting for Kafka at {server}" in said
    assert "waiting" not in error
    assert done.stderr.startswith("Error: ")


def test_at_60_columns_numbers_of_status_are_whole(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Every head and number is a word of its own, in a table or as a block a partition."""
    with on_a_terminal(
        "status", "--no-ask", environment=environment, directory=tmp_path, columns=60
    ) as terminal:
        assert terminal.end() == 0
    lines = terminal.left()
    assert max(map(len, lines)) <= 60
    words = " ".join(lines).split()
    for head in ("partition", "begin", "committed", "end", "lag", "behind", "sealed", "owner"):
        assert head in words, lines
    assert "0 records not in the lake yet, 0 dead letters" in " ".join(words)
