"""`falcolake map`: files and pipes in, OCSF JSON lines out, rejects by their place."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.mapping import Mapping, Options
from streams import samples
from tests.streams.commands.conftest import FALCOLAKE, Run

START = 1_767_225_600_000_000_000  # 2026-01-01
ALERTS = list(samples.alerts(seed=1, count=40, start_ns=START))
GOOD = b'{"rule":"r","priority":"Notice","time":"2026-01-01T00:00:00Z"}'


def findings(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_lines_become_findings_as_the_worker_makes_them(falcolake: Run, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_bytes(b"\n".join(ALERTS))
    done = falcolake("map", file)
    mapping = Mapping(Options())
    assert (done.exit_code, done.stderr) == (0, "")
    assert findings(done.stdout) == [mapping.finding(alert, -1) for alert in ALERTS]


def test_files_and_standard_input_are_read_in_turn(falcolake: Run, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(ALERTS[0] + b"\n\n\r\n")
    (tmp_path / "two").write_bytes(ALERTS[2])
    done = falcolake("map", "one", "-", "two", text=ALERTS[1] + b"\r\n")
    assert [f["raw_data"].encode() for f in findings(done.stdout)] == ALERTS[:3]
    assert len(findings(falcolake("map", text=ALERTS[3]).stdout)) == 1


def test_an_array_is_read_as_its_elements(falcolake: Run) -> None:
    done = falcolake("map", "-", text=b"\n[\n" + GOOD + b",\n 5,\n" + GOOD + b"]\n")
    assert [f["raw_data"].encode() for f in findings(done.stdout)] == [GOOD, GOOD]
    assert done.stderr == "-[1]: The value is JSON, but not an object.\n"
    assert done.exit_code == 1


def test_a_first_line_that_only_looks_like_an_array_is_one_reject(falcolake: Run) -> None:
    done = falcolake("map", "-", text=b"[1]\n" + GOOD + b"\n[2\n")
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["-:1:", "-:3:"]
    assert len(findings(done.stdout)) == 1


def test_rejects_are_named_by_file_and_line(falcolake: Run, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_bytes(b"\n".join([GOOD, b"nonsense", b"", b"\xff", b'{"rule":"r"}', GOOD]))
    done = falcolake("map", "alerts.jsonl")
    assert done.exit_code == 1
    assert len(findings(done.stdout)) == 2
    assert done.stderr.splitlines() == [
        "alerts.jsonl:2: The value is not JSON.",
        "alerts.jsonl:4: The value is not UTF-8.",
        "alerts.jsonl:5: The alert has no priority.",
    ]


def test_a_missing_file_is_told_before_anything_is_read(falcolake: Run) -> None:
    done = falcolake("map", "-", "missing", text=GOOD)
    assert (done.exit_code, done.stdout) == (2, "")


def test_options_win_over_settings(falcolake: Run, tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text(
        '[ocsf]\nversion = "1.8.0"\n[mapping]\ntenant_uid = "acme"\nminimum_priority = "error"\n'
    )
    below = GOOD
    above = GOOD.replace(b"Notice", b"Critical")
    (by_settings,) = findings(falcolake("map", text=below + b"\n" + above).stdout)
    assert by_settings["metadata"]["version"] == "1.8.0"
    assert by_settings["metadata"]["tenant_uid"] == "acme"
    (by_option,) = findings(falcolake("map", "--ocsf-version", "1.1.0", text=above).stdout)
    assert by_option["metadata"]["version"] == "1.1.0"


def test_pretty_findings_are_indented(falcolake: Run) -> None:
    done = falcolake("map", "--pretty", text=GOOD)
    assert done.stdout.startswith('{\n  "activity_id": 1,\n')
    assert json.loads(done.stdout)["metadata"]["event_code"] == "r"


def test_explain_prints_a_table_for_each_alert(falcolake: Run) -> None:
    alert = json.dumps({**json.loads(GOOD), "output_fields": {"proc.name": "sh", "x": "\x1b[2J"}})
    done = falcolake("map", "--explain", "-", text=f"{alert}\nnonsense\n{alert}".encode())
    first, second, rest = done.stdout.split("\n\n")
    assert first.replace("-:1:", "-:3:") == second
    assert rest == ""
    place, head, *rows = first.splitlines()
    assert (place, head.split()) == ("-:1:", ["field", "value", "attributes", "why"])
    assert [row.split()[0] for row in rows] == ["rule", "priority", "time", "proc.name", "x"]
    assert rows[3].split() == [
        *("proc.name", "sh", "evidences[].process.name,", "actor.process.name,"),
        "evidences[].actor.process.name",
    ]
    assert rows[4].strip().split(maxsplit=3) == [
        *("x", "\\u001b[2J", "unmapped", "OCSF has no place for it."),
    ]
    assert done.stderr == "-:2: The value is not JSON.\n"
    assert done.exit_code == 1


def test_explain_as_json_has_the_whole_values(falcolake: Run) -> None:
    long = "x" * 500
    alert = json.dumps({**json.loads(GOOD), "output_fields": {"proc.cwd": long}}).encode()
    done = falcolake("map", "--explain", "--json", "--ocsf-version", "1.8.0", text=b"[%b]" % alert)
    (explained,) = findings(done.stdout)
    assert explained["alert"] == "-[0]"
    assert explained["fields"][-1] == {
        "field": "proc.cwd",
        "value": long,
        "attributes": ["evidences[].process.working_directory"],
        "why": "Before 1.4: data.",
    }
    table = falcolake("map", "--explain", text=alert).stdout
    assert f"{long[:59]}…" in table
    assert long[:60] not in table


def test_explain_takes_the_class(falcolake: Run) -> None:
    done = falcolake("map", "--explain", "--class", "security_finding", text=GOOD)
    assert "analytic.name" in done.stdout
    assert "finding_info" not in done.stdout


def test_a_filtered_alert_is_no_reject(falcolake: Run) -> None:
    environment = {"FALCOLAKE_MAPPING__MINIMUM_PRIORITY": "error"}
    done = falcolake("map", text=GOOD, environment=environment)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_explain_says_what_filters_an_alert(falcolake: Run) -> None:
    """The rules of MAPPING__DROP are tried on samples before a worker has them."""
    drop = '[{"rule": "x"}, {"rule": ["r", "s"], "source": "sys*"}]'
    environment = {"FALCOLAKE_MAPPING__DROP": drop}
    text = GOOD + b"\n" + GOOD.replace(b'"r"', b'"other"')
    done = falcolake("map", "--explain", text=text, environment=environment)
    first, second, _ = done.stdout.split("\n\n")
    assert first == "-:1: filtered by rule=r|s source=sys*"
    assert second.startswith("-:2:\n")
    assert (done.exit_code, done.stderr) == (0, "")
    done = falcolake("map", "--explain", "--json", text=GOOD, environment=environment)
    assert json.loads(done.stdout) == {"alert": "-:1", "filtered": "rule=r|s source=sys*"}
    done = falcolake("map", text=text, environment=environment)
    assert [each["metadata"]["event_code"] for each in findings(done.stdout)] == ["other"]


def test_findings_flow_while_the_pipe_is_open(tmp_path: Path) -> None:
    """Lines are not collected: 300 MB of them pass through 200 MB of address space to spare."""
    file = tmp_path / "alerts.jsonl"
    with file.open("wb") as lines:
        for _ in range(3):
            lines.write((b" " * 1_000_000 + b"\n") * 100)
    limited = f"ulimit -v 700000; exec {' '.join(FALCOLAKE)} map {file}"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("value", [b"[" * 100_000, b"\x00", b"[\xff]", b'"' + b"x" * 1_000_000])
def test_no_input_is_fatal(falcolake: Run, value: bytes) -> None:
    done = falcolake("map", text=value + b"\n" + GOOD)
    assert done.exit_code == 1
    assert len(findings(done.stdout)) == 1
    assert "Traceback" not in done.stderr
