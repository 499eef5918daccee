"""The embedded stack as a context manager and as the command that a shell evaluates."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured, Unavailable
from tests.streams.embedded.processes import alive, running
from tests.waiting import wait_until

# What `falcolake stack --data DIR` does.
COMMAND = """
import pathlib, sys
from streams.embedded.stack import StackOptions, run
run(StackOptions(data=pathlib.Path(sys.argv[1])), sys.stdout)
"""


def partitions_of(stack: EmbeddedStack) -> dict[str, int]:
    admin = KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    try:
        return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    finally:
        admin.close()


def group_member(stack: EmbeddedStack) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=stack.kafka_bootstrap, group_id="lake", enable_auto_commit=False
    )


def test_topics_and_bucket_are_there(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path, topic="alerts", partitions=3, bucket="lake") as stack:
        assert partitions_of(stack) == {
            "alerts": 3,
            "alerts.control": 1,
            "alerts.dead-letter": 3,
        }
        assert [found["Name"] for found in stack.s3.client().list_buckets()["Buckets"]] == ["lake"]


def test_a_second_run_finds_records_offsets_and_objects_and_adds_partitions(tmp_path: Path) -> None:
    place = TopicPartition("alerts", 1)
    committed = OffsetAndMetadata(4, '{"v":1,"ends":[7]}', -1)
    with EmbeddedStack(tmp_path, topic="alerts", partitions=2) as stack:
        producer = KafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
        for number in range(10):
            producer.send("alerts", b"%d" % number, partition=1).get(10)
        producer.close()
        consumer = group_member(stack)
        consumer.assign([place])
        consumer.commit({place: committed})
        consumer.close()
        stack.s3.client().put_object(Bucket="falcolake", Key="k", Body=b"kept")
    with EmbeddedStack(tmp_path, topic="alerts", partitions=5) as stack:
        consumer = group_member(stack)
        assert consumer.end_offsets([place]) == {place: 10}
        assert consumer.committed(place, metadata=True) == committed
        consumer.close()
        assert stack.s3.client().get_object(Bucket="falcolake", Key="k")["Body"].read() == b"kept"
        assert partitions_of(stack) == {"alerts": 5, "alerts.control": 1, "alerts.dead-letter": 5}


def test_records_and_objects_survive_kill_9_of_both_servers(tmp_path: Path) -> None:
    place = TopicPartition("falco-events", 0)
    with EmbeddedStack(tmp_path) as stack:
        producer = KafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
        producer.send("falco-events", b"alert", partition=0).get(10)
        stack.s3.client().put_object(Bucket="falcolake", Key="k", Body=b"kept")
        producer.close()
        before = stack.environment()
        for server in (stack.kafka, stack.s3):
            os.killpg(server._process._guard.pid, signal.SIGKILL)
            wait_until(lambda server=server: not server.running, 5, "the server is dead")
            with pytest.raises(Unavailable, match=f"the {server.name} ended unexpectedly"):
                stack.check()
            server.start()
        stack.check()
        assert stack.environment() == before
        consumer = KafkaConsumer(bootstrap_servers=stack.kafka_bootstrap)
        assert consumer.end_offsets([place]) == {place: 1}
        consumer.close()
        assert stack.s3.client().get_object(Bucket="falcolake", Key="k")["Body"].read() == b"kept"


def test_a_temporary_directory_is_removed_afterwards() -> None:
    with EmbeddedStack() as stack:
        assert stack.data.is_dir()
        assert str(stack.data) in stack.environment()["FALCOLAKE_STAGING__PATH"]
    assert not stack.data.exists()
    assert running(str(stack.data)) == []


def test_a_topic_name_that_kafka_refuses_is_explained_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    with pytest.raises(Misconfigured, match="cannot create the topic no topic: "):
        EmbeddedStack(tmp_path, topic="no topic").__enter__()
    assert running(str(tmp_path)) == []


def test_a_data_directory_that_is_a_file_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(Misconfigured, match=f"cannot use {file} as the data directory"):
        EmbeddedStack(file).__enter__()


def test_a_data_directory_in_use_is_refused_and_its_stack_keeps_running(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path) as stack:
        with pytest.raises(Misconfigured, match="in use by another Kafka broker"):
            EmbeddedStack(tmp_path, patience=0.2).__enter__()
        stack.check()


def test_exports_give_a_shell_the_environment(stack: EmbeddedStack) -> None:
    script = f"{stack.exports()} exec {sys.executable} -c 'import os; print(dict(os.environ))'"
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    environment = stack.environment()
    assert {name: value for name, value in eval(shown).items() if name in environment} == (
        environment
    )


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """Run a bash script in which `falcolake` is the command; stop its stack afterwards."""
    pids = []

    def run(script: str) -> list[str]:
        function = f'falcolake() {{ exec {sys.executable} -c "$COMMAND" "$3"; }}\n'
        answer = subprocess.run(
            ["bash", "-c", function + script],
            env={**os.environ, "COMMAND": COMMAND, "DATA": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        words = answer.stdout.split()
        pids.append(int(words[-1]))
        return words

    yield run
    for pid in pids:
        if alive(pid):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda pid=pid: not alive(pid), 20, "the stack has ended")


def test_eval_of_the_command_in_the_background_returns_and_the_stack_keeps_running(
    shell: Callable[[str], list[str]], tmp_path: Path
) -> None:
    bootstrap, endpoint, _, pid = shell(
        'eval "$(falcolake stack --data "$DATA" &)"\n'
        "echo $FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS $FALCOLAKE_LAKE__ENDPOINT_URL"
        " $FALCOLAKE_STAGING__PATH $FALCOLAKE_STACK_PID"
    )
    assert alive(int(pid))
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    assert "falco-events" in consumer.topics()
    consumer.close()
    assert len(running(str(tmp_path / "kafka"))) == 2  # the broker and its supervisor
    assert len(running(f"s3.port={endpoint.rpartition(':')[2]}")) == 2
    os.kill(int(pid), signal.SIGTERM)
    wait_until(lambda: not alive(int(pid)), 20, "the stack has ended")
    assert running(str(tmp_path)) == []


def test_kill_9_of_the_stack_leaves_no_server_behind_and_the_next_run_starts_at_once(
    shell: Callable[[str], list[str]],
) -> None:
    start = 'eval "$(falcolake stack --data "$DATA" &)"\n'
    ports = "echo $FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS $FALCOLAKE_LAKE__ENDPOINT_URL\n"
    *before, pid = shell(
        f'{start} {ports} kill -9 "$FALCOLAKE_STACK_PID"\n {start} echo $FALCOLAKE_STACK_PID'
    )
    assert alive(int(pid))
    for address in before:
        port = address.rpartition(":")[2]
        pattern = f"port {port} " if "//" not in address else f"s3.port={port} "
        wait_until(lambda pattern=pattern: running(pattern) == [], 10, f"no {pattern}")


def run_in_foreground(data: Path, errors: int | None = None) -> "subprocess.Popen[str]":
    def listen_to_ctrl_c() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(data)],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_with_exit_code_0(tmp_path: Path, number: int) -> None:
    with run_in_foreground(tmp_path) as stack:
        lines = stack.stdout.read().splitlines()
        assert all(line.startswith("export ") for line in lines)
        assert lines[-1] == f"export FALCOLAKE_STACK_PID={stack.pid}"
        stack.send_signal(number)
    assert stack.returncode == 0
    assert running(str(tmp_path)) == []


def test_a_signal_while_the_stack_starts_stops_everything(tmp_path: Path) -> None:
    with run_in_foreground(tmp_path) as stack:
        wait_until((tmp_path / "s3" / "s3.log").exists, 20, "the S3 server is being started")
        stack.send_signal(signal.SIGINT)
        assert stack.stdout.read() == ""
    assert stack.returncode == 0
    wait_until(lambda: running(str(tmp_path)) == [], 10, "no server is left")


def test_a_stack_that_loses_a_server_ends_with_its_name(tmp_path: Path) -> None:
    with run_in_foreground(tmp_path, errors=subprocess.PIPE) as stack:
        stack.stdout.read()
        broker = running("-m streams.embedded.broker --port", str(tmp_path))
        os.kill(max(broker), signal.SIGKILL)  # the supervisor is the older one
        words = stack.stderr.read()
    assert stack.returncode == 1
    assert "the Kafka broker ended unexpectedly" in words
    assert running(str(tmp_path)) == []
