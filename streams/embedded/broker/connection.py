"""One client's connection: frames in, answered one at a time in order, frames out.

While a client does not read its answers, its requests wait. Closing the connection cancels its
pending request. A frame over the size limit closes only that connection.
"""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable
from typing import cast

from streams.embedded.broker.wire import MalformedFrame

logger = logging.getLogger(__name__)

MAX_FRAME = 100 * 1024 * 1024
"""Kafka's `socket.request.max.bytes`."""

_QUEUED_FRAMES = 8
_LENGTH = struct.Struct(">i")

Answer = Callable[[bytearray, str], Awaitable[bytes | None]]


class Connection(asyncio.BufferedProtocol):
    """A protocol that reads frames into their own buffers and passes them to `answer`."""

    def __init__(self, answer: Answer, connections: "set[Connection]") -> None:
        self._answer = answer
        self._connections = connections
        self._frames: asyncio.Queue[bytearray] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        self._buffer = bytearray(_LENGTH.size)
        self._filled = 0
        self._in_length = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start answering."""
        self._transport = cast(asyncio.Transport, transport)
        self._host = str(self._transport.get_extra_info("peername")[0])
        self._connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the client's pending request."""
        self._connections.discard(self)
        self._task.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next bytes: the length prefix, or the frame it announced."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Count the bytes read; queue a frame once it is complete."""
        self._filled += nbytes
        if self._filled < len(self._buffer):
            return
        if self._in_length:
            (length,) = _LENGTH.unpack(self._buffer)
            if not 0 < length <= MAX_FRAME:
                logger.warning("%s: closed, a frame of %d bytes", self._host, length)
                self._transport.abort()
                return
            self._buffer = bytearray(length)
        else:
            self._frames.put_nowait(self._buffer)
            if self._frames.qsize() >= _QUEUED_FRAMES:
                self._transport.pause_reading()
            self._buffer = bytearray(_LENGTH.size)
        self._in_length = not self._in_length
        self._filled = 0

    def pause_writing(self) -> None:
        """Pause: the client reads slower than it sends."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Resume: the client has caught up."""
        self._writable.set()

    async def _serve(self) -> None:
        try:
            while True:
                frame = await self._frames.get()
                if self._frames.qsize() < _QUEUED_FRAMES:
                    self._transport.resume_reading()
                answer = await self._answer(frame, self._host)
                if answer is not None:
                    self._transport.write(answer)
                    await self._writable.wait()
        except MalformedFrame as error:
            logger.warning("%s: closed, %s", self._host, error)
        except Exception:
            logger.exception("%s: closed", self._host)
        self._transport.abort()

    async def close(self) -> None:
        """Close the connection and wait until its pending request has ended."""
        self._transport.abort()
        self._task.cancel()
        await asyncio.wait([self._task])
