"""`falcolake verify`: what it prints, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import Run
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def environment(lake_environment: LakeEnvironment) -> dict[str, str]:
    return lake_environment("alerts")


@pytest.fixture
def file(environment: dict[str, str], tmp_path: Path) -> Path:
    """An object as a worker writes it; the lake has it too."""
    writer = LakeWriter(load(environment=environment), tmp_path / "writer")
    (key,) = writer.window(0, 0, 20)
    copy = tmp_path / "object.parquet"
    copy.write_bytes(writer.lake.read(key))
    return copy


def spoil(file: Path) -> None:
    """Write it again with another codec and without order."""
    table = pq.read_table(file)
    pq.write_table(table.take(list(range(19, -1, -1))), file, compression="gzip")


def test_a_good_file_is_exit_code_0(falcolake: Run, file: Path) -> None:
    done = falcolake("verify", "object.parquet")
    assert done.stdout == (
        "object.parquet: 1 object with 20 rows, 20 of them against the OCSF schema; "
        "faults: none, warnings: none\n"
    )
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_fault_is_exit_code_1_and_the_list(falcolake: Run, file: Path) -> None:
    spoil(file)
    done = falcolake("verify", file)
    order, where, codec, _, empty, summary = done.stdout.splitlines()
    assert order == "fault         order: row 1 is earlier than the row before it"
    assert where == f"              {file}"
    assert codec.startswith("warning       codec: compressed with gzip")
    assert empty == ""
    assert summary.endswith("faults: 1, warnings: 1")
    assert done.exit_code == 1


def test_a_warning_alone_is_exit_code_0(falcolake: Run, file: Path) -> None:
    pq.write_table(pq.read_table(file), file, compression="snappy")
    done = falcolake("verify", file)
    assert "warning       codec: compressed with snappy" in done.stdout
    assert done.exit_code == 0


def test_a_prefix_is_verified_as_json(
    falcolake: Run, environment: dict[str, str], file: Path
) -> None:
    place = f"s3://{environment['FALCOLAKE_LAKE__BUCKET']}/ext"
    done = falcolake("verify", "--json", "--sample", "5", place, environment=environment)
    found = json.loads(done.stdout)
    (checked,) = found.pop("objects")
    assert found == {
        "place": place,
        "rows": 20,
        "rows_validated": 5,
        "faults": 0,
        "warnings": 0,
        "too_often": 0,
        "by_rule": {},
        "notes": [],
    }
    assert checked["object"].startswith("ext/falco/region=")
    assert (checked["rows"], checked["rows_validated"], checked["faults"]) == (20, 5, [])
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("missing", "there is no Parquet file at missing"),
        (".", "there is no Parquet file at ."),
        ("s3://", "s3:// does not name a bucket"),
        ("s3://there-is-none/ext", "cannot list the lake in s3://there-is-none"),
    ],
)
def test_a_place_with_nothing_is_wrong_usage(
    falcolake: Run, environment: dict[str, str], place: str, said: str
) -> None:
    done = falcolake("verify", place, environment=environment)
    error, hint = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (2, "")
    assert error.startswith(f"Error: {said}")
    assert hint.startswith("Try: ")


WITHOUT_SCHEMA = """
import sys
sys.modules["ocsf_json_schema"] = None
import cli
cli.app(["verify", sys.argv[1]], prog_name="falcolake")
"""


def test_without_the_schema_packages_it_says_so(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCHEMA, file], capture_output=True, text=True, check=False
    )
    assert "20 rows, 0 of them against the OCSF schema; faults: none" in done.stdout
    assert "the rows were not checked against the OCSF schema: pip install" in done.stderr
    assert done.returncode == 0
