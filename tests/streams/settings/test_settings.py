"""The settings: where values come from, what is refused, what is said, what is never shown."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import Misconfigured
from streams.settings import text as settings_text
from streams.settings.load import load
from streams.settings.settings import Settings, example, fields, secret, variable

SASL = {
    "FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "FALCOLAKE_KAFKA__SASL_MECHANISM": "scram-sha-512",
    "FALCOLAKE_KAFKA__SASL_USERNAME": "falco",
    "FALCOLAKE_KAFKA__SASL_PASSWORD": "hunter2",
}
LAKE = {
    "FALCOLAKE_LAKE__BUCKET": "my-lake",
    "FALCOLAKE_LAKE__REGION": "eu-central-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
}


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep a falcolake.toml of whoever runs the tests out of them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(environment: dict[str, str], config: Path | None = None) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        load(config, environment)
    return caught.value


def test_defaults_are_the_documented_ones() -> None:
    settings = load(environment={})
    assert settings.kafka.servers == ["localhost:9092"]
    assert settings.kafka.topic == "falco-events"
    assert settings.kafka.group_id == "falcolake"
    assert settings.kafka.control_topic == "falco-events.control"
    assert settings.kafka.dead_letter_topic == "falco-events.dead-letter"
    assert settings.kafka.security_protocol == "PLAINTEXT"
    assert settings.lake.prefix == "ext/falco"
    assert settings.window.interval == 300
    assert settings.window.max_bytes == 256_000_000
    assert settings.window.max_rows == 1_000_000
    assert settings.staging.path == Path.home() / ".local/state/falcolake"
    assert settings.ocsf.version == "1.1.0"
    assert settings.ocsf.event_class == "detection_finding"
    assert settings.mapping.minimum_priority == "debug"
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 6066)
    assert settings.warnings() == []


def test_environment_wins_over_file_over_falcosidekick_over_default(tmp_path: Path) -> None:
    file = tmp_path / "falcolake.toml"
    file.write_text('[kafka]\ntopic = "from-file"\ngroup_id = "from-file"\n')
    settings = load(
        environment={
            "FALCOLAKE_KAFKA__TOPIC": "from-environment",
            "KAFKA_TOPIC": "from-falcosidekick",
            "KAFKA_HOSTPORT": "kafka-1,kafka-2:9093",
        }
    )
    assert settings.kafka.topic == "from-environment"
    assert settings.kafka.group_id == "from-file"
    assert settings.kafka.servers == ["kafka-1:9092", "kafka-2:9093"]
    assert str(settings.origin("kafka.topic")) == "environment: FALCOLAKE_KAFKA__TOPIC"
    assert str(settings.origin("kafka.group_id")) == "file: falcolake.toml"
    assert str(settings.origin("kafka.bootstrap_servers")) == "falcosidekick: KAFKA_HOSTPORT"
    assert str(settings.origin("kafka.session_timeout")) == "default"


def test_the_file_is_what_config_names(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text('[kafka]\ntopic = "named"\n')
    other = tmp_path / "other.toml"
    other.write_text('[kafka]\ntopic = "other"\n')
    environment = {"FALCOLAKE_CONFIG": str(named)}
    assert load(environment=environment).kafka.topic == "named"
    assert load(other, environment).kafka.topic == "other"


def test_the_topics_of_a_topic_follow_its_name() -> None:
    settings = load(environment={"FALCOLAKE_KAFKA__TOPIC": "alerts"})
    assert settings.kafka.control_topic == "alerts.control"
    assert settings.kafka.dead_letter_topic == "alerts.dead-letter"


def test_an_empty_variable_is_not_set() -> None:
    assert load(environment={"FALCOLAKE_LAKE__ENDPOINT_URL": ""}).lake.endpoint_url is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("300s", 300), ("5m", 300), ("1h", 3600), ("0.5", 0.5), ("250ms", 0.25)],
)
def test_a_duration_may_have_a_unit(text: str, seconds: float) -> None:
    assert load(environment={"FALCOLAKE_WINDOW__INTERVAL": text}).window.interval == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("5000000", 5_000_000), ("256MB", 256_000_000), ("256MiB", 268_435_456)]
)
def test_a_size_may_have_a_unit(text: str, size: int) -> None:
    assert load(environment={"FALCOLAKE_WINDOW__MAX_BYTES": text}).window.max_bytes == size


def test_toml_numbers_and_text_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "falcolake.toml"
    file.write_text(
        "[lake]\naccount_id = 123456789012\n"
        '[window]\ninterval = "5m"\nmax_bytes = 1000\n'
        '[ocsf]\nclass = "security_finding"\n'
    )
    settings = load(environment={})
    assert settings.lake.account_id == "123456789012"
    assert (settings.window.interval, settings.window.max_bytes) == (300, 1000)
    assert settings.ocsf.event_class == "security_finding"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LAKE__ACCOUNT_ID", "12", "12 digits"),
        ("LAKE__BUCKET", "s3://lake", "bucket name"),
        ("LAKE__BUCKET", "10.0.0.1", "IP address"),
        ("LAKE__BUCKET", "a..b", "bucket name"),
        ("LAKE__REGION", "Frankfurt", "eu-central-1"),
        ("LAKE__PREFIX", "/ext/falco", "slash"),
        ("LAKE__PREFIX", "ext/falco/", "slash"),
        ("LAKE__PREFIX", "ext/../falco", "segment"),
        ("LAKE__PREFIX", "ext//falco", "segment"),
        ("LAKE__PREFIX", "ext/fal co", "characters"),
        ("LAKE__ENDPOINT_URL", "localhost:8333", "http"),
        ("LAKE__ROLE_ARN", "role", "arn:aws:iam"),
        ("KAFKA__TOPIC", "a b", "letters"),
        ("KAFKA__TOPIC", "..", "letters"),
        ("KAFKA__BOOTSTRAP_SERVERS", "kafka://localhost", "scheme"),
        ("KAFKA__BOOTSTRAP_SERVERS", "a:1,,b:2", "empty"),
        ("KAFKA__BOOTSTRAP_SERVERS", "a:99999", "host:port"),
        ("KAFKA__SECURITY_PROTOCOL", "TLS", "SASL_SSL"),
        ("KAFKA__SESSION_TIMEOUT", "0", "greater than 0"),
        ("WINDOW__INTERVAL", "5 minutes", "seconds"),
        ("WINDOW__INTERVAL", "2d", "seconds"),
        ("WINDOW__INTERVAL", "100000", "86400"),
        ("WINDOW__MAX_ROWS", "0", "at least 1"),
        ("WINDOW__MAX_BYTES", "5GiB", "at most 4000000000"),
        ("WINDOW__MAX_BYTES", "many", "MiB"),
        ("STAGING__MAX_BYTES", "3 apples", "MiB"),
        ("OCSF__VERSION", "1.2.0", "1.8.0"),
        ("OCSF__CLASS", "finding", "detection_finding"),
        ("MAPPING__MINIMUM_PRIORITY", "low", "notice"),
        ("MAPPING__LOCATION", "bucket", "alert"),
        ("WEB__PORT", "70000", "65535"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_it_was_given(
    name: str, value: str, said: str
) -> None:
    error = refusal({f"FALCOLAKE_{name}": value})
    assert error.message.startswith(f"FALCOLAKE_{name} is {value!r}: ")
    assert said in error.message
    assert error.hint.startswith(f"for example FALCOLAKE_{name}=")


def test_a_wrong_value_in_a_file_is_named_as_there(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text('[lake]\nbucket = "A"\n')
    error = refusal({})
    assert error.message.startswith("lake.bucket in falcolake.toml is 'A': ")
    assert error.hint == 'for example lake.bucket = "my-security-lake"'


def test_a_wrong_value_of_falcosidekick_is_named_as_there() -> None:
    assert refusal({"AWS_SECURITYLAKE_ACCOUNTID": "1"}).message.startswith(
        "AWS_SECURITYLAKE_ACCOUNTID is '1': "
    )


def test_all_wrong_settings_are_told_at_once() -> None:
    error = refusal({"FALCOLAKE_LAKE__BUCKET": "A", "FALCOLAKE_WEB__PORT": "x"})
    assert [line.split()[0] for line in error.message.splitlines()] == [
        "FALCOLAKE_LAKE__BUCKET",
        "FALCOLAKE_WEB__PORT",
    ]


def test_a_default_derived_from_a_wrong_value_is_not_told_too() -> None:
    assert len(refusal({"FALCOLAKE_KAFKA__TOPIC": "a b"}).message.splitlines()) == 1


def test_a_topic_too_long_for_its_companions_is_refused() -> None:
    message = refusal({"FALCOLAKE_KAFKA__TOPIC": "t" * 245}).message
    assert message.startswith("FALCOLAKE_KAFKA__CONTROL_TOPIC is 'ttt")


def test_unknown_settings_are_refused_with_the_nearest(tmp_path: Path) -> None:
    error = refusal({"FALCOLAKE_KAFKA__TOPC": "x"})
    assert error.message == "FALCOLAKE_KAFKA__TOPC: there is no such setting"
    assert "FALCOLAKE_KAFKA__TOPIC" in error.hint
    (tmp_path / "falcolake.toml").write_text('[kafak]\ntopic = "x"\n')
    assert refusal({}).message == "kafak in falcolake.toml: there is no such setting"
    (tmp_path / "falcolake.toml").write_text('topic = "x"\n')
    assert refusal({}).message == "topic in falcolake.toml: there is no such setting"


def test_a_section_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text("kafka = 5\n")
    assert "one by one" in refusal({"FALCOLAKE_KAFKA__TOPIC": "x"}).message
    (tmp_path / "falcolake.toml").unlink()
    assert "FALCOLAKE_KAFKA" in refusal({"FALCOLAKE_KAFKA": "{"}).message


def test_a_near_miss_in_the_environment_is_a_warning() -> None:
    settings = load(
        environment={"FALCOLAKE_WINDOW_INTERVAL": "60", "FALCOLAKE_SERVICE_HOST": "10.0.0.1"}
    )
    (warning,) = settings.warnings()
    assert "FALCOLAKE_WINDOW_INTERVAL" in warning
    assert "FALCOLAKE_WINDOW__INTERVAL" in warning


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_USERNAME"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "u"}, "SASL_PASSWORD"),
        ({"SASL_USERNAME": "u"}, "SASL_USERNAME"),
        ({"SASL_MECHANISM": "PLAIN"}, "SASL_MECHANISM"),
        ({"SSL_CA_FILE": "ca.pem"}, "SSL_CA_FILE"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEY_FILE": "key.pem"}, "SSL_KEY_FILE"),
        ({"CONTROL_TOPIC": "falco-events"}, "TOPIC"),
        ({"SESSION_TIMEOUT": "6", "HEARTBEAT_INTERVAL": "3"}, "HEARTBEAT_INTERVAL"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    environment: dict[str, str], named: str
) -> None:
    given_settings = {f"FALCOLAKE_KAFKA__{name}": value for name, value in environment.items()}
    assert refusal(given_settings).message.startswith(f"FALCOLAKE_KAFKA__{named}: ")


def test_an_external_id_without_a_role_is_refused() -> None:
    error = refusal({"FALCOLAKE_LAKE__EXTERNAL_ID": "falco"})
    assert "role_arn" in error.message


def test_only_commands_that_write_need_the_lake() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(environment={"FALCOLAKE_LAKE__REGION": "eu-central-1"}).require_lake()
    assert caught.value.message == "not set: FALCOLAKE_LAKE__BUCKET, FALCOLAKE_LAKE__ACCOUNT_ID"
    load(environment=LAKE).require_lake()


def test_warnings_name_what_is_probably_not_meant() -> None:
    settings = load(
        environment=SASL
        | {
            "FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "FALCOLAKE_WINDOW__INTERVAL": "60",
            "FALCOLAKE_STAGING__MAX_BYTES": "300MB",
        }
    )
    interval, staging, protocol = settings.warnings()
    assert "5 minutes" in interval
    assert "FALCOLAKE_STAGING__MAX_BYTES" in staging
    assert "unencrypted" in protocol


def test_falcosidekick_security_is_understood() -> None:
    settings = load(
        environment={
            "KAFKA_SASL": "SCRAM_SHA256",
            "KAFKA_TLS": "true",
            "KAFKA_USERNAME": "falco",
            "KAFKA_PASSWORD": "hunter2",
            "AWS_SECURITYLAKE_PREFIX": "/ext/falco-custom/",
            "AWS_SECURITYLAKE_INTERVAL": "10",
        }
    )
    assert settings.kafka.security_protocol == "SASL_SSL"
    assert settings.kafka.sasl_mechanism == "SCRAM-SHA-256"
    assert settings.lake.prefix == "ext/falco-custom"
    assert settings.window.interval == 600
    assert load(environment={"KAFKA_TLS": "true"}).kafka.security_protocol == "SSL"


def test_what_of_falcosidekick_is_not_taken_is_said() -> None:
    left = {"AWS_ACCESSKEYID": "key", "AWS_SECRETACCESSKEY": "hunter2", "KAFKA_TSL": "true"}
    said = load(environment={"AWS_SECURITYLAKE_BUCKET": "lake", **left}).warnings()
    assert [words.split()[0] for words in said] == list(left)
    assert "hunter2" not in " ".join(said)
    assert load(environment=left).warnings() == []  # nothing says that they are falcosidekick's


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAKE__ENDPOINT_URL", "https://user:hunter2@s3.example.com"),
        ("KAFKA__BOOTSTRAP_SERVERS", "broker-0,user:hunter2@broker-1:9092"),
    ],
)
def test_a_password_in_a_place_is_refused_and_not_repeated(name: str, value: str) -> None:
    error = refusal({f"FALCOLAKE_{name}": value})
    assert "***@" in error.message
    assert "hunter2" not in error.message + error.hint


@pytest.mark.parametrize("content", [b"[kafka", b"[kafka]\ntopic = x", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "falcolake.toml").write_bytes(content)
    assert "falcolake.toml" in refusal({}).message


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    assert "nowhere.toml" in refusal({}, tmp_path / "nowhere.toml").message
    assert "nowhere.toml" in refusal({"FALCOLAKE_CONFIG": "nowhere.toml"}).message
    assert str(tmp_path) in refusal({}, tmp_path).message


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    settings = load(environment=SASL)
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "hunter2"
    shown = [repr(settings), str(settings), repr(list(settings_text.rows(settings)))]
    for wrong in ("SASL_PASSWORD__X", "SASL_PASWORD"):
        error = refusal({f"FALCOLAKE_KAFKA__{wrong}": "hunter2"})
        shown += [error.message, error.hint]
    error = refusal({"FALCOLAKE_KAFKA__SASL_PASSWORD": "hunter2"})
    shown += [error.message, error.hint, repr(error)]
    (tmp_path / "falcolake.toml").write_text('[[kafka]]\nsasl_password = "hunter2"\n')
    shown.append(repr(refusal({})))
    (tmp_path / "falcolake.toml").write_text('sasl_password = "hunter2"\n')
    shown.append(repr(refusal({})))
    assert not [text for text in shown if "hunter2" in text]


def test_settings_made_in_code_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCOLAKE_KAFKA__TOPIC", "other")
    assert Settings().kafka.topic == "falco-events"
    assert load().kafka.topic == "other"


def test_the_example_file_loads_and_has_every_setting(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text(settings_text.toml())
    settings = load(environment={})
    settings.require_lake()
    required = {
        "bucket": "my-security-lake",
        "region": "eu-central-1",
        "account_id": "123456789012",
    }
    assert settings.model_dump() == Settings(lake=required).model_dump()
    for name, _ in fields():
        assert f"{name.partition('.')[2]} = " in settings_text.toml()


@pytest.mark.parametrize("name", [name for name, _ in fields()])
def test_the_example_of_every_setting_is_right(name: str, tmp_path: Path) -> None:
    """A setting that belongs to others is given together with them."""
    together = {
        "kafka.sasl_": {"kafka.security_protocol": "SASL_SSL", "kafka.sasl_username": "u"},
        "kafka.ssl_": {"kafka.security_protocol": "SSL", "kafka.ssl_cert_file": "c.pem"},
        "lake.external_id": {"lake.role_arn": "arn:aws:iam::123456789012:role/r"},
    }
    others = next((more for start, more in together.items() if name.startswith(start)), {})
    if name.startswith("kafka.sasl_"):
        others = others | {"kafka.sasl_password": "p"}
    field = dict(fields())[name]
    values = others | {name: f"{example(field)}"}
    settings = load(environment={variable(key): value for key, value in values.items()})
    assert settings.origin(name).source == "environment"


def test_every_setting_is_described_and_secrets_are_known() -> None:
    assert all(field.description for _, field in fields())
    assert {name for name, field in fields() if secret(field)} == {
        "kafka.sasl_password",
        "kafka.ssl_key_password",
    }


@given(
    st.dictionaries(
        st.sampled_from([variable(name) for name, _ in fields()]), st.text(min_size=1), max_size=5
    )
)
def test_any_text_in_the_environment_is_settings_or_misconfigured(
    environment: dict[str, str],
) -> None:
    try:
        load(environment=environment)
    except Misconfigured as error:
        assert error.message


def test_the_example_is_toml_whatever_is_uncommented() -> None:
    lines = [
        line.removeprefix("# ") if " = " in line else line
        for line in settings_text.toml().splitlines()
    ]
    values = tomllib.loads("\n".join(line for line in lines if " = " in line or "[" in line[:1]))
    assert {f"{section}.{key}" for section, group in values.items() for key in group} == {
        name for name, _ in fields()
    }
