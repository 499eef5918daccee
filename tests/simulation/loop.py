"""The event loop: a virtual clock, and a seeded choice of who runs next.

Each worker is a *host*, as each is a process of its own. Whatever one schedules belongs to it: the
context of the callback says so. Within a host callbacks run in the order in which asyncio promises
to run them; which host runs next is drawn. Nothing waits: if no host can run, time moves to the
next timer. A killed host never runs again, a paused one runs later.

Work for threads runs on the loop, as a whole, at a moment that is drawn.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds that a step in a thread may take.
QUICK, SLOW = 0.0005, 0.3


class Killed(BaseException):
    """The host that runs this is killed here."""


class Stuck(Exception):  # noqa: N818 - what happened to the run
    """Nobody has anything to do, or a moment never ends."""


@dataclass(slots=True, eq=False)
class Host:
    """A process: a worker, or the rest of the world."""

    name: str
    alive: bool = True
    paused: bool = False
    #: How far its wall clock is ahead, in seconds.
    ahead: float = 0.0
    ready: deque[asyncio.Handle] = field(default_factory=deque)
    #: Until when each of its threads is busy.
    busy: dict[Any, float] = field(default_factory=dict)


HOST: ContextVar[Host] = ContextVar("HOST")


class NumberedTask(asyncio.Task[Any]):
    """A task with the same hash in every run, so that sets of tasks have the same order."""

    numbers = itertools.count()

    def __new__(cls, *_: Any, **__: Any) -> "NumberedTask":
        task = super().__new__(cls)
        task.number = next(cls.numbers)
        return task

    number: int

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.BaseEventLoop):
    """A loop whose time is virtual. `world` is the host of everything that is no worker."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.world = Host("world")
        self.hosts = [self.world]
        self.tasks: list[NumberedTask] = []
        self.errors: list[str] = []
        self.steps = 0
        #: Seconds that the step in a thread that runs now has taken, beyond what is drawn.
        self.spent = 0.0
        self._now = 0.0
        self._steps_at = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._serial = itertools.count()
        NumberedTask.numbers = itertools.count()
        self.set_task_factory(self._numbered)
        self.set_exception_handler(self._failed)

    # ---- hosts

    def host(self, name: str) -> Host:
        """Return a new host."""
        host = Host(name)
        self.hosts.append(host)
        return host

    def current(self) -> Host:
        """Return the host that runs."""
        return HOST.get(self.world)

    def kill(self, host: Host) -> None:
        """End a host at once."""
        host.alive = False
        host.ready.clear()

    def run_in(self, host: Host, delay: float, work: Callable[[], Any]) -> None:
        """Call something on a host, after a delay."""
        context = Context()
        context.run(HOST.set, host)
        self.call_later(delay, work, context=context)

    def spawn(self, host: Host, coroutine: Any, name: str) -> "asyncio.Task[Any]":
        """Start a task on a host."""
        context = Context()
        context.run(HOST.set, host)
        return context.run(lambda: self.create_task(coroutine, name=name))

    # ---- time

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def draw(self, shortest: float, longest: float) -> float:
        """Return a delay between two limits; a short one is as likely as a long one."""
        return shortest * (longest / shortest) ** self.random.random()

    def spend(self, seconds: float) -> None:
        """Let the step in a thread that runs now take longer."""
        self.spent += seconds

    # ---- asyncio's side

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback on the host of its context."""
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Queue a callback for a moment."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._serial), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is dropped when its time comes."""

    def _enqueue(self, handle: asyncio.Handle) -> None:
        host = handle._context.get(HOST, self.world)  # type: ignore[attr-defined]
        if host.alive:
            host.ready.append(handle)

    def _run_once(self) -> None:
        able = [host for host in self.hosts if host.ready and not host.paused]
        if not able:
            self._advance()
            return
        self.steps += 1
        self._steps_at += 1
        if self._steps_at > 20_000:
            raise Stuck(f"20,000 steps at {self._now:.3f} s")
        host = able[0] if len(able) == 1 else self.random.choice(able)
        handle = host.ready.popleft()
        if not handle._cancelled:
            handle._run()

    def _advance(self) -> None:
        if not self._timers:
            raise Stuck("nobody has anything to do")
        self._now = max(self._now, self._timers[0][0])
        self._steps_at = 0
        while self._timers and self._timers[0][0] <= self._now:
            _, _, timer = heapq.heappop(self._timers)
            if not timer._cancelled:
                self._enqueue(timer)

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are no sockets."""

    def _write_to_self(self) -> None:
        """Do nothing: there are no threads."""

    def _numbered(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> NumberedTask:
        task = NumberedTask(coroutine, loop=loop, **options)
        self.tasks.append(task)
        return task

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not isinstance(error, Killed):
            self.errors.append(f"{context['message']}: {error!r}")

    # ---- threads

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Do the work of a thread at a moment that is drawn; that of one executor in order."""
        future: asyncio.Future[T] = self.create_future()
        busy = self.current().busy
        begin = max(busy.get(executor, 0.0), self._now) if executor else self._now
        begin += self.draw(QUICK, SLOW) * 0.2
        if executor:
            busy[executor] = begin

        def work() -> None:
            if future.cancelled():
                return
            result, error = self._attempt(func, *args)
            end = self._now + self.spent + self.draw(QUICK, SLOW) * 0.2
            if executor:
                busy[executor] = max(busy[executor], end)
            self.call_at(end, settle, future, result, error)

        self.call_at(begin, work)
        return future

    def in_background(self, work: Callable[[], T], name: str) -> "Future[T]":
        """Do the work of a thread of its own, in place of `streams.background.in_background`."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            result, error = self._attempt(work)
            self.call_later(self.spent + self.draw(QUICK, SLOW), settle, future, result, error)

        self.call_later(self.draw(QUICK, SLOW), run)
        return future

    def _attempt(self, work: Callable[..., T], *args: Any) -> tuple[T | None, Exception | None]:
        self.spent = 0.0
        try:
            return work(*args), None
        except Exception as error:
            return None, error

    def end(self) -> None:
        """Drop everything that is under way."""
        for host in self.hosts:
            self.kill(host)
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):  # what it does now has no effect
                    task.get_coro().close()
        self.tasks.clear()
        self._timers.clear()
        self.close()


def at_once(work: Callable[[], T], name: str) -> "Future[T]":
    """Do the work of a background thread at once."""
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future


def settle(future: Any, result: Any, error: Exception | None) -> None:
    """End a future, unless it has ended."""
    if future.cancelled() or future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
