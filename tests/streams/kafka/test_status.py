"""What `status` reads from a real broker, in every state a group can be in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from streams.errors import Misconfigured, Unavailable
from streams.kafka import client, status
from streams.kafka.status import PartitionStatus, Status
from streams.settings.load import load
from streams.settings.settings import Settings

GROUP = "falcolake"


@pytest.fixture
def settings(kafka_bootstrap: str, topic: str) -> Settings:
    """A topic of four partitions, and a group of its own that never was."""
    return load(
        environment={
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
            "FALCOLAKE_KAFKA__TOPIC": topic,
            "FALCOLAKE_KAFKA__GROUP_ID": f"{GROUP}-{topic}",
        }
    )


def produce(settings: Settings, counts: dict[int, int], topic: str | None = None) -> None:
    with KafkaProducer(**client.client_options(settings)) as producer:
        for partition, count in counts.items():
            for _ in range(count):
                producer.send(topic or settings.kafka.topic, b"{}", partition=partition)
        producer.flush()


@contextmanager
def member(settings: Settings) -> Iterator[KafkaConsumer]:
    """A group member that owns every partition; there must be a record for it to read."""
    consumer = KafkaConsumer(
        settings.kafka.topic,
        **client.client_options(settings),
        group_id=settings.kafka.group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        # One long poll: kafka-python 3.0 forgets an assignment that comes as a short one ends.
        assert consumer.poll(20_000)
        yield consumer
    finally:
        consumer.close()


def commit(settings: Settings, offset: int, metadata: str = "") -> None:
    place = TopicPartition(settings.kafka.topic, 0)
    consumer = KafkaConsumer(
        **client.client_options(settings),
        group_id=settings.kafka.group_id,
        enable_auto_commit=False,
    )
    try:
        consumer.assign([place])
        consumer.commit({place: OffsetAndMetadata(offset, metadata, -1)})
    finally:
        consumer.close()


def test_without_a_group_everything_is_lag(settings: Settings) -> None:
    produce(settings, {0: 3, 2: 5})
    found = status.read(settings)
    assert found.group_state == "none"
    assert [p.partition for p in found.partitions] == [0, 1, 2, 3]
    assert [p.lag for p in found.partitions] == [3, 0, 5, 0]
    assert found.lag == 8
    assert {p.committed for p in found.partitions} == {None}
    assert {p.owner for p in found.partitions} == {None}
    assert found.dead_letters == 0


def test_the_committed_offset_is_what_the_lake_has(settings: Settings) -> None:
    produce(settings, {0: 10})
    commit(settings, 4, '{"v":1,"m":"1","ends":[7,9]}')
    found = status.read(settings)
    assert found.group_state == "empty"
    assert found.partitions[0] == PartitionStatus(0, 0, 4, 10, (7, 9), None)
    assert found.lag == 6
    assert found.problems() == [f"no worker of group {settings.kafka.group_id} is running"]


def test_metadata_of_another_tool_seals_nothing(settings: Settings) -> None:
    produce(settings, {0: 2})
    commit(settings, 1, "somebody else's words")
    assert status.read(settings).partitions[0].sealed == ()


def test_owners_are_named_while_they_live(settings: Settings) -> None:
    produce(settings, {0: 1})
    with member(settings):
        found = status.read(settings)
        assert found.group_state == "stable"
        assert {p.owner for p in found.partitions} == {"falcolake at 127.0.0.1"}
        assert found.problems() == []
    assert {p.owner for p in status.read(settings).partitions} == {None}


def test_records_deleted_before_they_were_read_are_a_problem(settings: Settings) -> None:
    produce(settings, {0: 10})
    commit(settings, 2)
    with KafkaAdminClient(**client.client_options(settings)) as admin:
        admin.delete_records({TopicPartition(settings.kafka.topic, 0): 5})
    found = status.read(settings)
    assert (found.partitions[0].begin, found.partitions[0].lost, found.lag) == (5, 3, 5)
    assert "partition 0: Kafka deleted 3 records" in found.problems()[0]


def test_dead_letters_are_counted(settings: Settings) -> None:
    produce(settings, {0: 2, 3: 1}, settings.kafka.dead_letter_topic)
    assert status.read(settings).dead_letters == 3


def test_a_missing_dead_letter_topic_is_not_an_error(
    settings: Settings, make_name: Callable[[], str]
) -> None:
    kafka_settings = settings.kafka.model_copy(update={"dead_letter_topic": make_name()})
    assert status.read(settings.model_copy(update={"kafka": kafka_settings})).dead_letters is None


def test_a_missing_topic_is_named(kafka_bootstrap: str, make_name: Callable[[], str]) -> None:
    settings = Settings(kafka={"bootstrap_servers": kafka_bootstrap, "topic": make_name()})
    with pytest.raises(Misconfigured) as caught:
        status.read(settings)
    assert settings.kafka.topic in caught.value.message
    assert "FALCOLAKE_KAFKA__TOPIC" in caught.value.hint


def test_a_broker_that_does_not_answer_is_named() -> None:
    settings = Settings(kafka={"bootstrap_servers": "127.0.0.1:1"})
    with pytest.raises(Unavailable) as caught, client.open_admin(settings, 300) as admin:
        status.look(admin, settings)
    assert "127.0.0.1:1" in caught.value.message
    assert "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS" in caught.value.hint


def test_a_topic_created_anew_is_a_problem() -> None:
    stale = PartitionStatus(1, begin=0, committed=50, end=10, sealed=(), owner="w at h")
    assert (stale.lag, stale.lost) == (0, 0)
    (problem,) = Status("t", "g", "stable", (stale,), 0).problems()
    assert "partition 1: committed 50 is beyond the end 10" in problem
