"""`doctor` on the real stack: all is good, and each thing that can be bad is found."""

import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.structs import OffsetAndMetadata

from streams.audit import audit, verify
from streams.doctor import disk as disk_checks
from streams.doctor import doctor
from streams.doctor import group as group_checks
from streams.doctor import kafka as kafka_checks
from streams.doctor import lake as lake_checks
from streams.doctor.diagnosis import Check, Diagnosis, examine
from streams.embedded.s3 import MotoS3
from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured
from streams.kafka import client
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.fake_s3 import FakeS3, serving

ROLE = "arn:aws:iam::123456789012:role"


@pytest.fixture
def environment(lake_environment: LakeEnvironment, make_name: Callable[[], str]) -> dict[str, str]:
    return lake_environment(KAFKA__GROUP_ID=make_name())


@pytest.fixture
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield client
    client.close()


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    """A server that knows KMS, and lets every role be assumed."""
    with MotoS3(tmp_path_factory.mktemp("moto")) as server:
        server.create_bucket("lake")
        yield server


def changed(environment: dict[str, str], **values: object) -> Settings:
    more = {f"FALCOLAKE_{name}": str(value) for name, value in values.items()}
    return load(environment=environment | more)


def diagnose(checks: list[Check], name: str) -> list[Diagnosis]:
    """Run one of the checks, whatever it needs."""
    return list(examine([check._replace(need=None) for check in checks if check.name == name], 30))


