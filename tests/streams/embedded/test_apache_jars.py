"""What users are told where Apache Kafka is not available. Nothing here needs Java."""

from pathlib import Path

import pytest

from streams.embedded import apache_jars
from streams.embedded.apache import ApacheKafka
from streams.errors import Misconfigured, Unavailable


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def no_jars(tmp_path: Path) -> Path:
    """A folder for the jars, in a cache that is empty."""
    return tmp_path / "cache" / "kafka-0"


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("there", [[], ["java"], ["mvn"]])
def test_fetching_without_java_or_maven_names_what_is_missing(
    programs: Path, no_jars: Path, there: list[str]
) -> None:
    for name in there:
        program(programs, name, "exit 0")
    missing = "mvn" if "java" in there else "java"
    with pytest.raises(Misconfigured, match=f"needs `{missing}`"):
        apache_jars.fetch(no_jars)


def test_a_fetch_that_fails_leaves_nothing_that_looks_like_jars(
    programs: Path, no_jars: Path
) -> None:
    program(programs, "java", "exit 0")
    program(programs, "mvn", "exit 1")
    with pytest.raises(Unavailable, match="could not fetch Apache Kafka"):
        apache_jars.fetch(no_jars)
    assert list(no_jars.parent.iterdir()) == []


def test_the_command_says_what_to_do_and_no_traceback(
    programs: Path, no_jars: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apache_jars.main(no_jars) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "Error: Apache Kafka needs `java`, which is not in the PATH",
        "Try: install Java 17 or newer and Maven, or use the embedded broker",
    ]


def test_a_server_without_the_jars_says_how_to_get_them(
    tmp_path: Path, programs: Path, no_jars: Path
) -> None:
    program(programs, "java", "exit 0")
    server = ApacheKafka(tmp_path / "kafka")
    server.jars = no_jars
    with pytest.raises(Misconfigured, match="Apache Kafka") as refused:
        server.start()
    assert "make kafka" in refused.value.hint
