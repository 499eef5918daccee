"""A broker as a process, a client that speaks raw Kafka requests, and record batches for it."""

import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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

PATIENCE = 20


class BrokerProcess:
    """A broker in its own process."""

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
        """Close its standard input, as the parent's death does."""
        self.process.stdin.close()
        self.process.stdin = None

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it; return its exit code and standard error."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


class RawClient:
    """One connection; the test decides when to send requests and receive responses."""

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

    def produce(self, topic: str, batch: bytes, *, partition: int = 0, acks: int = -1) -> Any:
        """Return the answer for the partition."""
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

    def receive_fetch(self) -> Any:
        """Return the answer for the partition."""
        return self.receive(FetchResponse, 11).responses[0].partitions[0]

    def fetch(self, topic: str, offset: int, **options: int) -> Any:
        self.send_fetch(topic, offset, **options)
        return self.receive_fetch()

    def list_offset(self, topic: str, timestamp: int, *, partition: int = 0) -> Any:
        """Return the answer for the partition."""
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
        """Return the error code."""
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


def build_batch(
    *values: bytes,
    timestamps: list[int] | None = None,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    gzip: bool = False,
) -> bytes:
    """Return one record batch as a producer would send it."""
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


StartBroker = Callable[..., BrokerProcess]
Connect = Callable[[str], RawClient]
