"""The wall clock: the one module that may read it. Everything else is told the time."""

import time


def now_ns() -> int:
    """Nanoseconds since the epoch, UTC."""
    return time.time_ns()  # noqa: TID251 - only here


def now_ms() -> int:
    """Milliseconds since the epoch, UTC, as Kafka and OCSF count."""
    return now_ns() // 1_000_000
