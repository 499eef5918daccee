"""Proxies that misbehave on purpose, in front of the real S3 server and the real Kafka.

Each listens on its own loopback port and forwards everything unchanged until a test sets a fault,
which then applies to every request until the test clears it. The S3 proxy keeps the Host header,
because the signature covers it. Everything stops with the proxy.
"""

import contextlib
import http.client
import random
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Self

from streams.embedded.ports import HOST, free_ports

#: Seconds a proxy waits for the server behind it.
PATIENCE = 120


def reset(connection: socket.socket) -> None:
    """End a connection with RST instead of FIN, like a crash or a middlebox."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


class Proxy:
    """A listener on a port that stays the same; `away()` closes it, `back()` opens it again."""

    handler: ClassVar[type[socketserver.BaseRequestHandler]]

    def __init__(self, target_port: int) -> None:
        self.target = HOST, target_port
        (self.port,) = free_ports(1)
        self._connections: set[socket.socket] = set()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.back()
        return self

    def __exit__(self, *_: object) -> None:
        self.away()

    def back(self) -> None:
        """Listen, or listen again."""
        if self._server is None:
            self._server = _Server((HOST, self.port), self.handler, self)
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def away(self) -> None:
        """Refuse connections, and reset those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        self.cut()

    def cut(self) -> None:
        """Reset every open connection."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # wakes the thread that reads from it
                connection.shutdown(socket.SHUT_RD)
            reset(connection)

    def opened(self, connection: socket.socket) -> None:
        self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        self._connections.discard(connection)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.proxy.opened(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self.proxy.closed(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: broken connections are what this proxy is for."""


# ---- S3


class Exchange(BaseHTTPRequestHandler):
    """One request on its way to S3, and the answer on its way back."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        self.close_connection = True  # each request gets its own decision
        proxy = self.server.proxy
        assert isinstance(proxy, S3Proxy)
        fault = proxy.fault if self.command in proxy.methods else None
        if fault is None:
            forward(self)
        else:
            proxy.hits[self.command] += 1
            fault(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the names are given

    @property
    def length(self) -> int:
        """Return bytes of the request's body."""
        return int(self.headers.get("Content-Length", 0))

    def body(self, rate: float | None = None) -> bytes:
        """Read the request's body, at most `rate` bytes a second; raise if it ends early."""
        if rate:  # a small buffer, so that the client feels it
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        taken = bytearray()
        while len(taken) < self.length:
            most = self.length - len(taken)
            some = self.rfile.read1(min(1024, most) if rate else most)
            if not some:
                raise ConnectionAbortedError
            taken += some
            if rate:
                time.sleep(len(some) / rate)
        return bytes(taken)

    def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Forward the request to S3; return its status, headers and body."""
        upstream = http.client.HTTPConnection(*self.server.proxy.target, timeout=PATIENCE)
        with contextlib.closing(upstream):
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"connection", "expect"}:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            data = answer.read()
            kept = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in {"connection", "transfer-encoding", "content-length"}
            ]
            size = answer.getheader("Content-Length", "0") if self.command == "HEAD" else len(data)
            return answer.status, [*kept, ("Content-Length", str(size))], data

    def reply(self, status: int, headers: Sequence[tuple[str, str]], data: bytes) -> None:
        """Answer the client."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the proxy out of the log."""


Fault = Callable[[Exchange], None]


class S3Proxy(Proxy):
    """A proxy for an S3 server. `fault` applies to each request; `hits` counts them by method."""

    handler = Exchange

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.fault: Fault | None = None
        #: Which requests the fault applies to; others pass.
        self.methods = {"GET", "HEAD", "PUT", "POST", "DELETE"}
        self.hits: Counter[str] = Counter()

    @property
    def endpoint_url(self) -> str:
        """Return the proxy's address, for boto3's `endpoint_url` and the setting of that name."""
        return f"http://{HOST}:{self.port}"

    def heal(self) -> None:
        """Forward everything again, including requests that hang."""
        self.fault = None
        self.back()
        self.cut()


def forward(exchange: Exchange) -> None:
    """Forward the request unchanged."""
    exchange.reply(*exchange.ask(exchange.body()))


def answer(status: int, code: str, message: str = "said the proxy") -> Fault:
    """Answer with one of S3's errors, without asking S3."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    ).encode()

    def fault(exchange: Exchange) -> None:
        exchange.body()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))]
        exchange.reply(status, headers, text if exchange.command != "HEAD" else b"")

    return fault


def claim(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer without asking S3, as a captive portal or a wrong ingress does."""

    def fault(exchange: Exchange) -> None:
        exchange.body()
        told = [(name.replace("_", "-"), value) for name, value in headers.items()]
        data = body if exchange.command != "HEAD" else b""
        exchange.reply(status, [*told, ("Content-Length", str(len(data)))], data)

    return fault


