"""The embedded stack: broker, S3 server, topic and bucket, for `stack`, `demo` and the tests.

All data lives in one directory, and the servers stop with the process that started them. A second
run on the same directory finds its topics, records, offsets and objects again.
"""

import contextlib
import os
import shlex
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn, Self, TextIO

from streams.embedded.apache import ApacheKafka
from streams.embedded.kafka import EmbeddedKafka, KafkaServer
from streams.embedded.process import PATIENCE_SECONDS
from streams.embedded.s3 import ACCOUNT_ID, EmbeddedS3, find_server
from streams.errors import Misconfigured

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WATCH_SECONDS = 0.5

BrokerName = Literal["embedded", "apache"]
# Each has its own directory: they cannot read each other's files.
_BROKERS: dict[BrokerName, tuple[type[KafkaServer], str]] = {
    "embedded": (EmbeddedKafka, "kafka"),
    "apache": (ApacheKafka, "apache-kafka"),
}


class EmbeddedStack:
    """A context manager: inside it, both servers run and the topics and bucket exist.

    `data` None means a temporary directory that is removed on exit; port 0 means a free port. See
    `streams.embedded.apache` for what the broker "apache" needs. With `advertised_port` the broker
    tells its clients to connect there, to a proxy that forwards to `kafka_port`. `patience` is how
    many seconds a server waits for another on the same directory to end.
    """

    kafka: KafkaServer

    def __init__(
        self,
        data: Path | None = None,
        kafka_port: int = 0,
        s3_port: int = 0,
        topic: str = "falco-events",
        partitions: int = 4,
        bucket: str = "falcolake",
        broker: BrokerName = "embedded",
        advertised_port: int = 0,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.topic = topic
        self.bucket = bucket
        self._partitions = partitions
        self._ports = kafka_port, s3_port
        self._broker = broker
        self._advertised_port = advertised_port
        self._patience = patience
        self._given = data
        self._parts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        find_server()  # if it is missing, say so before the broker starts
        with contextlib.ExitStack() as parts:
            self.data = (
                self._given.absolute()
                if self._given
                else Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="falcolake-")))
            )
            _make_directory(self.data)
            kafka_port, s3_port = self._ports
            kafka, directory = _BROKERS[self._broker]
            self.kafka = kafka(self.data / directory, kafka_port, self._advertised_port)
            self.s3 = EmbeddedS3(self.data / "s3", s3_port)
            for server in (self.kafka, self.s3):
                server.patience = self._patience
                parts.enter_context(server)
            self.create_topic(self.topic, self._partitions)
            self.s3.create_bucket(self.bucket)
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._parts.close()

    @property
    def kafka_bootstrap(self) -> str:
        """Return the broker's address, `host:port`."""
        return self.kafka.bootstrap

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic for alerts with its control and dead-letter topics.

        Existing topics are kept, and get more partitions if they have too few.
        """
        self.kafka.ensure_topics(
            {name: partitions, f"{name}.control": 1, f"{name}.dead-letter": partitions}
        )

    def environment(self, topic: str | None = None, bucket: str | None = None) -> dict[str, str]:
        """Return the settings and credentials that falcolake and AWS tools need for this stack."""
        return {
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": self.kafka_bootstrap,
            "FALCOLAKE_KAFKA__TOPIC": topic or self.topic,
            "FALCOLAKE_LAKE__BUCKET": bucket or self.bucket,
            "FALCOLAKE_LAKE__REGION": self.s3.region,
            "FALCOLAKE_LAKE__ACCOUNT_ID": ACCOUNT_ID,
            "FALCOLAKE_LAKE__ENDPOINT_URL": self.s3.endpoint_url,
            "FALCOLAKE_STAGING__PATH": str(self.data / "staging"),
            "AWS_ACCESS_KEY_ID": self.s3.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.s3.secret_access_key,
            "AWS_SESSION_TOKEN": "",  # the caller's own would not fit this key
            "AWS_REGION": self.s3.region,
            "AWS_DEFAULT_REGION": self.s3.region,
        }

    def exports(self) -> str:
        """Return the environment as lines that a POSIX shell can evaluate."""
        return _export_lines(self.environment())

    def check(self) -> None:
        """Raise `Unavailable`, quoting the end of the log, if a server ended on its own."""
        self.kafka.check()
        self.s3.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """The options of `falcolake stack`, with the same meaning as for `EmbeddedStack`."""

    data: Path | None = None
    kafka_port: int = 0
    s3_port: int = 0
    topic: str = "falco-events"
    partitions: int = 4
    bucket: str = "falcolake"
    broker: BrokerName = "embedded"


class _Stop(BaseException):
    """A signal asked the stack to stop."""


def run(options: StackOptions, out: TextIO) -> None:
    """Run a stack until SIGTERM, SIGINT or SIGHUP.

    Once everything is ready it writes the export lines to `out` and closes it, so that
    `eval "$(falcolake stack &)"` returns while the stack keeps running. Messages go to standard
    error. Raises `Misconfigured` or `Unavailable` when a server does not start, or ends on its own.
    """
    for number in _STOP_SIGNALS:
        # Background jobs ignore Ctrl-C, and nohup ignores hang-ups: keep it that way.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    with contextlib.suppress(_Stop), EmbeddedStack(**asdict(options)) as stack:
        _hand_over(stack, out)
        while True:
            time.sleep(_WATCH_SECONDS)
            stack.check()


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"cannot use {path} as the data directory: {error.strerror}", "choose another directory"
        ) from None


def _hand_over(stack: EmbeddedStack, out: TextIO) -> None:
    out.write(stack.exports())
    out.write(_export_lines({"FALCOLAKE_STACK_PID": str(os.getpid())}))
    out.flush()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), out.fileno())
    _say(
        f"Kafka is at {stack.kafka_bootstrap}, S3 at {stack.s3.endpoint_url}, the data in"
        f" {stack.data}. Stop both with Ctrl-C or `kill {os.getpid()}`."
    )


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the shutdown is bounded in time
    raise _Stop


def _export_lines(variables: dict[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
