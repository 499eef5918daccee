"""Apache Kafka as a child server: one KRaft node instead of the project's own broker.

Tests use it to see how real Kafka handles commits, generations and sessions. It needs Java 17 and
the jars that `make kafka` fetches. Acknowledged data survives kill -9 and a restart on the same
directory, and nothing is written elsewhere. It listens on loopback only.
"""

from kafka import KafkaAdminClient
from kafka.errors import RetriableError

from streams.embedded.apache_jars import JARS, find_jars, find_program, require_checkout
from streams.embedded.kafka import KafkaServer
from streams.embedded.ports import HOST, free_ports
from streams.embedded.process import ServerProcess

CLUSTER_ID = "falcolake-development0"  # 22 characters: Kafka decodes it to 16 bytes

_CONFIGURATION = "server.properties"
_RECORDS = "records"

# The first start formats the directory, in the server's own process: one supervisor ends both, and
# one lock keeps others away.
_START = f"""
test -e {_RECORDS}/meta.properties ||
    "$@" kafka.tools.StorageTool format --config {_CONFIGURATION} --cluster-id {CLUSTER_ID} ||
    exit
exec "$@" kafka.Kafka {_CONFIGURATION}
"""

_STARTED = "Kafka Server started"
_LOG_LEVELS = {
    "defaultLogLevel": "warn",
    "log.kafka.server.KafkaRaftServer": "info",  # logs when it has started
    "log.org.apache.kafka.coordinator.group": "info",  # logs every rebalance and its reason
}


class ApacheKafka(KafkaServer):
    """One Apache Kafka node, broker and controller. Its first start takes about five seconds."""

    name = "Apache Kafka"
    start_timeout = 90.0
    jars = JARS

    def _prepare(self) -> tuple[ServerProcess, list[int]]:
        command = ["sh", "-c", _START, "sh", *self._java()]
        controller_port = next(port for port in free_ports(2) if port != self.port)
        self.data.mkdir(parents=True, exist_ok=True)
        settings = _settings(self.port, controller_port, self.advertised_port or self.port)
        settings["auto.create.topics.enable"] = str(self.auto_create).lower()
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (self.data / _CONFIGURATION).write_text("".join(lines))
        process = ServerProcess(
            self.name,
            command,
            log=self.data / "broker.log",
            directory=self.data,
            patience=self.patience,
        )
        return process, [self.port, controller_port]

    def _answers(self) -> bool:
        if self._process is None or _STARTED not in self._process.output():
            return False
        # Kafka creates the offsets topic when a group is first used, and loads it after a restart.
        # The server is not ready without it.
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.list_group_offsets([self.name])
        except RetriableError:
            return False
        finally:
            admin.close()
        return True

    def _java(self) -> list[str]:
        """Return the command that runs a Kafka class: quick to start, and small."""
        require_checkout()
        return [
            find_program("java"),
            *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *("-XX:-UsePerfData", f"-Djava.io.tmpdir={self.data}"),  # both would write to /tmp
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            *(f"-Dorg.slf4j.simpleLogger.{key}={value}" for key, value in _LOG_LEVELS.items()),
            *("-cp", f"{find_jars(self.jars)}/*"),
        ]


def _settings(port: int, controller_port: int, advertised_port: int) -> dict[str, object]:
    """Return the settings that differ from Kafka's defaults."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{advertised_port}",
        "log.dirs": _RECORDS,
        # One node can keep only one copy.
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        # Tests should not wait 3 s for a group's second member, nor 6 s for a dead one.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 500,
        # After kill -9 the node waits until its earlier registration expires.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3000,
        "log.cleaner.backoff.ms": 500,  # tests should not wait 15 s for compaction either
        "log.cleaner.dedupe.buffer.size": 4 << 20,  # 128 MiB of heap otherwise
    }
