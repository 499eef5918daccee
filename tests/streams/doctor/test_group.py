"""The checks of the consumer group, on the real broker."""

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.doctor import group
from streams.doctor.diagnosis import Diagnosis
from streams.embedded.stack import EmbeddedStack
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.streams.doctor.checks import diagnose, one


def found_by(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(group.checks(settings), name)


def commit(admin: KafkaAdminClient, settings: Settings, offset: int, metadata: str = "") -> None:
    place = TopicPartition(settings.kafka.topic, 0)
    found = OffsetAndMetadata(offset, metadata, -1)
    admin.alter_group_offsets(settings.kafka.group_id, {place: found})


def test_a_commit_beyond_the_end_is_bad(
    environment: dict[str, str], admin: KafkaAdminClient
) -> None:
    settings = load(environment=environment)
    commit(admin, settings, 5)
    assert "is beyond the end 0" in one(found_by(settings, "group"), "bad").message


def test_lost_and_waiting_records_are_warnings(
    environment: dict[str, str],
    admin: KafkaAdminClient,
    stack: EmbeddedStack,
) -> None:
    settings = load(environment=environment)
    producer = KafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
    for _ in range(10):
        producer.send(settings.kafka.topic, b"x", partition=0)
    producer.flush()
    producer.close()
    commit(admin, settings, 2)
    admin.delete_records({TopicPartition(settings.kafka.topic, 0): 6})
    lost, waiting = [each for each in found_by(settings, "group") if each.level == "warning"]
    assert lost.message == "Kafka deleted 4 records before the lake had them"
    assert "no worker is running; 4 records not in the lake yet" in waiting.message


def test_metadata_is_seen_on_the_group_s_own_commits(
    environment: dict[str, str], admin: KafkaAdminClient
) -> None:
    settings = load(environment=environment)
    commit(admin, settings, 0, '{"v":1,"m":"x","ends":[]}')
    assert "have it" in one(found_by(settings, "commit metadata"), "good").message


@pytest.mark.parametrize(("answer", "level"), [("", "bad"), (None, "warning")])
def test_a_broker_that_drops_metadata_is_bad(
    environment: dict[str, str], answer: str | None, level: str
) -> None:
    settings = load(environment=environment)
    one(list(group.commit_metadata(settings, probe=lambda *_: answer)), level)
