"""How every part of falcolake reaches Kafka.

Owns the connection options of both clients (kafka-python for commands, aiokafka under Faust for the
worker), so that TLS and SASL work the same in both. Holds no state; nothing connects at import.
"""

import errno
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from streams.errors import Misconfigured, in_words
from streams.kafka import msk
from streams.kafka.errors import explaining, unanswered
from streams.settings.settings import Settings, variable
from streams.terminal import waiting

if TYPE_CHECKING:
    from faust.auth import Credentials
    from kafka import KafkaAdminClient, KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord

    # For those who hold what kafka-python makes and need not import it.
    Admin: TypeAlias = KafkaAdminClient
    Consumer: TypeAlias = KafkaConsumer
    Record: TypeAlias = ConsumerRecord

CLIENT_ID = "falcolake"
MSK_IAM = "AWS_MSK_IAM"
SEND_TIMEOUT = 30  # seconds

#: Seconds for which all brokers must refuse connections until a command gives up.
REFUSED_FOR = 1.0


def tls(settings: Settings) -> ssl.SSLContext | None:
    """Build the TLS context the settings ask for; None for a protocol without TLS.

    Raises:
        Misconfigured: a certificate or key that is not there or does not fit.
    """
    kafka = settings.kafka
    if kafka.security_protocol not in {"SSL", "SASL_SSL"}:
        return None
    setting = "ssl_ca_file"
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
        context.check_hostname = kafka.ssl_check_hostname
        if kafka.ssl_cert_file is not None:
            setting = "ssl_cert_file"
            # An empty password makes OpenSSL fail where None would make it ask on the terminal.
            password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else ""
            context.load_cert_chain(kafka.ssl_cert_file, kafka.ssl_key_file, password)
    except OSError as error:  # ssl.SSLError is one
        named = f"{variable(f'kafka.{setting}')}={getattr(kafka, setting)}"
        raise Misconfigured(
            f"cannot use {named}: {in_words(error)}",
            "use a readable PEM file, with the key that belongs to it and the right password",
        ) from None
    return context


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments of an aiokafka client for these settings."""
    options = _options(settings)
    if settings.kafka.sasl_mechanism == MSK_IAM:
        options |= _by_token(msk.async_provider(msk.region(settings)))
    return options


def _by_token(provider: object) -> dict[str, Any]:
    return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": provider}


def _options(settings: Settings) -> dict[str, Any]:
    """Return what both libraries take."""
    kafka = settings.kafka
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.servers,
        "client_id": CLIENT_ID,
        "security_protocol": kafka.security_protocol,
        "ssl_context": tls(settings),
    }
    if kafka.sasl_password is not None:
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password.get_secret_value(),
        }
    return options


def client_options(settings: Settings, bootstrap_ms: int | None = None) -> dict[str, Any]:
    """Return the keyword arguments that kafka-python's admin, consumer and producer share."""
    bootstrap_ms = bootstrap_ms or int(settings.kafka.bootstrap_timeout * 1000)
    options = _options(settings) | {"bootstrap_timeout_ms": bootstrap_ms}
    if settings.kafka.sasl_mechanism == MSK_IAM:
        options |= _by_token(msk.provider(msk.region(settings)))
    return options


def broker_urls(settings: Settings, scheme: str = "kafka") -> list[str]:
    """Return the brokers as URLs, for Faust."""
    return [f"{scheme}://{server}" for server in settings.kafka.servers]


def broker_credentials(settings: Settings) -> "Credentials | None":
    """Build the same security for Faust; None for PLAINTEXT."""
    from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials

    kafka = settings.kafka
    context = tls(settings)
    if kafka.sasl_mechanism == MSK_IAM:
        signer = msk.async_provider(msk.region(settings))
        return OAuthCredentials(oauth_cb=signer, ssl_context=context)
    if kafka.sasl_password is not None:
        return SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            ssl_context=context,
            mechanism=kafka.sasl_mechanism,
        )
    return SSLCredentials(context) if context is not None else None


def check_refusal(settings: Settings) -> None:
    """Raise Unavailable if every broker refuses connections, and still does a second later.

    The clients would try again in silence, for as long as `kafka.bootstrap_timeout`.
    """
    patience = min(REFUSED_FOR, settings.kafka.bootstrap_timeout)
    until = time.monotonic() + patience
    while all(map(_refuses, settings.kafka.servers)):
        if time.monotonic() >= until:
            refusal = OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            raise unanswered(refusal, settings, "topic")
        time.sleep(patience / 4)


def waiting_for(settings: Settings) -> "AbstractContextManager[None]":
    """Show on a terminal which brokers are waited for."""
    return waiting(f"waiting for Kafka at {settings.kafka.bootstrap_servers}")


def _refuses(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REFUSED_FOR).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # the client finds out what it is
    return False


@contextmanager
def open_admin(settings: Settings, bootstrap_ms: int | None = None) -> "Iterator[Admin]":
    """Open an admin client; Kafka's errors inside the block become falcolake's."""
    from kafka import KafkaAdminClient

    check_refusal(settings)
    with explaining(settings):
        with waiting_for(settings):
            client = KafkaAdminClient(**client_options(settings, bootstrap_ms))
        with client:
            yield client


def send(settings: Settings, topic: str, partition: int, value: bytes) -> int:
    """Write one record to all in-sync replicas; return its offset. Raises kafka-python's errors."""
    from kafka import KafkaProducer

    with KafkaProducer(**client_options(settings), acks="all") as producer:
        sent = producer.send(topic, value, partition=partition)
        return int(sent.get(timeout=SEND_TIMEOUT).offset)
