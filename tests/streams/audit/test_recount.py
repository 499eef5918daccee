"""Kafka is asked whether offsets without a record really have none."""

from collections.abc import Callable

import pytest

from streams.audit.audit import run
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.falco_records import alert
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def settings(lake_environment: LakeEnvironment, make_name: Callable[[], str]) -> Settings:
    """A topic of four partitions and a bucket."""
    return load(environment=lake_environment(KAFKA__GROUP_ID=make_name()))


def test_a_record_that_the_worker_passed_over_is_found(
    settings: Settings, writer: LakeWriter
) -> None:
    writer.publish(0, [alert(1)] * 9)
    writer.window(0, 0, 9, records=8)
    writer.commit({0: 9})
    (problem,) = run(settings).problems
    assert (problem.kind, problem.first, problem.end) == ("counts", 0, 9)
    assert problem.message == "8 records, but Kafka has 9 in these offsets"


def test_offsets_without_a_record_are_no_fault(settings: Settings, writer: LakeWriter) -> None:
    writer.publish(0, [alert(1)] * 9)
    writer.expire(0, 4)
    writer.window(0, 0, 9, records=5)
    writer.commit({0: 9})
    found = run(settings)
    assert found.problems == ()
    assert found.partitions[0].absent == 4
    assert "4 offsets inside the windows had no record" in found.notes[0]
