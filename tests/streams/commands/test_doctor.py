"""`falcolake doctor`: its lines, its JSON, its exit codes. What it finds: tests/streams."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import Run
from tests.streams.commands.terminals import on_a_terminal


@pytest.fixture
def environment(lake_environment: LakeEnvironment) -> dict[str, str]:
    return lake_environment()


def test_all_good_is_a_line_each_and_exit_code_0(
    falcolake: Run, environment: dict[str, str]
) -> None:
    done = falcolake("doctor", environment=environment)
    *lines, summary = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"good"}
    assert summary == f"{len(lines)} good, 0 warnings, 0 bad"
    assert (done.exit_code, done.stderr) == (0, "")


def test_json_says_the_same(falcolake: Run, environment: dict[str, str]) -> None:
    environment = environment | {"FALCOLAKE_WINDOW__INTERVAL": "60"}
    done = falcolake("doctor", "--json", environment=environment)
    found = json.loads(done.stdout)
    (odd,) = [each for each in found["checks"] if each["level"] != "good"]
    assert (odd["check"], odd["level"]) == ("settings", "warning")
    assert odd["remedy"]
    assert (found["good"], found["warning"], found["bad"]) == (len(found["checks"]) - 1, 1, 0)
    assert done.exit_code == 0  # a warning alone is not a problem


def test_anything_bad_is_exit_code_1_with_the_remedy(
    falcolake: Run, environment: dict[str, str], make_name: Callable[[], str]
) -> None:
    environment = environment | {"FALCOLAKE_KAFKA__DEAD_LETTER_TOPIC": make_name()}
    done = falcolake("doctor", environment=environment)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert "there is no topic" in line
    assert ". Try: kafka-topics.sh" in line
    assert done.exit_code == 1


def test_wrong_settings_are_a_line_too(falcolake: Run) -> None:
    done = falcolake("doctor", environment={"FALCOLAKE_LAKE__ACCOUNT_ID": "12"})
    assert done.stdout.startswith("bad     settings          FALCOLAKE_LAKE__ACCOUNT_ID is '12'")
    assert (done.exit_code, done.stderr) == (1, "")


def test_with_nothing_there_everything_is_said_and_nothing_raised(falcolake: Run) -> None:
    environment = {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "FALCOLAKE_KAFKA__BOOTSTRAP_TIMEOUT": "300ms",
    }
    done = falcolake("doctor", environment=environment)
    levels = {line[8:26].strip(): line.split()[0] for line in done.stdout.splitlines()[:-1]}
    assert (levels["settings"], levels["kafka"], levels["topic"]) == ("bad", "bad", "skipped")
    assert levels["credentials"] == "skipped"
    assert "Traceback" not in done.stdout + done.stderr
    assert done.exit_code == 1
    counted = Counter(levels.values())
    summary = done.stdout.splitlines()[-1]
    assert counted["skipped"] > 3
    assert summary.endswith(f" {counted['bad']} bad, {counted['skipped']} skipped")
    assert not counted["warning"]
    assert ", 0 warnings, " in summary


def test_on_a_narrow_terminal_it_is_wrapped_with_a_hanging_indent(tmp_path: Path) -> None:
    environment = {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "FALCOLAKE_KAFKA__BOOTSTRAP_TIMEOUT": "300ms",
    }
    with on_a_terminal(
        "doctor", environment=environment, directory=tmp_path, columns=60
    ) as terminal:
        assert terminal.end() == 1
    *lines, _, _ = terminal.left()
    for line in lines:
        if len(line) > 60:  # a word that is longer than a line
            assert len(line.split()) == 1, line
        assert re.match(r"(?:good|warning|bad|skipped) +\S| {20}\S", line), line
    assert sum(line.startswith(" ") for line in lines) > 5
