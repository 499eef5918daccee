"""Doctor says where a worker will begin, as the worker itself decides it."""

from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.doctor import windows
from streams.doctor.diagnosis import Diagnosis
from streams.embedded.stack import EmbeddedStack
from streams.kafka.topics import topic_id_of
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.flow import proxies
from tests.flow.proxies import ERRORS, S3Proxy
from tests.streams.doctor.checks import changed, diagnose, one
from tests.streams.falco_records import mixed
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return load(environment=environment)


def found_by(settings: Settings) -> list[Diagnosis]:
    return diagnose(windows.checks(settings), "windows")


def test_an_empty_lake_lets_a_new_group_begin(settings: Settings) -> None:
    only = one(found_by(settings), "good")
    assert "partition 0, 1, 2, 3 without a committed offset" in only.message
    assert "begins with the first record" in only.message


def test_windows_of_this_topic_are_where_it_goes_on(
    settings: Settings, admin: KafkaAdminClient, tmp_path: Path
) -> None:
    writer = LakeWriter(settings, tmp_path / "writer")
    writer.publish(1, [mixed(offset) for offset in range(20)])
    (own,) = {topic_id_of(admin, settings.kafka.topic)}
    for key in writer.window(1, 0, 20, mixed):
        writer.rewrite(key, topic_id=own)
    begins, goes_on = found_by(settings)
    assert "partition 0, 2, 3 without a committed offset" in begins.message
    assert goes_on.message.endswith("where the lake's windows end: partition 1 at 20")
    for key in writer.window(2, 0, 20, mixed):
        writer.rewrite(key, topic_id="of-another")
    bad = one(found_by(settings), "bad")
    assert "partition 2: a worker will block it" in bad.message
    assert "its id was of-another" in bad.message
    assert "falcolake adopt" in bad.remedy


def test_with_committed_offsets_the_lake_is_not_asked(
    environment: dict[str, str], settings: Settings, admin: KafkaAdminClient
) -> None:
    topic, offset = settings.kafka.topic, OffsetAndMetadata(0, "", -1)
    places = {TopicPartition(topic, number): offset for number in range(4)}
    admin.alter_group_offsets(settings.kafka.group_id, places)
    away = changed(environment, LAKE__BUCKET="there-is-none")
    assert "not needed" in one(found_by(away), "good").message


def test_a_lake_that_cannot_be_read_is_bad_for_a_new_group(
    environment: dict[str, str], stack: EmbeddedStack
) -> None:
    with S3Proxy(stack.s3.port) as proxy:
        proxy.fault = proxies.answer(ERRORS["AccessDenied"], "AccessDenied")
        settings = changed(environment, LAKE__ENDPOINT_URL=proxy.endpoint_url)
        bad = one(found_by(settings), "bad")
    assert "a worker must see what the lake has" in bad.message
    assert "s3:ListBucket" in bad.remedy
