"""The embedded stack: broker, S3 server, topic and bucket, for `stack`, `demo` and the tests.

All data lives in one directory, and the servers stop with the process that started them. A second
run on the same directory finds its topics, records, offsets and objects again.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn, Self, TextIO

from streams.embedded.apache import ApacheKafka
from streams.embedded.kafka import EmbeddedKafka, KafkaServer
from streams.embedded.process import PATIENCE_SECONDS
from streams.embedded.s3 import ACCOUNT_ID, EmbeddedS3, find_server
from streams.errors import Misconfigured, Unavailable
from streams.locks import try_lock

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WATCH_SECONDS = 0.5
_LOOK_SECONDS = 0.05

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
            for name in (directory, "s3"):
                _make_directory(self.data / name)
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


#: In the data directory: the exports, the lock of whoever runs there, and what a detached run says.
ENVIRONMENT, LOCK, LOG = "env", "stack.lock", "stack.log"


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
    with (
        contextlib.suppress(_Stop),
        _only_one(options.data),
        EmbeddedStack(**asdict(options)) as stack,
    ):
        _hand_over(stack, out)
        while True:
            time.sleep(_WATCH_SECONDS)
            stack.check()


def detach(options: StackOptions, data: Path) -> str:
    """Start a stack in a session of its own, which a Ctrl-C here does not reach.

    Returns its export lines. If it does not start, raises Misconfigured or Unavailable with what
    it said.
    """
    _make_directory(data)
    arguments = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in asdict(replace(options, data=data)).items()
    ]
    with (data / LOG).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "stack", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as out:
        exports = out.read()  # ends when it hands over, or itself ends
    if exports:
        return exports
    code, said = process.wait(), (data / LOG).read_text().strip()
    message, _, hint = said.removeprefix("Error: ").partition("\nTry: ")
    raise (Misconfigured if code == 2 else Unavailable)(message, hint)


def stop(data: Path) -> bool:
    """End the stack that runs on a directory; return False if none does. Raises Unavailable."""
    until = time.monotonic() + PATIENCE_SECONDS
    asked = False
    while (pid := _running(data)) is not None:
        if not asked:
            os.kill(pid, signal.SIGTERM)
            asked = True
        if time.monotonic() > until:
            raise Unavailable(
                f"the stack on {data} has not ended after {PATIENCE_SECONDS:g} s",
                f"see {data / LOG}; 'kill -9 {pid}' ends it at once",
            )
        time.sleep(_LOOK_SECONDS)
    return asked


@contextlib.contextmanager
def _only_one(data: Path | None) -> Iterator[None]:
    """Hold the lock of a data directory, with this process's id in it."""
    if data is None:
        yield
        return
    _make_directory(data)
    with (data / LOCK).open("a+") as lock:
        if not try_lock(lock):
            raise Misconfigured(
                f"a stack already runs on {data}",
                f"stop it with 'falcolake stack --stop --data {data}', or choose another directory",
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}")
        lock.flush()
        try:
            yield
        finally:
            (data / ENVIRONMENT).unlink(missing_ok=True)
            lock.truncate(0)


def _running(data: Path) -> int | None:
    """Return the process id of the stack that holds a directory's lock."""
    try:
        with (data / LOCK).open("r+") as lock:
            if try_lock(lock):
                return None
            text = lock.read()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() else None


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"cannot use {path} as the data directory: {error.strerror}", "choose another directory"
        ) from None


def _hand_over(stack: EmbeddedStack, out: TextIO) -> None:
    exports = stack.exports() + _export_lines({"FALCOLAKE_STACK_PID": str(os.getpid())})
    environment = stack.data / ENVIRONMENT
    environment.touch(mode=0o600)
    environment.write_text(exports)
    out.write(exports)
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
