"""Imports over a real broker and a real S3 server: each alert once, whatever happens between."""

import fcntl
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from streams.embedded.stack import EmbeddedStack
from streams.errors import Corrupt, Misconfigured, Unavailable
from streams.imports.journal import Batch, Journal
from streams.imports.run import default_journal, run
from streams.imports.sender import Sender
from streams.kafka.client import client_options
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.flow.worlds import alert
from tests.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def environment(lake_environment: LakeEnvironment) -> dict[str, str]:
    return lake_environment()


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return load(environment=environment)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "alerts"
    made.mkdir()
    return made


def lines(*numbers: int) -> bytes:
    return b"".join(alert(number) + b"\n" for number in numbers)


def there(settings: Settings) -> list[bytes]:
    """All values of the topic."""
    with KafkaConsumer(bootstrap_servers=settings.kafka.servers) as consumer:
        topic = settings.kafka.topic
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        consumer.seek_to_beginning()
        left = sum(consumer.end_offsets(places).values())
        left -= sum(consumer.beginning_offsets(places).values())
        found: list[bytes] = []
        while len(found) < left:
            for records in consumer.poll(1000).values():
                found += [record.value for record in records]
        return found


def once(settings: Settings, expected: list[bytes]) -> None:
    assert Counter(there(settings)) == Counter(dict.fromkeys(expected, 1))


def test_every_format_is_imported_once_and_never_again(
    settings: Settings, folder: Path, journal: Path
) -> None:
    (folder / "b.jsonl").write_bytes(lines(*range(10)))
    (folder / "a.json").write_bytes(json.dumps(json.loads(alert(10)), indent=1).encode())
    (folder / "sub").mkdir()
    (folder / "sub" / "array").write_bytes(b"[" + b",".join(map(alert, range(11, 20))) + b"]")
    (folder / "members").write_bytes(gzip.compress(lines(20, 21)) + gzip.compress(lines(22)))
    zstd = pa.compress(lines(23), codec="zstd", asbytes=True)
    (folder / "frames.txt").write_bytes(zstd + pa.compress(lines(24), codec="zstd", asbytes=True))
    (folder / "concatenated").write_bytes(alert(25) + alert(26) + b"\n\n\nnot an alert\n")
    expected = [alert(number) for number in range(27) if number != 10]
    expected += [(folder / "a.json").read_bytes(), b"not an alert"]
    report = run(settings, [str(folder)], journal)
    once(settings, expected)
    assert (report.files, report.alerts, report.skipped) == (6, 28, 0)
    assert report.size == sum(map(len, expected))
    assert report.problems == report.notes == []
    again = run(settings, [str(folder), str(folder / "b.jsonl")], journal)
    assert (again.files, again.alerts, again.skipped) == (0, 0, 38)
    once(settings, expected)


def test_objects_of_s3_are_imported_as_falcosidekick_writes_them(
    settings: Settings, s3_client: "S3Client", bucket: str, journal: Path
) -> None:
    for number in range(30):
        key = f"falco/2026-11-23/2026-11-23T00:00:{number:02d}.000Z.json"
        s3_client.put_object(Bucket=bucket, Key=key, Body=alert(number))
    s3_client.put_object(Bucket=bucket, Key="falco/more.gz", Body=gzip.compress(lines(30, 31)))
    s3_client.put_object(Bucket=bucket, Key="other/x.json", Body=alert(99))
    report = run(settings, [f"s3://{bucket}/falco/"], journal)
    assert (report.files, report.alerts) == (31, 32)
    s3_client.put_object(Bucket=bucket, Key="falco/more.gz", Body=gzip.compress(lines(30, 31, 32)))
    report = run(settings, [f"s3://{bucket}/falco/"], journal)
    assert (report.files, report.alerts, report.skipped) == (1, 1, 32)
    once(settings, [alert(number) for number in range(33)])


