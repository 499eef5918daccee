"""Connection options, TLS against a real server, and what every Kafka error is turned into."""

import logging
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection, create_server

import aiokafka.errors
import kafka.errors
import pytest
from faust.auth import SASLCredentials, SSLCredentials
from kafka import KafkaAdminClient

from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.kafka import client as ours
from streams.settings.settings import Settings
from tests.certificates import Authority, Identity

SIGN_IN = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "falco", "sasl_password": "secret"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Identity:
    return authority.issue("localhost", "localhost", password="opensesame")


@pytest.fixture
def tls_server(authority: Authority, identity: Identity) -> Iterator[int]:
    """The port of a server that asks clients for a certificate, and then says hello."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(identity.certificate, identity.key, "opensesame")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed: the test is over
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.sendall(b"hello")
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(2)
        listener.close()
        thread.join()


def settings_of(**values: object) -> Settings:
    return Settings(kafka=values)


def test_plaintext_needs_nothing_else() -> None:
    settings = settings_of(bootstrap_servers="a:1,b:2")
    options = ours.client_options(settings)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["security_protocol"] == "PLAINTEXT"
    assert options["ssl_context"] is None
    assert not [name for name in options if name.startswith("sasl")]
    assert ours.broker_credentials(settings) is None
    assert ours.broker_urls(settings) == ["kafka://a:1", "kafka://b:2"]


def test_worker_and_commands_sign_in_alike() -> None:
    settings = settings_of(security_protocol="SASL_SSL", **SIGN_IN)
    options = ours.client_options(settings)
    credentials = ours.broker_credentials(settings)
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == options["security_protocol"] == "SASL_SSL"
    assert credentials.mechanism.value == options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert credentials.username == options["sasl_plain_username"] == "falco"
    assert credentials.password == options["sasl_plain_password"] == "secret"
    assert credentials.ssl_context is not None
    assert options["ssl_context"] is not None


def test_sasl_without_tls_stays_without() -> None:
    credentials = ours.broker_credentials(
        settings_of(security_protocol="SASL_PLAINTEXT", **SIGN_IN)
    )
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == "SASL_PLAINTEXT"


def test_tls_alone_is_ssl_for_the_worker_too() -> None:
    credentials = ours.broker_credentials(settings_of(security_protocol="SSL"))
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.check_hostname


def test_mutual_tls_with_the_given_files(
    authority: Authority, identity: Identity, tls_server: int
) -> None:
    context = ours.tls(
        settings_of(
            security_protocol="SSL",
            ssl_ca_file=authority.certificate,
            ssl_cert_file=identity.certificate,
            ssl_key_file=identity.key,
            ssl_key_password="opensesame",
        )
    )
    assert context is not None
    with (
        create_connection(("127.0.0.1", tls_server)) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secure,
    ):
        assert secure.recv(5) == b"hello"


def test_a_server_that_is_not_trusted_is_a_matter_of_settings(
    tls_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "BOOTSTRAP_TIMEOUT_MS", 500)
    settings = settings_of(bootstrap_servers=f"localhost:{tls_server}", security_protocol="SSL")
    with pytest.raises(Misconfigured) as caught, ours.admin(settings):
        pass
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
    assert "FALCOLAKE_KAFKA__SSL_CA_FILE" in caught.value.hint


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_key_without_its_password_is_refused(identity: Identity, password: str | None) -> None:
    with pytest.raises(Misconfigured) as caught:
        ours.tls(
            settings_of(
                security_protocol="SSL",
                ssl_cert_file=identity.certificate,
                ssl_key_file=identity.key,
                ssl_key_password=password,
            )
        )
    assert "FALCOLAKE_KAFKA__SSL_CERT_FILE" in caught.value.message
    assert "wrong" not in caught.value.message


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        ours.tls(settings_of(security_protocol="SSL", ssl_ca_file=tmp_path / "no.pem"))
    assert "no.pem" in caught.value.message
    assert "FALCOLAKE_KAFKA__SSL_CA_FILE" in caught.value.message


def test_a_broker_without_sasl_is_a_clear_error(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "BOOTSTRAP_TIMEOUT_MS", 500)
    settings = settings_of(
        bootstrap_servers=kafka_bootstrap, security_protocol="SASL_PLAINTEXT", **SIGN_IN
    )
    with pytest.raises(FalcolakeError) as caught, ours.admin(settings):
        pass
    assert kafka_bootstrap in caught.value.message
    assert caught.value.hint


def all_errors(base: type[Exception]) -> list[type[Exception]]:
    below = [kind for child in base.__subclasses__() for kind in all_errors(child)]
    return [base, *below]


def test_every_error_of_both_libraries_becomes_ours() -> None:
    """Also those of a later release: what by its name does not pass is no `Unavailable`."""
    settings = settings_of(bootstrap_servers="broker:1")
    lasting = ("Authorization", "Authentication", "UnknownTopicOrPartition", "InvalidTopic")
    kinds = all_errors(kafka.errors.KafkaError) + all_errors(aiokafka.errors.KafkaError)
    assert len(kinds) > 200
    for kind in kinds:
        error = kind.__new__(kind)
        error.args = ("the reason",)
        translated = ours.translated(error, settings)
        if any(word in kind.__name__ for word in lasting):
            assert isinstance(translated, Misconfigured), kind
        assert "broker:1" in translated.message, kind
        assert translated.hint, kind


def test_an_error_of_the_connection_is_not_logged_but_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "BOOTSTRAP_TIMEOUT_MS", 300)
    settings = settings_of(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(Unavailable) as caught, ours.translate(settings):
        KafkaAdminClient(**ours.client_options(settings))
    assert "ECONNREFUSED" in caught.value.message
    assert caplog.records == []
    assert logging.getLogger("kafka").propagate


def logged(reasons: ours.Reasons, *errors: Exception) -> None:
    for error in errors:
        record = logging.LogRecord("kafka", logging.ERROR, "", 0, "%s: %s", ("node", error), None)
        reasons.emit(record)


def test_the_reason_that_tells_most_is_kept() -> None:
    refused = kafka.errors.SaslAuthenticationFailedError("who are you")
    untrusted = ssl.SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    closed = kafka.errors.KafkaConnectionError("socket disconnected")
    late = kafka.errors.KafkaTimeoutError("out of time")
    reasons = ours.Reasons()
    assert reasons.behind(late) is late
    for error in (closed, untrusted, refused):
        logged(reasons, late, error, closed, late)
        assert reasons.behind(late) is error
    unrelated = kafka.errors.UnknownTopicOrPartitionError()
    assert reasons.behind(unrelated) is unrelated


def test_a_reason_from_before_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons, late = ours.Reasons(), kafka.errors.KafkaTimeoutError()
    logged(reasons, kafka.errors.SaslAuthenticationFailedError("that was yesterday"))
    monkeypatch.setattr(ours, "LATELY", 0.0)
    assert reasons.behind(late) is late


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("certificate verify failed: IP address mismatch, not valid for '::1'", "CHECK_HOSTNAME"),
        ("certificate verify failed: self-signed certificate", "SSL_CA_FILE"),
    ],
)
def test_what_openssl_says_names_the_setting(said: str, named: str) -> None:
    error = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {said}")
    translated = ours.translated(error, settings_of(security_protocol="SSL"))
    assert isinstance(translated, Misconfigured)
    assert named in translated.hint


@pytest.mark.parametrize(
    "alert", ["SSLV3_ALERT_BAD_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED"]
)
def test_a_refused_client_certificate_names_it(alert: str) -> None:
    error = kafka.errors.KafkaConnectionError(ssl.SSLError(1, f"[SSL: {alert}] alert"))
    translated = ours.translated(error, settings_of(security_protocol="SSL"))
    assert isinstance(translated, Misconfigured)
    assert "SSL_CERT_FILE" in translated.hint
