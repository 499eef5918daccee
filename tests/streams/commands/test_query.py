"""`falcolake query`: what it prints, what it refuses, and its exit codes."""

import csv
import io
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams.lake.keys import ObjectKey
from streams.query.engine import columns_of
from streams.query.prompt import completions
from streams.query.questions import questions
from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import Run
from tests.streams.commands.terminals import on_a_terminal
from tests.streams.falco_records import ACCOUNT, REGION, mixed
from tests.streams.lake_writer import LakeWriter
from tests.waiting import wait_until

CTRL_C, CTRL_D = "\x03", "\x04"
COUNT = "SELECT eventDay, count(*) AS findings FROM findings GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def environment(lake_environment: LakeEnvironment) -> dict[str, str]:
    return lake_environment("alerts")


@pytest.fixture
def writer(environment: dict[str, str], tmp_path: Path) -> LakeWriter:
    return LakeWriter(load(environment=environment), tmp_path / "writer")


@pytest.fixture
def keys(writer: LakeWriter) -> list[str]:
    """A lake with a window of two days."""
    return writer.window(0, 0, 20, mixed)


@dataclass
class LocalLake:
    """Takes objects as a lake does, but into a directory."""

    directory: Path

    def key(self, key: ObjectKey) -> str:
        return key.under("ext/falco")

    def put(self, key: str, file: Path) -> None:
        to = self.directory / key
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, to)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local copy of that lake."""
    directory = tmp_path_factory.mktemp("copy")
    writer = LakeWriter(load(environment={}), tmp_path_factory.mktemp("writer"))
    writer.lake = LocalLake(directory)  # type: ignore[assignment]
    writer.window(0, 0, 20, mixed)
    return directory


@pytest.mark.usefixtures("keys")
def test_findings_have_the_columns_of_their_keys(
    falcolake: Run, environment: dict[str, str]
) -> None:
    sql = "SELECT DISTINCT region, accountId, eventDay FROM findings ORDER BY ALL"
    done = falcolake("query", sql, environment=environment)
    assert done.stdout.splitlines() == [
        "region        accountId     eventDay",
        f"{REGION}  {ACCOUNT}  20260102",
        f"{REGION}  {ACCOUNT}  20260103",
    ]
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.usefixtures("keys")
def test_a_directory_has_what_the_lake_has(
    falcolake: Run, environment: dict[str, str], copy: Path
) -> None:
    done = falcolake("query", COUNT, environment=environment)
    assert falcolake("query", "--directory", copy, COUNT).stdout == done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_nothing_outside_the_period_is_read(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter, keys: list[str]
) -> None:
    writer.put(keys[0], b"half of a file")
    days = ["--from", "2026-01-03", "--to", "2026-01-04"]
    done = falcolake("query", *days, COUNT, environment=environment)
    assert done.stdout.splitlines()[1:] == ["20260103         6"]
    done = falcolake("query", COUNT, environment=environment)
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"Error: {keys[0]} cannot be read: ")
    assert hint.startswith("Try: try again")
    assert (done.exit_code, done.stdout) == (1, "")


def test_a_period_without_objects_has_columns_and_a_note(falcolake: Run, copy: Path) -> None:
    sql = "SELECT finding_info.title, eventDay FROM findings"
    done = falcolake("query", "--directory", copy, "--last", "1h", sql)
    assert (done.exit_code, done.stdout.split()) == (0, ["title", "eventDay"])
    assert done.stderr == f"Note: there is no object of this period in {copy}\n"


def test_an_answer_has_each_format(falcolake: Run, copy: Path) -> None:
    asked = ["query", "--directory", f"{copy}", "--format"]
    lines = falcolake(*asked, "json", "FROM findings ORDER BY time").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 17
    assert found[0]["metadata"]["product"]["name"] == "Falco"
    sql = "SELECT time_dt, resources FROM findings ORDER BY time"
    table = list(csv.DictReader(io.StringIO(falcolake(*asked, "csv", sql).stdout)))
    assert [row["time_dt"] for row in table] == [each["time_dt"] for each in found]
    assert json.loads(table[0]["resources"]) == found[0]["resources"]
    piped = falcolake(*asked, "parquet", "FROM findings").stdout_bytes
    assert pq.read_table(io.BytesIO(piped)).num_rows == 17


def test_an_answer_replaces_a_file_once_it_is_complete(
    falcolake: Run, copy: Path, tmp_path: Path
) -> None:
    to = ["query", "--directory", f"{copy}", "--format", "parquet", "--output", "answer"]
    assert falcolake(*to, "FROM findings").exit_code == 0
    before = (tmp_path / "answer").read_bytes()
    assert pq.read_table(tmp_path / "answer").num_rows == 17
    done = falcolake(*to, "SELECT INTERVAL 1 DAY")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: cannot write Parquet: ")
    assert (tmp_path / "answer").read_bytes() == before
    assert not list(tmp_path.glob("answer.*"))


def test_damage_that_the_footer_does_not_show_is_exit_code_1(
    falcolake: Run, copy: Path, tmp_path: Path
) -> None:
    shutil.copytree(copy, tmp_path / "damaged")
    file = next((tmp_path / "damaged").rglob("*.parquet"))
    body = bytearray(file.read_bytes())
    body[4 : len(body) // 3] = b"\xff" * (len(body) // 3 - 4)
    file.write_bytes(body)
    done = falcolake("query", "--directory", "damaged", "FROM findings")
    error, hint = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (1, "")
    assert error.startswith("Error: an object cannot be read: ")
    assert hint.startswith("Try: try again")


def test_a_long_table_is_complete(falcolake: Run, copy: Path) -> None:
    done = falcolake("query", "--directory", copy, "SELECT range AS n FROM range(2500)")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line for line in lines if line != "n"] == [f"{n}" for n in range(2500)]


def test_sql_comes_from_standard_input(falcolake: Run, copy: Path) -> None:
    done = falcolake("query", "--directory", copy, "-", text=b"SELECT 6 * 7 AS answer;\n")
    assert done.stdout.split() == ["answer", "42"]


def test_an_example_is_asked_by_its_name(falcolake: Run, copy: Path) -> None:
    listed = falcolake("query", "--example").stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == [each.name for each in questions()]
    done = falcolake("query", "--directory", copy, "--example", "days")
    assert sum(int(line.split()[-1]) for line in done.stdout.splitlines()[1:]) == 17
    done = falcolake("query", "--directory", copy, "--example", "dais")
    assert done.stderr.startswith("Error: there is no example 'dais'\nTry: one of days, ")
    assert done.exit_code == 2


FORBIDDEN = "a query only reads findings"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("COPY findings TO 'out.csv'", f"COPY is not allowed: {FORBIDDEN}"),
        ("EXPLAIN ANALYZE COPY findings TO 'out.csv'", f"EXPLAIN is not allowed: {FORBIDDEN}"),
        ("ATTACH 'out.db'", f"ATTACH is not allowed: {FORBIDDEN}"),
        ("EXPORT DATABASE 'out'", f"EXPORT is not allowed: {FORBIDDEN}"),
        ("INSTALL httpfs", f"LOAD is not allowed: {FORBIDDEN}"),
        ("LOAD httpfs", f"LOAD is not allowed: {FORBIDDEN}"),
        ("SET memory_limit='1TB'", f"SET is not allowed: {FORBIDDEN}"),
        ("CREATE TABLE mine AS FROM findings", f"CREATE is not allowed: {FORBIDDEN}"),
        ("DELETE FROM findings", f"DELETE is not allowed: {FORBIDDEN}"),
        ("FROM read_csv('/etc/passwd')", FORBIDDEN),
        ("FROM read_text('/etc/passwd')", FORBIDDEN),
        ("FROM read_parquet('s3://lake/*.parquet')", FORBIDDEN),
        ("FROM glob('/etc/*')", FORBIDDEN),
        ("FROM '/etc/passwd'", "Catalog Error: Table with name /etc/passwd does not exist"),
        ("FROM environment", "Catalog Error: Table with name environment does not exist"),
        ("SELECT 1; SELECT 2", "there are 2 statements, not one"),
        ("/* nothing */", "there are no statements, not one"),
        ("SELECTING 1", "Parser Error: syntax error at or near"),
        ("SELECT rule FROM findings", 'Binder Error: Referenced column "rule" not found'),
        ("SELECT CAST(message AS INTEGER) FROM findings", "Conversion Error: "),
        ("SELECT TIMESTAMP 'infinity'", "cannot write an answer: "),
    ],
)
def test_sql_that_is_wrong_or_does_more_than_read_is_refused(
    falcolake: Run, copy: Path, tmp_path: Path, sql: str, said: str
) -> None:
    before = set(tmp_path.iterdir())
    done = falcolake("query", "--directory", copy, sql)
    error, *_, hint = done.stderr.splitlines()
    assert error.startswith(f"Error: {said}")
    assert hint.startswith("Try: ")
    assert (done.exit_code, done.stdout) == (2, "")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a SELECT, - for standard input, or --example"),
        (["--from", "2026-01-02", "--last", "1h", "SELECT 1"], "--from and --last exclude"),
        (["--from", "2026-01-02", "--to", "2026-01-02", "SELECT 1"], "--to is not after --from"),
        (["--output", "file", "SELECT 1"], "--output needs --format json, csv or parquet"),
        (["--directory", "nowhere", "SELECT 1"], "there is no directory nowhere"),
        (
            ["--format", "csv", "--output", "no/file", "SELECT 1", "--directory", "."],
            "cannot write",
        ),
    ],
)
def test_options_that_cannot_be_are_wrong_usage(
    falcolake: Run, arguments: list[str], said: str
) -> None:
    done = falcolake("query", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.fixture
def press(copy: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`press(keys, awaited)`: types at a prompt; what was printed since, with what is awaited."""
    asked = ("query", "--directory", f"{copy}")
    with on_a_terminal(*asked, environment={}, directory=tmp_path, columns=120) as terminal:

        def press(keys: str, awaited: str = "findings> ") -> str:
            seen = len(terminal.text)
            if keys == CTRL_C:
                terminal.process.send_signal(signal.SIGINT)
            else:
                terminal.type(keys)
            wait_until(lambda: awaited in terminal.text[seen:], 60, f"{awaited!r}: {terminal.text}")
            return terminal.text[seen:]

        wait_until(lambda: "findings> " in terminal.text, 60, "the prompt")
        yield press
        terminal.type(CTRL_D)
        assert terminal.end() == 0


