"""The broker's network side: accepts connections, passes requests to handlers, cleans up."""

import asyncio
import ipaddress
import logging
import resource
import socket
import time

from streams.embedded.broker.apis import API_VERSIONS, APIS, REFUSED, api_versions_refusal
from streams.embedded.broker.broker import Broker
from streams.embedded.broker.connection import Connection
from streams.embedded.broker.errors import ErrorCode, Refusal, StartError
from streams.embedded.broker.wire import (
    Call,
    MalformedFrame,
    decode,
    encode,
    read_prefix,
    refusal,
)

logger = logging.getLogger(__name__)

RETENTION_INTERVAL = 1.0
"""Seconds between two checks of retention."""

_BACKLOG = 1024
_OPEN_FILES = 10_240
"""The number of open files that every system allows by default."""


class Server:
    """A broker that listens. Start it once, stop it once."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> str:
        """Start accepting connections; return HOST:PORT."""
        family, address = _loopback(host, port)
        _allow_many_files()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._answer, self._connections),
                address,
                port,
                family=family,
                backlog=_BACKLOG,
                reuse_address=True,
            )
        except OSError as error:
            raise StartError(
                f"cannot listen on {host}:{port}: {error.strerror}. Choose another port, or 0."
            ) from error
        self._broker.host = address
        self._broker.port = self._server.sockets[0].getsockname()[1]
        self._cleaner = asyncio.create_task(self._clean())
        shown = f"[{address}]" if family == socket.AF_INET6 else address
        return f"{shown}:{self._broker.port}"

    async def stop(self) -> None:
        """Close every connection and cancel pending requests."""
        self._server.close()
        self._cleaner.cancel()
        await asyncio.gather(
            *(connection.close() for connection in list(self._connections)),
            asyncio.wait([self._cleaner]),
        )
        await self._server.wait_closed()

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(RETENTION_INTERVAL)
            try:
                self._broker.topics.apply_retention(int(time.time() * 1000))
            except (OSError, Refusal) as error:
                logger.error("retention: %s", error)

    async def _answer(self, frame: bytearray, client_host: str) -> bytes | None:
        key, version, correlation_id = read_prefix(frame)
        api = APIS.get(key)
        if api is None or version not in api.versions:
            return _refuse(key, version, correlation_id, ErrorCode.UNSUPPORTED_VERSION)
        body, client_id = decode(api.request, version, frame)
        try:
            response = await api.handler(self._broker, Call(body, version, client_id, client_host))
        except Refusal as error:
            return _refuse(key, version, correlation_id, error.code)
        return None if response is None else encode(response, version, correlation_id)


def _refuse(key: int, version: int, correlation_id: int, code: ErrorCode) -> bytes:
    if key == API_VERSIONS:
        # Always answer in version 0, which every client can read.
        return encode(api_versions_refusal(code), 0, correlation_id)
    response = APIS[key].response if key in APIS else REFUSED.get(key)
    answer = response and refusal(response, version, code)
    if answer is None:
        raise MalformedFrame(f"{code.name} for API {key} version {version}")
    return encode(answer, version, correlation_id)


def _loopback(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise StartError(f"unknown host {host!r}. Use 127.0.0.1.") from error
    for _, _, _, _, address in found:
        if not ipaddress.ip_address(str(address[0])).is_loopback:
            raise StartError(
                f"{host} is not a loopback address. This broker has no security and is for this "
                "machine only. Use 127.0.0.1."
            )
    family, _, _, _, address = found[0]
    return family, str(address[0])


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
