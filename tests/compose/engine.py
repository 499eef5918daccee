"""A Docker engine just for the tests: Debian's, started as root, and removed without a trace.

    python -m tests.compose.engine      can it be started here? If not: why, and exit code 1

Owns everything that the engine leaves on a machine: its processes, mounts, bridges, iptables rules,
and its data folder. Refuses to start next to another engine, since both would write the same rules.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

PROGRAMS = {
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "ip": "iproute2",
}
START_SECONDS = 60
STOP_SECONDS = 60
TABLES = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_NO_SERVICES = Path("/usr/sbin/policy-rc.d")
# Not the PATH's first docker: a client much newer than the engine cannot build with it.
_DOCKER = "/usr/bin/docker"


class EngineError(Exception):
    """The engine or one of its commands failed; the message has the reason."""


def obstacle() -> str:
    """Return why an engine cannot start on this machine, or an empty text."""
    if not sys.platform.startswith("linux"):
        return "a Docker engine needs Linux"
    if os.geteuid() != 0:
        return "it starts a Docker engine by hand, which only root can"
    if Path("/sys/class/net/docker0").exists() or Path("/var/run/docker.sock").exists():
        return (
            "another Docker engine is on this machine; "
            "there, use docker compose -f compose/compose.yaml up --wait"
        )
    if missing := _missing():
        return f"{', '.join(missing)} not installed, and no apt-get" if not _apt() else ""
    return ""


def install() -> None:
    """Install the Debian packages that are missing, without starting their services."""
    if not (missing := _missing()):
        return
    packages = sorted({PROGRAMS[program] for program in missing})
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        for arguments in (["update", "-q"], ["install", "-qy", "--no-install-recommends"]):
            names = packages if arguments[0] == "install" else []
            run(["apt-get", *arguments, *names], environment)


def _missing() -> list[str]:
    return [program for program in PROGRAMS if not shutil.which(program)]


def _apt() -> str | None:
    return shutil.which("apt-get")


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting the services they install."""
    ours = not _NO_SERVICES.exists()
    if ours:
        _NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        _NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _NO_SERVICES.unlink()


def run(command: list[str], environment: dict[str, str] | None = None, timeout: float = 600) -> str:
    """Run a command and return its output; raise EngineError with it on failure."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-40:])
        raise EngineError(f"{' '.join(command)} ended with {done.returncode}:\n{end}")
    return done.stdout


class Engine:
    """A running engine, as a context manager; `environment` lets Docker's clients find it."""

    def __enter__(self) -> Self:
        self.root = Path(tempfile.mkdtemp(prefix="falcolake-engine-"))
        self.environment = {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.root}/docker.sock",
            "DOCKER_CONFIG": str(self.root / "client"),
            "DOCKER_BUILDKIT": "1",
        }
        self._rules = _saved_rules()
        self._forwarding = _FORWARDING.read_text()
        self._interfaces = _interfaces()
        self._log = self.root / "dockerd.log"
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._daemon.wait(STOP_SECONDS)
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._daemon.wait()
        for mount in self._mounts():
            run(["umount", "--lazy", mount])
        for name in _interfaces() - self._interfaces:
            run(["ip", "link", "delete", name])
        _restore_rules(self._rules)
        _FORWARDING.write_text(self._forwarding)
        shutil.rmtree(self.root)

    def docker(self, *arguments: str, timeout: float = 600) -> str:
        """Run Docker's client on this engine."""
        return run([_DOCKER, *arguments], self.environment, timeout)

    def _start(self) -> None:
        with self._log.open("wb") as log:
            self._daemon = subprocess.Popen(
                [
                    "dockerd",
                    *("--host", self.environment["DOCKER_HOST"]),
                    *("--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/exec"),
                    *("--pidfile", f"{self.root}/pid", "--storage-driver", "overlay2"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.docker("version")
            except EngineError:
                if self._daemon.poll() is not None or time.monotonic() > deadline:
                    lines = self._log.read_text().splitlines()[-5:]
                    raise EngineError("the engine did not start:\n" + "\n".join(lines)) from None
                time.sleep(0.2)
            else:
                return

    def _processes(self) -> Iterator[int]:
        """Yield the engine's running processes: each command line names its folder."""
        needle = str(self.root).encode()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and needle in (entry / "cmdline").read_bytes():
                    yield int(entry.name)

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mounts").read_text().splitlines()
        return [each for line in reversed(lines) if str(self.root) in (each := line.split()[1])]


def _interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def _saved_rules() -> str:
    """Return the current iptables rules; a missing table counts as empty."""
    saved = run(["iptables-save"])
    for table, chains in TABLES.items():
        if f"*{table}\n" not in saved:
            policies = "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains)
            saved += f"*{table}\n{policies}COMMIT\n"
    return saved


def _restore_rules(saved: str) -> None:
    subprocess.run(["iptables-restore"], input=saved, text=True, check=True)


def main() -> int:
    """Start and stop an engine; return 0, or print the reason and return 1."""
    reason = obstacle()
    if not reason:
        try:
            install()
            with Engine():
                pass
        except EngineError as error:
            reason = str(error)
    if reason:
        print(reason)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
