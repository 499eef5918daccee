"""The types of settings: what is accepted, and how a wrong value is refused."""

import pytest

from streams.settings.load import load
from tests.streams.settings.conftest import refusal


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


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LAKE__ACCOUNT_ID", "12", "12 digits"),
        ("LAKE__ACCOUNT_ID", "external_", "external_ and an id"),
        ("LAKE__ACCOUNT_ID", "external_a/b", "external_ and an id"),
        ("LAKE__ACCOUNT_ID", "external_ü", "external_ and an id"),
        ("LAKE__ACCOUNT_ID", "internal", "external"),
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
        ("WINDOW__MAX_BYTES", "5GiB", "at most 1500000000"),
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


@pytest.mark.parametrize("account", ["012345678901", "external", "external_gcp-project.1_a"])
def test_an_account_has_twelve_digits_or_is_outside_aws(account: str) -> None:
    environment = {"FALCOLAKE_LAKE__ACCOUNT_ID": account}
    assert load(environment=environment).lake.account_id == account


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
