"""`falcolake top`, on a real broker: one count in a pipe, and a picture on a terminal."""

import json
import re
from pathlib import Path

import pytest
from kafka import KafkaProducer

from streams.clock import now_ms
from streams.embedded.stack import EmbeddedStack
from tests.alerts import FILE, KUBERNETES, SHELL, native
from tests.streams.commands.conftest import Run
from tests.streams.commands.terminals import on_a_terminal
from tests.waiting import wait_until

HOSTILE = {**SHELL, "rule": "\x1b]0;owned\x07\u202e" + "漢字" * 200, "hostname": "h" * 300}
MANY = [{**FILE, "hostname": f"node-{number}"} for number in range(20)]
MINUTE = 60_000


@pytest.fixture(scope="module")
def environment(stack: EmbeddedStack) -> dict[str, str]:
    """The variables for a topic of two partitions with alerts of the last half hour."""
    stack.create_topic("top", 2)
    now = now_ms()
    with KafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all") as producer:

        def send(value: bytes, minutes: int, partition: int = 0) -> None:
            producer.send("top", value, timestamp_ms=now - minutes * MINUTE, partition=partition)

        send(native(KUBERNETES), 30)
        for minutes in (20, 20, 20):
            send(native(SHELL), minutes, 1)
        for alert in (*MANY, HOSTILE):
            send(native(alert), 1)
        send(b"not an alert", 1, 1)
        producer.flush()
    return {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": stack.kafka_bootstrap,
        "FALCOLAKE_KAFKA__TOPIC": "top",
    }


def test_it_counts_once_what_the_window_has(falcolake: Run, environment: dict[str, str]) -> None:
    done = falcolake("top", "--last", "25m", "--count", "2", "--json", environment=environment)
    found = json.loads(done.stdout)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (found["topic"], found["seconds"]) == ("top", 1500)
    assert (found["alerts"], found["rejects"], found["per_second"]) == (24, 1, 0.016)
    assert found["rules"] == [
        {"name": FILE["rule"], "alerts": 20, "per_second": 0.013},
        {"name": SHELL["rule"], "alerts": 3, "per_second": 0.002},
    ]
    assert found["other_rules"] == 1
    assert [row["name"] for row in found["namespaces"]] == [None, "shop"]
    assert [row["alerts"] for row in found["hosts"]] == [3, 1]


def test_in_a_pipe_it_prints_tables_once(falcolake: Run, environment: dict[str, str]) -> None:
    done = falcolake("top", "--last", "15m", "--count", "2", environment=environment)
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    assert (done.exit_code, lines[0][0], lines[1][0]) == (0, "rule", FILE["rule"])
    assert done.stdout.count("(others)") == 1, "of the hosts"
    assert done.stdout.splitlines()[-1] == (
        "top: 21 alerts in 900 s, 0.02 per second; 1 reject, 0 filtered"
    )


def test_what_the_settings_filter_is_counted_apart(
    falcolake: Run, environment: dict[str, str]
) -> None:
    settings = {**environment, "FALCOLAKE_MAPPING__MINIMUM_PRIORITY": "warning"}
    done = falcolake("top", "--last", "25m", "--json", environment=settings)
    found = json.loads(done.stdout)
    assert (found["alerts"], found["filtered"], found["rejects"]) == (20, 4, 1)


@pytest.mark.parametrize("last", ["0s", "soon", "10"])
def test_a_window_that_cannot_be_is_wrong_usage(falcolake: Run, last: str) -> None:
    done = falcolake("top", "--last", last)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"--last {last}" in done.stderr


def test_on_a_terminal_the_picture_fits_and_follows_the_topic(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with on_a_terminal(
        "top", "--last", "25m", environment=environment, directory=tmp_path, columns=60
    ) as terminal:
        wait_until(lambda: "24 alerts in " in terminal.text)
        bootstrap = environment["FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS"]
        with KafkaProducer(bootstrap_servers=bootstrap) as producer:
            producer.send("top", native(KUBERNETES))
        wait_until(lambda: "25 alerts in " in terminal.text)
        assert terminal.interrupt() == 0
    assert "Traceback" not in terminal.text
    assert "\x1b]" not in terminal.text
    assert "\u202e" not in terminal.text
    picture = re.split(r"(?:\x1b\[2K(?:\x1b\[1A)?)+", terminal.text)[-1]
    lines = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", picture).replace("\r", "").split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 60
    assert any(line.startswith("(others)") for line in lines)
