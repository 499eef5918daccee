"""How every part of falcolake reaches Kafka, and what Kafka's errors mean to a person.

Owns the connection options of both clients (kafka-python for commands, aiokafka under Faust for the
worker), so that TLS and SASL work alike in both. Errors of either library become `Unavailable` or
`Misconfigured` here and nowhere else. Holds no state; nothing is connected at import.
"""

import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.kafka import msk
from streams.settings.settings import Settings, variable

if TYPE_CHECKING:
    from faust.auth import Credentials
    from kafka import KafkaAdminClient

CLIENT_ID = "falcolake"
MSK_IAM = "AWS_MSK_IAM"
# kafka-python's own is 30 s: long for somebody who mistyped a port.
BOOTSTRAP_TIMEOUT_MS = 10_000

# By name: kafka-python and aiokafka have a class each for most of these.
REFUSED = {
    "AuthenticationFailedError",
    "AuthenticationMethodNotSupported",
    "IllegalSaslStateError",
    "SaslAuthenticationFailed",
    "SaslAuthenticationFailedError",
    "UnsupportedSaslMechanismError",
}
#: How OpenSSL says that we do not trust the broker, or that it does not trust us.
UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "Handshake failed")
CERTIFICATE_REFUSED = ("ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "CERTIFICATE_REQUIRED")
LATELY = 60.0  # seconds; what was logged before has been mended since
OUT_OF_TIME = {"KafkaTimeoutError", "RequestTimedOutError"}
#: Errors that say no more than that.
NO_CONNECTION = {*OUT_OF_TIME, "KafkaConnectionError", "NoBrokersAvailable", "NodeNotReadyError"}
UNKNOWN_TOPIC = {"InvalidTopicError", "UnknownTopicOrPartitionError"}
WRONG = {
    "InvalidGroupIdError": "kafka.group_id",
    "InvalidSessionTimeoutError": "kafka.session_timeout",
    "KafkaConfigurationError": "kafka.security_protocol",
    "UnsupportedVersionError": "kafka.security_protocol",
}


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
        raise Misconfigured(
            f"cannot use {variable(f'kafka.{setting}')}={getattr(kafka, setting)}: {error}",
            "it must be a readable PEM file, its key must belong to it, and the password be right",
        ) from None
    return context


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Give the keyword arguments of an aiokafka client for these settings."""
    options = _options(settings)
    if settings.kafka.sasl_mechanism == MSK_IAM:
        options |= _by_token(msk.async_provider(msk.region(settings)))
    return options


def _by_token(provider: object) -> dict[str, Any]:
    return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": provider}


def _options(settings: Settings) -> dict[str, Any]:
    """Give what both libraries take alike."""
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


def client_options(settings: Settings) -> dict[str, Any]:
    """Give the keyword arguments that kafka-python's admin, consumer and producer share."""
    options = _options(settings) | {"bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS}
    if settings.kafka.sasl_mechanism == MSK_IAM:
        options |= _by_token(msk.provider(msk.region(settings)))
    return options


def broker_urls(settings: Settings, scheme: str = "kafka") -> list[str]:
    """Give the brokers as URLs, for Faust."""
    return [f"{scheme}://{server}" for server in settings.kafka.servers]


def broker_credentials(settings: Settings) -> "Credentials | None":
    """Give the same security to Faust; None for PLAINTEXT."""
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


@contextmanager
def admin(settings: Settings) -> "Iterator[KafkaAdminClient]":
    """Open an admin client; Kafka's errors inside the block become falcolake's."""
    from kafka import KafkaAdminClient

    with translate(settings), KafkaAdminClient(**client_options(settings)) as client:
        yield client


@contextmanager
def translate(settings: Settings) -> Iterator[None]:
    """Turn kafka-python's errors inside the block into Unavailable or Misconfigured.

    While it runs, kafka-python's log goes nowhere: what it says is in the error.
    """
    from kafka.errors import KafkaError

    logger = logging.getLogger("kafka")
    propagate = logger.propagate
    logger.propagate = False
    try:
        with overheard("kafka") as reasons:
            yield
    except KafkaError as error:
        raise translated(reasons.behind(error), settings) from error
    finally:
        logger.propagate = propagate


@contextmanager
def overheard(library: str) -> "Iterator[Reasons]":
    """Listen to the log of kafka-python ("kafka") or of "aiokafka".

    A client that cannot connect retries until its time is up, and only logs why.
    """
    logger, reasons = logging.getLogger(library), Reasons()
    logger.addHandler(reasons)
    try:
        yield reasons
    finally:
        logger.removeHandler(reasons)


class Reasons(logging.Handler):
    """Keeps the error that tells most of those that were logged lately, and of equals the last."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found: Exception = Exception()
        self._since = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, Exception) and _tells(argument) >= self._worth():
                self._found, self._since = argument, time.monotonic()

    def _worth(self) -> int:
        return _tells(self._found) if time.monotonic() - self._since < LATELY else 0

    def behind(self, error: Exception) -> Exception:
        """Give what was logged, if it tells more than that there is no connection."""
        return self._found if _names(error) & NO_CONNECTION and self._worth() else error


def _tells(error: Exception) -> int:
    """Rank an error by how much it helps: refused, TLS, another, out of time."""
    names, said = _names(error), _said(error)
    if names & REFUSED:
        return 3
    if any(sign in said for sign in (*UNTRUSTED, *CERTIFICATE_REFUSED)):
        return 2
    return 0 if names & OUT_OF_TIME or type(error) is Exception else 1


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "; ".join(str(argument) for argument in error.args) or type(error).__name__


def translated(error: Exception, settings: Settings) -> FalcolakeError:
    """Say what an error of kafka-python or aiokafka means, and what to try."""
    kafka = settings.kafka
    names, said = _names(error), _said(error)
    at = f"Kafka at {kafka.bootstrap_servers}"
    if names & REFUSED:
        return Misconfigured(
            f"{at} refuses to sign in {kafka.sasl_username or 'with AWS credentials'}: {said}",
            f"check {variable('kafka.sasl_username')}, {variable('kafka.sasl_password')} "
            f"and {variable('kafka.sasl_mechanism')} (now {kafka.sasl_mechanism})",
        )
    if any("Authorization" in name for name in names):
        return Misconfigured(
            f"{at} does not allow this: {said}",
            f"grant the user the rights on topic {kafka.topic} and group {kafka.group_id}",
        )
    if names & UNKNOWN_TOPIC:
        return unknown_topic(settings)
    if wrong := names & WRONG.keys():
        return Misconfigured(
            f"{at} does not accept the settings: {said}", f"check {variable(WRONG[wrong.pop()])}"
        )
    if any(sign in said for sign in (*UNTRUSTED, *CERTIFICATE_REFUSED)):
        return Misconfigured(f"no TLS connection with {at}: {said}", _tls_hint(said))
    return Unavailable(f"{at} does not answer: {said}", _connection_hint(settings))


def _connection_hint(settings: Settings) -> str:
    """Say what to check where Kafka says nothing; kafka-python also loses what it said of SASL."""
    kafka, more = settings.kafka, ""
    if kafka.security_protocol.startswith("SASL"):
        sign_in = (variable(f"kafka.sasl_{name}") for name in ("username", "password", "mechanism"))
        more += f"; if it refuses to sign {kafka.sasl_username} in, {', '.join(sign_in)}"
    if kafka.security_protocol.endswith("SSL"):
        more += f"; if it asks for a client's certificate, {variable('kafka.ssl_cert_file')}"
    return (
        f"check that it runs, and {variable('kafka.bootstrap_servers')} "
        f"and {variable('kafka.security_protocol')} (now {kafka.security_protocol}){more}"
    )


def _tls_hint(said: str) -> str:
    if any(sign in said for sign in CERTIFICATE_REFUSED):
        return (
            f"it asks for a client's certificate that it trusts: check "
            f"{variable('kafka.ssl_cert_file')} and {variable('kafka.ssl_key_file')}"
        )
    if "not valid for" in said:
        return (
            "its certificate must name the host that it is called by; "
            f"{variable('kafka.ssl_check_hostname')}=false does without"
        )
    return f"check {variable('kafka.security_protocol')} and {variable('kafka.ssl_ca_file')}"


def unknown_topic(settings: Settings, which: str = "topic") -> Misconfigured:
    """Say that a topic does not exist; `which` is the setting that names it, below kafka."""
    kafka = settings.kafka
    return Misconfigured(
        f"there is no topic {getattr(kafka, which)} in Kafka at {kafka.bootstrap_servers}",
        f"create it, or correct {variable(f'kafka.{which}')}",
    )
