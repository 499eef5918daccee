"""What every error of kafka-python and aiokafka becomes, also of a release to come."""

import inspect
import logging
import ssl
from pathlib import Path
from types import ModuleType

import aiokafka.errors
import kafka.errors
import pytest
from kafka import KafkaAdminClient

from streams.errors import Misconfigured, Unavailable
from streams.kafka import client, errors
from streams.kafka.errors import Reasons, explaining, rule, translated, translating
from streams.settings.settings import Settings

#: Which errors no rule is about, by what takes them. A new one of either library fails the test
#: below: decide whether waiting helps, or a person must act; write a rule, or add it to the file.
BY_DEFAULT = Path(__file__).with_name("errors_by_default.txt")

#: Errors of a program that uses a client wrongly: those are ours to fix.
MISUSE = {"ConsumerStoppedError", "IllegalOperation"}


def settings_of(**values: object) -> Settings:
    return Settings(kafka=values)


def errors_of(library: ModuleType) -> list[Exception]:
    """An error of each class that a library's module of errors has."""
    found = []
    for kind in vars(library).values():
        if inspect.isclass(kind) and issubclass(kind, Exception):
            error = kind.__new__(kind)
            error.args = ("the reason",)
            found.append(error)
    return found


EVERY = errors_of(kafka.errors) + errors_of(aiokafka.errors)


def test_every_class_of_both_libraries_is_known_as_kafkas() -> None:
    assert len(EVERY) > 250
    foreign = {type(error).__name__ for error in EVERY if not errors.is_kafkas(error)}
    assert foreign == MISUSE


def test_every_error_has_a_rule_and_the_default_takes_only_those_it_is_meant_for() -> None:
    taken: dict[str, set[str]] = {}
    for error in EVERY:
        if errors.is_kafkas(error):
            taken.setdefault(rule(error).__name__, set()).add(type(error).__name__)
    for line in BY_DEFAULT.read_text().splitlines():
        taker, _, names = line.partition(": ")
        assert taken[taker] == {*names.split()}, taker


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_every_error_names_the_brokers_and_says_what_to_try(protocol: str) -> None:
    settings = settings_of(bootstrap_servers="broker:1", security_protocol=protocol)
    for error in EVERY:
        found = translated(error, settings)
        assert "broker:1" in found.message, error
        assert found.hint, error


def test_what_a_person_must_change_is_never_waited_for() -> None:
    lasting = ("Authorization", "Authentication", "UnknownTopicOrPartition", "InvalidTopic")
    for error in EVERY:
        if any(word in type(error).__name__ for word in lasting):
            assert isinstance(translated(error, settings_of()), Misconfigured), error


def test_the_topic_in_question_is_the_one_that_is_named() -> None:
    settings = settings_of(topic="alerts", dead_letter_topic="dead")
    missing = kafka.errors.UnknownTopicOrPartitionError()
    with (
        pytest.raises(Misconfigured, match="there is no topic dead") as caught,
        translating(settings, topic="dead_letter_topic"),
    ):
        raise missing
    assert "FALCOLAKE_KAFKA__DEAD_LETTER_TOPIC" in caught.value.hint
    denied = translated(aiokafka.errors.TopicAuthorizationFailedError(), settings)
    assert "topic alerts" in denied.hint


def test_other_errors_pass_unless_they_are_asked_for() -> None:
    with pytest.raises(BrokenPipeError), translating(settings_of()):
        raise BrokenPipeError
    with (
        pytest.raises(Unavailable, match="no answer in time") as caught,
        translating(settings_of(), TimeoutError),
    ):
        raise TimeoutError
    assert caught.value.hint


def test_an_error_of_a_broker_keeps_its_name() -> None:
    found = translated(kafka.errors.PolicyViolationError("too many"), settings_of())
    assert "PolicyViolationError: too many" in found.message
    assert "broker's log" in found.hint


def test_an_error_of_the_connection_is_not_logged_but_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings_of(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(Unavailable) as caught, explaining(settings):
        KafkaAdminClient(**client.client_options(settings, 300))
    assert caught.value.message.endswith("does not answer: Connection refused")
    assert caplog.records == []
    assert logging.getLogger("kafka").propagate


def logged(reasons: Reasons, *errors: Exception) -> None:
    for error in errors:
        record = logging.LogRecord("kafka", logging.ERROR, "", 0, "%s: %s", ("node", error), None)
        reasons.emit(record)


def test_the_reason_that_tells_most_is_kept() -> None:
    refused = kafka.errors.SaslAuthenticationFailedError("who are you")
    untrusted = ssl.SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    closed = kafka.errors.KafkaConnectionError("socket disconnected")
    late = kafka.errors.KafkaTimeoutError("out of time")
    reasons = Reasons()
    assert reasons.behind(late) is late
    for error in (closed, untrusted, refused):
        logged(reasons, late, error, closed, late)
        assert reasons.behind(late) is error
    unrelated = kafka.errors.UnknownTopicOrPartitionError()
    assert reasons.behind(unrelated) is unrelated


def test_a_reason_from_before_is_forgotten() -> None:
    reasons, late = Reasons(lately=0.0), kafka.errors.KafkaTimeoutError()
    logged(reasons, kafka.errors.SaslAuthenticationFailedError("that was yesterday"))
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
    found = translated(error, settings_of(security_protocol="SSL"))
    assert isinstance(found, Misconfigured)
    assert named in found.hint


@pytest.mark.parametrize(
    "alert", ["SSLV3_ALERT_BAD_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED"]
)
def test_a_refused_client_certificate_names_it(alert: str) -> None:
    error = kafka.errors.KafkaConnectionError(ssl.SSLError(1, f"[SSL: {alert}] alert"))
    found = translated(error, settings_of(security_protocol="SSL"))
    assert isinstance(found, Misconfigured)
    assert "SSL_CERT_FILE" in found.hint
