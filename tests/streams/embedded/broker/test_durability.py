"""What the project's broker has acknowledged survives, however it was stopped."""

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kafka.protocol.admin import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from kafka.protocol.consumer import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from kafka.protocol.producer import InitProducerIdRequest, InitProducerIdResponse
from kafka.record.memory_records import MemoryRecords

from tests.streams.embedded.raw_kafka import Connect, RawClient, StartBroker, build_batch


def commit(raw: RawClient, group: str, topic: str, offset: int, metadata: str = "") -> int:
    described = OffsetCommitRequest.OffsetCommitRequestTopic
    partition = described.OffsetCommitRequestPartition(
        partition_index=0, committed_offset=offset, committed_metadata=metadata
    )
    request = OffsetCommitRequest(
        group_id=group, topics=[described(name=topic, partitions=[partition])]
    )
    return raw.call(request, OffsetCommitResponse, 7).topics[0].partitions[0].error_code


def committed(raw: RawClient, group: str, topic: str) -> tuple[int, str]:
    described = OffsetFetchRequest.OffsetFetchRequestTopic(name=topic, partition_indexes=[0])
    request = OffsetFetchRequest(group_id=group, topics=[described])
    partition = raw.call(request, OffsetFetchResponse, 5).topics[0].partitions[0]
    return partition.committed_offset, partition.metadata


def delete_records(raw: RawClient, topic: str, before: int) -> int:
    described = DeleteRecordsRequest.DeleteRecordsTopic
    partition = described.DeleteRecordsPartition(partition_index=0, offset=before)
    request = DeleteRecordsRequest(topics=[described(name=topic, partitions=[partition])])
    answer = raw.call(request, DeleteRecordsResponse, 1)
    return answer.topics[0].partitions[0].low_watermark


def topic_id(raw: RawClient, topic: str) -> object:
    request = MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name=topic)])
    return raw.call(request, MetadataResponse, 10).topics[0].topic_id


def values_of(raw: RawClient, topic: str, partition: int = 0) -> list[bytes]:
    values: list[bytes] = []
    offset = raw.list_offset(topic, -2, partition=partition).offset
    end = raw.list_offset(topic, -1, partition=partition).offset
    while offset < end:
        fetched = raw.fetch(topic, offset, partition=partition)
        for batch in MemoryRecords(bytes(fetched.records)):
            for record in batch:
                if record.offset >= offset:
                    values.append(record.value)
                    offset = record.offset + 1
    return values


def log_file(data: Path, partition: int) -> Path:
    (path,) = data.glob(f"topics/*/{partition}/*.log")
    return path


@pytest.mark.faults
def test_everything_acknowledged_survives_kill_9_in_the_middle_of_writing(
    start_broker: StartBroker, connect: Connect
) -> None:
    random_generator = random.Random(1)
    acknowledged: list[bytes] = []
    position = -1
    broker = start_broker()
    raw = connect(broker.bootstrap)
    assert raw.create_topic("t") == 0
    for _ in range(4):
        killer = threading.Timer(random_generator.uniform(0.05, 0.3), broker.process.kill)
        killer.start()
        with pytest.raises((OSError, EOFError)):
            while True:
                number = len(acknowledged)
                value = b"%d:" % number + b"x" * random_generator.randrange(5000)
                assert raw.produce("t", build_batch(value)).error_code == 0
                acknowledged.append(value)
                assert commit(raw, "g", "t", number, f"m{number}") == 0
                position = number
        killer.join()
        broker.kill()
        broker = start_broker(port=broker.port)
        raw = connect(broker.bootstrap)
        stored = values_of(raw, "t")
        # One batch and one commit may have been stored without an acknowledgement.
        assert stored[: len(acknowledged)] == acknowledged
        assert len(stored) <= len(acknowledged) + 1
        offset, metadata = committed(raw, "g", "t")
        assert offset in (position, position + 1)
        assert metadata == f"m{offset}"
        acknowledged, position = stored, offset
    assert len(acknowledged) > 20


def test_topics_settings_offsets_and_starts_survive_a_restart(
    start_broker: StartBroker, connect: Connect
) -> None:
    broker = start_broker()
    raw = connect(broker.bootstrap)
    assert raw.create_topic("kept", 2, {"retention.ms": "-1"}) == 0
    assert raw.create_topic("dropped") == 0
    for _ in range(5):
        raw.produce("kept", build_batch(b"v"))
    grown = CreatePartitionsRequest.CreatePartitionsTopic(name="kept", count=3, assignments=None)
    request = CreatePartitionsRequest(topics=[grown], timeout_ms=1000, validate_only=False)
    assert raw.call(request, CreatePartitionsResponse, 1).results[0].error_code == 0
    resource = IncrementalAlterConfigsRequest.AlterConfigsResource
    altered = resource(
        resource_type=2,
        resource_name="kept",
        configs=[
            resource.AlterableConfig(name="max.message.bytes", config_operation=0, value="999")
        ],
    )
    request = IncrementalAlterConfigsRequest(resources=[altered], validate_only=False)
    answer = raw.call(request, IncrementalAlterConfigsResponse, 0)
    assert answer.responses[0].error_code == 0
    assert delete_records(raw, "kept", 3) == 3
    assert commit(raw, "g", "kept", 4, "mine") == 0
    assert commit(raw, "g", "dropped", 1) == 0
    request = DeleteTopicsRequest(topic_names=["dropped"], timeout_ms=1000)
    assert raw.call(request, DeleteTopicsResponse, 3).responses[0].error_code == 0

    own = topic_id(raw, "kept")
    code, errors = broker.stop()
    assert (code, errors) == (0, "")
    raw = connect(start_broker().bootstrap)
    assert raw.create_topic("kept") == 36
    assert topic_id(raw, "kept") == own
    assert raw.produce("kept", build_batch(b"v"), partition=2).error_code == 0
    assert raw.produce("kept", build_batch(b"v" * 2000)).error_code == 10
    assert raw.list_offset("kept", -2).offset == 3
    assert raw.list_offset("kept", -1).offset == 5
    assert raw.fetch("kept", 2).error_code == 1
    assert committed(raw, "g", "kept") == (4, "mine")
    assert raw.list_offset("dropped", -1).error_code == 3
    assert raw.create_topic("dropped") == 0
    assert raw.list_offset("dropped", -1).offset == 0
    assert committed(raw, "g", "dropped") == (-1, "")


