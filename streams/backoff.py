"""Backoff: how long to wait before the next try.

Each wait is about twice the one before it, between two limits. A random share is taken off, so that
workers which failed together do not all try again together.
"""

import random
from collections.abc import Callable


class Backoff:
    """The waits, in seconds, between tries that fail one after the other."""

    def __init__(
        self,
        shortest: float,
        longest: float,
        jitter: float = 0.5,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`jitter` is the largest share that is taken off a wait, 0 to 1."""
        self._shortest = shortest
        self._longest = longest
        self._jitter = jitter
        self._uniform = uniform
        self._wait = shortest

    def next(self) -> float:
        """Return how long to wait now; the wait after it is longer."""
        wait, self._wait = self._wait, min(2 * self._wait, self._longest)
        return wait * self._uniform(1 - self._jitter, 1.0)

    def reset(self) -> None:
        """Start again from the shortest wait, after a success."""
        self._wait = self._shortest
