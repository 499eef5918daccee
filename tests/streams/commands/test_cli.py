"""What all commands have in common: help, errors, exit codes, pipes."""

import json
import os
import pty
import re
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

import cli
from tests.docs.commands import commands
from tests.streams.commands.conftest import FALCOLAKE, Run

COMMANDS = sorted({words[0] for words in commands()})


def test_the_version_is_the_package_s() -> None:
    done = subprocess.run([*FALCOLAKE, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"falcolake {version('falcolake')}\n"


def test_without_a_command_the_help_is_wrong_usage(falcolake: Run) -> None:
    done = falcolake()
    assert (done.exit_code, done.stdout) == (2, "")
    for command in COMMANDS:
        assert f"  {command} " in done.stderr


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    found = typer.main.get_command(cli.app)
    for word in words:
        assert isinstance(found, TyperGroup)
        found = found.commands[word]
    name = words[-1]
    assert re.search(rf"Examples?:\n(.*\n)*.*\bfalcolake .*\b{name}\b", found.help or ""), name
    assert all(getattr(option, "help", "") for option in found.params)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["status", "--nope"], "No such option: --nope"),
        (["produce", "--count", "0"], "'--count'"),
        (["produce", "--form", "xml"], "'--form'"),
        (["map", "--class", "finding"], "'finding' is not one of"),
    ],
)
def test_wrong_usage_is_an_error_a_hint_and_exit_code_2(
    falcolake: Run, arguments: list[str], said: str
) -> None:
    done = falcolake(*arguments)
    error, hint = done.stderr.splitlines()
    assert done.exit_code == 2
    assert error.startswith("Error: ")
    assert said in error
    assert re.fullmatch(r"Try: .* --help", hint)
    assert done.stdout == ""


def test_wrong_settings_are_an_error_a_hint_and_exit_code_2(falcolake: Run) -> None:
    environment = {"FALCOLAKE_LAKE__ACCOUNT_ID": "12"}
    done = falcolake("settings", environment=environment)
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: FALCOLAKE_LAKE__ACCOUNT_ID is '12': an AWS account id has 12 digits; outside AWS "
        "it is external, or external_ and an id of up to 64 letters, digits and . _ -\n"
        "Try: for example FALCOLAKE_LAKE__ACCOUNT_ID=123456789012\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "missing", "settings"],
        ["map", "missing"],
        ["produce", "--file", "missing"],
        ["map", "."],
        ["produce", "--file", "."],
    ],
)
def test_a_file_that_is_not_there_is_wrong_usage(falcolake: Run, arguments: list[str]) -> None:
    done = falcolake(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert "missing" in done.stderr or "irectory" in done.stderr
    assert "Try: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_without_a_lake_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*FALCOLAKE, "worker"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "FALCOLAKE_LAKE__BUCKET" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_config_option_names_the_settings_file(falcolake: Run, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[kafka]\ntopic = "other"\n')
    for words in (["--config", "other.toml", "settings"], ["settings", "--config=other.toml"]):
        assert falcolake(*words, "--json").stdout
    done = falcolake("settings", "--json", "--config", "other.toml")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["kafka.topic"]["value"] == "other"
    assert rows["kafka.topic"]["origin"] == "file: other.toml"


@pytest.mark.parametrize("command", ["settings", "map"])
def test_a_reader_that_leaves_early_ends_it_quietly(command: str, tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text('{"rule":"r","priority":"Notice","time":"2026-01-01T00:00:00Z"}\n' * 5000)
    arguments = [command, *([str(alerts)] if command == "map" else [])]
    process = subprocess.Popen(
        [*FALCOLAKE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(30) == 0
    process.stderr.close()


def test_an_interrupt_is_exit_code_130_without_words() -> None:
    process = subprocess.Popen(
        [*FALCOLAKE, "map", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    # Once it has complained it waits for more.
    process.stdin.write("nonsense\n")
    process.stdin.flush()
    assert process.stderr.readline().startswith("-:1: ")
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("falcolake aud", "audit"),
        ("falcolake ", "\n".join(COMMANDS)),
        ("falcolake doctor --js", "--json"),
        ("falcolake policy crawler-p", "crawler-permissions"),
        ("falcolake produce --form fal", "falcosidekick"),
    ],
)
def test_a_shell_can_complete_commands_options_and_choices(words: str, wanted: str) -> None:
    """As the function does that `falcolake --show-completion` prints for bash."""
    variables = {"_FALCOLAKE_COMPLETE": "complete_bash", "COMP_WORDS": words}
    variables["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    done = subprocess.run(
        [*FALCOLAKE[:1], "-c", "import cli; cli.app(prog_name='falcolake')"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(wanted.splitlines()) <= set(done.stdout.splitlines())
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_a_shell(shell: str) -> None:
    # Whatever shell runs the tests: here it is named.
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [*FALCOLAKE, "--show-completion", shell],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert "_COMPLETE" in done.stdout
    assert done.returncode == 0


def on_a_terminal(arguments: list[str], exit_code: int = 0, **variables: str) -> str:
    """What a command writes to standard output when that is a terminal."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [*FALCOLAKE, *arguments],
        stdout=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **variables},
    ) as process:
        os.close(terminal)
        text = b""
        try:
            while part := os.read(controller, 65_536):
                text += part
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(controller)
    assert process.returncode == exit_code
    return text.decode()


def test_colour_is_for_terminals_and_can_be_refused(falcolake: Run) -> None:
    assert "\x1b[1m" in on_a_terminal(["settings"])
    assert "\x1b[" not in falcolake("settings").stdout
    # What is left without colour is rich's bold, which is no colour; nothing may be coloured.
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", on_a_terminal(["settings"], NO_COLOR="1"))


def test_the_doctor_s_colours_are_for_terminals_too(falcolake: Run) -> None:
    arguments, wrong = ["doctor"], {"FALCOLAKE_WEB__PORT": "x"}
    assert "\x1b[1;31mbad" in on_a_terminal(arguments, 1, **wrong)
    assert not re.search(
        r"\x1b\[[0-9;]*3[0-9]m", on_a_terminal(arguments, 1, NO_COLOR="1", **wrong)
    )
    assert "\x1b[" not in falcolake("doctor", environment=wrong).stdout


def test_json_is_the_same_on_a_terminal_and_in_a_pipe(falcolake: Run) -> None:
    shown = on_a_terminal(["settings", "--json"])
    assert json.loads(shown) == json.loads(falcolake("settings", "--json").stdout)
