"""The web server's connections: how many there may be, and how long each may be silent.

Strangers may open as many connections as they like; shipping and Kafka need descriptors too. So at
most `MOST` are open, fewer where the process has few descriptors left, and the one that was silent
longest makes room for a new one. A connection that sends no complete request in time is closed.
`asyncio`'s own server does none of this, and logs a hundred lines for each failed accept.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

#: Connections that are open at once. A browser has six, Prometheus and the kubelet one or two.
MOST = 64

#: Seconds in which a new connection must send the head of its first request.
HEAD_TIMEOUT = 10.0

#: Seconds between two requests of a connection: more than Prometheus's usual interval of 60 s.
IDLE_TIMEOUT = 75.0

#: Seconds until the next accept: after one that failed, and after closing one to make room, so that
#: a flood of connections costs little.
RETRY = 1.0
BREATH = 0.002

#: Seconds between two log lines about too many connections or too few descriptors.
SELDOM = 60.0

BACKLOG = 128


class Connections:
    """The open connections of one server; `make` builds the protocol of each."""

    def __init__(
        self,
        make: Callable[[], asyncio.BaseProtocol],
        most: int = MOST,
        head_timeout: float = HEAD_TIMEOUT,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self._make = make
        self._most = most
        self._head_timeout, self._idle_timeout = head_timeout, idle_timeout
        #: In the order in which they last did something, with their socket and their deadline.
        self._open: dict[asyncio.BaseTransport, tuple[socket.socket, asyncio.TimerHandle]] = {}
        self._listening: list[tuple[socket.socket, asyncio.Task[None]]] = []
        self._quiet_until = 0.0

    async def listen(self, host: str, port: int) -> list[tuple[str, int]]:
        """Listen on every address of a host; return the addresses. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        missing = None
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                listening = _bound(family, address)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error  # localhost is also ::1, on machines without IPv6 too
                continue
            task = asyncio.create_task(self._accept(listening), name="web")
            self._listening.append((listening, task))
        if missing is not None and not self._listening:
            raise missing
        return [listening.getsockname()[:2] for listening, _ in self._listening]

    async def stop(self) -> None:
        """Accept no more connections. Those that are open are the protocol's to close."""
        listening, self._listening = self._listening, []
        for each, task in listening:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            each.close()
        for _, deadline in self._open.values():
            deadline.cancel()
        self._open = {}

    def touch(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a connection has sent a request."""
        if transport in self._open:
            connection, deadline = self._open.pop(transport)
            deadline.cancel()
            self._expect(transport, connection, self._idle_timeout)

    def _expect(
        self, transport: asyncio.BaseTransport, connection: socket.socket, seconds: float
    ) -> None:
        """Close a connection unless it does something in so many seconds."""
        deadline = asyncio.get_running_loop().call_later(seconds, self._close, transport)
        self._open[transport] = connection, deadline

    def _close(self, transport: asyncio.BaseTransport) -> None:
        _, deadline = self._open.pop(transport)
        deadline.cancel()
        assert isinstance(transport, asyncio.Transport)
        transport.abort()

    async def _accept(self, listening: socket.socket) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await _readable(listening)
            try:
                connection, _ = listening.accept()
                connection.setblocking(False)
            except (BlockingIOError, ConnectionAbortedError):
                continue  # the client left while it waited
            except OSError as error:
                self._complain(f"connections are not accepted: {error.strerror}")
                self._close_oldest()
                await asyncio.sleep(RETRY)
                continue
            crowded = self._make_room(connection)
            try:
                transport, _ = await loop.connect_accepted_socket(self._make, connection)
            except OSError:
                connection.close()
                continue
            self._expect(transport, connection, self._head_timeout)
            if crowded:
                await asyncio.sleep(BREATH)

    def _make_room(self, new: socket.socket) -> bool:
        """Close the connection that was silent longest if a new one is one too many."""
        for transport, (connection, deadline) in list(self._open.items()):
            if connection.fileno() < 0:  # closed by the client or the protocol
                deadline.cancel()
                del self._open[transport]
        crowded = len(self._open) >= self._most or new.fileno() >= _highest()
        if crowded:
            self._complain(f"{len(self._open)} connections are open: the oldest make room")
            self._close_oldest()
        return crowded

    def _close_oldest(self) -> None:
        if self._open:
            self._close(next(iter(self._open)))

    def _complain(self, words: str) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + SELDOM
            log.warning("web server: %s", words)


async def _readable(listening: socket.socket) -> None:
    """Return when a client waits: without descriptors, an accept fails even if none does."""
    loop, waits = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(listening, waits.set)
    try:
        await waits.wait()
    finally:
        loop.remove_reader(listening)


def _bound(family: int, address: Any) -> socket.socket:
    """Return a socket that listens on an address."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _highest() -> float:
    """Return the descriptor from which on the rest, a quarter, is for Kafka, the lake and staging.

    A new descriptor has the lowest number that is free, so it shows how many are in use.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if limit == resource.RLIM_INFINITY else limit * 3 // 4
