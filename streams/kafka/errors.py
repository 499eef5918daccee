"""What the errors of kafka-python and aiokafka mean to a person. They are translated only here.

Each library has its own class for most errors, under the same name, so rules go by names, and
neither library is loaded. An error that no rule names counts as `unanswered`: wait, and try again.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.errors import FalcolakeError, Misconfigured, Unavailable, in_words
from streams.settings.settings import Settings, variable

SIGN_IN = {
    "AuthenticationFailedError",
    "AuthenticationMethodNotSupported",
    "IllegalSaslStateError",
    "SaslAuthenticationFailed",
    "SaslAuthenticationFailedError",
    "UnacceptableCredentialError",
    "UnsupportedSaslMechanismError",
}
#: How OpenSSL says that we do not trust the broker, or that it does not trust us.
UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "Handshake failed")
CERTIFICATE_REFUSED = ("ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "CERTIFICATE_REQUIRED")
OUT_OF_TIME = {"KafkaTimeoutError", "RequestTimedOutError"}
#: Errors that say no more than that.
NO_CONNECTION = {*OUT_OF_TIME, "KafkaConnectionError", "NoBrokersAvailable", "NodeNotReadyError"}
UNKNOWN_TOPIC = {"InvalidTopicError", "UnknownTopicOrPartitionError"}
SETTINGS = {
    "InvalidGroupIdError": "kafka.group_id",
    "InvalidSessionTimeoutError": "kafka.session_timeout",
    "KafkaConfigurationError": "kafka.security_protocol",
    "UnsupportedVersionError": "kafka.security_protocol",
}

#: Turns what an error said, the settings, and the setting that names the topic into our error.
Rule = Callable[[Exception, Settings, str], FalcolakeError]


@contextmanager
def translating(
    settings: Settings,
    *also: type[Exception],
    topic: str = "topic",
    reasons: "Reasons | None" = None,
) -> Iterator[None]:
    """Turn Kafka's errors inside the block, and those of the types in `also`, into falcolake's.

    `topic` is the setting, below kafka, that names the topic in question. `reasons` may know more
    than an error that only says that there is no connection.
    """
    try:
        yield
    except Exception as error:
        if not (is_kafkas(error) or isinstance(error, also)):
            raise
        told = error if reasons is None else reasons.behind(error)
        raise translated(told, settings, topic) from error


@contextmanager
def explaining(settings: Settings) -> Iterator[None]:
    """Translate as `translating` does, with the reasons that kafka-python only logs.

    Meanwhile its log goes nowhere else. That log belongs to the whole process: use this in one
    thread at a time.
    """
    logger = logging.getLogger("kafka")
    propagate = logger.propagate
    logger.propagate = False
    try:
        with overheard("kafka") as reasons, translating(settings, reasons=reasons):
            yield
    finally:
        logger.propagate = propagate


def is_kafkas(error: BaseException) -> bool:
    """Return whether an error is one of kafka-python or aiokafka."""
    return "KafkaError" in _names(error)


def is_forbidden(error: BaseException) -> bool:
    """Return whether Kafka says that this user lacks a right."""
    return is_kafkas(error) and any("Authorization" in name for name in _names(error))


def for_code(code: int, said: str) -> Exception:
    """Build kafka-python's error for a code in a broker's answer."""
    from kafka.errors import for_code

    error: Exception = for_code(code)(said)
    return error


def translated(error: Exception, settings: Settings, topic: str = "topic") -> FalcolakeError:
    """Return what an error of kafka-python or aiokafka means, and what to try."""
    return rule(error)(error, settings, topic)


def rule(error: Exception) -> Rule:
    """Choose the rule for an error."""
    names, said = _names(error), in_words(error)
    if names & SIGN_IN:
        return sign_in_refused
    if is_forbidden(error):
        return forbidden
    if names & UNKNOWN_TOPIC:
        return no_such_topic
    if names & SETTINGS.keys():
        return settings_refused
    if any(sign in said for sign in (*UNTRUSTED, *CERTIFICATE_REFUSED)):
        return no_tls
    if "BrokerResponseError" in names and not getattr(error, "retriable", False):
        return refused
    return unanswered


def sign_in_refused(error: Exception, settings: Settings, topic: str) -> Misconfigured:
    """Kafka does not know the user, or not this way to sign in."""
    kafka = settings.kafka
    user = kafka.sasl_username or "with AWS credentials"
    return Misconfigured(
        f"{_at(settings)} refuses to sign in {user}: {in_words(error)}",
        f"check {_what_signs_in(settings)} (now {kafka.sasl_mechanism})",
    )


def _what_signs_in(settings: Settings) -> str:
    """Return what to check if Kafka does not let this user in."""
    mechanism = variable("kafka.sasl_mechanism")
    if settings.kafka.sasl_username is None:
        return f"the AWS credentials, their right kafka-cluster:Connect, and {mechanism}"
    names = (variable(f"kafka.sasl_{name}") for name in ("username", "password"))
    return f"{', '.join(names)} and {mechanism}"


def forbidden(error: Exception, settings: Settings, topic: str) -> Misconfigured:
    """The user lacks a right."""
    kafka = settings.kafka
    return Misconfigured(
        f"{_at(settings)} does not allow this: {in_words(error)}",
        f"grant the user the rights on topic {getattr(kafka, topic)} and group {kafka.group_id}",
    )


def no_such_topic(error: Exception, settings: Settings, topic: str) -> Misconfigured:
    """The topic does not exist."""
    return unknown_topic(settings, topic)


def unknown_topic(settings: Settings, topic: str = "topic") -> Misconfigured:
    """Build the error for a topic that does not exist; `topic` is its setting, below kafka."""
    return Misconfigured(
        f"there is no topic {getattr(settings.kafka, topic)} in {_at(settings)}",
        f"create it, or correct {variable(f'kafka.{topic}')}",
    )


def settings_refused(error: Exception, settings: Settings, topic: str) -> Misconfigured:
    """A setting has a value that the broker or the client does not take."""
    wrong = SETTINGS[(_names(error) & SETTINGS.keys()).pop()]
    return Misconfigured(
        f"{_at(settings)} does not accept the settings: {in_words(error)}",
        f"check {variable(wrong)}",
    )


def no_tls(error: Exception, settings: Settings, topic: str) -> Misconfigured:
    """One side does not trust the other's certificate."""
    said = in_words(error)
    return Misconfigured(f"no TLS connection with {_at(settings)}: {said}", _tls_hint(said))


