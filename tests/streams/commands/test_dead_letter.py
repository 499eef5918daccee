"""`falcolake dead-letter`: what stands there, one record whole, and what is accepted by now."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import Run
from tests.streams.falco_records import NOW, REGION, alert
from tests.streams.lake_writer import LakeWriter

#: Offsets that an earlier mapping refused; today's accepts two of the three.
ACCEPTED, REFUSED = (4, 9), 15
TOMBSTONE = 17


def kafka_has(offset: int) -> bytes | None:
    if offset == TOMBSTONE:
        return None
    return b"\x1b[31mnot JSON\xff" if offset == REFUSED else alert(offset)


def lake_has(offset: int) -> bytes | None:
    return b"refused" if offset in ACCEPTED else kafka_has(offset)


@pytest.fixture
def environment(lake_environment: LakeEnvironment, topic: str) -> dict[str, str]:
    return lake_environment(LAKE__REGION=REGION, KAFKA__GROUP_ID=f"group-of-{topic}")


@pytest.fixture
def writer(environment: dict[str, str], tmp_path: Path) -> LakeWriter:
    """Twenty records of partition 1 in two windows; the letters of the four that were refused."""
    writer = LakeWriter(load(environment=environment), tmp_path / "writer")
    writer.publish(1, [kafka_has(offset) for offset in range(20)], timestamp=NOW)
    writer.window(1, 0, 12, lake_has)
    writer.window(1, 12, 20, lake_has)
    writer.commit({1: 20})
    for offset in (*ACCEPTED, REFUSED, TOMBSTONE):
        letter(writer, offset)
    return writer


def letter(writer: LakeWriter, offset: int, **headers: bytes) -> None:
    reason = b"a tombstone" if offset == TOMBSTONE else b"not JSON"
    named: dict[str, Any] = {"reason": reason} | headers
    writer.refuse(1, [offset], value=kafka_has, **named)


def test_reasons_are_counted_with_one_to_look_at(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    letter(writer, REFUSED)  # again, as after a crash
    done = falcolake("dead-letter", "list", environment=environment)
    head, *rows, total = done.stdout.splitlines()
    assert head.split() == ["letters", "newest", "partition", "offset", "reason"]
    assert [(row.split()[0], row.split(maxsplit=4)[4].rstrip()) for row in rows] == [
        ("3", "not JSON"),
        ("1", "a tombstone"),
    ]
    assert (total, done.exit_code, done.stderr) == ("4 dead letters", 0, "")
    found = json.loads(falcolake("dead-letter", "list", "--json", environment=environment).stdout)
    assert [(each["letters"], each["reason"]) for each in found] == [
        (3, "not JSON"),
        (1, "a tombstone"),
    ]
    each = ("dead-letter", "list", "--each")
    (only,) = json.loads(
        falcolake(*each, "--reason", "TOMB", "--json", environment=environment).stdout
    )
    assert (only["partition"], only["offset"]) == (1, TOMBSTONE)
    assert falcolake(*each, "--partition", "0", environment=environment).stdout.count("\n") == 1


def test_one_record_is_shown_whole(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    shown = falcolake("dead-letter", "show", "1", "4", environment=environment)
    assert "reason:         not JSON" in shown.stdout
    assert f"value:          {alert(4).decode()}" in shown.stdout
    raw = falcolake("dead-letter", "show", "1", f"{REFUSED}", "--raw", environment=environment)
    assert raw.stdout_bytes == kafka_has(REFUSED)
    plain = falcolake("dead-letter", "show", "1", f"{REFUSED}", environment=environment)
    assert "base64 " in plain.stdout
    tomb = ("dead-letter", "show", "1", f"{TOMBSTONE}")
    assert "null: a tombstone" in falcolake(*tomb, environment=environment).stdout
    found = json.loads(falcolake(*tomb, "--json", environment=environment).stdout)
    assert (found["value"], found["key"], found["reason"]) == (None, "key", "a tombstone")


def test_one_that_is_not_there_is_said_so(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    done = falcolake("dead-letter", "show", "1", "5", environment=environment)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: there is no dead letter for partition 1, offset 5\nTry: ")


def test_what_is_accepted_now_goes_into_its_window_once(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    def rows() -> int:
        found = json.loads(falcolake("audit", "--json", environment=environment).stdout)
        assert found["problems"] == []
        return int(found["findings"])

    assert rows() == 16
    before = {each.key: each.size for each in writer.lake.objects()}
    dry = falcolake("dead-letter", "retry", "--dry-run", environment=environment)
    assert "2 are accepted now, 2 would be resolved; 2 are still rejected" in dry.stdout
    assert {each.key: each.size for each in writer.lake.objects()} == before
    done = falcolake("dead-letter", "retry", environment=environment)
    assert done.stdout.splitlines()[-1] == (
        "4 dead letters: 2 are accepted now, 2 resolved; 2 are still rejected"
    )
    assert done.exit_code == 0
    assert rows() == 18
    assert {each.key for each in writer.lake.objects()} == before.keys()
    for _ in range(2):
        again = json.loads(
            falcolake("dead-letter", "retry", "--json", environment=environment).stdout
        )
        assert (again["letters"], again["accepted"], again["replay"]) == (2, 0, None)
        assert sum(again["refused"].values()) == 2
    assert rows() == 18
    listed = falcolake("dead-letter", "list", environment=environment).stdout
    assert listed.splitlines()[-1] == "2 dead letters"


def test_one_letter_alone_is_retried_and_its_neighbours_in_the_window_come_along(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    arguments = ("dead-letter", "retry", "--partition", "1", "--offset", "4", "--json")
    found = json.loads(falcolake(*arguments, environment=environment).stdout)
    (window,) = found["replay"]["windows"]
    assert (window["first"], window["end"], window["letters_resolved"]) == (0, 12, 2)
    assert falcolake("audit", environment=environment).exit_code == 0


def test_a_window_that_kafka_no_longer_has_is_exit_code_1(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    writer.expire(1, 6)
    done = falcolake("dead-letter", "retry", environment=environment)
    assert "Kafka has deleted its records" in done.stdout
    assert "2 are accepted now, 0 resolved" in done.stdout
    assert done.exit_code == 1


def test_of_a_letter_that_was_cut_the_record_decides(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    letter(writer, REFUSED, truncated_from=b"99999")
    arguments = ("dead-letter", "retry", "--offset", f"{REFUSED}", "--partition", "1", "--json")
    found = json.loads(falcolake(*arguments, environment=environment).stdout)
    assert (found["accepted"], found["resolved"]) == (1, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dead-letter", "retry", "--offset", "3"),
        ("dead-letter", "show", "1"),
        ("dead-letter", "show", "-1", "5"),
        ("dead-letter", "bury"),
    ],
)
def test_wrong_usage_is_exit_code_2(falcolake: Run, arguments: tuple[str, ...]) -> None:
    done = falcolake(*arguments)
    assert (done.exit_code, done.stderr.startswith("Error: ")) == (2, True)
