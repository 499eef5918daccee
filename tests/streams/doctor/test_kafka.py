"""The checks of Kafka, on the real broker: each thing that can be bad is found."""

from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from streams.doctor import kafka
from streams.doctor.diagnosis import Diagnosis
from streams.settings.load import load
from streams.settings.settings import Settings
from streams.templates.topics import TOPICS
from tests.streams.doctor.checks import changed, diagnose, one


def found_by(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(kafka.checks(settings), name)


def test_a_broker_that_is_away_is_bad(environment: dict[str, str]) -> None:
    away = {"KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA__BOOTSTRAP_TIMEOUT": "300ms"}
    found = found_by(changed(environment, **away), "kafka")
    assert "does not answer" in one(found, "bad").message


def test_a_broker_that_cannot_be_reached_under_its_own_name_is_bad(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: KafkaAdminClient, broker: int) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(KafkaAdminClient, "get_broker_version_data", unreachable)
    found = one(found_by(load(environment=environment), "kafka"), "bad")
    assert "no route to host" in found.message
    assert "advertised.listeners" in found.remedy


@pytest.mark.parametrize(
    ("check", "setting", "level"),
    [
        ("topic", "KAFKA__TOPIC", "bad"),
        ("dead-letter topic", "KAFKA__DEAD_LETTER_TOPIC", "bad"),
        ("control topic", "KAFKA__CONTROL_TOPIC", "warning"),
    ],
)
def test_a_topic_that_is_missing_is_named(
    environment: dict[str, str], make_name: Callable[[], str], check: str, setting: str, level: str
) -> None:
    name = make_name()
    found = one(found_by(changed(environment, **{setting: name}), check), level)
    assert name in found.message
    assert "--create" in found.remedy


@pytest.mark.parametrize(
    ("config", "level", "said"),
    [
        ({"retention.ms": "-1"}, "good", "forever"),
        ({"retention.ms": "604800000"}, "good", "7 days"),
        ({"retention.ms": "500000"}, "bad", "8.3 min, a window takes up to 5 min"),
        ({"retention.ms": "7200000"}, "warning", "2 h"),
        ({"retention.bytes": "1000000"}, "warning", "1,000,000 bytes a partition"),
        ({"cleanup.policy": "compact"}, "bad", "compaction"),
        ({"cleanup.policy": "compact,delete"}, "bad", "compaction"),
    ],
)
def test_retention_must_outlast_a_window(
    environment: dict[str, str],
    admin: KafkaAdminClient,
    topic: str,
    config: dict[str, str],
    level: str,
    said: str,
) -> None:
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)])
    assert said in one(found_by(load(environment=environment), "retention"), level).message


def test_a_dead_letter_topic_must_not_be_compacted(
    environment: dict[str, str], admin: KafkaAdminClient, topic: str
) -> None:
    resource = ConfigResource(
        ConfigResourceType.TOPIC, f"{topic}.dead-letter", configs={"cleanup.policy": "compact"}
    )
    admin.alter_configs([resource])
    found = found_by(load(environment=environment), "dead-letter topic")
    assert "compaction" in one(found, "bad").message


def test_doctor_finds_nothing_to_say_of_topics_that_are_made_like_this(
    environment: dict[str, str], make_topic: Callable[..., str], admin: KafkaAdminClient
) -> None:
    settings = changed(environment, KAFKA__TOPIC=make_topic())
    for topic in TOPICS:
        name = getattr(settings.kafka, topic.parameter)
        config = {
            name: value
            for name, value in topic.config.items()
            if name != "min.insync.replicas"  # of several brokers; here is one
        }
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=config)])
    for check in ("retention", "dead-letter topic", "control topic"):
        found = diagnose(kafka.checks(settings), check)
        assert {each.level for each in found} == {"good"}, found
