"""`falcolake audit`: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest

from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import Run
from tests.streams.falco_records import alert
from tests.streams.lake_writer import LakeWriter, mixed_lake


@pytest.fixture
def environment(lake_environment: LakeEnvironment, topic: str) -> dict[str, str]:
    return lake_environment(KAFKA__GROUP_ID=f"group-of-{topic}")


@pytest.fixture
def writer(environment: dict[str, str], tmp_path: Path) -> LakeWriter:
    return mixed_lake(load(environment=environment), tmp_path / "writer")


def test_a_whole_lake_is_exit_code_0(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter, topic: str
) -> None:
    done = falcolake("audit", environment=environment)
    head, *rows, _, place, summary = done.stdout.splitlines()
    assert head.split() == [
        *("partition", "offsets", "committed", "windows", "objects"),
        *("findings", "rejects", "filtered", "problems"),
    ]
    assert rows[1].split() == ["1", "[0,", "20)", "20", "2", "4", "17", "3", "0", "0"]
    assert rows[0].split() == ["0", "-", "-", "0", "0", "0", "0", "0", "0"]
    bucket = writer.settings.lake.bucket
    assert place == (
        f"s3://{bucket}/ext/falco, with group group-of-{topic}: 4 objects of 2 windows; "
        "requests: 4 GetObject, 1 ListObjectsV2"
    )
    assert summary == "20 records = 17 findings + 3 rejects + 0 filtered; problems: none"
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_gap_is_exit_code_1_and_the_list(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter, topic: str
) -> None:
    writer.window(1, 25, 30)
    writer.publish(1, [alert(1)] * 10)
    writer.commit({1: 30})
    done = falcolake("audit", environment=environment)
    assert done.stdout.split("\n\n")[1] == (
        f"gap           {topic}-1 [20, 25): no window has these offsets; Kafka still has them"
    )
    assert done.stdout.endswith("; problems: 1\n")
    assert done.exit_code == 1


def test_a_key_has_a_line_of_its_own_to_copy(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    writer.put("ext/falco/stray", b"x")
    done = falcolake("audit", environment=environment)
    assert done.stdout.split("\n\n")[1].splitlines() == [
        "foreign       its key is not one of falcolake's",
        f"              s3://{writer.settings.lake.bucket}/ext/falco/stray",
    ]


def test_json_has_all_of_it(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter, topic: str
) -> None:
    writer.put("ext/falco/stray", b"x")
    done = falcolake("audit", "--json", environment=environment)
    found = json.loads(done.stdout)
    assert found["partitions"][1] == {
        "topic": topic,
        "partition": 1,
        "first": 0,
        "end": 20,
        "committed": 20,
        "windows": 2,
        "objects": 4,
        "records": 20,
        "findings": 17,
        "rejects": 3,
        "filtered": 0,
        "repeated": 0,
        "absent": 0,
        "dead_letters": 3,
        "problems": 0,
    }
    assert found["problems"] == [
        {
            "kind": "foreign",
            "message": "its key is not one of falcolake's",
            "topic": None,
            "partition": None,
            "first": None,
            "end": None,
            "key": "ext/falco/stray",
        }
    ]
    assert (found["records"], found["requests"]) == (20, {"GetObject": 4, "ListObjectsV2": 1})
    assert done.exit_code == 1


def test_without_kafka_the_lake_and_the_days_are_enough(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    alone = {**environment, "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = falcolake(
        *("audit", "--no-kafka", "--from", "2026-01-03", "--to", "20260103", "--json"),
        environment=alone,
    )
    found = json.loads(done.stdout)
    assert (done.exit_code, found["problems"], found["group"]) == (0, [], None)
    assert (found["from"], found["to"], found["windows"]) == ("2026-01-03", "2026-01-03", 2)
    assert "Note: without Kafka, records missing" in done.stderr


def test_a_lake_that_is_not_set_is_wrong_usage(falcolake: Run) -> None:
    done = falcolake("audit", "--no-kafka")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: not set: FALCOLAKE_LAKE__BUCKET\nTry: ")


def test_days_the_wrong_way_round_are_wrong_usage(
    falcolake: Run, environment: dict[str, str]
) -> None:
    done = falcolake("audit", "--from", "2026-02-02", "--to", "2026-02-01", environment=environment)
    assert done.exit_code == 2
    assert "--from is after --to" in done.stderr


def test_a_bucket_that_is_not_there_is_named(falcolake: Run, environment: dict[str, str]) -> None:
    done = falcolake(
        "audit",
        "--no-kafka",
        environment={**environment, "FALCOLAKE_LAKE__BUCKET": "there-is-none"},
    )
    assert done.exit_code == 2
    assert "there-is-none" in done.stderr
    assert "Try: create the bucket, or correct LAKE__BUCKET" in done.stderr