def test_a_file_that_grew_goes_on_where_it_ended(
    settings: Settings, folder: Path, journal: Path
) -> None:
    file = folder / "falco.json"
    file.write_bytes(lines(0, 1) + alert(2)[:50])
    report = run(settings, [str(file)], journal)
    assert report.alerts == 2
    (note,) = report.notes
    assert note.startswith(f"left the last 50 bytes of {file}, from line 3 on")
    with file.open("ab") as more:
        more.write(alert(2)[50:] + b"\n" + lines(3))
    report = run(settings, [str(file)], journal)
    assert (report.alerts, report.skipped, report.notes) == (2, 2, [])
    once(settings, [alert(number) for number in range(4)])


@pytest.mark.parametrize("now", [b"", lines(0), lines(7, 1, 2, 3)])
def test_a_file_that_is_another_is_left_out_and_named(
    settings: Settings, folder: Path, journal: Path, now: bytes
) -> None:
    file = folder / "falco.json"
    file.write_bytes(lines(0, 1, 2))
    run(settings, [str(file)], journal)
    file.write_bytes(now)
    (folder / "other.json").write_bytes(lines(5))
    report = run(settings, [str(folder)], journal)
    (problem,) = report.problems
    assert problem.startswith(f"left out {file}: the beginning, which was imported, has changed")
    once(settings, [alert(number) for number in (0, 1, 2, 5)])


def test_what_cannot_be_read_is_named_and_the_rest_imported(
    settings: Settings, folder: Path, journal: Path
) -> None:
    whole = gzip.compress(lines(*range(3000)))
    (folder / "a.gz").write_bytes(whole[:-20])
    (folder / "b.zst").write_bytes(pa.compress(lines(3000), codec="zstd", asbytes=True)[:-9])
    (folder / "c").write_bytes(lines(3001))
    report = run(settings, [str(folder)], journal)
    assert [problem.split(":")[0] for problem in report.problems] == [
        f"cannot read {folder / 'a.gz'}",
        f"cannot read {folder / 'b.zst'}",
    ]
    (folder / "a.gz").write_bytes(whole)
    (folder / "b.zst").write_bytes(pa.compress(lines(3000), codec="zstd", asbytes=True))
    assert run(settings, [str(folder)], journal).problems == []
    once(settings, [alert(number) for number in range(3002)])


def test_an_alert_that_is_too_large_is_named_and_disturbs_no_other(
    settings: Settings, folder: Path, journal: Path
) -> None:
    file = folder / "falco.json"
    large, larger = os.urandom(1_500_000).hex().encode(), b"x" * (17 << 20)
    file.write_bytes(lines(*range(5)) + large + b"\n" + lines(*range(5, 9)) + larger + b"\n")
    report = run(settings, [str(file)], journal)
    assert (report.alerts, report.refused) == (9, 2)
    assert report.problems == [
        f"{file}, line 11: {len(larger):,} bytes are more than Kafka takes",
        f"{file}, line 6: {len(large):,} bytes are more than Kafka takes",
    ]
    once(settings, [alert(number) for number in range(9)])
    again = run(settings, [str(file)], journal)
    assert (again.alerts, again.refused) == (0, 2)


