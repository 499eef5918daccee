"""Footers read from a real S3 server: long ones, and many at once."""

from pathlib import Path

import pytest

from streams.lake import footers
from streams.lake.keys import Footer, Unread
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import StoredObject
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.falco_records import mixed
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def settings(lake_environment: LakeEnvironment) -> Settings:
    return load(environment=lake_environment("alerts"))


@pytest.fixture
def writer(settings: Settings, tmp_path: Path) -> LakeWriter:
    return LakeWriter(settings, tmp_path / "writer")


@pytest.fixture
def reader(settings: Settings) -> LakeReader:
    return LakeReader(settings.lake, connect(settings.lake))


def ship(writer: LakeWriter) -> list[StoredObject]:
    """Three windows of two days, of 30 records in all."""
    for first, end in ((0, 9), (9, 20), (20, 30)):
        writer.window(0, first, end, mixed)
    return list(writer.lake.objects())


def test_a_long_footer_takes_a_second_read(writer: LakeWriter, reader: LakeReader) -> None:
    stored = ship(writer)[0]
    short = footers.read(reader, stored)
    assert isinstance(short, Footer)
    assert reader.requests["GetObject"] == 1
    assert footers.read(reader, stored, usual=1000) == short
    assert reader.requests["GetObject"] == 3


def test_many_footers_are_shared_out_to_processes(writer: LakeWriter, reader: LakeReader) -> None:
    objects = ship(writer)
    alone = list(footers.read_all(reader, objects))
    assert reader.requests.pop("GetObject") == len(objects) > 4
    assert list(footers.read_all(reader, objects, many=2, size=2)) == alone
    assert reader.requests["GetObject"] == len(objects)
    assert sum(each.rows for each in alone if isinstance(each, Footer)) == 26
    writer.put(objects[3].key, b"torn")
    torn = [objects[3]._replace(size=4) if each is objects[3] else each for each in objects]
    found = list(footers.read_all(reader, torn, many=2, size=2))
    assert [isinstance(each, Unread) for each in found] == [each is objects[3] for each in objects]
