"""What any command may meet: no Kafka, no topic, no lake, wrong settings or options."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from typer.testing import Result

import cli
from tests.streams.commands.conftest import LEAVES, Run

#: How each command is called, and what it needs before it can do anything: "kafka", "lake"; "s3"
#: stands for a lake that need not be that of the settings.
NEEDS: dict[str, tuple[list[str], set[str]]] = {
    "adopt": ([], {"kafka", "lake"}),
    "audit": ([], {"kafka", "lake", "s3"}),
    "dead-letter list": ([], {"kafka"}),
    "dead-letter retry": ([], {"kafka", "lake"}),
    "dead-letter show": (["0", "0"], {"kafka"}),
    "ddl": (["--engine", "athena"], {"lake"}),
    "demo": ([], set()),
    "import": (["-", "--journal", "import.journal"], {"kafka"}),
    "init": ([], set()),
    "doctor": ([], set()),
    "flush": ([], {"kafka"}),
    "map": (["alerts.jsonl"], set()),
    "policy": ([], set()),
    "produce": ([], {"kafka"}),
    "query": (["SELECT 1"], {"lake", "s3"}),
    "receive": ([], set()),
    "register": (["falco", "--crawler-role", "arn:aws:iam::123456789012:role/r"], set()),
    "replay": (["--last", "1h"], {"kafka", "lake"}),
    "settings": ([], set()),
    "stack": ([], set()),
    "status": ([], {"kafka"}),
    "tail": ([], {"kafka"}),
    "template": (["terraform"], set()),
    "top": ([], {"kafka"}),
    "verify": (["s3://lake/ext"], {"s3"}),
    "worker": ([], {"lake"}),
}
#: They take no settings, but make their own.
WITHOUT_SETTINGS = {"demo", "init", "stack"}
LAKE = {
    "FALCOLAKE_LAKE__BUCKET": "lake",
    "FALCOLAKE_LAKE__REGION": "us-east-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
    "FALCOLAKE_LAKE__ENDPOINT_URL": "http://127.0.0.1:1",
}


def having(need: str) -> list[str]:
    return [name for name, (_, needs) in NEEDS.items() if need in needs]


def call(name: str, *, as_json: bool = False) -> list[str]:
    return [*name.split(), *NEEDS[name][0], *(["--json"] if as_json else [])]


def refusal(done: Result, exit_code: int) -> tuple[str, str]:
    """The error and the hint of a command that failed, which are all it said."""
    assert (done.exit_code, done.stdout) == (exit_code, "")
    error, hint = done.stderr.splitlines()
    return error, hint


def reaching(bootstrap: str, topic: str) -> dict[str, str]:
    return {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "FALCOLAKE_KAFKA__TOPIC": topic,
    }


def has_json(name: str) -> bool:
    command = typer.main.get_command(cli.app)
    for word in name.split():
        command = command.commands[word]  # type: ignore[attr-defined]
    return any("--json" in option.opts for option in command.params)


def test_these_are_all_commands_there_are() -> None:
    assert {" ".join(words) for words in LEAVES} == NEEDS.keys()


@pytest.mark.parametrize("name", having("kafka"))
@pytest.mark.parametrize("as_json", [False, True])
def test_a_broker_that_does_not_answer_is_exit_code_1(
    falcolake: Run, name: str, as_json: bool
) -> None:
    environment = {
        **LAKE,
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "FALCOLAKE_KAFKA__BOOTSTRAP_TIMEOUT": "300ms",
    }
    done = falcolake(*call(name, as_json=as_json), environment=environment)
    error, hint = refusal(done, 1)
    why = "Unable to bootstrap from [127.0.0.1:1]" if name == "produce" else "Connection refused"
    assert error == f"Error: Kafka at 127.0.0.1:1 does not answer: {why}"
    assert hint.startswith("Try: ")


@pytest.mark.parametrize("name", ["status", "flush", "doctor"])
def test_brokers_that_refuse_connections_are_not_waited_for(falcolake: Run, name: str) -> None:
    servers = {"FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1,localhost:1"}
    began = time.monotonic()
    done = falcolake(*call(name), environment={**LAKE, **servers})
    assert time.monotonic() - began < 8, "as long as kafka.bootstrap_timeout"
    assert (done.exit_code, "does not answer: Connection refused" in done.output) == (1, True)


@pytest.mark.parametrize("name", [each for each in having("kafka") if each != "produce"])
def test_a_topic_that_is_not_there_is_wrong_usage(
    falcolake: Run, kafka_bootstrap: str, make_name: Callable[[], str], name: str
) -> None:
    topic = make_name()
    environment = LAKE | reaching(kafka_bootstrap, topic)
    done = falcolake(*call(name), environment=environment)
    error, hint = refusal(done, 2)
    assert error.startswith(f"Error: there is no topic {topic}")
    assert hint.startswith("Try: create it, or correct FALCOLAKE_KAFKA__")


@pytest.mark.parametrize("name", having("lake"))
def test_a_lake_that_is_not_set_is_wrong_usage(
    falcolake: Run, kafka_bootstrap: str, topic: str, name: str
) -> None:
    environment = reaching(kafka_bootstrap, topic)
    done = falcolake(*call(name), environment=environment)
    error, hint = refusal(done, 2)
    assert error.startswith("Error: not set: ")
    assert "FALCOLAKE_LAKE__BUCKET" in error
    assert hint.startswith("Try: ")


@pytest.mark.parametrize("name", [*having("s3"), "replay"])
def test_a_lake_that_does_not_answer_is_exit_code_1(
    falcolake: Run, kafka_bootstrap: str, topic: str, name: str
) -> None:
    environment = LAKE | reaching(kafka_bootstrap, topic)
    done = falcolake(*call(name), environment=environment)
    error, hint = refusal(done, 1)
    assert error.startswith("Error: cannot list the lake in s3://lake: ")
    assert hint.startswith("Try: ")


@pytest.mark.parametrize("place", ["others", "others/report.parquet", "/proc/staging"])
def test_a_staging_path_that_cannot_work_ends_the_worker(tmp_path: Path, place: str) -> None:
    report = tmp_path / "others" / "report.parquet"
    report.parent.mkdir()
    report.write_text("somebody's")
    environment = {
        **LAKE,
        "FALCOLAKE_STAGING__PATH": str(tmp_path / place),
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "FALCOLAKE_WEB__PORT": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli", "worker"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    *_, error, hint = done.stderr.splitlines()
    assert error.startswith("Error: ")
    assert str(tmp_path / place) in error
    assert hint.startswith("Try: set FALCOLAKE_STAGING__PATH to ")
    assert report.read_text() == "somebody's"


@pytest.mark.parametrize("name", sorted(NEEDS.keys() - WITHOUT_SETTINGS - {"doctor"}))
def test_wrong_settings_are_wrong_usage(falcolake: Run, name: str) -> None:
    done = falcolake(*call(name), environment={"FALCOLAKE_WINDOW__INTERVAL": "soon"})
    error, hint = refusal(done, 2)
    assert error.startswith("Error: FALCOLAKE_WINDOW__INTERVAL is 'soon': ")
    assert hint.startswith("Try: ")


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_an_option_that_is_not_there_is_wrong_usage(falcolake: Run, name: str) -> None:
    done = falcolake(*name.split(), "--zzz")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: No such option: --zzz\nTry: falcolake {name} --help\n"


def test_what_prints_data_has_json() -> None:
    """Not those that run until they are stopped; nor `ddl`, `policy` and `template`, whose output

    is for other programs; nor `query`, which has `--format json`.
    """
    without = {name for name in NEEDS if not has_json(name)}
    assert without == {
        *("ddl", "demo", "init", "policy", "query", "receive", "stack", "template"),
        "worker",
    }
