"""Topics, their settings and log starts, as in Kafka."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import UnknownTopicOrPartitionError as UnknownTopic
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import (
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    MetadataRequest,
    MetadataResponse,
)

from streams.kafka.topics import topic_id_of
from streams.worker import topic_ids
from tests.streams.embedded.raw_kafka import RawClient, build_batch
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield client
    client.close()


@pytest.fixture
def new_name() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


def partitions_of(admin: KafkaAdminClient, name: str) -> int:
    return len(admin.describe_topics([name])[0]["partitions"])


def config_of(admin: KafkaAdminClient, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    described = admin.describe_configs([resource], config_filter="all")
    configs = described[ConfigResourceType.TOPIC.name.lower()][name]
    return {key: entry["value"] for key, entry in configs.items()}


def metadata(raw: RawClient, name: str, *, create: bool) -> Any:
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=name)], allow_auto_topic_creation=create
    )
    return raw.call(request, MetadataResponse, 8).topics[0]


def test_a_created_topic_is_listed_with_its_partitions(
    admin: KafkaAdminClient, new_name: str
) -> None:
    admin.create_topics([NewTopic(new_name, 4, 1)])
    admin.wait_for_topics([new_name])
    assert new_name in admin.list_topics()
    assert partitions_of(admin, new_name) == 4


def test_a_topic_exists_once(admin: KafkaAdminClient, new_name: str) -> None:
    admin.create_topics([NewTopic(new_name, 1, 1)])
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(new_name, 1, 1)])


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        (NewTopic("no spaces", 1, 1), InvalidTopicError),
        (NewTopic("..", 1, 1), InvalidTopicError),
        (NewTopic("../escape", 1, 1), InvalidTopicError),
        (NewTopic("x" * 250, 1, 1), InvalidTopicError),
        (NewTopic("none", 0, 1), InvalidPartitionsError),
        (NewTopic("copies", 1, 7), InvalidReplicationFactorError),
        (NewTopic("odd", 1, 1, topic_configs={"no.such": "1"}), InvalidConfigurationError),
        (NewTopic("nan", 1, 1, topic_configs={"retention.ms": "x"}), InvalidConfigurationError),
    ],
    ids=lambda value: value.name[:12] if isinstance(value, NewTopic) else value.__name__,
)
def test_what_cannot_be_created_is_refused_with_kafkas_error(
    admin: KafkaAdminClient, topic: NewTopic, error: type[Exception]
) -> None:
    with pytest.raises(error):
        admin.create_topics([topic])


def test_validate_only_creates_nothing(admin: KafkaAdminClient, new_name: str) -> None:
    admin.create_topics([NewTopic(new_name, 1, 1)], validate_only=True)
    assert new_name not in admin.list_topics()


def test_metadata_creates_a_topic_only_if_asked_to(raw: RawClient, new_name: str) -> None:
    assert metadata(raw, new_name, create=False).error_code == 3
    metadata(raw, new_name, create=True)
    wait_until(lambda: metadata(raw, new_name, create=False).error_code == 0)


def test_metadata_refuses_a_name_that_cannot_be(raw: RawClient) -> None:
    assert metadata(raw, "no/slash", create=True).error_code == 17


def test_partitions_are_added_and_never_removed(admin: KafkaAdminClient, new_name: str) -> None:
    admin.create_topics([NewTopic(new_name, 2, 1)])
    admin.create_partitions({new_name: 5})
    wait_until(lambda: partitions_of(admin, new_name) == 5)
    for count in (5, 1):
        with pytest.raises(InvalidPartitionsError):
            admin.create_partitions({new_name: count})


def test_a_topic_has_an_id_until_it_is_deleted(
    admin: KafkaAdminClient, raw: RawClient, new_name: str
) -> None:
    assert topic_id_of(admin, new_name) == ""
    ids = []
    for _ in range(2):
        wait_until(lambda: raw.create_topic(new_name) == 0)
        admin.wait_for_topics([new_name])
        admin.create_partitions({new_name: 2})
        ids.append(topic_id_of(admin, new_name))
        admin.delete_topics([new_name])
        wait_until(lambda: new_name not in admin.list_topics())
    assert [len(each) for each in ids] == [22, 22]
    assert ids[0] != ids[1]


def test_a_worker_asks_for_the_same_id(
    admin: KafkaAdminClient, kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    name = make_topic()

    async def asked(topic: str) -> str:
        client = AIOKafkaClient(bootstrap_servers=kafka_bootstrap)
        await client.bootstrap()
        try:
            node = client.get_random_node()
            assert node is not None
            return await topic_ids.ask(client, node, topic)
        finally:
            await client.close()

    assert asyncio.run(asked(name)) == topic_id_of(admin, name)
    with pytest.raises(UnknownTopic):
        asyncio.run(asked("there-is-no-such-topic"))


def test_a_recreated_topic_is_empty(
    admin: KafkaAdminClient, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    name = make_topic()
    raw.produce(name, build_batch(b"old"))
    admin.delete_topics([name])
    wait_until(lambda: name not in admin.list_topics())
    wait_until(lambda: raw.create_topic(name) == 0)
    wait_until(lambda: raw.list_offset(name, -1).error_code == 0)
    assert raw.list_offset(name, -1).offset == 0


def test_an_unknown_topic_cannot_be_deleted(admin: KafkaAdminClient, new_name: str) -> None:
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([new_name])


def test_settings_are_defaults_until_they_are_set_and_again_when_they_are_unset(
    admin: KafkaAdminClient, make_topic: Callable[..., str]
) -> None:
    name = make_topic(max_message_bytes="5000")
    assert config_of(admin, name)["max.message.bytes"] == "5000"
    assert config_of(admin, name)["cleanup.policy"] == "delete"
    default = config_of(admin, name)["retention.ms"]

    admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "12345"})]
    )
    wait_until(lambda: config_of(admin, name)["retention.ms"] == "12345")
    assert config_of(admin, name)["max.message.bytes"] == "5000"

    admin.reset_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": None})]
    )
    wait_until(lambda: config_of(admin, name)["retention.ms"] == default)


def test_an_altered_message_limit_takes_effect(
    admin: KafkaAdminClient, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    name = make_topic()
    big = build_batch(b"x" * 3000)
    assert raw.produce(name, big).error_code == 0
    admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs={"max.message.bytes": "1000"})]
    )
    wait_until(lambda: raw.produce(name, big).error_code == 10)


def test_deleted_records_move_the_start(
    admin: KafkaAdminClient, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    name = make_topic()
    for _ in range(5):
        raw.produce(name, build_batch(b"a", b"b"))
    tp = TopicPartition(name, 0)
    admin.delete_records({tp: 5})
    assert raw.list_offset(name, -2).offset == 5
    assert raw.fetch(name, 4).error_code == 1
    kept = raw.fetch(name, 5)
    assert (kept.error_code, kept.log_start_offset, kept.high_watermark) == (0, 5, 10)
    assert raw.list_offset(name, 0).offset == 5
    admin.delete_records({tp: 3})
    assert raw.list_offset(name, -2).offset == 5
    admin.delete_records({tp: -1})
    assert raw.list_offset(name, -2).offset == raw.list_offset(name, -1).offset == 10
    assert raw.produce(name, build_batch(b"c")).base_offset == 10


def test_records_beyond_the_end_cannot_be_deleted(
    admin: KafkaAdminClient, raw: RawClient, make_topic: Callable[..., str]
) -> None:
    name = make_topic()
    raw.produce(name, build_batch(b"a"))
    with pytest.raises(Exception, match="OffsetOutOfRange"):
        admin.delete_records({TopicPartition(name, 0): 2})


def test_the_cluster_describes_itself(admin: KafkaAdminClient, kafka_bootstrap: str) -> None:
    cluster = admin.describe_cluster()
    assert cluster["cluster_id"]
    assert len(cluster["brokers"]) == 1


def test_an_api_versions_request_from_the_future_is_answered_in_version_0(raw: RawClient) -> None:
    request = ApiVersionsRequest(client_software_name="t", client_software_version="1")
    request.API_VERSION = 3
    request.with_header(correlation_id=7)
    frame = bytearray(request.encode(header=True, framed=True))
    frame[6:8] = (99).to_bytes(2, "big")
    raw.socket.sendall(frame)
    answer = raw.receive(ApiVersionsResponse, 0)
    assert answer.error_code == 35
    (versions,) = answer.api_keys
    assert versions.api_key == ApiVersionsRequest.API_KEY
    assert versions.max_version >= 3
