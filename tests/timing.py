"""CPU time that other work on the machine does not change."""

import gc
import time
from collections.abc import Callable


def cpu_seconds(call: Callable[[], object], times: int = 3) -> float:
    """Return the least CPU time that this thread takes for a call, in seconds.

    Without garbage collections, as `timeit` measures: one takes as long as all other tests' objects
    need, and a long call is sure to meet it.
    """
    spent = []
    gc.disable()
    try:
        for _ in range(times):
            began = time.thread_time()
            call()
            spent.append(time.thread_time() - began)
    finally:
        gc.enable()
    return min(spent)
