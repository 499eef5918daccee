"""falcosidekick's variables: what is taken, what is ignored."""

from streams.settings import falcosidekick
from streams.settings.load import load
from streams.settings.settings import fields
from tests.streams.settings.conftest import refusal


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


def test_a_wrong_value_of_falcosidekick_is_named_as_there() -> None:
    assert refusal({"AWS_SECURITYLAKE_ACCOUNTID": "1"}).message.startswith(
        "AWS_SECURITYLAKE_ACCOUNTID is '1': "
    )


def test_every_variable_is_a_setting() -> None:
    known = {name for name, _ in fields()}
    assert {name for name, _ in falcosidekick.PLAIN.values()} <= known
    assert list(falcosidekick.translate({"KAFKA_TOPIC": "t", "KAFKA_HOSTPORT": ""})) == [
        ("kafka.topic", "KAFKA_TOPIC", "t")
    ]
