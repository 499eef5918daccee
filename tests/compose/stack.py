"""The compose stack, running in the tests' own engine."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from streams.embedded.ports import free_ports
from streams.embedded.s3 import S3Server
from tests.compose.engine import Engine, run
from tests.compose.files import COMPOSE_FILE
from tests.compose.standins import NOT_RUN
from tests.compose.tools import COMPOSE

PORTS = ("KAFKA_PORT", "S3_PORT", "WORKER_PORT", "PROMETHEUS_PORT")
FALCOLAKE = str(Path(sys.executable).with_name("falcolake"))


class Stack:
    """The services of the compose file that have an image here, as a context manager."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._environment = {
            **engine.environment,
            **{name: str(port) for name, port in self.ports.items()},
        }

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "10")

    def up(self, *services: str) -> None:
        """Start services and wait until they are healthy; by default all that have an image."""
        wanted = services or ("worker", "prometheus")
        assert not NOT_RUN & set(wanted)
        quietly = ["--quiet-pull", "--no-build", "--pull", "never"]
        self.compose("up", *quietly, "--wait", "--wait-timeout", "180", *wanted)

    def compose(self, *arguments: str) -> str:
        """Run Compose on the project's file."""
        command = [str(COMPOSE), "--ansi", "never", "--file", str(COMPOSE_FILE), *arguments]
        return run(command, self._environment)

    def inside(self, *command: str) -> str:
        """Run a command in the worker's container; raise EngineError if it fails."""
        return self.compose("exec", "-T", "worker", *command)

    def falcolake(self, *arguments: str) -> str:
        """Run a falcolake command on this machine, through the ports that the stack publishes."""
        return run([FALCOLAKE, *arguments], self._outside(), timeout=180)

    def producing(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `falcolake produce` on this machine."""
        return subprocess.Popen([FALCOLAKE, "produce", *arguments], env=self._outside())

    def audit(self) -> dict[str, Any]:
        """Return the audit's proof; raise EngineError if it finds a problem."""
        command = [FALCOLAKE, "audit", "--json"]
        done = subprocess.run(
            command, env=self._outside(), capture_output=True, text=True, timeout=180, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def prometheus(self, path: str, **parameters: str) -> Any:
        """Query Prometheus's API; return the data of its answer."""
        url = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/{path}"
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{url}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def containers(self) -> list[dict[str, Any]]:
        """Return the stack's running and ended containers, as Compose shows them."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _outside(self) -> dict[str, str]:
        return os.environ | {
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": f"localhost:{self.ports['KAFKA_PORT']}",
            "FALCOLAKE_LAKE__ENDPOINT_URL": f"http://localhost:{self.ports['S3_PORT']}",
            "FALCOLAKE_LAKE__BUCKET": "falcolake",
            "FALCOLAKE_LAKE__REGION": S3Server.region,
            "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
        }
