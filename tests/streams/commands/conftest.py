"""How the tests run the command: in this process, or as one of its own where that matters."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from typer.testing import CliRunner, Result

import cli
from tests.docs.commands import leaves

FALCOLAKE = (sys.executable, "-m", "cli")
#: The words of every command that is not a group.
LEAVES = sorted(leaves())


class Run(Protocol):
    """Runs `falcolake` with arguments: see the fixture `falcolake`."""

    def __call__(
        self, *arguments: str | Path, text: bytes = b"", environment: Mapping[str, str] = {}
    ) -> Result: ...


@pytest.fixture
def falcolake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`falcolake("map", "-", text=…, environment=…)`: exit code and output of a command.

    It runs in an empty directory, where no falcolake.toml is; the variables are added to those
    of the tests.
    """
    monkeypatch.chdir(tmp_path)

    def run(
        *arguments: str | Path, text: bytes = b"", environment: Mapping[str, str] = {}
    ) -> Result:
        return CliRunner().invoke(
            cli.app,
            [*map(str, arguments)],
            input=text,
            env=environment,
            catch_exceptions=False,
            prog_name="falcolake",
        )

    return run


@pytest.fixture
def environment(kafka_bootstrap: str, topic: str) -> dict[str, str]:
    """The variables for a topic of four partitions, and for a group that has no worker."""
    return {
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
        "FALCOLAKE_KAFKA__TOPIC": topic,
        "FALCOLAKE_KAFKA__GROUP_ID": f"group-of-{topic}",
    }
