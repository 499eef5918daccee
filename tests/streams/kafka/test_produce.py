"""Producing: what the report calls sent is in the topic, once, as it was given."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from kafka import KafkaConsumer, TopicPartition

from streams import samples
from streams.errors import Misconfigured, Unavailable
from streams.kafka import produce
from streams.settings.settings import Settings
from tests.conftest import Spawn
from tests.waiting import wait_until

START = 1_795_442_607_123_456_789


@pytest.fixture
def settings(topic: str, kafka_bootstrap: str) -> Settings:
    return Settings(kafka={"bootstrap_servers": kafka_bootstrap, "topic": topic})


def ends(settings: Settings) -> dict[int, int]:
    """The end offset of every partition."""
    with KafkaConsumer(bootstrap_servers=settings.kafka.servers) as client:
        topic = settings.kafka.topic
        found = client.end_offsets(
            [TopicPartition(topic, number) for number in client.partitions_for_topic(topic)]
        )
    return {partition.partition: end for partition, end in found.items()}


def records(settings: Settings) -> list[Any]:
    """Every record of the topic, read by a client that knows zstd."""

    async def read(wanted: int) -> list[Any]:
        options = {"auto_offset_reset": "earliest", "bootstrap_servers": settings.kafka.servers}
        async with AIOKafkaConsumer(settings.kafka.topic, **options) as client:
            return [await client.getone() for _ in range(wanted)]

    return asyncio.run(asyncio.wait_for(read(sum(ends(settings).values())), 30))


def test_every_sample_is_in_the_topic_once_without_a_key(settings: Settings) -> None:
    report = produce.run(settings, start_ns=START, count=2000, seed=3, garbage=0.05)
    found = records(settings)
    wanted = samples.alerts(3, 2000, START - 2 * samples.SECOND, "mixed", None, 10**6, 0.05)
    assert Counter(record.value for record in found) == Counter(wanted)
    assert {record.key for record in found} == {None}
    assert (report.sent, report.failed, report.interrupted) == (2000, 0, False)


def test_the_report_names_the_partitions_that_got_records(settings: Settings) -> None:
    report = produce.run(settings, start_ns=START, count=1500)
    assert report.partitions == ends(settings)
    assert report.partitions == {0: 384, 1: 384, 2: 384, 3: 348}  # by the count alone
    assert "1,500 records sent" in str(report)


def test_without_a_rate_the_last_alert_is_from_now_and_with_one_the_first(
    settings: Settings,
) -> None:
    produce.run(settings, start_ns=START, count=100, form="native", sources=["okta"])
    produce.run(settings, start_ns=START, count=10, rate=100, form="native", sources=["github"])
    times: dict[str, list[int]] = {"okta": [], "github": []}
    for record in records(settings):
        alert = json.loads(record.value)
        times[alert["source"]].append(alert["output_fields"]["evt.time"])
    assert START - 100 * 10**6 <= min(times["okta"]) < max(times["okta"]) <= START
    assert START <= min(times["github"]) < max(times["github"]) < START + samples.SECOND // 10


def test_a_rate_is_not_exceeded(settings: Settings) -> None:
    assert produce.run(settings, start_ns=START, count=30, rate=60).seconds > 0.4


def test_lines_of_a_file_are_published_as_they_are(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_bytes(b'{"rule":"a"}\n\n  \nnot json \xff\nlast, without an end')
    report = produce.run(settings, start_ns=START, count=None, file=file)
    values = {record.value for record in records(settings)}
    assert values == {b'{"rule":"a"}', b"not json \xff", b"last, without an end"}
    assert report.sent == 3


def test_a_file_larger_than_a_read_arrives_whole(settings: Settings, tmp_path: Path) -> None:
    lines = [b"%d " % i + b"x" * 900 for i in range(1000)]
    file = tmp_path / "large.jsonl"
    file.write_bytes(b"\n".join(lines))
    produce.run(settings, start_ns=START, count=None, file=file)
    assert Counter(record.value for record in records(settings)) == Counter(lines)


def test_count_stops_a_file_early(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_text("1\n2\n3\n4\n")
    assert produce.run(settings, start_ns=START, count=2, file=file).sent == 2
    assert {record.value for record in records(settings)} == {b"1", b"2"}


def test_a_record_that_kafka_refuses_is_told_and_the_others_are_sent(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_text(os.urandom(2_000_000).hex() + "\nsmall\n")
    report = produce.run(settings, start_ns=START, count=None, file=file)
    assert (report.sent, report.failed) == (1, 1)
    assert "1 record not acknowledged" in str(report)
    assert "message size too large" in str(report)
    assert [record.value for record in records(settings)] == [b"small"]


def test_no_kafka_is_unavailable() -> None:
    nowhere = Settings(kafka={"bootstrap_servers": "127.0.0.1:1"})
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        produce.run(nowhere, start_ns=START)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sources": ["sysdig"]}, "no sample alerts of sysdig"),
        ({"form": "xml"}, "form must be one of native, falcosidekick, mixed"),
    ],
)
def test_an_unknown_choice_is_misconfigured(
    settings: Settings, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(Misconfigured, match=said):
        produce.run(settings, start_ns=START, **wrong)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_misconfigured(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    with pytest.raises(Misconfigured, match="cannot read"):
        produce.run(settings, start_ns=START, file=tmp_path / name)


SCRIPT = """
import sys
from pathlib import Path
from streams.kafka import produce
from streams.settings.settings import Settings

settings = Settings(kafka={"bootstrap_servers": sys.argv[1], "topic": sys.argv[2]})
file = Path("-") if sys.argv[3] == "-" else None
print(produce.run(settings, start_ns=0, count=None, rate=200, file=file))
"""


@pytest.fixture
def start(settings: Settings, spawn: Spawn) -> Callable[[str], "subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SCRIPT, *settings.kafka.servers, settings.kafka.topic]
    return lambda what: spawn([*command, what], stdin=subprocess.PIPE)


def test_a_slow_pipe_is_sent_line_by_line(
    start: Callable[[str], "subprocess.Popen[str]"], settings: Settings
) -> None:
    process = start("-")
    for i in range(3):
        process.stdin.write(f"line {i}\n")
        process.stdin.flush()
        wait_until(lambda sent=i + 1: sum(ends(settings).values()) == sent)
    out, _ = process.communicate(timeout=20)
    assert out.startswith("3 records sent")


@pytest.mark.parametrize("what", ["samples", "-"])
def test_ctrl_c_tells_what_was_sent(
    start: Callable[[str], "subprocess.Popen[str]"], settings: Settings, what: str
) -> None:
    process = start(what)
    if what == "-":
        process.stdin.write("first\nsecond, without its end")
        process.stdin.flush()
    wait_until(lambda: sum(ends(settings).values()))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    out, error = process.stdout.read(), process.stderr.read()
    assert out.startswith(f"{sum(ends(settings).values()):,} record")
    assert out.endswith("stopped before the end\n")
    assert "Traceback" not in error
