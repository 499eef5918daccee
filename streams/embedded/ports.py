"""Free loopback ports for the embedded servers.

This module only chooses ports; it reserves none, so a server may find its port taken a moment
later. The caller then checks `is_free` and tries other ports.
"""

import os
import socket
import time
from itertools import count

HOST = "127.0.0.1"

# Below the ephemeral ports of Linux (32768 and up) and macOS (49152 and up), even after adding
# 10000: otherwise any client on the machine could take a server's port while it restarts.
_FIRST, _END = 10_300, 22_700
_searches = count()


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: closed connections of an earlier server do not count, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def comes_free(port: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds for a port; return whether it is free."""
    deadline = time.monotonic() + timeout
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_ports(wanted: int, companion: int = 0) -> list[int]:
    """Return `wanted` different free ports; with `companion`, port + companion is free too.

    Each process starts its search at a different place, so that test runs on one machine rarely
    collide.
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
    raise OSError(f"fewer than {wanted} free ports between {_FIRST} and {_END} on {HOST}")
