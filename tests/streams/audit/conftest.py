"""A lake, a local copy of one of its objects, and ways to damage it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.audit.verify import Verification
from streams.embedded.stack import EmbeddedStack
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.falco_records import ACCOUNT, REGION
from tests.streams.lake_writer import LakeWriter

START = 1_795_442_607_123_456_789


PLACE = f"region={REGION}/accountId={ACCOUNT}/eventDay=20260102"


@pytest.fixture
def settings(lake_environment: LakeEnvironment) -> Settings:
    return load(environment=lake_environment("alerts"))


@pytest.fixture
def writer(settings: Settings, tmp_path: Path) -> LakeWriter:
    return LakeWriter(settings, tmp_path / "writer")


@pytest.fixture
def place(settings: Settings) -> str:
    """The lake of the settings."""
    return f"s3://{settings.lake.bucket}/{settings.lake.prefix}"


@pytest.fixture(scope="session")
def written(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """The key and the bytes of an object as a worker writes it."""
    stack.s3.create_bucket(bucket := "of-one-object")
    environment = {**os.environ, **stack.environment("alerts", bucket)}
    writer = LakeWriter(load(environment=environment), tmp_path_factory.mktemp("writer"))
    (key,) = writer.window(0, 0, 40)
    return key, writer.lake.read(key)


@pytest.fixture
def good(written: tuple[str, bytes], tmp_path: Path) -> Path:
    """A local copy of an object as a worker writes it, under its own key."""
    key, body = written
    file = tmp_path / "copy" / key
    file.parent.mkdir(parents=True)
    file.write_bytes(body)
    return file


def faults(found: Verification) -> list[tuple[str, str]]:
    return [(fault.rule, fault.message) for each in found.objects for fault in each.faults]


def broken(found: Verification) -> set[str]:
    return {rule for rule, _ in faults(found)}


def rewrite(
    file: Path,
    change: Callable[[pa.Table], pa.Table] = lambda table: table,
    footer: dict[str, object] | None = None,
    **options: Any,
) -> None:
    """Write a changed copy of a file."""
    with pq.ParquetFile(file) as source:
        table = source.read()
    said = {
        **{name: value for name, value in table.schema.metadata.items() if b"falcolake" in name},
        **{f"falcolake.{name}".encode(): f"{value}" for name, value in (footer or {}).items()},
    }
    changed = change(table).replace_schema_metadata(said)
    pq.write_table(changed, file, **{"compression": "zstd", **options})


def with_column(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = values(table[name]) if callable(values) else values
        return table.set_column(table.schema.get_field_index(name), name, column)

    return change


def first_of(column: pa.ChunkedArray, value: Any) -> pa.Array:
    """A column with another first value."""
    return pa.array([value, *column.to_pylist()[1:]], column.type)
