"""Writes `docs/transcript.md`: the commands at work in a real shell, as they answered.

`python -m tests.docs.transcript`, part of `make docs`. Every command of `STEPS` is typed into bash,
against a broker, an S3 server and a worker that these commands start themselves. A test does all of
it again and compares; `mask` says what may differ.
"""

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from streams.embedded.ports import free_ports
from tests.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "transcript.md"
PATIENCE = 180
_MARK = "--- done:"

HEAD = """\
# A transcript

The commands at work, from the first alert to a lake that was broken and repaired. `make docs` types
every command below into a shell, without any account, and records the output. CI repeats this and
compares everything except seconds, rates, the day and the number of S3 requests. The output is that
of a pipe; a terminal also shows colours and progress bars. The S3 client here is boto3, which
falcolake depends on.
"""


class Step(NamedTuple):
    """Words, and the commands below them; a flush waits until `settled` records are staged."""

    words: str
    commands: tuple[str, ...]
    settled: int = 0


HURT = """\
cat > hurt.py <<'END'
import os, boto3
s3 = boto3.resource("s3", endpoint_url=os.environ["FALCOLAKE_LAKE__ENDPOINT_URL"])
one, two, three, four, *_ = s3.Bucket("falcolake").objects.filter(Prefix="ext/falco/")
two.delete()
three.put(Body=three.get()["Body"].read()[:-1000])
four.put(Body=one.get()["Body"].read())
END"""

ALERT = """\
cat > alert.json <<'END'
{"hostname": "node-1", "priority": "Notice", "rule": "Terminal shell in container",
 "source": "syscall", "tags": ["mitre_execution", "T1059"],
 "time": "2026-11-23T08:15:30.123456789Z",
 "output": "A shell was started in a container (user=root pod=web-1)",
 "output_fields": {"container.id": "3ad7b26ded6d", "k8s.ns.name": "door", "k8s.pod.name": "web-1",
  "proc.cmdline": "bash -i", "proc.name": "bash", "user.name": "root"}}
END"""

POST = 'curl -s --data-binary @alert.json "http://127.0.0.1:$FALCOLAKE_RECEIVE__PORT/"'

QUESTION = """\
falcolake query "SELECT time_dt, severity, finding_info.title AS rule, resources[1].name AS pod
FROM findings WHERE eventDay = '20261123'\""""

STEPS = (
    Step(
        """\
## A broker, an S3 server, a worker

The first line starts both servers and exports the settings for them. Windows have their default
length, five minutes.
""",
        (
            'eval "$(falcolake stack --data data 2> stack.log &)"',
            "falcolake worker 2> worker.log &",
        ),
    ),
    Step(
        """\
## Produce, and flush

Sample alerts; one in a hundred of the first batch is garbage. Without a flush they would wait for
the end of their windows. `flush` returns when the committed offsets prove that everything is in the
lake.
""",
        ("falcolake produce --count 5000 --garbage 0.01",),
    ),
    Step("", ("falcolake flush", "falcolake produce --count 3000 --seed 2"), 5000),
    Step("", ("falcolake flush", "falcolake status"), 8000),
    Step(
        """\
## Audit

Each partition has two windows without a gap. Findings and rejects add up to the records that Kafka
had, and each reject is a dead letter.
""",
        ("falcolake audit", "echo $?"),
    ),
    Step(
        """\
## Break the lake

The script damages three objects: it deletes one, truncates one, and overwrites one with the content
of another.
""",
        (HURT, "python hurt.py"),
    ),
    Step(
        """\
## The audit finds it

The audit reads only keys and footers, not a single row.
""",
        ("falcolake audit", "echo $?"),
    ),
    Step(
        """\
## Replay repairs it

The audit's list says what to rebuild. Kafka still has the records, and the same records make the
same objects. (`--dry-run` prints the same and writes nothing.)
""",
        (
            "falcolake audit --json > found.json",
            "falcolake replay --audit found.json",
            "echo $?",
        ),
    ),
    Step(
        """\
## The audit is clean

A replay can be repeated: this one finds every object identical, byte for byte, and writes nothing.
`verify` reads every row.
""",
        (
            "falcolake audit",
            "echo $?",
            "falcolake replay --last 1h",
            "falcolake verify s3://falcolake/ext/falco",
        ),
    ),
    Step(
        """\
## From Falco, without falcosidekick

`receive` takes what Falco's `http_output` posts and answers once Kafka has it. `tail` shows alerts
as they come into Kafka, and names rejects on standard error. After a flush `query` finds them in
the lake.
""",
        (ALERT, "falcolake receive 2> receive.log &"),
    ),
    Step("", (POST, "falcolake tail --since 10m --namespace door --count 1 2> rejects.log")),
    Step("", ("falcolake flush", QUESTION, "kill %2; wait %2"), 8001),
    Step(
        "## The end\n",
        ("kill %1; wait %1", "kill $FALCOLAKE_STACK_PID"),
    ),
)