def test_a_prompt_answers_one_question_after_the_other(press: Callable[..., str]) -> None:
    press("SELECT count(*) AS rows,\n", "...> ")
    assert "17   a" in press("'a' AS word FROM findings;\n")
    assert '"no_such_column" not found' in press("SELECT no_such_column FROM findings;\n")
    assert "INSERT is not allowed" in press("INSERT INTO findings VALUES (1);\n")
    assert "Which rules fire most" in press(".examples\n")
    assert "GROUP BY" in press(".example rules\n")
    assert "there is no example 'none'" in press(".example none\n")
    assert ".example NAME" in press(".nothing\n")
    assert "Error" not in press(" ;\n") + press("\n")


def test_a_prompt_completes_columns_within_columns(press: Callable[..., str]) -> None:
    press("SELECT finding_info.tit\t", "finding_info.title")
    assert "Error" not in press(" FROM findings LIMIT 1;\n")


def test_ctrl_c_drops_what_is_typed_at_a_prompt(press: Callable[..., str]) -> None:
    press("SELECT nothing\n", "...> ")
    press(CTRL_C)
    assert " 41" in press("SELECT 40 + 1 AS one;\n")


def test_a_word_becomes_columns_fields_of_columns_and_words_of_sql() -> None:
    columns = columns_of("detection_finding", "1.1.0")
    assert completions(columns, "finding_info.tit") == ["finding_info.title"]
    assert completions(columns, "resources[1].na") == [
        "resources[1].name",
        "resources[1].namespace",
    ]
    assert completions(columns, "evidences[1].process.parent_process.name") == [
        "evidences[1].process.parent_process.name",
        "evidences[1].process.parent_process.namespace_pid",
    ]
    assert completions(columns, "sel") == ["SELECT"]
    assert "severity_id" in completions(columns, "sev")
    assert completions(columns, ".exa") == [".example", ".examples"]
    assert completions(columns, "no_such.x") == completions(columns, "message.x") == []
