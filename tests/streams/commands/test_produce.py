"""`falcolake produce`, on a real broker."""

import json
from pathlib import Path

from tests.streams.commands.conftest import Run

ALERT = b'{"rule":"r","priority":"Notice","time":"2026-01-01T00:00:00Z"}\n'


def test_samples_are_produced_and_shown_as_lag(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    produced = falcolake("produce", "--count", "120", "--json", environment=environment)
    report = json.loads(produced.stdout)
    assert (produced.exit_code, report["sent"], report["failed"]) == (0, 120, 0)

    shown = falcolake("status", "--json", environment=environment)
    found = json.loads(shown.stdout)
    assert (found["topic"], found["group_state"], found["lag"]) == (topic, "none", 120)
    assert [partition["partition"] for partition in found["partitions"]] == [0, 1, 2, 3]
    assert shown.stderr == f"Warning: no worker of group group-of-{topic} is running\n"
    assert shown.exit_code == 1


def test_a_file_is_produced_line_by_line(
    falcolake: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(ALERT * 3)
    done = falcolake("produce", "--file", "alerts.jsonl", environment=environment)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("3 records sent")
