"""What the broker's tests share: brokers to talk to, a client that speaks raw requests.

The conformance tests (`test_conformance_*.py`) hold for the project's broker and for Apache Kafka:
with `--broker apache` they run on that.
"""

import contextlib
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.protocol.admin import CreateTopicsRequest, CreateTopicsResponse
from kafka.protocol.api_message import ApiMessage
from kafka.protocol.consumer import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
)
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.record.memory_records import MemoryRecordsBuilder

from streams.embedded.stack import BrokerName

PATIENCE = 20


class BrokerProcess:
    """A broker in a process of its own."""

    def __init__(self, data: Path, *arguments: str, port: int = 0) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streams.embedded.broker", "--data", str(data)),
                *("--port", str(port), "--stop-with-parent", *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        self.bootstrap = self.ready_line.removeprefix("ready ").strip()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.bootstrap.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end_input(self) -> None:
        """What its parent's death looks like to it."""
        self.process.stdin.close()
        self.process.stdin = None

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """(exit code, what it wrote to standard error)."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


class RawClient:
    """One connection; requests are sent and responses received when the test says so."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)

    def send(self, request: ApiMessage, version: int) -> None:
        request.API_VERSION = version
        request.with_header(correlation_id=7, client_id="raw")
        self.socket.sendall(request.encode(header=True, framed=True))

    def receive(self, response: type[ApiMessage], version: int) -> ApiMessage:
        return response.decode(self.receive_frame(), version=version, header=True)

    def receive_frame(self) -> bytes:
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError("the broker closed the connection")
            data += more
        return data

    def call(self, request: ApiMessage, response: type[ApiMessage], version: int) -> ApiMessage:
        self.send(request, version)
        return self.receive(response, version)

    def close(self) -> None:
        self.socket.close()

    def produce(self, topic: str, batch: bytes, *, partition: int = 0, acks: int = -1):
        """The answer for the one partition."""
        answer = self.call(
            ProduceRequest(
                acks=acks,
                timeout_ms=5000,
                topic_data=[
                    ProduceRequest.TopicProduceData(
                        name=topic,
                        partition_data=[
                            ProduceRequest.TopicProduceData.PartitionProduceData(
                                index=partition, records=batch
                            )
                        ],
                    )
                ],
            ),
            ProduceResponse,
            8,
        )
        return answer.responses[0].partition_responses[0]

    def send_fetch(
        self,
        topic: str,
        offset: int,
        *,
        partition: int = 0,
        max_wait_ms: int = 0,
        min_bytes: int = 0,
        max_bytes: int = 1 << 20,
    ) -> None:
        self.send(
            FetchRequest(
                max_wait_ms=max_wait_ms,
                min_bytes=min_bytes,
                max_bytes=max_bytes,
                topics=[
                    FetchRequest.FetchTopic(
                        topic=topic,
                        partitions=[
                            FetchRequest.FetchTopic.FetchPartition(
                                partition=partition,
                                fetch_offset=offset,
                                partition_max_bytes=max_bytes,
                            )
                        ],
                    )
                ],
            ),
            11,
        )

    def receive_fetch(self):
        """The answer for the one partition."""
        return self.receive(FetchResponse, 11).responses[0].partitions[0]

    def fetch(self, topic: str, offset: int, **options: int):
        self.send_fetch(topic, offset, **options)
        return self.receive_fetch()

    def list_offset(self, topic: str, timestamp: int, *, partition: int = 0):
        """The answer for the one partition."""
        answer = self.call(
            ListOffsetsRequest(
                replica_id=-1,
                topics=[
                    ListOffsetsRequest.ListOffsetsTopic(
                        name=topic,
                        partitions=[
                            ListOffsetsRequest.ListOffsetsTopic.ListOffsetsPartition(
                                partition_index=partition, timestamp=timestamp
                            )
                        ],
                    )
                ],
            ),
            ListOffsetsResponse,
            7,
        )
        return answer.topics[0].partitions[0]

    def create_topic(
        self, name: str, partitions: int = 1, config: dict[str, str] | None = None
    ) -> int:
        """The error code."""
        topic = CreateTopicsRequest.CreatableTopic
        answer = self.call(
            CreateTopicsRequest(
                topics=[
                    topic(
                        name=name,
                        num_partitions=partitions,
                        replication_factor=1,
                        assignments=[],
                        configs=[
                            topic.CreatableTopicConfig(name=key, value=value)
                            for key, value in (config or {}).items()
                        ],
                    )
                ],
                timeout_ms=5000,
            ),
            CreateTopicsResponse,
            4,
        )
        return answer.topics[0].error_code


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
def start_broker(tmp_path: Path) -> Iterator[Callable[..., BrokerProcess]]:
    """Starts brokers on the test's own data directory; none is left behind."""
    started: list[BrokerProcess] = []

    def start(*arguments: str, data: Path = tmp_path / "data", port: int = 0) -> BrokerProcess:
        started.append(BrokerProcess(data, *arguments, port=port))
        return started[-1]

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def connect() -> Iterator[Callable[[str], RawClient]]:
    """Opens raw connections to a bootstrap address."""
    with contextlib.ExitStack() as clients:

        def open_client(bootstrap: str) -> RawClient:
            client = RawClient(bootstrap)
            clients.callback(client.close)
            return client

        yield open_client


@pytest.fixture
def raw(kafka_bootstrap: str, connect: Callable[[str], RawClient]) -> RawClient:
    """A raw connection to the broker under test."""
    return connect(kafka_bootstrap)


@pytest.fixture
def make_topic(raw: RawClient, kafka_bootstrap: str) -> Callable[..., str]:
    """Creates a topic that no other test uses, and waits until it has leaders."""

    def make(partitions: int = 1, **config: str) -> str:
        name = f"t-{uuid.uuid4().hex[:12]}"
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        assert raw.create_topic(name, partitions, dotted) == 0
        wait_for(lambda: raw.list_offset(name, -1).error_code == 0)
        return name

    return make


@pytest.fixture
def group() -> str:
    """A group id that no other test uses."""
    return f"g-{uuid.uuid4().hex[:12]}"


def wait_for(condition: Callable[[], object], patience: float = PATIENCE) -> object:
    """What `condition` returns once that is true; asks again until then."""
    deadline = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return result


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[..., object]:
    return wait_for


def build_batch(
    *values: bytes,
    timestamps: list[int] | None = None,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    gzip: bool = False,
) -> bytes:
    """One record batch as a producer would send it."""
    builder = MemoryRecordsBuilder(
        magic=2,
        compression_type=1 if gzip else 0,
        batch_size=1 << 24,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
    )
    times = timestamps or [int(time.time() * 1000)] * len(values)
    for number, value in enumerate(values):
        builder.append(timestamp=times[number], key=None, value=value)
    builder.close()
    return bytes(builder.buffer())


@pytest.fixture(scope="session", name="build_batch")
def build_batch_fixture() -> Callable[..., bytes]:
    return build_batch
