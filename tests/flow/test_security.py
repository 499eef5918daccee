"""SASL and TLS against real listeners of Apache Kafka: worker and commands alike.

For `pytest --broker apache` only: the project's own broker has no security.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ACLOperation, ResourceType

from streams.embedded.stack import EmbeddedStack
from streams.errors import FalcolakeError
from streams.kafka import status
from streams.settings.load import load
from tests.certificates import Authority
from tests.conftest import LakeEnvironment
from tests.flow.conftest import FAST
from tests.flow.secure_kafka import PASSWORD, SecureKafka
from tests.flow.worlds import GARBAGE, Worker, World, alert, assert_exactly_once
from tests.waiting import wait_until

FALCO = {"KAFKA__SASL_USERNAME": "falco", "KAFKA__SASL_PASSWORD": PASSWORD}
KEY_PASSWORD = "opensesame-of-the-key"

Settings = dict[str, object]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def stranger(authority: Authority) -> Authority:
    """A certificate authority that nobody trusts."""
    return Authority(authority.directory, "stranger")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[SecureKafka]:
    with SecureKafka(tmp_path_factory.mktemp("secure"), authority) as kafka:
        kafka.add_users()
        yield kafka


@pytest.fixture(scope="module")
def ways(secure: SecureKafka, authority: Authority) -> dict[str, Settings]:
    """Settings for each way to connect, by its name."""
    client = authority.issue("client", password=KEY_PASSWORD)
    trust = {"KAFKA__SSL_CA_FILE": authority.certificate}
    scram = {"KAFKA__SECURITY_PROTOCOL": "SASL_SSL", **FALCO, **trust}
    found: dict[str, tuple[str, Settings]] = {
        "plain": ("PLAIN", {"KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT", **FALCO}),
        "scram-256": ("SCRAM", scram | {"KAFKA__SASL_MECHANISM": "SCRAM-SHA-256"}),
        "scram-512": ("SCRAM", scram | {"KAFKA__SASL_MECHANISM": "SCRAM-SHA-512"}),
        "tls": ("TLS", {"KAFKA__SECURITY_PROTOCOL": "SSL", **trust}),
        "mutual": (
            "MTLS",
            {
                "KAFKA__SECURITY_PROTOCOL": "SSL",
                **trust,
                "KAFKA__SSL_CERT_FILE": client.certificate,
                "KAFKA__SSL_KEY_FILE": client.key,
                "KAFKA__SSL_KEY_PASSWORD": KEY_PASSWORD,
            },
        ),
        "other-name": (
            "OTHERNAME",
            {"KAFKA__SECURITY_PROTOCOL": "SSL", **trust, "KAFKA__SSL_CHECK_HOSTNAME": "false"},
        ),
    }
    return {
        name: {"KAFKA__BOOTSTRAP_SERVERS": secure.at(listener), **settings}
        for name, (listener, settings) in found.items()
    }


@pytest.fixture
def environment(
    secure: SecureKafka,
    make_name: Callable[[], str],
    bucket: str,
    lake_environment: LakeEnvironment,
) -> Callable[[Settings], dict[str, str]]:
    """Return an environment with its own topic on the secure Kafka."""
    topic = make_name()
    secure.ensure_topics({topic: 3, f"{topic}.control": 1, f"{topic}.dead-letter": 3})

    def make(settings: Settings) -> dict[str, str]:
        return lake_environment(topic, bucket, **{**FAST, "KAFKA__GROUP_ID": topic, **settings})

    return make


@pytest.fixture
def make_world(
    secure: SecureKafka, stack: EmbeddedStack, tmp_path: Path
) -> Iterator[Callable[[dict[str, str]], World]]:
    """Return the world of an environment; it observes through the listener without security."""
    made: list[World] = []

    def make(variables: dict[str, str]) -> World:
        topic, bucket = variables["FALCOLAKE_KAFKA__TOPIC"], variables["FALCOLAKE_LAKE__BUCKET"]
        s3 = stack.s3.client()
        made.append(World(secure.bootstrap, topic, s3, bucket, variables, tmp_path))
        return made[-1]

    yield make
    for world in made:
        world.close()


def falcolake(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def doctors(environment: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return what `doctor` says, by check."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(falcolake(environment, "doctor", "--json").stdout)["checks"]:
        found.setdefault(each["check"], []).append(each)
    return found


WAYS = ["plain", "scram-256", "scram-512", "tls", "mutual", "other-name"]


@pytest.mark.parametrize("way", WAYS)
def test_worker_and_commands_connect_alike(
    way: str,
    ways: dict[str, Settings],
    environment: Callable[[Settings], dict[str, str]],
    make_world: Callable[[dict[str, str]], World],
) -> None:
    variables = environment(ways[way])
    produced = falcolake(variables, "produce", "--count", "50", "--garbage", "0.1")
    assert produced.returncode == 0, produced.stderr
    levels = {each["level"] for found in doctors(variables).values() for each in found}
    assert levels <= {"good", "warning"}
    world = make_world(variables)
    worker = world.worker().start()
    world.wait_until_shipped()
    shown = json.loads(falcolake(variables, "status", "--json").stdout)
    assert (shown["lag"], shown["group_state"]) == (0, "stable")
    audit = falcolake(variables, "audit", "--json")
    assert json.loads(audit.stdout)["problems"] == []
    said = worker.tail_all() + produced.stderr + audit.stdout + audit.stderr
    assert not [each for each in ("Traceback", PASSWORD, KEY_PASSWORD) if each in said]


def test_exactly_once_through_scram_and_tls(
    ways: dict[str, Settings],
    environment: Callable[[Settings], dict[str, str]],
    make_world: Callable[[dict[str, str]], World],
) -> None:
    world = make_world(environment(ways["scram-512"]))
    world.publish([alert(n) for n in range(2000)] + [GARBAGE] * 5)
    first = world.worker("first").start()
    world.wait_until_shipped()
    first.kill()
    world.publish([alert(n) for n in range(2000, 3000)])
    world.worker("second").start()
    world.wait_until_shipped()
    assert_exactly_once(world, range(3000), rejects=5)


# The signer's token is for MSK; this Kafka takes one that says who it is, unsigned (RFC 7515, A.5).
WITH_TOKEN = """
import base64, json, sys, time
from streams import clock
from streams.kafka import msk

