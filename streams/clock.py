"""The wall clock. Only this module reads it; everything else takes the time as an argument."""

import time


def now_ns() -> int:
    """Return the nanoseconds since the epoch, UTC."""
    return time.time_ns()  # noqa: TID251 - only here


def now_ms() -> int:
    """Return the milliseconds since the epoch, UTC, as Kafka and OCSF count them."""
    return now_ns() // 1_000_000
