"""`falcolake init`: five answers make a file that is complete."""

import tomllib
from pathlib import Path

import pytest

from tests.streams.commands.conftest import Run

ANSWERS = b"kafka:9092\n\nlake\neu-west-1\n123456789012\n"


def test_five_answers_make_a_complete_file(falcolake: Run, tmp_path: Path) -> None:
    done = falcolake("init", text=ANSWERS)
    said = done.stdout.splitlines()[-1]  # the runner echoes the answers
    assert (done.exit_code, said) == (0, "wrote falcolake.toml; 'falcolake doctor' checks it")
    found = tomllib.loads((tmp_path / "falcolake.toml").read_text())
    assert found["kafka"] == {"bootstrap_servers": "kafka:9092", "topic": "falco-events"}
    assert found["lake"] == {"bucket": "lake", "region": "eu-west-1", "account_id": "123456789012"}
    assert falcolake("settings", "--check").exit_code == 0


def test_a_wrong_answer_is_asked_for_again(falcolake: Run, tmp_path: Path) -> None:
    wrong = ANSWERS.replace(b"eu-west-1", b"nowhere\neu-west-1").replace(b"1234", b"12\n1234")
    done = falcolake("init", "other.toml", text=wrong)
    assert done.exit_code == 0
    assert "'nowhere': an AWS region is like eu-central-1" in done.stderr
    assert "'12': an AWS account id has 12 digits" in done.stderr
    assert falcolake("settings", "--check", "--config", "other.toml").exit_code == 0


@pytest.mark.parametrize("more", [[], ["--force"]])
def test_a_file_is_replaced_by_force_only(falcolake: Run, tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "falcolake.toml").write_text("# mine")
    done = falcolake("init", *more, text=ANSWERS)
    assert done.exit_code == (0 if more else 2)
    assert ((tmp_path / "falcolake.toml").read_text() == "# mine") is not bool(more)


def test_no_answer_writes_nothing(falcolake: Run, tmp_path: Path) -> None:
    done = falcolake("init", text=b"kafka:9092\n")
    assert done.exit_code == 130
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