#: What may differ from run to run, and what stands for it.
MASKS = (
    (r"\b\d+(\.\d+)? s\b", "N s"),
    (r"\([\d,]+/s\)", "(N/s)"),
    (r"(?<=last object )\d+\S*", "N"),
    (r"eventDay=\d{8}", "eventDay=YYYYMMDD"),
    (r"\b\d+ (GetObject|ListObjectsV2)", r"N \1"),
)


def mask(text: str) -> str:
    """Take out what may differ from run to run."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return text


class Shell:
    """Bash, one command at a time."""

    def __init__(self, directory: Path) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=directory,
            env=_environment(directory),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, command: str) -> str:
        """Run a command; give what it printed on both streams."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        # In braces, so that the exit code is still there for the next command.
        self._bash.stdin.write(f"{command}\n{{ code=$?; echo '{_MARK}'; (exit $code); }}\n")
        self._bash.stdin.flush()
        printed: list[str] = []
        while (line := self._bash.stdout.readline()) != f"{_MARK}\n":
            assert line, f"the shell ended at: {command}\n{''.join(printed)}"
            printed.append(line)
        return "".join(printed)

    def end(self) -> None:
        """Stop what the commands started, whatever became of them."""
        self.run("kill $(jobs -p) $FALCOLAKE_STACK_PID 2> end.log")
        self._bash.communicate("wait\n", timeout=PATIENCE)


def _environment(directory: Path) -> dict[str, str]:
    """This process's, without any setting, credentials or colours of the user."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FALCOLAKE_", "AWS_", "KAFKA_", "PYTEST_", "COLUMNS"))
    }
    here = Path(sys.executable).parent
    return others | {
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        "AWS_CONFIG_FILE": str(directory / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "none"),
        "FALCOLAKE_WEB__PORT": "0",
        "FALCOLAKE_RECEIVE__PORT": str(free_ports(1)[0]),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def _shell() -> Iterator[tuple[Shell, Path]]:
    with tempfile.TemporaryDirectory(prefix="falcolake-transcript-") as made:
        directory = Path(made)
        shell = Shell(directory)
        try:
            yield shell, directory
        finally:
            shell.end()


def _staged(log: Path) -> int:
    """How many records the worker has staged or refused, by its own metrics."""
    text = log.read_text() if log.exists() else ""
    said = re.search(r"metrics and health on (http://\S+)", text)
    if said is None or "assigned partitions" not in text:
        return -1
    with urllib.request.urlopen(f"{said[1]}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.findall(r"^falcolake_staged_records_total\S* ([\d.e+]+)$", text, re.MULTILINE)
    return round(sum(map(float, found)))


def _receives(log: Path) -> bool:
    return log.exists() and "receiving alerts" in log.read_text()


def _away_from_midnight() -> None:
    """Let no window have two event days: that would be more objects."""

    def well_within_a_day() -> bool:
        now = datetime.now(UTC)
        return (now - timedelta(minutes=1)).date() == (now + timedelta(minutes=5)).date()

    wait_until(well_within_a_day, 400, "a new day (UTC)")


def page() -> str:
    """Run everything; give the whole page."""
    _away_from_midnight()
    parts = [HEAD]
    with _shell() as (shell, directory):
        for step in STEPS:
            parts += [step.words] if step.words else []
            for command in step.commands:
                if command == "falcolake flush":
                    wait_until(
                        lambda sent=step.settled: _staged(directory / "worker.log") >= sent,
                        PATIENCE,
                        "the worker to stage what was sent",
                    )
                parts.append(f"```console\n$ {_continued(command)}\n{shell.run(command)}```\n")
            if "falcolake worker" in step.commands[-1]:
                wait_until(lambda: _staged(directory / "worker.log") >= 0, PATIENCE, "the worker")
            if "falcolake receive" in step.commands[-1]:
                wait_until(lambda: _receives(directory / "receive.log"), PATIENCE, "receive")
    return "\n".join(parts).replace("```\n\n```console\n", "")


def _continued(command: str) -> str:
    return command.replace("\n", "\n> ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
