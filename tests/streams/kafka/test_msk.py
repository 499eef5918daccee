"""Signing in to MSK: AWS's own signer makes the token; who asks for it, and for which region."""

import asyncio
import base64
import sys
from urllib.parse import parse_qs, urlsplit

import kafka.errors
import pytest
from faust.auth import OAuthCredentials

from streams.errors import Misconfigured, Unavailable
from streams.kafka import client, errors, msk
from streams.settings.settings import Settings

SERVERS = ",".join(f"b-{n}.lake.abc.c2.kafka.eu-west-1.amazonaws.com:9098" for n in (1, 2))


def settings_of(servers: str = SERVERS, **lake: object) -> Settings:
    connection = {"security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"}
    return Settings(kafka={"bootstrap_servers": servers, **connection}, lake=lake)


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        (settings_of(), "eu-west-1"),
        (settings_of(region="eu-central-1"), "eu-west-1"),
        (settings_of("boot-x.c1.kafka-serverless.us-east-2.amazonaws.com:9098"), "us-east-2"),
        (settings_of("broker.internal:9098", region="eu-central-1"), "eu-central-1"),
    ],
)
def test_the_region_is_that_of_the_brokers_or_the_lake(settings: Settings, region: str) -> None:
    assert msk.region(settings) == region


def test_without_either_the_region_is_asked_for() -> None:
    with pytest.raises(Misconfigured, match="region of the MSK cluster") as caught:
        client.client_options(settings_of("broker.internal:9098"))
    assert "FALCOLAKE_LAKE__REGION" in caught.value.hint


def read(token: str) -> dict[str, list[str]]:
    """What a token says: it is a signed URL."""
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert urlsplit(url).hostname == "kafka.eu-west-1.amazonaws.com"
    return parse_qs(urlsplit(url).query)


def test_every_client_asks_for_a_signed_token_each_time() -> None:
    settings = settings_of()
    command, worker = client.client_options(settings), client.aiokafka_options(settings)
    faust = client.broker_credentials(settings)
    assert isinstance(faust, OAuthCredentials)
    assert faust.protocol.value == command["security_protocol"] == "SASL_SSL"
    assert faust.mechanism.value == command["sasl_mechanism"] == worker["sasl_mechanism"]
    tokens = [
        command["sasl_oauth_token_provider"].token(),
        asyncio.run(worker["sasl_oauth_token_provider"].token()),
        asyncio.run(faust.oauth_cb.token()),
    ]
    for said in map(read, tokens):
        assert said["Action"] == ["kafka-cluster:Connect"]
        assert "/eu-west-1/kafka-cluster/aws4_request" in said["X-Amz-Credential"][0]
        assert said["X-Amz-Signature"]
        assert int(said["X-Amz-Expires"][0]) == 900


def test_without_credentials_or_the_signer_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unavailable, match="cannot sign in to MSK"):
        msk.token("eu-west-1")
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    with pytest.raises(Misconfigured, match="AWS's signer") as caught:
        msk.token("eu-west-1")
    assert "falcolake[msk]" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"security_protocol": "SASL_PLAINTEXT"},
        {"security_protocol": "SASL_SSL", "sasl_username": "falco"},
        {"security_protocol": "SASL_SSL", "sasl_password": "secret"},
    ],
)
def test_a_password_or_no_tls_contradicts_it(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="AWS_MSK_IAM"):
        Settings(kafka={"sasl_mechanism": "AWS_MSK_IAM", **wrong})


@pytest.mark.parametrize(
    "error", [kafka.errors.KafkaTimeoutError(), kafka.errors.SaslAuthenticationFailedError("no")]
)
def test_a_refusal_names_the_aws_credentials_and_no_user(error: Exception) -> None:
    told = errors.translated(error, settings_of())
    assert "None" not in told.message + told.hint
    assert "SASL_USERNAME" not in told.hint
    assert "kafka-cluster:Connect" in told.hint
