"""Free loopback ports for the embedded servers.

Owns the choice only: nothing is reserved, so a server may find its port taken a moment later.
Whoever starts it asks `is_free` again then, and tries once more with other ports.
"""

import os
import socket
import time
from itertools import count

HOST = "127.0.0.1"

# Under the ports that Linux (32768 and up) and macOS (49152 and up) give to outgoing connections,
# even after adding 10000: otherwise any client on the machine could take a server's port while
# that server restarts.
_FIRST, _END = 10_300, 22_700
_searches = count()


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: the closed connections of the one before are no hindrance, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def comes_free(port: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds for a port; tell whether it is free."""
    deadline = time.monotonic() + timeout
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_ports(wanted: int, companion: int = 0) -> list[int]:
    """Find `wanted` different free ports; with `companion`, port + companion is free as well.

    Processes start their search at different places, so that several test runs on one machine
    seldom meet.
    """
    span = _END - _FIRST
    start = os.getpid() * 97 + next(_searches) * 31
    found: list[int] = []
    for step in range(span):
        port = _FIRST + (start + step) % span
        if is_free(port) and (not companion or is_free(port + companion)):
            found.append(port)
            if len(found) == wanted:
                return found
    raise OSError(f"no {wanted} free ports between {_FIRST} and {_END} on {HOST}")
