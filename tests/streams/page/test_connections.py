"""Connections of strangers: slow, silent and many, on a machine with few descriptors."""

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from streams.embedded.ports import HOST
from streams.page.connections import Connections
from tests.crowds import crowd
from tests.streams.worker_parts import in_loop

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def serving(
    work: Callable[[], Awaitable[None]] | None = None, **limits: float
) -> AsyncIterator[int]:
    """Serve "here" on a free port, with these limits; yield the port. `work` takes its time."""

    async def here(request: web.Request) -> web.Response:
        if work is not None:
            connections.busy(request.transport)
            await work()
        connections.touch(request.transport)
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", here)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    assert runner.server is not None
    connections = Connections(runner.server, **limits)  # type: ignore[arg-type]
    ((_, port),) = await connections.listen(HOST, 0)
    try:
        yield port
    finally:
        await connections.stop()
        await runner.cleanup()


@contextmanager
def few_descriptors(left: int) -> Iterator[None]:
    """Let this process have only so many descriptors more than those that other tests left open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/dev/fd").iterdir()]) + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def spare_descriptors() -> list[int]:
    """Take all the descriptors that are left."""
    taken: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(0))
    return taken


async def answered(port: int) -> bool:
    """Whether a request is answered; asyncio waits a second whenever it lacks descriptors."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(GET)
        found = await reader.readuntil(b"here")
        writer.close()
        return found.startswith(b"HTTP/1.1 200")


@in_loop
async def test_a_crowd_of_slow_connections_leaves_descriptors_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = 112
    with few_descriptors(left):
        async with serving() as port:
            opening = contextlib.ExitStack()
            try:
                await asyncio.to_thread(opening.enter_context, crowd(port, 400))
                for _ in range(5):
                    assert await answered(port)
                spare = spare_descriptors()
                for number in spare:
                    os.close(number)
                assert len(spare) >= left // 5
            finally:
                opening.close()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1, caplog.text
    assert "the oldest make room" in caplog.text


@in_loop
async def test_no_more_than_the_most_are_open_and_the_newest_stay() -> None:
    async with serving(most=3) as port:
        streams = [await asyncio.open_connection(HOST, port) for _ in range(3)]
        _, first = streams[0]
        first.write(GET)  # no longer the one that is silent longest
        await streams[0][0].readuntil(b"here")
        streams.append(await asyncio.open_connection(HOST, port))
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await streams[1][0].read() == b""
        for number in (0, 2, 3):
            reader, writer = streams[number]
            writer.write(GET)
            async with asyncio.timeout(5):
                await reader.readuntil(b"here")
        for _, writer in streams:
            writer.close()


@in_loop
async def test_a_connection_without_a_complete_head_is_closed_in_time() -> None:
    async with serving(head_timeout=0.3) as port:
        for sent in (b"", b"GET / HTTP/1.1\r\nX-"):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(sent)
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()


@in_loop
async def test_a_connection_may_be_idle_between_requests_but_not_indefinitely() -> None:
    async with serving(head_timeout=0.3, idle_timeout=1.5) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(GET)
        await reader.readuntil(b"here")
        await asyncio.sleep(0.6)  # longer than a new connection may take
        writer.write(GET)
        await reader.readuntil(b"here")
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


@in_loop
async def test_without_descriptors_nothing_is_accepted_and_that_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as port:
        with few_descriptors(84):
            reader, writer = await asyncio.open_connection(HOST, port)
            spare = spare_descriptors()
            os.close(spare.pop())
            try:
                # This client's end takes the last descriptor.
                late, later = await asyncio.open_connection(HOST, port)
                await asyncio.sleep(2.5)  # in which it tries more than once
                assert "not accepted: Too many open files" in caplog.text
            finally:
                for number in spare:
                    os.close(number)
        later.write(GET)
        async with asyncio.timeout(10):
            assert (await late.readuntil(b"here")).startswith(b"HTTP/1.1 200")
        later.close()
        writer.close()
        del reader
    assert len(caplog.records) == 1, caplog.text


@in_loop
async def test_a_busy_connection_makes_no_room_and_further_ones_wait() -> None:
    begun, answer = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await answer.wait()

    limits = {"most": 1, "head_timeout": 5, "idle_timeout": 0.2}
    async with serving(slow, **limits) as port, asyncio.timeout(20):
        first, writer = await asyncio.open_connection(HOST, port)
        writer.write(GET)
        await begun.wait()
        second, other = await asyncio.open_connection(HOST, port)  # in the kernel's queue
        begun.clear()
        other.write(GET)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(begun.wait(), 0.5)  # longer than it may be idle
        answer.set()
        await first.readuntil(b"here")
        await second.readuntil(b"here")
        for each in (writer, other):
            each.close()
