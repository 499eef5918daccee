"""`falcolake tail`, on a real broker: what it shows in a pipe, as JSON and on a terminal."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka import KafkaProducer
from rich.cells import cell_len

from schemas.mapping import Mapping, Options
from schemas.ocsf.releases import SEVERITIES
from streams.embedded.stack import EmbeddedStack
from tests.alerts import CLOUDTRAIL, FILE, KUBERNETES, SHELL, native
from tests.streams.commands.conftest import FALCOLAKE, Run
from tests.streams.commands.terminals import on_a_terminal
from tests.waiting import wait_until

WIDE = {
    **SHELL,
    "rule": "\x1b]0;owned\x07 漢字漢字漢字漢字",
    "output": "\u202e漢字" * 50,
    "priority": "dreadful",
}
#: In this order, with a reject in between.
ALERTS = (SHELL, FILE, KUBERNETES, CLOUDTRAIL, WIDE)
VALUES = [*map(native, ALERTS[:2]), b"\x1b[31mnot an alert", *map(native, ALERTS[2:])]
SEQUENCES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def environment(stack: EmbeddedStack) -> dict[str, str]:
    """The variables for a topic of one partition that has `VALUES`."""
    stack.create_topic("tail", 1)
    with KafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all") as producer:
        for value in VALUES:
            producer.send("tail", value)
        producer.flush()
    return {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": stack.kafka_bootstrap,
        "FALCOLAKE_KAFKA__TOPIC": "tail",
    }


def test_in_a_pipe_lines_are_complete_and_rejects_go_to_standard_error(
    falcolake: Run, environment: dict[str, str]
) -> None:
    done = falcolake("tail", "--since", "1h", "--count", "5", environment=environment)
    assert (done.exit_code, done.stderr) == (0, "Rejected: tail-0:2: The value is not JSON.\n")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[:4] == [
        [*start, alert["rule"], place, alert["output"]]
        for start, alert, place in (
            (["2026-11-23T14:03:27.123Z", "Low"], SHELL, "shop/web-7d9c5b8f6d-x2k4q"),
            (["2026-07-04T20:46:44.180Z", "Medium"], FILE, "node_1"),
            (["2026-11-23T14:05:11.250Z", "Medium"], KUBERNETES, "kube-system/debug-tools"),
            (["2026-11-23T14:07:42.000Z", "Medium"], CLOUDTRAIL, "acme-customer-exports"),
        )
    ]
    assert lines[4][1:3] == ["Unknown", "�]0;owned� 漢字漢字漢字漢字"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--severity", "MEDIUM"], [FILE, KUBERNETES, CLOUDTRAIL, WIDE]),
        (["--severity", "fatal"], [WIDE]),
        (["--rule", "SHELL", "--rule", "bucket"], [SHELL, CLOUDTRAIL]),
        (["--namespace", "kube-system"], [KUBERNETES]),
        (["--source", "syscall", "--severity", "medium"], [FILE, WIDE]),
        (["--source", "k8s_audit", "--source", "aws_cloudtrail"], [KUBERNETES, CLOUDTRAIL]),
    ],
)
def test_options_choose_alerts(
    falcolake: Run,
    environment: dict[str, str],
    words: Sequence[str],
    found: Sequence[dict[str, str]],
) -> None:
    count = f"{len(found)}"
    done = falcolake(
        "tail", "--since", "1h", "--count", count, "--json", *words, environment=environment
    )
    assert done.exit_code == 0
    shown = [json.loads(line)["finding_info"]["title"] for line in done.stdout.splitlines()]
    assert shown == [alert["rule"] for alert in found]


def test_json_is_what_map_prints(falcolake: Run, environment: dict[str, str]) -> None:
    words = ["--since", "1h", "--count", "4", "--json"]
    settings = {**environment, "FALCOLAKE_OCSF__CLASS": "security_finding"}
    shown = falcolake("tail", *words, environment=settings).stdout.splitlines()
    mapping = Mapping(Options(event_class="security_finding", region="", account_id=""))
    for line, alert in zip(shown, ALERTS, strict=False):
        expected = mapping.finding(native(alert), 1)
        assert isinstance(expected, dict)
        found = json.loads(line)
        del found["metadata"]["logged_time"], found["metadata"]["logged_time_dt"]
        assert found.keys() == expected.keys()
        assert found["finding"] == expected["finding"]


def test_what_the_settings_filter_is_not_shown(falcolake: Run, environment: dict[str, str]) -> None:
    settings = {**environment, "FALCOLAKE_MAPPING__MINIMUM_PRIORITY": "warning"}
    done = falcolake("tail", "--since", "1h", "--count", "1", environment=settings)
    assert FILE["rule"] in done.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--severity", "dreadful"], ", ".join(map(repr, map(str.lower, SEVERITIES[1:])))),
        (["--since", "soon"], "--since soon"),
        (["--since", "10"], "add the unit"),
        (["--count", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_options_are_named(falcolake: Run, words: Sequence[str], error: str) -> None:
    done = falcolake("tail", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert error in done.stderr


@pytest.mark.parametrize(("columns", "no_color"), [(40, ""), (132, "1")])
def test_on_a_terminal_no_line_is_wider_and_ctrl_c_is_the_usual_end(
    environment: dict[str, str], tmp_path: Path, columns: int, no_color: str
) -> None:
    with on_a_terminal(
        *("tail", "--since", "1h"),
        environment={**environment, "NO_COLOR": no_color},
        directory=tmp_path,
        columns=columns,
    ) as terminal:
        wait_until(lambda: "Rejected" in terminal.text and "Unknown" in terminal.text)
        assert terminal.interrupt() == 0
    shown = terminal.text.replace("\r", "")
    lines = SEQUENCES.sub("", shown).removesuffix("\n").split("\n")
    assert len(lines) == len(VALUES)
    assert max(map(cell_len, lines)) <= columns
    assert {word for line in lines for word in line.split()} >= {"Low", "Medium", "Unknown"}
    assert bool(re.search(r"\x1b\[33mMedium", shown)) is not bool(no_color)
    assert "\x1b]" not in shown
    assert "\u202e" not in shown


def test_it_ends_when_its_reader_does(environment: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen(
        [*FALCOLAKE, "tail", "--since", "1h"],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        lines = [running.stdout.readline() for _ in ALERTS]
        assert lines[0].startswith(b"2026-11-23T14:03:27.123Z\tLow\t")
        running.stdout.close()
        # Nothing comes any more: it notices by itself.
        assert running.wait(30) == 0
        assert running.stderr.read() == b"Rejected: tail-0:2: The value is not JSON.\n"
