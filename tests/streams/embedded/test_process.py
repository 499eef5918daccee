"""A child server is never left behind, and says why it does not start."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.embedded.process import PATIENCE_SECONDS, ServerProcess
from streams.errors import Misconfigured, Unavailable
from tests.streams.embedded.processes import alive
from tests.waiting import wait_until

# Prints its process id, then waits forever.
SERVER = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVER
SLOW = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: time.sleep(0.5)); " + SERVER
WITH_CHILD = "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid); "

# A program that starts a server and waits; its arguments are the log and the server's source.
PARENT = """
import pathlib, signal, sys
from streams.embedded.process import ServerProcess
server = ServerProcess("server", [sys.executable, "-c", sys.argv[2]], log=pathlib.Path(sys.argv[1]))
server.start(server.output)
print(server.output(), flush=True)
signal.pause()
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    made = []

    def make_process(source: str, patience: float = PATIENCE_SECONDS) -> ServerProcess:
        command, log = [sys.executable, "-c", source], tmp_path / "server.log"
        made.append(ServerProcess("server", command, log=log, patience=patience))
        return made[-1]

    yield make_process
    for each in made:
        each.kill()


def started(server: ServerProcess, lines: int = 1) -> list[int]:
    """Start the server; return the numbers it prints."""
    server.start(lambda: server.output().count("\n") == lines)
    return [int(word) for word in server.output().split()]


def test_start_returns_when_the_server_is_ready_and_stop_when_it_has_ended(
    make: Callable[..., ServerProcess],
) -> None:
    server = make(SERVER)
    (pid,) = started(server)
    assert server.running
    assert alive(pid)
    server.stop()
    assert not server.running
    assert not alive(pid)
    server.stop()


def test_kill_leaves_the_server_no_time(make: Callable[..., ServerProcess], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    on_term = f"open({str(trace)!r}, 'w').close()"
    handler = f"import signal; signal.signal(signal.SIGTERM, lambda *_: {on_term}); "
    server = make(handler + SERVER)
    (pid,) = started(server)
    server.kill()
    assert not alive(pid)
    assert not trace.exists()


def test_a_server_that_ignores_the_request_to_stop_is_killed(
    make: Callable[..., ServerProcess],
) -> None:
    server = make(STUBBORN, patience=0.5)
    (pid,) = started(server)
    server.stop()
    assert not alive(pid)


def test_what_the_server_has_started_stops_with_it(make: Callable[..., ServerProcess]) -> None:
    server = make(WITH_CHILD + SERVER)
    child, pid = started(server, lines=2)
    server.stop()
    wait_until(lambda: not alive(child) and not alive(pid), 5, "server and its child have ended")


def test_a_server_can_be_started_again_and_its_output_is_of_that_run(
    make: Callable[..., ServerProcess],
) -> None:
    server = make(SERVER)
    (first,) = started(server)
    server.stop()
    (second,) = started(server)
    assert first != second
    assert server.log.read_text().split() == [str(first), str(second)]


@pytest.mark.parametrize(
    ("number", "source"),
    [(signal.SIGTERM, SERVER), (signal.SIGKILL, SERVER), (signal.SIGKILL, STUBBORN)],
    ids=["TERM", "KILL", "KILL-stubborn-server"],
)
def test_the_server_ends_with_the_parent_however_that_ends(
    tmp_path: Path, number: int, source: str
) -> None:
    log = tmp_path / "server.log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), source], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(number)
    wait_until(lambda: not alive(pid), 15, "the server has ended with its parent")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_server_ends_with_its_supervisor(make: Callable[..., ServerProcess]) -> None:
    server = make(STUBBORN)
    (pid,) = started(server)
    os.kill(server._guard.pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), 5, "the server has ended with its supervisor")


def test_a_server_that_ends_by_itself_is_noticed_and_one_that_was_stopped_is_not(
    make: Callable[..., ServerProcess],
) -> None:
    server = make("import signal; print('up', flush=True); signal.pause()")
    server.start(server.output)
    server.check()
    os.killpg(server._guard.pid, signal.SIGKILL)
    wait_until(lambda: not server.running, 5, "the server has ended")
    with pytest.raises(Unavailable, match="ended unexpectedly") as caught:
        server.check()
    assert "up" in caught.value.hint
    server.stop()
    server.check()


def test_a_server_that_ends_at_once_is_an_error_with_the_end_of_its_log(
    make: Callable[..., ServerProcess],
) -> None:
    server = make("raise SystemExit('the disk is on fire')")
    with pytest.raises(Unavailable, match="exit code 1") as caught:
        server.start(lambda: False)
    assert "the disk is on fire" in caught.value.hint
    assert not server.running


def test_a_command_that_does_not_exist_is_an_error_that_names_it(tmp_path: Path) -> None:
    server = ServerProcess("server", [str(tmp_path / "nothing")], log=tmp_path / "server.log")
    with pytest.raises(Unavailable) as caught:
        server.start(lambda: False)
    assert str(tmp_path / "nothing") in caught.value.hint


def test_a_server_that_is_not_ready_in_time_is_an_error_and_does_not_run_on(
    make: Callable[..., ServerProcess],
) -> None:
    server = make(SERVER)
    with pytest.raises(Unavailable, match=r"not ready after 0\.5 seconds"):
        server.start(lambda: False, timeout=0.5)
    assert not alive(int(server.output()))


def test_a_second_server_on_the_same_log_is_refused(make: Callable[..., ServerProcess]) -> None:
    first, second = make(SERVER), make(SERVER, patience=0.2)
    started(first)
    with pytest.raises(Misconfigured, match="in use by another server"):
        second.start(lambda: True)
    assert first.running


def test_a_server_waits_until_the_one_before_has_really_ended(
    make: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), SLOW], stdout=subprocess.PIPE, text=True
    ) as parent:
        before = int(parent.stdout.readline())
        parent.kill()
    next_one = make(SERVER)
    next_one.start(lambda: not alive(before) and next_one.output(), timeout=20)
    assert next_one.running


def test_a_signal_to_our_process_group_does_not_reach_the_server(
    make: Callable[..., ServerProcess],
) -> None:
    server = make(SERVER)
    (pid,) = started(server)
    assert os.getpgid(pid) != os.getpgrp()
