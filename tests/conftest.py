"""What all tests share: one embedded stack, and names on it that are unique to each test.

The stack starts when the first test asks for it and stops with the session. Tests that stop, kill
or damage a server start their own. With `--broker apache` the stacks run Apache Kafka, and their
tests fail where it is not available; without that option no test needs Java.
"""

import itertools
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args

import pytest
from hypothesis import HealthCheck, settings

from streams.embedded.s3 import S3Server
from streams.embedded.stack import BrokerName, EmbeddedStack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Examples are not timed: on a busy machine any of them can be slow.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


class LakeEnvironment(Protocol):
    """Makes an environment for a worker or a command: see the fixture `lake_environment`."""

    def __call__(
        self, topic: str | None = None, bucket: str | None = None, **settings: object
    ) -> dict[str, str]: ...


class Spawn(Protocol):
    """Starts a process: see the fixture `spawn`."""

    def __call__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        stdin: int | None = None,
    ) -> "subprocess.Popen[str]": ...


#: Folders whose files take longest: they come first, so that none runs alone at the end.
SLOWEST = ("flow", "embedded", "staging", "audit", "replay", "worker", "commands")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=get_args(BrokerName),
        default="embedded",
        help="the Kafka of the stacks and of the conformance tests",
    )
    parser.addoption(
        "--fault-seed",
        type=int,
        default=None,
        help="which pairs of faults the matrix samples; a new seed each time by default",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the tests of Apache Kafka itself unless it is the broker."""
    of_apache = collection_path.name in {
        "test_adopt.py",
        "test_apache.py",
        "test_log_transactions_contract.py",
        "test_security.py",
        "test_transactions.py",
    }
    return (of_apache and config.getoption("broker") != "apache") or None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("broker") == "embedded":
        terminalreporter.write_line(
            "Apache Kafka was not tested: that needs Java 17 and Maven, and is `make test-kafka`."
        )
    if "not chromium" in config.getoption("markexpr"):
        terminalreporter.write_line(
            "The status page was not tested: that needs Chromium, and is `make test-page`."
        )
    for name, total in _counted(terminalreporter).items():
        terminalreporter.write_line(f"{name}: {total}")


def _counted(terminalreporter: pytest.TerminalReporter) -> Counter[str]:
    """Add up the `record_property` values of the passed tests."""
    counted = Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            counted[name] += value
    return counted


def pytest_configure() -> None:
    """Restore signals that a shell ignores for background jobs, since children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep this machine's own settings and AWS credentials out of every test."""
    nowhere = tmp_path_factory.mktemp("aws") / "none"
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "FALCOLAKE_")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(nowhere))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_ACCESS_KEY_ID", S3Server.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", S3Server.secret_access_key)
        patch.setenv("AWS_DEFAULT_REGION", S3Server.region)
        yield


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """`spawn(command, environment)`: a process with pipes of text, killed with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        stdin: int | None = None,
    ) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, env=environment
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> BrokerName:
    """The Kafka that the stacks run."""
    return pytestconfig.getoption("broker")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, broker: BrokerName) -> Iterator[EmbeddedStack]:
    """The session's broker and S3 server. Do not stop them."""
    with EmbeddedStack(tmp_path_factory.mktemp("stack"), broker=broker) as running:
        yield running


@pytest.fixture(scope="session")
def kafka_bootstrap(stack: EmbeddedStack) -> str:
    """The session's broker, `host:port`."""
    return stack.kafka_bootstrap


@pytest.fixture(scope="session")
def s3_client(stack: EmbeddedStack) -> "S3Client":
    """A boto3 client of the session's S3 server."""
    return stack.s3.client()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def make_name(request: pytest.FixtureRequest, _numbers: Iterator[int]) -> Callable[[], str]:
    """Make names that no other test uses, valid for topics, groups and buckets."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).removeprefix("test-")[:40]
    return lambda: f"{words.strip('-')}-{next(_numbers)}"


@pytest.fixture
def make_topic(stack: EmbeddedStack, make_name: Callable[[], str]) -> Callable[..., str]:
    """`make_topic(partitions=4)`: a new topic, with its control and dead-letter topics."""

    def make(partitions: int = 4) -> str:
        name = make_name()
        stack.create_topic(name, partitions)
        return name

    return make


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    """A new topic of four partitions, with its control and dead-letter topics."""
    return make_topic()


@pytest.fixture
def make_bucket(stack: EmbeddedStack, make_name: Callable[[], str]) -> Callable[[], str]:
    """`make_bucket()`: a new, empty bucket."""

    def make() -> str:
        name = make_name()
        stack.s3.create_bucket(name)
        return name

    return make


@pytest.fixture
def bucket(make_bucket: Callable[[], str]) -> str:
    """A new, empty bucket."""
    return make_bucket()


@pytest.fixture
def lake_environment(
    request: pytest.FixtureRequest, stack: EmbeddedStack, tmp_path: Path
) -> LakeEnvironment:
    """`lake_environment(topic=None, bucket=None, **settings)`: the environment of a process.

    By default with the test's own `topic` and `bucket`, and staging under its `tmp_path`. Settings
    by their name without the prefix: `lake_environment(WINDOW__INTERVAL=1)`.
    """

    def make(
        topic: str | None = None, bucket: str | None = None, **settings: object
    ) -> dict[str, str]:
        topic = topic or request.getfixturevalue("topic")
        bucket = bucket or request.getfixturevalue("bucket")
        return {
            **os.environ,
            **stack.environment(topic, bucket),
            "FALCOLAKE_STAGING__PATH": str(tmp_path / "staging"),
            **{f"FALCOLAKE_{name}": str(value) for name, value in settings.items()},
        }

    return make
