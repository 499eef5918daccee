"""What the broker's tests share: brokers, raw connections and topics.

The conformance tests (`test_conformance_*.py`) hold for the project's broker and for Apache Kafka:
with `--broker apache` they run on that.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.embedded.stack import BrokerName
from tests.streams.embedded.raw_kafka import BrokerProcess, Connect, RawClient, StartBroker
from tests.waiting import wait_until


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker for every test that does not stop or damage it."""
    broker = BrokerProcess(tmp_path_factory.mktemp("broker"), "--default-partitions", "2")
    yield broker
    code, errors = broker.stop()
    assert code == 0, errors
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest, broker: BrokerName) -> str:
    """The bootstrap address of the broker that the conformance tests run on."""
    if broker == "apache":
        return request.getfixturevalue("stack").kafka_bootstrap
    return request.getfixturevalue("embedded_broker").bootstrap


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Starts brokers on the test's own data directory; none is left behind."""
    started: list[BrokerProcess] = []

    def start(*arguments: str, data: Path = tmp_path / "data", port: int = 0) -> BrokerProcess:
        started.append(BrokerProcess(data, *arguments, port=port))
        return started[-1]

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens raw connections to a bootstrap address."""
    with contextlib.ExitStack() as clients:

        def open_client(bootstrap: str) -> RawClient:
            client = RawClient(bootstrap)
            clients.callback(client.close)
            return client

        yield open_client


@pytest.fixture
def raw(kafka_bootstrap: str, connect: Connect) -> RawClient:
    """A raw connection to the broker under test."""
    return connect(kafka_bootstrap)


@pytest.fixture
def make_topic(raw: RawClient, kafka_bootstrap: str) -> Callable[..., str]:
    """Creates a topic that no other test uses, and waits until it has leaders."""

    def make(partitions: int = 1, **config: str) -> str:
        name = f"t-{uuid.uuid4().hex[:12]}"
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        assert raw.create_topic(name, partitions, dotted) == 0
        wait_until(lambda: raw.list_offset(name, -1).error_code == 0)
        return name

    return make


@pytest.fixture
def group() -> str:
    """A group id that no other test uses."""
    return f"g-{uuid.uuid4().hex[:12]}"
