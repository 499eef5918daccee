"""The project's broker as a process: start, stop, what it refuses, what cannot bring it down."""

import random
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.errors import TransactionalIdAuthorizationFailedError
from kafka.protocol.consumer import JoinGroupRequest
from kafka.protocol.metadata import ApiVersionsRequest, ApiVersionsResponse
from kafka.protocol.producer import EndTxnRequest, EndTxnResponse

from tests.streams.embedded.raw_kafka import (
    BrokerProcess,
    Connect,
    RawClient,
    StartBroker,
    build_batch,
)
from tests.waiting import wait_until


def run_broker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.embedded.broker", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def api_keys(raw: RawClient) -> set[int]:
    request = ApiVersionsRequest(client_software_name="t", client_software_version="1")
    return {api.api_key for api in raw.call(request, ApiVersionsResponse, 3).api_keys}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(
    start_broker: StartBroker, connect: Connect, number: int
) -> None:
    broker = start_broker()
    assert broker.ready_line == f"ready 127.0.0.1:{broker.port}\n"
    raw = connect(broker.bootstrap)
    raw.create_topic("t")
    raw.send_fetch("t", 0, max_wait_ms=60_000, min_bytes=1)
    assert broker.stop(number) == (0, "")


def test_it_stops_with_the_one_who_started_it(start_broker: StartBroker) -> None:
    broker = start_broker()
    broker.end_input()
    assert broker.wait() == (0, "")


def test_its_port_can_be_used_again_at_once(start_broker: StartBroker, connect: Connect) -> None:
    broker = start_broker()
    raw = connect(broker.bootstrap)
    assert api_keys(raw)
    broker.stop()
    again = start_broker(port=broker.port)
    assert again.port == broker.port
    assert api_keys(connect(again.bootstrap))


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    refused = run_broker("--port", "0", "--data", str(tmp_path), "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "not a loopback address" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_broker("--port", str(port), "--data", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}")


def test_help_says_what_it_is_not() -> None:
    text = " ".join(run_broker("--help").stdout.split())
    assert "no replication, no transactions, no security" in text


def test_connections_leave_nothing_behind(start_broker: StartBroker, connect: Connect) -> None:
    files = Path("/proc")
    if not files.exists():
        pytest.skip("counts open files in /proc")
    broker = start_broker()
    files = files / str(broker.pid) / "fd"
    raw = connect(broker.bootstrap)
    raw.create_topic("t")
    before = len(list(files.iterdir()))
    host, port = "127.0.0.1", broker.port
    for _ in range(10):
        opened = [socket.create_connection((host, port)) for _ in range(300)]
        for number, one in enumerate(opened):
            if number % 3 == 0:
                one.sendall(b"\0\0\0\x50\0\1")  # a frame that is never completed
        waiting = connect(broker.bootstrap)
        waiting.send_fetch("t", 0, max_wait_ms=600_000, min_bytes=1)
        joining = connect(broker.bootstrap)
        send_join(joining)
        for one in [*opened, waiting.socket, joining.socket]:
            one.close()
    wait_until(lambda: len(list(files.iterdir())) <= before)
    assert api_keys(raw)
    assert broker.stop() == (0, "")


def send_join(raw: RawClient) -> None:
    protocol = JoinGroupRequest.JoinGroupRequestProtocol(name="range", metadata=b"")
    request = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=60_000,
        rebalance_timeout_ms=60_000,
        protocol_type="consumer",
        protocols=[protocol],
    )
    raw.send(request, 3)


@pytest.mark.parametrize("length", [-1, 0, 100 * 1024 * 1024 + 1, 2**31 - 1])
def test_an_absurd_frame_length_closes_that_connection_only(
    embedded_broker: BrokerProcess, connect: Connect, length: int
) -> None:
    other, absurd = connect(embedded_broker.bootstrap), connect(embedded_broker.bootstrap)
    absurd.socket.sendall(struct.pack(">i", length) + b"x")
    with pytest.raises((EOFError, ConnectionResetError)):
        absurd.receive_frame()
    assert api_keys(other)