DAMAGES = {
    "the last byte is missing": (lambda content: content[:-1], 5),
    "only the last batch's head is there": (lambda content: content[:-70], 5),
    "the last batch ends in zeros": (lambda content: content[:-5] + bytes(5), 5),
    "a bit in the second batch flipped": (lambda content: flip(content, len(content) // 4), 1),
    "zeros follow the end": (lambda content: content + bytes(100), 6),
    "rubbish follows the end": (lambda content: content + b"\xff" * 100, 6),
    "an old batch follows the end": (lambda content: content + content[:90], 6),
    "nothing is left": (lambda content: b"", 0),
}


def flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def test_a_damaged_log_is_cut_and_keeps_working(
    start_broker: StartBroker, connect: Connect
) -> None:
    broker = start_broker()
    raw = connect(broker.bootstrap)
    raw.create_topic("t", len(DAMAGES))
    values = [b"%d" % number * 20 for number in range(6)]
    for partition in range(len(DAMAGES)):
        for value in values:
            raw.produce("t", build_batch(value), partition=partition)
    broker.kill()
    for partition, (damage, _) in enumerate(DAMAGES.values()):
        path = log_file(broker.data, partition)
        path.write_bytes(damage(path.read_bytes()))

    broker = start_broker()
    raw = connect(broker.bootstrap)
    for partition, (name, (_, left)) in enumerate(DAMAGES.items()):
        assert values_of(raw, "t", partition) == values[:left], name
        following = raw.produce("t", build_batch(b"next"), partition=partition)
        assert following.base_offset == left, name
        assert values_of(raw, "t", partition) == [*values[:left], b"next"], name
    code, errors = broker.stop()
    assert code == 0
    assert errors.count("damaged bytes") == len(DAMAGES) - 1


def test_a_retried_batch_is_still_known_after_kill_9(
    start_broker: StartBroker, connect: Connect
) -> None:
    broker = start_broker()
    raw = connect(broker.bootstrap)
    raw.create_topic("t")
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
    writer = raw.call(request, InitProducerIdResponse, 1).producer_id
    batches = [
        build_batch(b"v", producer_id=writer, epoch=0, sequence=number) for number in range(7)
    ]
    for batch in batches:
        assert raw.produce("t", batch).error_code == 0
    broker.kill()

    raw = connect(start_broker().bootstrap)
    assert [raw.produce("t", batch).base_offset for batch in batches[2:]] == [2, 3, 4, 5, 6]
    gap = build_batch(b"v", producer_id=writer, epoch=0, sequence=9)
    assert raw.produce("t", gap).error_code == 45
    following = build_batch(b"v", producer_id=writer, epoch=0, sequence=7)
    assert raw.produce("t", following).base_offset == 7
    assert raw.call(request, InitProducerIdResponse, 1).producer_id > writer


def test_the_journal_does_not_grow_with_commits(
    start_broker: StartBroker, connect: Connect
) -> None:
    broker = start_broker()
    raw = connect(broker.bootstrap)
    raw.create_topic("t")
    for number in range(1500):
        assert commit(raw, "g", "t", number, "x" * 300) == 0
    assert sum(path.stat().st_size for path in broker.data.glob("journal*")) < 400_000
    broker.kill()
    raw = connect(start_broker().bootstrap)
    assert committed(raw, "g", "t") == (1499, "x" * 300)


def test_a_torn_last_line_of_the_journal_is_cut(
    start_broker: StartBroker, connect: Connect
) -> None:
    broker = start_broker()
    raw = connect(broker.bootstrap)
    raw.create_topic("t")
    commit(raw, "g", "t", 1)
    commit(raw, "g", "t", 2)
    broker.kill()
    journal = broker.data / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-4])

    broker = start_broker()
    raw = connect(broker.bootstrap)
    assert committed(raw, "g", "t") == (1, "")
    assert commit(raw, "g", "t", 3) == 0
    broker.kill()
    assert committed(connect(start_broker().bootstrap), "g", "t") == (3, "")


def test_a_journal_damaged_before_its_end_is_not_guessed_at(
    start_broker: StartBroker, connect: Connect
) -> None:
    broker = start_broker()
    connect(broker.bootstrap).create_topic("t")
    broker.kill()
    journal = broker.data / "journal.jsonl"
    first, rest = journal.read_bytes().split(b"\n", 1)
    assert json.loads(first)["type"] == "cluster"
    journal.write_bytes(b"{not json\n" + rest)
    broker = start_broker()
    assert broker.ready_line == ""
    code, errors = broker.wait()
    assert code == 1
    assert "line 1" in errors
    assert "damaged" in errors
    assert "Traceback" not in errors


def test_one_data_directory_serves_one_broker(start_broker: StartBroker) -> None:
    broker = start_broker()
    second = subprocess.run(
        [
            *(sys.executable, "-m", "streams.embedded.broker", "--port", "0"),
            *("--data", str(broker.data)),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert "in use by another broker" in second.stderr
    assert str(broker.pid) in second.stderr
    assert "Traceback" not in second.stderr
    broker.kill()
    assert start_broker().ready_line.startswith("ready 127.0.0.1:")
