"""A web server's connections: how many there may be, and how long each may be silent.

Strangers may open as many connections as they like; shipping and Kafka need descriptors too. So at
most `MOST` are open, fewer where the process has few descriptors left, and the one that was silent
longest makes room for a new one. A connection that sends no complete request in time is closed.
`asyncio`'s own server does none of this, and logs a hundred lines for each failed accept.

A connection whose request may take its time is not silent meanwhile: `busy` says so until `touch`.
While all are busy, no further one is accepted: clients wait in the kernel's queue.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Any

from streams.errors import Misconfigured
from streams.settings.settings import variable

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

#: Seconds until it looks again whether a busy connection has ended.
CROWDED = 0.05

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
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._make = make
        self._most = most
        self._tls = tls
        self._head_timeout, self._idle_timeout = head_timeout, idle_timeout
        #: In the order in which they last did something, with their socket and their deadline.
        self._open: dict[asyncio.BaseTransport, tuple[socket.socket, asyncio.TimerHandle]] = {}
        self._busy: dict[asyncio.BaseTransport, socket.socket] = {}
        #: Those that are in their TLS handshake.
        self._greeting: set[asyncio.Task[None]] = set()
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
        for task in self._greeting:
            task.cancel()
        for _, deadline in self._open.values():
            deadline.cancel()
        self._open, self._busy = {}, {}

    def touch(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a connection has sent a request, or was answered if it was busy."""
        if transport in self._open:
            connection, deadline = self._open.pop(transport)
            deadline.cancel()
        elif transport in self._busy:
            connection = self._busy.pop(transport)
        else:
            return
        self._expect(transport, connection, self._idle_timeout)

    def busy(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a connection has sent a request that takes its time, until `touch`."""
        if transport in self._open:
            self._busy[transport], deadline = self._open.pop(transport)
            deadline.cancel()

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
        while True:
            await _readable(listening)
            if self._all_busy():
                await asyncio.sleep(CROWDED)
                continue
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
            if self._tls is None:
                await self._greet(connection)
            else:  # a handshake takes as long as the client likes
                task = asyncio.create_task(self._greet(connection), name="web")
                self._greeting.add(task)
                task.add_done_callback(self._greeting.discard)
            if crowded:
                await asyncio.sleep(BREATH)

    async def _greet(self, connection: socket.socket) -> None:
        """Begin to serve a connection."""
        loop = asyncio.get_running_loop()
        patience = None if self._tls is None else self._head_timeout
        try:
            transport, _ = await loop.connect_accepted_socket(
                self._make, connection, ssl=self._tls, ssl_handshake_timeout=patience
            )
        except OSError:  # ssl.SSLError is one
            connection.close()
            return
        self._expect(transport, connection, self._head_timeout)

    def _count(self) -> int:
        return len(self._open) + len(self._busy) + len(self._greeting)

    def _all_busy(self) -> bool:
        """Whether there is no room for another connection, and none that could make some."""
        if self._open or self._count() < self._most:
            return False
        self._forget_closed()
        if self._count() < self._most:
            return False
        self._complain(f"{self._count()} connections are busy: no further one is accepted")
        return True

    def _forget_closed(self) -> None:
        """Forget connections that the client or the protocol has closed."""
        for transport, (connection, deadline) in list(self._open.items()):
            if connection.fileno() < 0:
                deadline.cancel()
                del self._open[transport]
        for transport, connection in list(self._busy.items()):
            if connection.fileno() < 0:
                del self._busy[transport]

    def _make_room(self, new: socket.socket) -> bool:
        """Close the connection that was silent longest if a new one is one too many."""
        self._forget_closed()
        crowded = self._count() >= self._most or new.fileno() >= _highest()
        if crowded:
            self._complain(f"{self._count()} connections are open: the oldest make room")
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


def cannot_listen(section: str, host: str, port: int, error: OSError) -> Misconfigured:
    """Build the error for an address, from a section of settings, that cannot be listened on."""
    hint = f"set {variable(f'{section}.port')} to a free port; 0 picks one"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        hint = f"set {variable(f'{section}.host')} to an address of this machine, such as 127.0.0.1"
    elif error.errno == errno.EACCES:
        hint = (
            f"set {variable(f'{section}.port')} to 1024 or more: this user may not use lower ones"
        )
    return Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}", hint)