def of_kafka(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(kafka_checks.checks(settings), name)


def of_lake(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(lake_checks.checks(settings), name)


def of_disk(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(disk_checks.checks(settings), name)


def one(found: list[Diagnosis], level: str) -> Diagnosis:
    """The only diagnosis of a level; what is not good must have a remedy."""
    assert all(each.remedy for each in found if each.level != "good")
    (only,) = [each for each in found if each.level == level]
    return only


# ---- all is good


def test_a_stack_is_good_and_stays_as_it_is(
    environment: dict[str, str],
    admin: KafkaAdminClient,
    monkeypatch: pytest.MonkeyPatch,
    s3_client: Any,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    topics = set(admin.list_topics())
    first = list(doctor.diagnose(None, 30))
    assert {each.level for each in first} == {"good"}
    names = [each.check for each in first]
    assert names == [
        *("settings", "kafka", "topic", "retention", "dead-letter topic", "control topic"),
        *("group", "commit metadata", "credentials", "bucket", "clock", "put"),
        *("conditional put", "read", "staging", "staging disk"),
    ]
    assert list(doctor.diagnose(None, 30)) == first
    assert set(admin.list_topics()) == topics
    groups = [each["group_id"] for each in admin.list_groups()]
    assert not [
        each for each in groups if each.startswith(environment["FALCOLAKE_KAFKA__GROUP_ID"])
    ]
    bucket = environment["FALCOLAKE_LAKE__BUCKET"]
    (probe,) = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    assert (probe["Key"], probe["Size"]) == ("ext/falco/_falcolake_doctor", 0)
    assert not Path(environment["FALCOLAKE_STAGING__PATH"]).exists()


# ---- settings


def test_settings_that_are_wrong_are_a_diagnosis_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCOLAKE_LAKE__ACCOUNT_ID", "12")
    monkeypatch.setenv("FALCOLAKE_WEB__PORT", "x")
    found = list(doctor.diagnose(None, 5))
    assert [(each.check, each.level) for each in found] == [("settings", "bad")] * 2
    assert "FALCOLAKE_LAKE__ACCOUNT_ID" in found[0].message


def test_settings_that_are_missing_or_odd_are_named(environment: dict[str, str]) -> None:
    def of(settings: Settings) -> list[Diagnosis]:
        return list(examine([Check("settings", None, lambda: doctor.settled(settings))], 5))

    assert "FALCOLAKE_LAKE__BUCKET" in one(of(load(environment={})), "bad").message
    assert "5 minutes" in one(of(changed(environment, WINDOW__INTERVAL=60)), "warning").message


# ---- Kafka


def test_a_broker_that_is_away_is_bad(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "BOOTSTRAP_TIMEOUT_MS", 300)
    found = of_kafka(changed(environment, KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1"), "kafka")
    assert "does not answer" in one(found, "bad").message


def test_a_broker_that_cannot_be_reached_under_its_own_name_is_bad(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: KafkaAdminClient, broker: int) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(KafkaAdminClient, "get_broker_version_data", unreachable)
    found = one(of_kafka(load(environment=environment), "kafka"), "bad")
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
    found = one(of_kafka(changed(environment, **{setting: name}), check), level)
    assert name in found.message
    assert "--create" in found.remedy


@pytest.mark.parametrize(
    ("config", "level", "said"),
    [
        ({"retention.ms": "-1"}, "good", "for ever"),
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
    assert said in one(of_kafka(load(environment=environment), "retention"), level).message


def test_a_dead_letter_topic_must_not_be_compacted(
    environment: dict[str, str], admin: KafkaAdminClient, topic: str
) -> None:
    resource = ConfigResource(
        ConfigResourceType.TOPIC, f"{topic}.dead-letter", configs={"cleanup.policy": "compact"}
    )
    admin.alter_configs([resource])
    found = of_kafka(load(environment=environment), "dead-letter topic")
    assert "compaction" in one(found, "bad").message


def commit(admin: KafkaAdminClient, settings: Settings, offset: int, metadata: str = "") -> None:
    place = TopicPartition(settings.kafka.topic, 0)
    found = OffsetAndMetadata(offset, metadata, -1)
    admin.alter_group_offsets(settings.kafka.group_id, {place: found})


def test_a_commit_beyond_the_end_is_bad(
    environment: dict[str, str], admin: KafkaAdminClient
) -> None:
    settings = load(environment=environment)
    commit(admin, settings, 5)
    assert "is beyond the end 0" in one(of_kafka(settings, "group"), "bad").message


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
    lost, waiting = [each for each in of_kafka(settings, "group") if each.level == "warning"]
    assert lost.message == "Kafka deleted 4 records before the lake had them"
    assert "4 records wait and no worker runs" in waiting.message


def test_metadata_is_seen_on_the_group_s_own_commits(
    environment: dict[str, str], admin: KafkaAdminClient
) -> None:
    settings = load(environment=environment)
    commit(admin, settings, 0, '{"v":1,"m":"x","ends":[]}')
    assert "have it" in one(of_kafka(settings, "commit metadata"), "good").message


@pytest.mark.parametrize(("answer", "level"), [("", "bad"), (None, "warning")])
def test_a_broker_that_drops_metadata_is_bad(
    environment: dict[str, str], answer: str | None, level: str
) -> None:
    settings = load(environment=environment)
    one(list(group_checks.commit_metadata(settings, probe=lambda *_: answer)), level)


# ---- the lake


def test_missing_credentials_are_bad(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = of_lake(load(environment=environment), "credentials")
    assert "no AWS credentials" in one(found, "bad").message
    found = of_lake(changed(environment, LAKE__ROLE_ARN=f"{ROLE}/falcolake"), "credentials")
    assert "no AWS credentials to assume" in one(found, "bad").message


def test_a_role_is_assumed_and_one_that_refuses_is_bad(environment: dict[str, str]) -> None:
    role = {"LAKE__ROLE_ARN": f"{ROLE}/falcolake", "LAKE__EXTERNAL_ID": "id"}
    found = of_lake(changed(environment, **role), "credentials")
    assert "is assumed, with an external id" in one(found, "good").message
    found = of_lake(changed(environment, LAKE__ROLE_ARN=f"{ROLE}/other"), "credentials")
    assert "falcolake policy trust" in one(found, "bad").remedy


def test_a_provider_role_without_an_external_id_is_a_warning(
    environment: dict[str, str], moto: MotoS3
) -> None:
    provider = f"{ROLE}/AmazonSecurityLake-Provider-falco-eu-central-1"
    given = {"LAKE__ENDPOINT_URL": moto.endpoint_url, "LAKE__ROLE_ARN": provider}
    found = of_lake(changed(environment, **given), "credentials")
    assert "FALCOLAKE_LAKE__EXTERNAL_ID" in one(found, "warning").remedy
    assert f"{provider} is assumed, without an external id" in one(found, "good").message


def test_a_missing_bucket_and_a_lake_that_is_away_are_bad(environment: dict[str, str]) -> None:
    found = of_lake(changed(environment, LAKE__BUCKET="there-is-none"), "bucket")
    assert "NoSuchBucket" in one(found, "bad").message
    away = changed(environment, LAKE__ENDPOINT_URL="http://127.0.0.1:1")
    assert "FALCOLAKE_LAKE__ENDPOINT_URL" in one(of_lake(away, "bucket"), "bad").remedy
    assert one(of_lake(away, "clock"), "warning").remedy == "mend bucket first"
    assert one(of_lake(away, "put"), "bad")


@pytest.mark.parametrize(
    ("check", "answers", "level", "said"),
    [
        ("bucket", {"listing": (403, "AccessDenied")}, "warning", "cannot be listed"),
        ("bucket", {"listing": (403, "InvalidAccessKeyId")}, "bad", "InvalidAccessKeyId"),
        ("bucket", {"headers": {"x-amz-bucket-region": "eu-west-9"}}, "warning", "is in eu-west-9"),
        ("put", {"put": (403, "AccessDenied")}, "bad", "AccessDenied"),
        ("put", {"put": (400, "KMS.DisabledException")}, "bad", "KMS.DisabledException"),
        ("conditional put", {"conditional_put": (200, "")}, "warning", "ignores the condition"),
        ("conditional put", {"conditional_put": (501, "NotImplemented")}, "warning", "has none"),
        ("conditional put", {"conditional_put": (403, "AccessDenied")}, "bad", "AccessDenied"),
        ("conditional put", {}, "good", "refused"),
        ("read", {"get": (403, "AccessDenied")}, "warning", "AccessDenied"),
    ],
)
def test_what_a_store_refuses_is_told(
    environment: dict[str, str], check: str, answers: dict[str, Any], level: str, said: str
) -> None:
    with serving(FakeS3(**answers)) as fake:
        found = of_lake(changed(environment, LAKE__ENDPOINT_URL=fake.url), check)
    assert said in one(found, level).message


@pytest.mark.parametrize(
    ("seconds", "level", "said"),
    [
        (0, "good", "within 60 s"),
        (-200, "warning", "s ahead of the lake's"),
        (2000, "bad", "s behind the lake's"),
    ],
)
@pytest.mark.parametrize("listing", [FakeS3.ok, (403, "RequestTimeTooSkewed")])
def test_the_clock_is_compared_with_the_lake_s(
    environment: dict[str, str], seconds: int, level: str, said: str, listing: tuple[int, str]
) -> None:
    with serving(FakeS3(date=time.time() + seconds, listing=listing)) as fake:
        found = of_lake(changed(environment, LAKE__ENDPOINT_URL=fake.url), "clock")
    assert said in one(found, level).message


def test_a_lake_that_does_not_tell_its_time_is_a_warning(environment: dict[str, str]) -> None:
    with serving(FakeS3()) as fake:
        found = of_lake(changed(environment, LAKE__ENDPOINT_URL=fake.url), "clock")
    assert "does not tell" in one(found, "warning").message


def test_a_store_must_use_the_key_that_is_set(environment: dict[str, str], moto: MotoS3) -> None:
    key = {"LAKE__KMS_KEY_ID": "alias/lake", "LAKE__BUCKET": "lake"}
    with serving(FakeS3()) as fake:
        found = of_lake(changed(environment, LAKE__ENDPOINT_URL=fake.url, **key), "put")
    assert "does not encrypt with alias/lake" in one(found, "bad").message
    found = of_lake(changed(environment, LAKE__ENDPOINT_URL=moto.endpoint_url, **key), "put")
    assert "encrypted with alias/lake" in one(found, "good").message


# ---- the disk


def test_a_worker_s_lock_is_seen_and_not_taken(environment: dict[str, str]) -> None:
    settings = load(environment=environment)
    settings.staging.path.mkdir()
    with (settings.staging.path / "lock").open("a") as lock:
        assert "no worker uses it" in one(of_disk(settings, "staging"), "good").message
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert "in use by a worker" in one(of_disk(settings, "staging"), "good").message
    assert [file.name for file in settings.staging.path.iterdir()] == ["lock"]


def test_a_directory_that_cannot_be_used_is_bad(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    below = of_disk(changed(environment, STAGING__PATH=tmp_path / "file" / "below"), "staging")
    assert "cannot be made" in one(below, "bad").message
    itself = of_disk(changed(environment, STAGING__PATH=tmp_path / "file"), "staging")
    assert "cannot be written" in one(itself, "bad").message


def test_a_disk_without_room_is_told(environment: dict[str, str]) -> None:
    full = of_disk(changed(environment, STAGING__MIN_FREE_BYTES=10**18), "staging disk")
    assert "reading from Kafka pauses" in one(full, "bad").message
    small = of_disk(changed(environment, STAGING__MAX_BYTES=10**18), "staging disk")
    assert "full before staging.max_bytes" in one(small, "warning").message


# ---- what others make of the probe


def test_the_probe_is_none_of_the_lake_s_objects(environment: dict[str, str]) -> None:
    settings = load(environment=environment)
    assert {each.level for each in of_lake(settings, "put")} == {"good"}
    assert audit.run(settings).problems == ()
    with pytest.raises(Misconfigured, match="there is no object"):
        verify.run(settings, f"s3://{settings.lake.bucket}/ext")