def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

def token(region):
    now = clock.now_ns() / 1e9
    claims = {"sub": "falco", "iat": now - 1, "exp": now + 600}
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."

msk.token = token
import cli
cli.app(prog_name="falcolake")
"""


def test_a_token_of_aws_s_signer_goes_where_kafka_asks_for_it(
    secure: SecureKafka,
    authority: Authority,
    environment: Callable[[Settings], dict[str, str]],
    make_world: Callable[[dict[str, str]], World],
) -> None:
    """Everything but the token is real: OAUTHBEARER over TLS, for commands and worker."""
    variables = environment(
        {
            "KAFKA__BOOTSTRAP_SERVERS": secure.at("OAUTH"),
            "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA__SASL_MECHANISM": "AWS_MSK_IAM",
            "KAFKA__SSL_CA_FILE": authority.certificate,
        }
    )

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", WITH_TOKEN, *arguments],
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    produced = run("produce", "--count", "40", "--garbage", "0.1")
    assert produced.returncode == 0, produced.stderr
    world = make_world(variables)
    worker = subprocess.Popen([sys.executable, "-c", WITH_TOKEN, "worker"], env=variables)
    try:
        world.wait_until_shipped()
        assert json.loads(run("status", "--json").stdout)["group_state"] == "stable"
        assert json.loads(run("audit", "--json").stdout)["problems"] == []
    finally:
        worker.kill()
        worker.wait()


NO_CERTIFICATE = dict.fromkeys(
    ("KAFKA__SSL_CERT_FILE", "KAFKA__SSL_KEY_FILE", "KAFKA__SSL_KEY_PASSWORD"), ""
)
STRANGER = dict.fromkeys(("KAFKA__SSL_CERT_FILE", "KAFKA__SSL_KEY_FILE"), "stranger")


@pytest.mark.parametrize(
    ("way", "changes", "named"),
    [
        ("plain", {"KAFKA__SASL_PASSWORD": "wrong-password"}, "SASL_PASSWORD"),
        ("plain", {"KAFKA__SASL_MECHANISM": "SCRAM-SHA-512"}, "SASL_MECHANISM"),
        ("scram-256", {"KAFKA__SASL_USERNAME": "nobody"}, "SASL_USERNAME"),
        ("scram-512", {"KAFKA__SASL_PASSWORD": "wrong-password"}, "SASL_PASSWORD"),
        ("tls", {"KAFKA__SSL_CA_FILE": "stranger"}, "SSL_CA_FILE"),
        ("tls", {"KAFKA__SSL_CA_FILE": ""}, "SSL_CA_FILE"),
        ("mutual", STRANGER, "SSL_CERT_FILE"),
        ("mutual", NO_CERTIFICATE, "SSL_CERT_FILE"),
        ("mutual", {"KAFKA__SSL_KEY_PASSWORD": "wrong-password"}, "SSL_CERT_FILE"),
        ("other-name", {"KAFKA__SSL_CHECK_HOSTNAME": "true"}, "SSL_CHECK_HOSTNAME"),
    ],
)
def test_what_is_refused_names_the_setting_and_no_secret(
    way: str,
    changes: Settings,
    named: str,
    ways: dict[str, Settings],
    environment: Callable[[Settings], dict[str, str]],
    stranger: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = stranger.issue("stranger-client", password=KEY_PASSWORD)
    strange = {
        "KAFKA__SSL_CA_FILE": stranger.certificate,
        "KAFKA__SSL_CERT_FILE": identity.certificate,
        "KAFKA__SSL_KEY_FILE": identity.key,
    }
    given = {key: strange[key] if value == "stranger" else value for key, value in changes.items()}
    variables = environment(ways[way] | given)
    worker = Worker(variables, tmp_path / "worker.log").start()
    try:
        soon = {"FALCOLAKE_KAFKA__BOOTSTRAP_TIMEOUT": "2"}
        with pytest.raises(FalcolakeError) as caught:
            status.read(load(environment=variables | soon))
        setting = f"FALCOLAKE_KAFKA__{named}"
        assert setting in caught.value.message + caught.value.hint
        wait_until(lambda: worker.said(setting), 60, f"the worker names {setting}")
    finally:
        worker.end()
    said = worker.tail_all() + caught.value.message + caught.value.hint
    assert "Traceback" not in said
    assert not [each for each in (PASSWORD, KEY_PASSWORD, "wrong-password") if each in said]


def test_a_worker_with_a_wrong_password_ends_and_says_so(
    ways: dict[str, Settings], environment: Callable[[Settings], dict[str, str]]
) -> None:
    done = falcolake(environment(ways["scram-512"] | {"KAFKA__SASL_PASSWORD": "wrong"}), "worker")
    assert "Error: Kafka at" in done.stderr
    assert "refuses to sign in falco" in done.stderr
    assert done.returncode == 2


def test_the_doctor_names_the_rights_that_are_missing(
    ways: dict[str, Settings],
    environment: Callable[[Settings], dict[str, str]],
    secure: SecureKafka,
) -> None:
    variables = environment(ways["plain"] | {"KAFKA__SASL_USERNAME": "limited"})
    topic = variables["FALCOLAKE_KAFKA__TOPIC"]
    describe = (ResourceType.TOPIC, topic, ACLOperation.DESCRIBE)
    secure.allow_only("limited", *describe)
    secure.allow_only("limited", ResourceType.TOPIC, f"{topic}.dead-letter", ACLOperation.READ)
    secure.allow_only("limited", ResourceType.TOPIC, f"{topic}.control", ACLOperation.WRITE)
    secure.allow_only("limited", ResourceType.GROUP, topic, ACLOperation.DESCRIBE)
    secure.allow_only("falco", ResourceType.GROUP, f"{topic}.doctor", ACLOperation.READ)
    found = doctors(variables)
    said = {name: [each["message"] for each in lines] for name, lines in found.items()}
    assert f"no right to READ {topic}" in said["topic"]
    assert found["retention"][0]["message"] == "not checked"
    assert f"no right to WRITE {topic}.dead-letter" in said["dead-letter topic"]
    assert f"no right to READ {topic}.control" in said["control topic"]
    assert found["kafka"][0]["level"] == "good"