def refused(error: Exception, settings: Settings, topic: str) -> Unavailable:
    """A broker answered with an error that no other rule names."""
    name = type(error).__name__
    said = in_words(error)
    return Unavailable(
        f"{_at(settings)} refuses: {said if name in said else f'{name}: {said}'}",
        f"look for {name} in the broker's log, and try again",
    )


def unanswered(error: Exception, settings: Settings, topic: str) -> Unavailable:
    """Kafka cannot be reached, or not now: the default."""
    return Unavailable(
        f"{_at(settings)} does not answer: {in_words(error)}", _connection_hint(settings)
    )


def no_answer(what: str, error: Exception) -> Unavailable:
    """Build the error for something that a worker asked of Kafka in vain, and will ask again."""
    return Unavailable(
        f"cannot {what}: {in_words(error)}",
        "nothing is lost, and it is tried again; if it lasts, look into the broker's log",
    )


def _at(settings: Settings) -> str:
    return f"Kafka at {settings.kafka.bootstrap_servers}"


def _connection_hint(settings: Settings) -> str:
    """Return what to check where Kafka gives no reason; kafka-python also loses those of SASL."""
    kafka, more = settings.kafka, ""
    if kafka.security_protocol.startswith("SASL"):
        who = kafka.sasl_username or "this role"
        more += f"; if it refuses to sign {who} in, {_what_signs_in(settings)}"
    if kafka.security_protocol.endswith("SSL"):
        more += f"; if it asks for a client certificate, {variable('kafka.ssl_cert_file')}"
    return (
        f"check that it runs, and {variable('kafka.bootstrap_servers')} "
        f"and {variable('kafka.security_protocol')} (now {kafka.security_protocol}){more}"
    )


def _tls_hint(said: str) -> str:
    if any(sign in said for sign in CERTIFICATE_REFUSED):
        return (
            f"it asks for a client certificate that it trusts: check "
            f"{variable('kafka.ssl_cert_file')} and {variable('kafka.ssl_key_file')}"
        )
    if "not valid for" in said:
        return (
            "its certificate must name the host in the address; "
            f"{variable('kafka.ssl_check_hostname')}=false turns this check off"
        )
    return f"check {variable('kafka.security_protocol')} and {variable('kafka.ssl_ca_file')}"


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
    """Keeps the most telling error that was logged lately, and of equals the last.

    What was logged more than `lately` seconds ago has been fixed since.
    """

    def __init__(self, lately: float = 60.0) -> None:
        super().__init__(logging.WARNING)
        self._lately = lately
        self._found: Exception = Exception()
        self._since = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, Exception) and _worth(argument) >= self._kept():
                self._found, self._since = argument, time.monotonic()

    def _kept(self) -> int:
        return _worth(self._found) if time.monotonic() - self._since < self._lately else 0

    def behind(self, error: Exception) -> Exception:
        """Return what was logged, if `error` only says that there is no connection."""
        return self._found if _names(error) & NO_CONNECTION and self._kept() else error


def _worth(error: Exception) -> int:
    """Rank an error by how much it helps: refused, TLS, another, out of time."""
    names, said = _names(error), in_words(error)
    if names & SIGN_IN:
        return 3
    if any(sign in said for sign in (*UNTRUSTED, *CERTIFICATE_REFUSED)):
        return 2
    return 0 if names & OUT_OF_TIME or type(error) is Exception else 1


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
