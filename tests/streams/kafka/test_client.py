"""Connection options, and TLS against a real server."""

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection, create_server

import pytest
from faust.auth import SASLCredentials, SSLCredentials

from streams.errors import FalcolakeError, Misconfigured
from streams.kafka import client
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
    options = client.client_options(settings)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["security_protocol"] == "PLAINTEXT"
    assert options["ssl_context"] is None
    assert not [name for name in options if name.startswith("sasl")]
    assert client.broker_credentials(settings) is None
    assert client.broker_urls(settings) == ["kafka://a:1", "kafka://b:2"]


def test_worker_and_commands_sign_in_alike() -> None:
    settings = settings_of(security_protocol="SASL_SSL", **SIGN_IN)
    options = client.client_options(settings)
    credentials = client.broker_credentials(settings)
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == options["security_protocol"] == "SASL_SSL"
    assert credentials.mechanism.value == options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert credentials.username == options["sasl_plain_username"] == "falco"
    assert credentials.password == options["sasl_plain_password"] == "secret"
    assert credentials.ssl_context is not None
    assert options["ssl_context"] is not None


def test_sasl_without_tls_stays_without() -> None:
    credentials = client.broker_credentials(
        settings_of(security_protocol="SASL_PLAINTEXT", **SIGN_IN)
    )
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == "SASL_PLAINTEXT"


def test_tls_alone_is_ssl_for_the_worker_too() -> None:
    credentials = client.broker_credentials(settings_of(security_protocol="SSL"))
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.check_hostname


def test_mutual_tls_with_the_given_files(
    authority: Authority, identity: Identity, tls_server: int
) -> None:
    context = client.tls(
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
    tls_server: int,
) -> None:
    settings = settings_of(bootstrap_servers=f"localhost:{tls_server}", security_protocol="SSL")
    with pytest.raises(Misconfigured) as caught, client.open_admin(settings, 500):
        pass
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
    assert "FALCOLAKE_KAFKA__SSL_CA_FILE" in caught.value.hint


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_key_without_its_password_is_refused(identity: Identity, password: str | None) -> None:
    with pytest.raises(Misconfigured) as caught:
        client.tls(
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
        client.tls(settings_of(security_protocol="SSL", ssl_ca_file=tmp_path / "no.pem"))
    assert "no.pem" in caught.value.message
    assert "FALCOLAKE_KAFKA__SSL_CA_FILE" in caught.value.message


def test_a_broker_without_sasl_is_a_clear_error(kafka_bootstrap: str) -> None:
    settings = settings_of(
        bootstrap_servers=kafka_bootstrap, security_protocol="SASL_PLAINTEXT", **SIGN_IN
    )
    with pytest.raises(FalcolakeError) as caught, client.open_admin(settings, 500):
        pass
    assert kafka_bootstrap in caught.value.message
    assert caught.value.hint
