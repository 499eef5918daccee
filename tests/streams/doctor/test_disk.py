"""The checks of the staging disk."""

import fcntl
from pathlib import Path

from streams.doctor import disk
from streams.doctor.diagnosis import Diagnosis
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.streams.doctor.checks import changed, diagnose, one


def found_by(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(disk.checks(settings), name)


def test_a_worker_s_lock_is_seen_and_not_taken(environment: dict[str, str]) -> None:
    settings = load(environment=environment)
    settings.staging.path.mkdir()
    with (settings.staging.path / "lock").open("a") as lock:
        assert "no worker is using it" in one(found_by(settings, "staging"), "good").message
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert "a worker is using" in one(found_by(settings, "staging"), "good").message
    assert [file.name for file in settings.staging.path.iterdir()] == ["lock"]


def test_a_directory_that_cannot_be_used_is_bad(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    below = found_by(changed(environment, STAGING__PATH=tmp_path / "file" / "below"), "staging")
    assert "cannot be created" in one(below, "bad").message
    itself = found_by(changed(environment, STAGING__PATH=tmp_path / "file"), "staging")
    assert "cannot be written" in one(itself, "bad").message


def test_a_directory_with_others_files_is_bad(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "report.parquet").write_text("somebody's")
    found = found_by(changed(environment, STAGING__PATH=tmp_path), "staging")
    assert "report.parquet" in one(found, "bad").message


def test_a_disk_without_room_is_told(environment: dict[str, str]) -> None:
    full = found_by(changed(environment, STAGING__MIN_FREE_BYTES=10**18), "staging disk")
    assert "reading from Kafka pauses" in one(full, "bad").message
    small = found_by(changed(environment, STAGING__MAX_BYTES=10**18), "staging disk")
    assert "full before staging reaches staging.max_bytes" in one(small, "warning").message
