"""A topic with records of which the lake has nothing yet, all of them committed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.falco_records import NOW, REGION, mixed
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def settings(lake_environment: LakeEnvironment, make_name: Callable[[], str]) -> Settings:
    """A topic of four partitions and a bucket; windows of at most eight records."""
    environment = lake_environment(
        LAKE__REGION=REGION, KAFKA__GROUP_ID=make_name(), WINDOW__MAX_ROWS=8
    )
    return load(environment=environment)


@pytest.fixture
def writer(settings: Settings, tmp_path: Path) -> LakeWriter:
    """Kafka has 20 records of partition 1, three of them rejects; the lake has none of them."""
    writer = LakeWriter(settings, tmp_path / "writer")
    writer.publish(1, [mixed(offset) for offset in range(20)], timestamp=NOW)
    writer.commit({1: 20})
    return writer
