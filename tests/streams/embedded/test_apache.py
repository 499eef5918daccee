"""Apache Kafka as the broker of a stack (`pytest --broker apache`)."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.embedded.apache import CLUSTER_ID, ApacheKafka
from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured
from tests.streams.embedded.processes import running
from tests.waiting import wait_until

SERVE = """
import pathlib, sys
from streams.embedded.apache import ApacheKafka
with ApacheKafka(pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_the_stacks_broker_is_apache_kafka(stack: EmbeddedStack) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    try:
        assert admin.describe_cluster()["cluster_id"] == CLUSTER_ID
    finally:
        admin.close()


def test_it_listens_on_one_loopback_address_only(stack: EmbeddedStack) -> None:
    port = stack.kafka.port
    socket.create_connection(("127.0.0.1", port)).close()
    for other in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"refused|assign|reach"):
            socket.create_connection((other, port))


def test_records_offsets_and_the_address_survive_kill_9_and_a_stop(tmp_path: Path) -> None:
    place = TopicPartition("alerts", 1)
    sealed = OffsetAndMetadata(4, '{"v":1,"ends":[7]}', -1)
    with ApacheKafka(tmp_path) as kafka:
        kafka.ensure_topics({"alerts": 2})
        address = kafka.bootstrap
        producer = KafkaProducer(bootstrap_servers=address)
        for _ in range(10):
            producer.send("alerts", b"alert", partition=1).get(10)
        producer.close()
        consumer = KafkaConsumer(bootstrap_servers=address, group_id="g", enable_auto_commit=False)
        consumer.assign([place])
        consumer.commit({place: sealed})
        consumer.close()
        for end in (kafka.kill, kafka.stop):
            end()
            assert running(str(tmp_path)) == []
            kafka.start()
            assert kafka.bootstrap == address
            consumer = KafkaConsumer(bootstrap_servers=address, group_id="g")
            assert consumer.end_offsets([place]) == {place: 10}
            assert consumer.committed(place, metadata=True) == sealed
            consumer.close()
    assert running(str(tmp_path)) == []


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert starter.stdout.readline() == b"ready\n"
        assert running("kafka.Kafka", str(tmp_path))
        os.kill(starter.pid, signal.SIGKILL)
        wait_until(lambda: not running(str(tmp_path)), 20, "nothing runs on the directory")
    finally:
        starter.kill()
        starter.communicate()


def test_a_directory_in_use_is_refused_and_its_server_keeps_running(stack: EmbeddedStack) -> None:
    other = ApacheKafka(stack.kafka.data)
    other.patience = 0.2
    with pytest.raises(Misconfigured, match="in use by another Apache Kafka"):
        other.start()
    stack.check()
    stack.kafka.ensure_topics({"still-there": 1})
