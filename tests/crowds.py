"""A crowd of clients that open connections and never finish a request."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Opens connections, sends the beginning of a head on each, and a byte a second on all.
CROWD = """
import contextlib, socket, sys, time
crowd = []
for _ in range(int(sys.argv[2])):
    with contextlib.suppress(OSError):
        one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
        one.sendall(b"GET / HTTP/1.1\\r\\nX-")
        crowd.append(one)
print("ready", flush=True)
while True:
    time.sleep(1)
    for one in crowd:
        with contextlib.suppress(OSError):
            one.send(b"a")
"""


@contextmanager
def crowd(port: int, count: int) -> Iterator[None]:
    """Keep many slow connections open, from a process of their own."""
    command = [sys.executable, "-c", CROWD, str(port), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()