def test_random_bytes_never_bring_it_down(start_broker: StartBroker, connect: Connect) -> None:
    broker = start_broker()
    generator = random.Random(7)
    keys = sorted(api_keys(connect(broker.bootstrap)))
    for _ in range(300):
        raw = connect(broker.bootstrap)
        body = struct.pack(
            ">hhi", generator.choice(keys), generator.randrange(-1, 12), 1
        ) + generator.randbytes(generator.randrange(80))
        raw.socket.sendall(struct.pack(">i", len(body)) + body)
        raw.socket.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not raw.socket.recv(65536):
                    break
            except ConnectionResetError:
                break
        raw.close()
    assert api_keys(connect(broker.bootstrap)) == set(keys)
    code, errors = broker.stop()
    assert code == 0
    assert "Traceback" not in errors, errors


def test_a_request_cut_anywhere_never_brings_it_down(
    embedded_broker: BrokerProcess, connect: Connect
) -> None:
    raw = connect(embedded_broker.bootstrap)
    raw.create_topic("cut")
    frames: list[bytes] = []
    real = raw.socket
    raw.socket = Recorder(frames)  # type: ignore[assignment]
    with pytest.raises(EOFError):
        raw.produce("cut", build_batch(b"value"))
    raw.socket = real
    whole = frames[0][4:]
    for end in range(1, len(whole), 3):
        part = connect(embedded_broker.bootstrap)
        part.socket.sendall(struct.pack(">i", end) + whole[:end])
        part.socket.shutdown(socket.SHUT_WR)
        part.close()
    assert raw.list_offset("cut", -1).offset == 0
    assert raw.produce("cut", build_batch(b"value")).base_offset == 0


class Recorder:
    """Replaces a socket to record a request's bytes."""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = frames

    def sendall(self, data: bytes) -> None:
        self.frames.append(bytes(data))

    def recv(self, count: int) -> bytes:
        return b""


def test_an_api_it_does_not_have_is_refused_with_kafkas_code(
    embedded_broker: BrokerProcess, connect: Connect
) -> None:
    raw = connect(embedded_broker.bootstrap)
    request = EndTxnRequest(transactional_id="t", producer_id=1, producer_epoch=0, committed=True)
    assert raw.call(request, EndTxnResponse, 1).error_code == 35
    assert api_keys(raw)


def test_an_unknown_api_closes_that_connection_only(
    embedded_broker: BrokerProcess, connect: Connect
) -> None:
    raw = connect(embedded_broker.bootstrap)
    raw.socket.sendall(struct.pack(">ihhi", 8, 9999, 0, 1))
    with pytest.raises((EOFError, ConnectionResetError)):
        raw.receive_frame()
    assert api_keys(connect(embedded_broker.bootstrap))


def test_a_transactional_producer_is_refused_at_once(embedded_broker: BrokerProcess) -> None:
    producer = KafkaProducer(
        bootstrap_servers=embedded_broker.bootstrap, transactional_id="t", max_block_ms=10_000
    )
    with pytest.raises(TransactionalIdAuthorizationFailedError):
        producer.init_transactions()
    producer.close(1)


def test_records_past_their_retention_time_are_deleted(
    embedded_broker: BrokerProcess, connect: Connect
) -> None:
    raw = connect(embedded_broker.bootstrap)
    raw.create_topic("aged", 1, {"retention.ms": "1000"})
    for _ in range(3):
        raw.produce("aged", build_batch(b"old", timestamps=[1_000]))
    wait_until(lambda: raw.list_offset("aged", -2).offset == 3)
    assert raw.fetch("aged", 0).error_code == 1
    assert raw.produce("aged", build_batch(b"new")).base_offset == 3


def test_a_partition_past_its_retention_size_loses_its_oldest_segments(
    embedded_broker: BrokerProcess, connect: Connect
) -> None:
    raw = connect(embedded_broker.bootstrap)
    config = {"retention.bytes": "3000", "segment.bytes": "1000"}
    raw.create_topic("large", 1, config)
    for _ in range(10):
        raw.produce("large", build_batch(b"x" * 900))
    wait_until(lambda: raw.list_offset("large", -2).offset > 0)
    assert 5 <= raw.list_offset("large", -2).offset <= 8
    assert raw.list_offset("large", -1).offset == 10
    assert raw.fetch("large", 9).error_code == 0
