"""The requests of aiokafka's clients, registered as waits.

aiokafka gives up on a request after a minute or more, and tells nobody that it waits. So each
client that the worker depends on has its connections watched: connecting, and every request with
the partitions it is about. It uses internals of aiokafka where there is no public interface; the
tests cover the range that pyproject.toml pins.
"""

import time
import weakref
from collections.abc import Awaitable, Sequence
from io import BytesIO
from typing import Any, Final

from streams.sizes import in_bytes
from streams.worker.waits import LATER, SOON, Peer
from streams.worker.watch import Watch

HINT: Final = (
    "check that the broker runs, and the way from the worker to it: security group, firewall, "
    "DNS; nothing is lost, and work continues when Kafka answers"
)

#: What a request asks for, by aiokafka's name for it without `Request`.
WORDS: Final = {
    "Fetch": "fetch",
    "FindCoordinator": "find the group's coordinator",
    "Heartbeat": "heartbeat",
    "JoinGroup": "join the group",
    "LeaveGroup": "leave the group",
    "Metadata": "read the cluster's metadata",
    "OffsetCommit": "commit",
    "OffsetFetch": "look up committed offsets",
    "Offset": "look up offsets",
    "Produce": "write",
    "SyncGroup": "synchronize the group",
}

#: Those that the broker answers once the other members of the group have done their part.
TOGETHER: Final = {"JoinGroup", "SyncGroup"}

#: The most partitions to name.
NAMED: Final = 10


def watch_client(watch: Watch, client: Any, longest_rebalance: float = 0.0) -> None:
    """Register what an `AIOKafkaClient` that is not connected yet will wait for.

    A broker may take `longest_rebalance` seconds to answer what needs the whole group.
    """
    bootstrap, connect = client.bootstrap, client._get_conn
    watched: weakref.WeakSet[Any] = weakref.WeakSet()

    async def watched_bootstrap() -> None:
        servers = ", ".join(f"{host}:{port}" for host, port, _ in client.hosts)
        with watch.waiting(_peer(servers), "connect", linger=LATER):
            await bootstrap()

    async def watched_connect(node_id: Any, **options: Any) -> Any:
        peer = _broker(client, node_id)
        with watch.waiting(peer, "connect", linger=SOON) as wait:
            connection = await connect(node_id, **options)
            if connection is None:
                watch.waits.failed(wait, time.monotonic())
            elif connection in watched:
                watch.waits.drop(wait)
        if connection is not None and connection not in watched:
            watched.add(connection)
            _watch_connection(watch, peer, connection, longest_rebalance)
        return connection

    client.bootstrap, client._get_conn = watched_bootstrap, watched_connect


def _watch_connection(watch: Watch, peer: Peer, connection: Any, longest_rebalance: float) -> None:
    """Register each request on a connection. It must stay free to be collected."""
    plain, ref = type(connection).send, weakref.ref(connection)

    def received() -> int:
        """Count the bytes of an answer that is not complete yet."""
        reader = getattr(ref(), "_reader", None)
        return len(getattr(reader, "_buffer", b""))

    def send(request: Any, expect_response: bool = True) -> Awaitable[Any]:
        answer: Awaitable[Any] = plain(ref(), request, expect_response)
        if not expect_response:
            return answer
        name = type(request).__name__.removesuffix("Request")
        extra = longest_rebalance if name in TOGETHER else 0.0
        return registered(answer, describe(request), extra)

    async def registered(answer: Awaitable[Any], what: str, extra: float) -> Any:
        with watch.waiting(peer, what, moved=received, extra=extra, linger=SOON):
            return await answer

    connection.send = send


def describe(request: Any) -> str:
    """Return what a request of aiokafka asks for, of which partitions, with how many bytes."""
    name = type(request).__name__.removesuffix("Request")
    words = WORDS.get(name, name)
    asked = getattr(request, "_topics", None) or getattr(request, "_partitions", None) or ()
    about = [_partitions(*each) for each in asked if isinstance(each, tuple)]
    return " ".join([words, *about])


def _partitions(topic: str, partitions: Sequence[Any]) -> str:
    entries = [each if isinstance(each, tuple) else (each,) for each in partitions]
    numbers = sorted(entry[0] for entry in entries)
    named = ", ".join(map(str, numbers[:NAMED])) + (", …" if len(numbers) > NAMED else "")
    size = sum(_size(part) for entry in entries for part in entry)
    return f"{topic}-[{named}]" + (f" ({in_bytes(size)})" if size else "")


def _size(part: object) -> int:
    """Return the bytes of records; zero for numbers and metadata."""
    if isinstance(part, BytesIO):
        return part.getbuffer().nbytes
    return len(part) if isinstance(part, bytes | bytearray | memoryview) else 0


def _broker(client: Any, node_id: Any) -> Peer:
    known = client.cluster.broker_metadata(node_id)
    return _peer(f"{known.host}:{known.port}" if known is not None else f"broker {node_id}")


def _peer(address: str) -> Peer:
    return Peer("kafka", f"Kafka at {address}", HINT)
