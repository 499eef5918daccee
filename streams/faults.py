"""Fault points: effects of the shipping path and of imports, with a moment before and after each.

They are for tests of the protocol and do nothing in normal use. Only the environment variable
`FALCOLAKE_FAULT` arms one. With `put:before:2` the worker kills itself just before its second put,
as a power cut would; with `put:before:2:stop` it stops with SIGSTOP, as a paused machine would. An
armed worker logs every point it passes, so a run with `put:before:0`, which never comes, lists all
of them. A worker whose lake is not on loopback cannot be armed.
"""

import contextlib
import ipaddress
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from streams.errors import Misconfigured

log = logging.getLogger(__name__)

VARIABLE = "FALCOLAKE_FAULT"

Effect = Literal[
    "append", "seal", "claim", "copy", "put", "letter", "commit", "unlink", "note", "publish"
]
Side = Literal["before", "after"]
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Fault(NamedTuple):
    """Where to act: at the `number`-th pass of one side of an effect."""

    effect: str
    side: str
    number: int
    signal: signal.Signals


class _Armed:
    """Counts the passes of every point and acts at one; called from several threads."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._passes: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def passing(self, effect: Effect, side: Side) -> None:
        with self._lock:
            self._passes[effect, side] += 1
            number = self._passes[effect, side]
            log.warning("passing %s:%s:%d", effect, side, number)
            if (effect, side, number) == self._fault[:3]:
                log.warning("%s at %s:%s:%d", self._fault.signal.name, *self._fault[:3])
                os.kill(os.getpid(), self._fault.signal)


_armed: _Armed | None = None


@contextlib.contextmanager
def around(effect: Effect) -> Iterator[None]:
    """Mark the body as one effect. If it raises, the effect has no moment after it."""
    if _armed is None:
        yield
        return
    _armed.passing(effect, "before")
    yield
    _armed.passing(effect, "after")


def arm(wanted: str, endpoint: str | None) -> None:
    """Arm the fault that FALCOLAKE_FAULT asks for; disarm with an empty text.

    Raises Misconfigured for an unknown fault point, and for a lake (`endpoint`) that is not on
    loopback.
    """
    global _armed  # noqa: PLW0603 - a process dies once
    _armed = None
    if not wanted:
        return
    fault = _parse(wanted)
    if not _is_loopback(endpoint):
        raise Misconfigured(
            f"{VARIABLE} is set, which makes a worker kill itself, and the lake is not on loopback",
            f"unset {VARIABLE}: it is for tests on the embedded servers",
        )
    log.error("%s is set: this worker will kill itself at %s", VARIABLE, wanted)
    _armed = _Armed(fault)


def _parse(wanted: str) -> Fault:
    effect, side, number, *how = wanted.split(":") if wanted.count(":") in (2, 3) else [""] * 3
    if (
        effect not in get_args(Effect)
        or side not in get_args(Side)
        or not number.isdecimal()
        or not SIGNALS.keys() >= set(how)
    ):
        raise Misconfigured(
            f"{VARIABLE} is {wanted!r}, which is not a fault point",
            "unset it; tests set effect:before:1 or effect:after:1, and :stop after it to stop "
            f"instead of kill; the effects are {', '.join(get_args(Effect))}",
        )
    return Fault(effect, side, int(number), SIGNALS[how[0] if how else "kill"])


def _is_loopback(endpoint: str | None) -> bool:
    host = urlsplit(endpoint or "").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
