"""An S3 server that answers what it is told to, for what no real one can be made to say."""

import hashlib
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

    An answer is a status and an S3 error code; `ok` answers as S3 does. It keeps what was put.
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
    objects: dict[str, bytes] = field(default_factory=dict)
    sent: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request, by their names in lower case."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request; each server has a subclass, with its `fake`."""

    protocol_version = "HTTP/1.1"
    fake: ClassVar[FakeS3]

    def do_GET(self) -> None:
        listing = "list-type" in self.path
        self._answer(self.fake.listing if listing else self.fake.get, LIST if listing else b"")

    def do_HEAD(self) -> None:
        self._answer(self.fake.get if self._there is not None else (404, "NoSuchKey"), b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        conditional = "If-None-Match" in self.headers
        answer = self.fake.conditional_put if conditional else self.fake.put
        if answer == self.fake.ok:
            self.fake.objects[self.path] = body
        self._answer(answer, b"")

    @property
    def _there(self) -> bytes | None:
        return self.fake.objects.get(self.path)

    def _answer(self, answer: tuple[int, str], body: bytes) -> None:
        fake = self.fake
        fake.seen.append(f"{self.command} {self.path}")
        fake.sent.append({name.lower(): value for name, value in self.headers.items()})
        status, code = answer
        if code:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        elif self._there is not None and self.command != "PUT":
            body = self._there
        self.send_response_only(status)
        if fake.date is not None:
            self.send_header("Date", formatdate(fake.date, usegmt=True))
        if self._there is not None and not code:
            etag = hashlib.md5(self._there, usedforsecurity=False).hexdigest()
            self.send_header("ETag", f'"{etag}"')
        for name, value in fake.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(fake: FakeS3, tls: SSLContext | None = None) -> Iterator[FakeS3]:
    """Serve it on loopback."""
    handler = type("Handler", (Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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
