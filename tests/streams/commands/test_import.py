"""`falcolake import`: what it prints, and its exit codes."""

import gzip
import json
from pathlib import Path

import pytest

from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.flow.worlds import alert
from tests.streams.commands.conftest import Run
from tests.streams.imports.test_run import lines, once


@pytest.fixture
def environment(lake_environment: LakeEnvironment) -> dict[str, str]:
    return lake_environment()


def test_a_dry_run_counts_by_file_and_sends_nothing(
    falcolake: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "b.gz").write_bytes(gzip.compress(lines(0, 1, 2)))
    (tmp_path / "old" / "a").write_bytes(lines(3))
    done = falcolake("import", "--dry-run", "old", environment=environment)
    assert done.exit_code == 0
    *rows, summary = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["1", "3"]
    assert rows[0].endswith(f"bytes  {tmp_path / 'old' / 'a'}")
    assert summary.startswith("2 files, 4 alerts, ")
    assert summary.endswith("would be sent; 0 were imported before")
    once(load(environment=environment), [])
    done = falcolake("import", "--dry-run", "--json", "old", environment=environment)
    answer = json.loads(done.stdout)
    assert (answer["files"], answer["alerts"]) == (2, 4)
    assert [each["alerts"] for each in answer["sources"]] == [1, 3]


def test_standard_input_is_imported_once_each_input_by_itself(
    falcolake: Run, environment: dict[str, str]
) -> None:
    for text, expected in (
        (lines(0, 1), 2),
        (lines(0, 1), 0),
        (gzip.compress(lines(0, 1, 2)), 1),
        (lines(5, 6), 2),
        (b"", 0),
    ):
        done = falcolake("import", "--json", "-", text=text, environment=environment)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["alerts"] == expected
    once(load(environment=environment), [alert(number) for number in (0, 1, 2, 5, 6)])


def test_problems_are_named_with_exit_code_1_and_a_wrong_path_with_2(
    falcolake: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken.gz").write_bytes(gzip.compress(lines(0))[:-9])
    done = falcolake("import", "broken.gz", environment=environment)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Problem: cannot read {tmp_path / 'broken.gz'}: ")
    done = falcolake("import", "broken.gz", "missing", environment=environment)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: cannot read missing: No such file or directory\nTry: ")
    done = falcolake("import", "s3://no-such-bucket-here/x", environment=environment)
    assert done.exit_code == 2
    assert "NoSuchBucket" in done.stderr
