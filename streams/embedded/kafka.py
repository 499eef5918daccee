"""The embedded Kafka broker as a child server, and topic creation for it or another broker.

Acknowledged data survives kill -9 and a restart on the same directory. The broker is for
development and tests, on loopback only (see `streams.embedded.broker`).
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import for_code

from streams.embedded.ports import HOST
from streams.embedded.process import ServerProcess
from streams.embedded.server import LoopbackServer
from streams.errors import Misconfigured


class KafkaServer(LoopbackServer):
    """A single-node broker on loopback: its address and its topics.

    With `advertised_port` it tells clients to connect there, to a test's proxy.
    """

    def __init__(self, data: Path, port: int = 0, advertised_port: int = 0) -> None:
        super().__init__(data, port)
        self.advertised_port = advertised_port

    #: Whether the broker creates topics that clients ask for; takes effect at the next start.
    auto_create = True

    @property
    def bootstrap(self) -> str:
        """Return the broker's address, for `bootstrap_servers`."""
        return f"{HOST}:{self.port}"

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create missing topics, and add partitions to topics that have too few.

        Raises `Misconfigured` with the broker's reason if it refuses a name or a number.
        """
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            there = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
            missing = {
                name: {"num_partitions": number, "replication_factor": 1}
                for name, number in partitions.items()
                if name not in there
            }
            grown = {name: n for name, n in partitions.items() if there.get(name, n) < n}
            results = []
            if missing:
                results += admin.create_topics(missing, raise_errors=False)["topics"]
            if grown:
                results += admin.create_partitions(grown, raise_errors=False).to_dict()["results"]
            if not any(each["error_code"] for each in results):
                admin.wait_for_topics(partitions)  # Kafka answers before clients can see them
        finally:
            admin.close()
        refusals = [
            f"{each['name']}: {each['error_message'] or for_code(each['error_code']).__name__}"
            for each in results
            if each["error_code"]
        ]
        if refusals:
            raise Misconfigured(
                f"cannot create the topic {refusals[0]}",
                "choose another name or number of partitions",
            )


class EmbeddedKafka(KafkaServer):
    """The project's own broker: it starts quickly and needs only Python."""

    name = "Kafka broker"

    def _prepare(self) -> tuple[ServerProcess, list[int]]:
        command = [sys.executable, "-m", "streams.embedded.broker"]
        options = ["--port", str(self.port), "--data", str(self.data)]
        if not self.auto_create:
            options.append("--no-auto-create")
        if self.advertised_port:
            options += ["--advertised-port", str(self.advertised_port)]
        log = self.data / "broker.log"
        process = ServerProcess(self.name, [*command, *options], log=log, patience=self.patience)
        return process, [self.port]

    def _answers(self) -> bool:
        lines = self._process.output().splitlines() if self._process else []
        return f"ready {self.bootstrap}" in lines
