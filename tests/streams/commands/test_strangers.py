"""Every command on a terminal, over a topic, a group and a lake with strangers in them.

What they wrote never reaches the terminal as it is, and never begins a line.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer
from typer.testing import _NamedTextIOWrapper

from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import LEAVES, Run
from tests.streams.falco_records import REGION, alert
from tests.streams.lake_writer import LakeWriter
from tests.waiting import wait_until

#: A new title, a colour, C1, DEL, reversed text, and lines that look like ours.
HOSTILE = "x\x1b]0;owned\x07\x1b[31m\x9b31m\x7f\u202ey\u2066\nError: forged\r\nTry: forged\t"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
FORGED = re.compile(r"^(Error|Try): forged", re.MULTILINE)

FINDINGS = "SELECT finding_info.title, device, unmapped FROM findings"

#: What to run, by command; the others print nothing of strangers.
RUNS: dict[str, list[list[str]]] = {
    "audit": [[], ["--json"]],
    "dead-letter list": [[], ["--each"], ["--json"]],
    "dead-letter retry": [["--dry-run"], ["--dry-run", "--json"]],
    "dead-letter show": [["1", "3"], ["1", "3", "--json"], ["1", "3", "--raw"]],
    "doctor": [[], ["--json"]],
    "flush": [["--timeout", "3"], ["--timeout", "3", "--json"]],
    "import": [["old"], ["--dry-run", "old"], ["--dry-run", "--json", "old"]],
    "map": [["alerts.jsonl"], ["alerts.jsonl", "--explain"], ["alerts.jsonl", "--pretty"]],
    "policy": [["--external-id", "falco"]],
    "query": [
        [FINDINGS],
        ["--format", "json", FINDINGS],
        ["--format", "csv", FINDINGS],
        [f'SELECT 1 AS "{HOSTILE}"'],
        [f"SELECT {HOSTILE}"],
    ],
    "replay": [["--last", "1h", "--dry-run"], ["--last", "1h", "--dry-run", "--json"]],
    "settings": [[], ["--json"]],
    "status": [[], ["--json"]],
    "tail": [["--since", "1h", "--count", "20"], ["--since", "1h", "--count", "20", "--json"]],
    "top": [["--json"]],
    "verify": [["s3://{bucket}/"], ["s3://{bucket}/", "--json"]],
}
OTHERS = {
    "adopt",
    "ddl",
    "demo",
    "init",
    "produce",
    "receive",
    "register",
    "stack",
    "worker",
    "template",
}


def hostile(offset: int) -> bytes:
    """An alert, every fifth of which is refused, with strangers' words wherever there is text."""
    found = json.loads(alert(offset))
    found |= {"rule": f"{HOSTILE} {offset}", "hostname": HOSTILE}
    found["output_fields"] |= {HOSTILE: HOSTILE}
    if offset % 5 == 3:
        found["priority"] = HOSTILE
    return json.dumps(found, ensure_ascii=False).encode()


@contextmanager
def member(environment: Mapping[str, str]) -> Iterator[None]:
    """A stranger in the group, whose client id is hostile."""
    settings, done = load(environment=environment), threading.Event()
    joined: list[bool] = []

    def stay() -> None:
        with KafkaConsumer(
            bootstrap_servers=settings.kafka.servers,
            client_id=HOSTILE,
            group_id=settings.kafka.group_id,
            enable_auto_commit=False,
        ) as consumer:
            # If it joins before it knows the topic, it gets nothing.
            wait_until(lambda: consumer.partitions_for_topic(settings.kafka.topic))
            consumer.subscribe([settings.kafka.topic])
            while not done.is_set():
                consumer.poll(200, max_records=1)
                joined[:] = [bool(consumer.assignment())]

    thread = threading.Thread(target=stay)
    thread.start()
    try:
        wait_until(lambda: joined == [True], 120, "the stranger has joined")
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands write to says that it is a terminal; rich sends a dumb one no sequences."""
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture
def environment(lake_environment: LakeEnvironment, topic: str) -> dict[str, str]:
    return lake_environment(LAKE__REGION=REGION, KAFKA__GROUP_ID=f"group-of-{topic}")


def test_these_are_all_commands_there_are() -> None:
    assert sorted(RUNS.keys() | OTHERS) == sorted(map(" ".join, LEAVES))


@pytest.mark.usefixtures("terminal")
def test_no_command_lets_a_stranger_s_words_control_the_terminal(
    falcolake: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = load(environment=environment)
    writer = LakeWriter(settings, tmp_path / "writer")
    writer.publish(1, [hostile(offset) for offset in range(20)])
    writer.refuse(1, range(3, 20, 5), value=hostile, reason=HOSTILE.encode())
    (key,) = writer.window(1, 0, 12, hostile)
    to = key.replace("-00001-", "-00002-")
    writer.rewrite(key, to=to, topic=HOSTILE, mapping_version=HOSTILE)
    writer.put(f"{settings.lake.prefix}/{HOSTILE}.parquet", HOSTILE.encode())
    writer.put(f"{settings.lake.prefix}/{HOSTILE}", HOSTILE.encode())
    writer.commit({1: 12})
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / HOSTILE).write_bytes(b"\x1f\x8b damaged")
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(map(hostile, range(5))))
    named: set[str] = set()
    with member(environment):
        for name, each in RUNS.items():
            for words in each:
                asked = [word.format(bucket=settings.lake.bucket) for word in words]
                done = falcolake(*name.split(), *asked, environment=environment)
                assert done.exit_code in ((0, 1, 2) if name == "query" else (0, 1)), done.output
                found = OBEYED.search(done.output)
                assert not found, (name, asked, done.output[found.start() - 80 : found.end()])
                assert not FORGED.search(done.output), (name, asked, done.output)
                named |= {name} if "owned" in done.output else set()
    assert named >= {
        "audit",
        "dead-letter list",
        "dead-letter show",
        "import",
        "map",
        "query",
        "status",
        "tail",
        "top",
        "verify",
    }
