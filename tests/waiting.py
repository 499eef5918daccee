"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

_POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], T], timeout: float = 60.0, message: str = "") -> T:
    """Call `condition` until its result is true, and return that.

    After `timeout` seconds the test fails with `message` (what it waited for) and the last result.
    Exceptions of the condition propagate.
    """
    deadline = time.monotonic() + timeout
    while not (seen := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {message or condition}; last seen: {seen!r}")
        time.sleep(_POLL_SECONDS)
    return seen
