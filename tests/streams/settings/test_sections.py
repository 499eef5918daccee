"""The sections: defaults, and settings that do not fit together."""

from pathlib import Path

import pytest

from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.settings import fields, secret
from tests.streams.settings.conftest import refusal


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
    assert (settings.receive.host, settings.receive.port) == ("127.0.0.1", 2801)
    assert settings.warnings() == []


def test_the_topics_of_a_topic_follow_its_name() -> None:
    settings = load(environment={"FALCOLAKE_KAFKA__TOPIC": "alerts"})
    assert settings.kafka.control_topic == "alerts.control"
    assert settings.kafka.dead_letter_topic == "alerts.dead-letter"


def test_a_topic_too_long_for_its_companions_is_refused() -> None:
    message = refusal({"FALCOLAKE_KAFKA__TOPIC": "t" * 245}).message
    assert message.startswith("FALCOLAKE_KAFKA__CONTROL_TOPIC is 'ttt")


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


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TOKEN": "two words"}, "TOKEN"),
        ({"TOKEN": "gehe\u00efm"}, "TOKEN"),
        ({"TLS_KEY": "key.pem"}, "TLS_KEY"),
        ({"TLS_CLIENT_CA": "ca.pem"}, "TLS_CLIENT_CA"),
        ({"MAX_REQUEST_BYTES": "40MB"}, "MAX_BYTES_IN_FLIGHT"),
    ],
)
def test_what_a_receiver_cannot_work_with_is_refused(
    environment: dict[str, str], named: str
) -> None:
    given_settings = {f"FALCOLAKE_RECEIVE__{name}": value for name, value in environment.items()}
    message = refusal(given_settings).message
    assert message.startswith(f"FALCOLAKE_RECEIVE__{named}: ")
    assert environment.get("TOKEN", "never shown") not in message


def test_an_empty_token_in_a_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text('[receive]\ntoken = ""\n')
    with pytest.raises(Misconfigured, match=r"receive\.token in falcolake\.toml: "):
        load(environment={})


def test_an_external_id_without_a_role_is_refused() -> None:
    error = refusal({"FALCOLAKE_LAKE__EXTERNAL_ID": "falco"})
    assert "role_arn" in error.message


def test_every_setting_is_described_and_secrets_are_known() -> None:
    assert all(field.description for _, field in fields())
    assert {name for name, field in fields() if secret(field)} == {
        "kafka.sasl_password",
        "kafka.ssl_key_password",
        "receive.token",
    }
