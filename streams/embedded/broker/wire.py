"""Converts frames to requests and responses to frames, with kafka-python's message schemas.

A frame is one message without its four length bytes. Decoding raises `MalformedFrame` on bad input;
encoding fills missing fields of a response with the schema's defaults.
"""

import io
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.embedded.broker.errors import ErrorCode

if TYPE_CHECKING:
    from streams.embedded.broker.broker import Broker

_PREFIX = struct.Struct(">hhi")


class MalformedFrame(Exception):  # noqa: N818 - it is the client's fault
    """The bytes are not a request, so nothing after them on that connection can be trusted."""


@dataclass(frozen=True)
class Call:
    """One request as a handler sees it; `body` is a kafka-python request."""

    body: Any
    version: int
    client_id: str
    client_host: str


Handler = Callable[["Broker", Call], Awaitable[Any]]
"""Returns a kafka-python response, or None if the client expects no answer."""


@dataclass(frozen=True)
class Api:
    """An API of this broker: kafka-python's two schemas, the versions and the handler."""

    request: Any
    response: Any
    versions: range
    handler: Handler

    @property
    def key(self) -> int:
        """Return the API's number in the protocol."""
        return int(self.request.API_KEY)


def read_prefix(frame: bytes | bytearray) -> tuple[int, int, int]:
    """Return (API key, version, correlation id) of a request."""
    if len(frame) < _PREFIX.size:
        raise MalformedFrame(f"a frame of {len(frame)} bytes is too short for a request")
    return _PREFIX.unpack_from(frame)


def decode(request: Any, version: int, frame: bytes | bytearray) -> tuple[Any, str]:
    """Return (body, client id) of a request of known schema and version."""
    try:
        stream = io.BytesIO(frame)
        header = request.parse_header(stream, version=version)
        body = request.decode(memoryview(frame)[stream.tell() :], version=version)
    except Exception as error:
        # The generated decoders can raise any exception.
        raise MalformedFrame(f"{request.name} v{version}: {error!r}") from error
    return body, header.client_id or ""


def encode(response: Any, version: int, correlation_id: int) -> bytes:
    """Return the complete frame of a response, with its length in front."""
    response.API_VERSION = version
    response.with_header(correlation_id=correlation_id)
    encoded: bytes = response.encode(header=True, framed=True)
    return encoded


def refusal(response: Any, version: int, code: ErrorCode) -> Any | None:
    """Return a response with only `code`; None if that version has no field for it."""
    field = response.fields.get("error_code")
    if field is None or version > response.max_version or not field.for_version_q(version):
        return None
    return response(error_code=code)
