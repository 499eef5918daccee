"""Sources come in order, whatever is fetched before its turn."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.errors import Misconfigured, Unavailable
from streams.imports.sources import SMALL, Source, Stored, ahead, find
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def settings(lake_environment: LakeEnvironment) -> Settings:
    return load(environment=lake_environment("alerts"))


def content(source: Source) -> bytes:
    with source.open() as (stream, _):
        return stream.read()


def test_objects_that_are_fetched_before_their_turn_come_in_order(
    settings: Settings, s3_client: "S3Client", bucket: str, tmp_path: Path
) -> None:
    bodies = {f"{number:02d}": f"{number}".encode() * 9 for number in range(30)}
    bodies["15"] = b"x" * (SMALL + 1)
    for key, body in bodies.items():
        s3_client.put_object(Bucket=bucket, Key=key, Body=body)
    (tmp_path / "file").write_bytes(b"a file")
    words = [str(tmp_path / "file"), f"s3://{bucket}"]
    wanted = f"s3://{bucket}/2"
    found = ahead(find(settings, words, Path("none")), lambda each: each.name.startswith(wanted))
    file, *objects = found
    assert content(file) == b"a file"
    assert [(each.name, content(each)) for each in objects] == [
        (f"s3://{bucket}/{key}", body) for key, body in bodies.items()
    ]
    fetched = [each.name for each in objects if isinstance(each, Stored) and each.body is not None]
    assert fetched == [f"s3://{bucket}/{number}" for number in range(20, 30)]


def test_an_object_that_changes_while_it_is_read_is_an_error(
    settings: Settings,
    s3_client: "S3Client",
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.imports.sources.PIECE", 1000)
    s3_client.put_object(Bucket=bucket, Key="key", Body=b"a" * 400_000)
    (source,) = find(settings, [f"s3://{bucket}/"], Path("none"))
    with source.open() as (stream, _):
        assert stream.read(1) == b"a"
        s3_client.put_object(Bucket=bucket, Key="key", Body=b"b" * 400_000)
        with pytest.raises(Unavailable, match="PreconditionFailed"):
            stream.read()


@pytest.mark.parametrize("name", ["missing", "x" * 5000, "file/below"])
def test_a_path_that_cannot_be_is_misconfigured_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot read "):
        find(Settings(), [str(tmp_path / name)], Path("none"))


def test_a_directory_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").write_bytes(b"{}")
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if f"{path}".endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(Misconfigured, match=r"cannot read .*/a/b: Permission denied"):
        list(find(Settings(), [str(tmp_path)], Path("none")))