@pytest.fixture
def interrupted(
    settings: Settings, folder: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """An import that ended when Kafka had half of a chunk; what it was called with."""
    for number in range(3):
        (folder / f"{number}.json").write_bytes(lines(*range(2000 * number, 2000 * number + 2000)))
    answers = Sender._answers

    async def fail(self: Sender, batches: Sequence[Batch]) -> list[int | Exception]:
        assert len(batches) > 1
        await answers(self, batches[1:])
        raise Unavailable("the line is dead", "wait")

    with monkeypatch.context() as patch:
        patch.setattr(Sender, "_answers", fail)
        with pytest.raises(Unavailable, match="the line is dead"):
            run(settings, [str(folder)], journal)
    assert 0 < len(there(settings)) < 6000
    return [str(folder)]


EVERY = [alert(number) for number in range(6000)]


def test_an_interrupted_import_goes_on_and_sends_nothing_twice(
    settings: Settings, interrupted: list[str], journal: Path
) -> None:
    run(settings, interrupted, journal)
    once(settings, EVERY)


def test_kafka_knows_a_batch_again_that_nobody_has_seen_arrive(
    settings: Settings, interrupted: list[str], journal: Path
) -> None:
    """What a killed process has sent may arrive after the next one has looked for it."""
    opened = Journal(journal)
    with KafkaConsumer(bootstrap_servers=settings.kafka.servers) as client:
        topic = settings.kafka.topic
        ends = client.end_offsets([TopicPartition(topic, number) for number in range(4)])
    opened.state.ends = {place.partition: end for place, end in ends.items()}
    opened.write(opened.outbox())
    opened.close()
    run(settings, interrupted, journal)
    once(settings, EVERY)


def test_what_is_there_is_found_when_kafka_has_forgotten_the_producer(
    settings: Settings, interrupted: list[str], journal: Path
) -> None:
    opened = Journal(journal)
    opened.state.producer_id = -1
    opened.write(opened.outbox())
    opened.close()
    run(settings, interrupted, journal)
    once(settings, EVERY)


def test_a_sequence_that_kafka_does_not_expect_makes_a_new_producer(
    settings: Settings, folder: Path, journal: Path
) -> None:
    (folder / "1").write_bytes(lines(0))
    run(settings, [str(folder)], journal)
    opened = Journal(journal)
    opened.state.sequences = dict.fromkeys(range(4), 77)
    before = opened.state.producer_id
    opened.write()
    opened.close()
    for number in range(2, 6):
        (folder / f"{number}").write_bytes(lines(number))
        run(settings, [str(folder)], journal)
    once(settings, [alert(number) for number in (0, 2, 3, 4, 5)])
    opened = Journal(journal)
    assert opened.state.producer_id != before
    opened.close()


def test_where_kafka_has_deleted_what_would_tell_nothing_is_sent(
    settings: Settings, interrupted: list[str], journal: Path
) -> None:
    opened = Journal(journal)
    batch = opened.outbox()[1]
    opened.close()
    place = TopicPartition(settings.kafka.topic, batch.partition)
    with KafkaAdminClient(**client_options(settings)) as admin:
        admin.delete_records({place: len(batch.records)})
    before = len(there(settings))
    with pytest.raises(Corrupt, match="nothing tells which alerts it has"):
        run(settings, interrupted, journal)
    assert len(there(settings)) == before


def test_a_recreated_topic_is_another_one(
    settings: Settings, folder: Path, journal: Path, stack: EmbeddedStack
) -> None:
    (folder / "1").write_bytes(lines(1))
    run(settings, [str(folder)], journal)
    with KafkaAdminClient(**client_options(settings)) as admin:
        admin.delete_topics([settings.kafka.topic])
    stack.create_topic(settings.kafka.topic, 4)
    with pytest.raises(Misconfigured, match="the journal is of an earlier topic"):
        run(settings, [str(folder)], journal)


def test_a_journal_is_for_one_import_at_a_time_and_for_its_user_alone(
    settings: Settings, folder: Path, journal: Path
) -> None:
    opened = Journal(journal)
    with pytest.raises(Misconfigured, match="another import uses the journal"):
        run(settings, [str(folder)], journal)
    opened.close()
    run(settings, [str(folder)], journal)
    assert journal.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_journal_is_left_as_it_is(
    settings: Settings, folder: Path, journal: Path
) -> None:
    journal.write_bytes(b"somebody's report\n" * 100)
    with pytest.raises(Corrupt, match="cannot open the journal"):
        run(settings, [str(folder)], journal)
    assert journal.read_bytes() == b"somebody's report\n" * 100


def test_a_limit_ends_an_import_that_goes_on_later(
    settings: Settings, folder: Path, journal: Path
) -> None:
    (folder / "1").write_bytes(lines(*range(10)))
    (folder / "2").write_bytes(lines(*range(10, 20)))
    for expected in (7, 7, 6, 0):
        assert run(settings, [str(folder)], journal, limit=7).alerts == expected
    once(settings, [alert(number) for number in range(20)])


def test_the_journal_in_a_directory_of_alerts_is_not_imported(
    settings: Settings, folder: Path
) -> None:
    (folder / "1").write_bytes(lines(1))
    for _ in range(2):
        assert run(settings, [str(folder)], folder / "journal").files <= 1
    once(settings, [alert(1)])


BOMB = """
import resource, sys
from pathlib import Path
from streams.imports.run import count
from streams.settings.settings import Settings

count(Settings(), ["/dev/null"], Path("none"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    report = count(Settings(), [name], Path("none"))
    print(report.alerts, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_what_inflates_costs_no_more_memory_than_an_alert(folder: Path) -> None:
    size = 100 << 20
    with gzip.open(folder / "1.gz", "wb", compresslevel=1) as one_line:
        for _ in range(size >> 20):
            one_line.write(b"x" * (1 << 20))
    with pa.CompressedOutputStream(str(folder / "2.zst"), "zstd") as empty_lines:
        for _ in range(size >> 20):
            empty_lines.write(b"\n" * (1 << 20))
    names = [str(folder / "1.gz"), str(folder / "2.zst")]
    assert sum(Path(name).stat().st_size for name in names) < 3_000_000
    done = subprocess.run(
        [sys.executable, "-c", BOMB, *names], capture_output=True, text=True, check=True
    )
    for line in done.stdout.splitlines():
        alerts, megabytes = map(int, line.split())
        assert alerts == 0
        assert megabytes < 90, done.stdout


def command(environment: Mapping[str, str], *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "import", *map(str, arguments)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.faults
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("effect", ["note", "publish"])
def test_killed_between_any_two_steps_and_run_again_each_alert_is_there_once(
    lake_environment: LakeEnvironment,
    make_topic: Callable[[int], str],
    folder: Path,
    effect: str,
    side: str,
) -> None:
    environment = lake_environment(make_topic(2))
    (folder / "1.gz").write_bytes(gzip.compress(lines(*range(9000))))
    for number in range(9000, 9100):
        (folder / f"{number}.json").write_bytes(alert(number))
    (folder / "zzz").write_bytes(lines(*range(9100, 12000)))
    for point, expected in (("2", -signal.SIGKILL), ("1", -signal.SIGKILL), ("0", 0)):
        process = command(
            {**environment, "FALCOLAKE_FAULT": f"{effect}:{side}:{point}"}, "--json", folder
        )
        out, error = process.communicate(timeout=120)
        assert process.returncode == expected, error
    report = json.loads(out)
    assert 0 < report["alerts"] < 12000
    assert report["alerts"] + report["skipped"] == 12000
    once(load(environment=environment), [alert(number) for number in range(12000)])


def test_ctrl_c_ends_an_import_that_goes_on_later(
    environment: dict[str, str], settings: Settings, folder: Path
) -> None:
    (folder / "1").write_bytes(lines(*range(3000)))
    process = command(environment, "--rate", "100", folder)
    wait_until(lambda: len(there(settings)) >= 100)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{len(there(settings)):,} alerts sent" in out
    assert "Stopped. The same command goes on from here" in error
    assert "Traceback" not in error
    run(settings, [str(folder)], default_journal(settings))
    once(settings, [alert(number) for number in range(3000)])


def test_ctrl_c_does_not_wait_for_a_pipe(environment: dict[str, str], settings: Settings) -> None:
    process = command(environment, "-")
    pipe = process.stdin
    assert pipe is not None
    pipe.write(lines(0).decode())
    pipe.flush()
    wait_until(lambda: not unread(pipe))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=8) == 130
    process.communicate()
    assert there(settings) == []


def unread(pipe: IO[str]) -> int:
    """How many bytes of a pipe nobody has read yet."""
    return struct.unpack("i", fcntl.ioctl(pipe.fileno(), termios.FIONREAD, b"1234"))[0]
