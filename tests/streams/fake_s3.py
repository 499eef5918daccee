"""An S3 server that answers what it is told to, for what no real one can be made to say."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import ClassVar

LIST = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>lake</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
)


@dataclass
class FakeS3:
    """Its address, what it answers to each kind of request, and the requests it has seen.

    An answer is a status and an S3 error code; `ok` answers what an empty store would.
    """

    url: str = ""
    ok: ClassVar[tuple[int, str]] = (200, "")
    listing: tuple[int, str] = ok
    get: tuple[int, str] = ok
    put: tuple[int, str] = ok
    conditional_put: tuple[int, str] = (412, "PreconditionFailed")
    headers: dict[str, str] = field(default_factory=dict)
    date: float | None = None
    """Seconds since the epoch; None sends no Date at all."""
    seen: list[str] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request, by their names in lower case."""


@contextmanager
def serving(fake: FakeS3, tls: SSLContext | None = None) -> Iterator[FakeS3]:
    """Serve it on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            listing = "list-type" in self.path
            self._answer(fake.listing if listing else fake.get, LIST if listing else b"")

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            condition = "If-None-Match" in self.headers
            self._answer(fake.conditional_put if condition else fake.put, b"")

        def _answer(self, answer: tuple[int, str], body: bytes) -> None:
            fake.seen.append(f"{self.command} {self.path}")
            fake.sent.append({name.lower(): value for name, value in self.headers.items()})
            status, code = answer
            if code:
                body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response_only(status)
            if fake.date is not None:
                self.send_header("Date", formatdate(fake.date, usegmt=True))
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    fake.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