def alter(status: int | None = None, **headers: str | None) -> Fault:
    """Forward the request, and change the answer; a header that is None is left out."""
    changed = {name.replace("_", "-").lower(): value for name, value in headers.items()}

    def fault(exchange: Exchange) -> None:
        told, own, data = exchange.ask(exchange.body())
        kept = [(name, value) for name, value in own if name.lower() not in changed]
        added = [(name, value) for name, value in changed.items() if value is not None]
        exchange.reply(status or told, [*kept, *added], data)

    return fault


def reset_mid_body(exchange: Exchange) -> None:
    """Take half of the body, then reset the connection."""
    exchange.rfile.read(exchange.length // 2)
    reset(exchange.connection)


def lose_answer(exchange: Exchange) -> None:
    """Let S3 handle it, then reset the connection: the client never learns."""
    exchange.ask(exchange.body())
    reset(exchange.connection)


def cut_answer(exchange: Exchange) -> None:
    """Let S3 handle it, then break off in the middle of the answer."""
    status, headers, data = exchange.ask(exchange.body())
    exchange.reply(status, headers, data[: len(data) // 2])
    reset(exchange.connection)


def answer_too_late(exchange: Exchange) -> None:
    """Let S3 handle it, then hold the answer until the client has given up."""
    answered = exchange.ask(exchange.body())
    swallow(exchange)
    exchange.reply(*answered)


def swallow(exchange: Exchange) -> None:
    """Accept the request and never answer; return once the client has hung up."""
    with contextlib.suppress(OSError):
        while exchange.rfile.read1(4096):
            pass


def throttle(rate: float) -> Fault:
    """Forward the request, its body at `rate` bytes a second."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(*exchange.ask(exchange.body(rate)))

    return fault


#: S3's errors by the code that AWS documents.
ERRORS = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "AccessDenied": 403,
    "ExpiredToken": 400,
    "NoSuchBucket": 404,
}


def storm(dice: random.Random, share: float) -> Fault:
    """Apply a different random fault to a share of the requests."""
    faults = [*(answer(status, code) for code, status in ERRORS.items())]
    faults += [reset_mid_body, lose_answer]

    def fault(exchange: Exchange) -> None:
        (dice.choice(faults) if dice.random() < share else forward)(exchange)

    return fault


# ---- Kafka


class Pipe(socketserver.BaseRequestHandler):
    """One connection to Kafka, both ways."""

    server: _Server

    def handle(self) -> None:
        proxy = self.server.proxy
        assert isinstance(proxy, KafkaProxy)
        head = self.request.recv(4096)
        spared = proxy.victim not in head
        if not head or (proxy.refusing and not spared):
            reset(self.request)
            return
        with contextlib.suppress(OSError):
            upstream = socket.create_connection(proxy.target, PATIENCE)
            upstream.settimeout(None)
            proxy.opened(upstream)
            try:
                if not spared:
                    proxy.victims.update((self.request, upstream))
                    proxy.slow_down()
                upstream.sendall(head)
                back = threading.Thread(
                    target=self._pump, args=(upstream, self.request, spared), daemon=True
                )
                back.start()
                self._pump(self.request, upstream, spared)
                back.join()
            finally:
                proxy.victims.difference_update((self.request, upstream))
                proxy.closed(upstream)
                upstream.close()

    def _pump(self, source: socket.socket, sink: socket.socket, spared: bool) -> None:
        proxy = self.server.proxy
        assert isinstance(proxy, KafkaProxy)
        with contextlib.suppress(OSError):
            while some := source.recv(65_536):
                if not spared:
                    proxy.slow_down()
                sink.sendall(some)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class KafkaProxy(Proxy):
    """A proxy for a broker that advertises this proxy's port.

    Faults apply to clients whose first request has the client id `victim`; a test's own pass.
    """

    handler = Pipe

    def __init__(self, target_port: int, victim: bytes = b"falcolake") -> None:
        super().__init__(target_port)
        self.victim = victim
        self.victims: set[socket.socket] = set()
        #: Whether new connections are reset.
        self.refusing = False
        #: Seconds by which each piece of data is delayed.
        self.delay = 0.0
        self._flowing = threading.Event()
        self._flowing.set()

    def slow_down(self) -> None:
        """Wait for the delay."""
        self._flowing.wait()
        if self.delay:
            time.sleep(self.delay)

    def stall(self) -> None:
        """Keep connections open and forward nothing, like a lost route."""
        self._flowing.clear()

    def cut_victims(self) -> None:
        """Reset the victims' connections."""
        for connection in list(self.victims):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
            reset(connection)

    def cut_off(self) -> None:
        """Reset the victims' connections and every new one."""
        self.refusing = True
        self.cut_victims()

    def heal(self) -> None:
        """Forward everything again; delayed data arrives late."""
        self.refusing, self.delay = False, 0.0
        self._flowing.set()
