"""`falcolake flush`: its output and exit codes. With workers: `tests/flow/test_flush.py`."""

import json
from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient

from tests.streams.commands.conftest import Run


def test_an_idle_topic_is_flushed_at_once(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    done = falcolake("flush", environment=environment)
    assert done.stdout == f"nothing to flush: all of topic {topic} is in the lake\n"
    assert (done.exit_code, done.stderr) == (0, "")


def test_time_is_up_with_the_partitions_that_lag_and_why(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    falcolake("produce", "--count", "40", "--source", "syscall", environment=environment)
    done = falcolake("flush", "--timeout", "200ms", environment=environment)
    head, *rows, summary = done.stdout.splitlines()
    assert head.split() == ["partition", "end", "committed", "lag", "why"]
    why = f"no worker of group group-of-{topic} is running"
    assert rows
    for row in rows:
        _, end, committed, lag, reason = row.split(maxsplit=4)
        assert (end, committed, reason) == (lag, "0", why)
    assert summary.startswith("0 of 40 records are in the lake, after ")
    assert done.stderr == (
        f"Warning: {why}\n"
        "Try: run falcolake flush again with a longer --timeout; the request is still valid\n"
    )
    assert done.exit_code == 1


def test_json_has_all_of_it(falcolake: Run, environment: dict[str, str], topic: str) -> None:
    falcolake("produce", "--count", "5", environment=environment)
    done = falcolake("flush", "--timeout", "0.2", "--json", environment=environment)
    found = json.loads(done.stdout)
    assert {name: found[name] for name in ("topic", "group", "done", "request")} == {
        "topic": topic,
        "group": f"group-of-{topic}",
        "done": False,
        "request": 0,
    }
    assert sum(each["lag"] for each in found["partitions"]) == 5
    assert found["partitions"][0].keys() == {"partition", "end", "committed", "lag", "reason"}
    again = json.loads(
        falcolake("flush", "--timeout", "0.2", "--json", environment=environment).stdout
    )
    assert again["request"] == 1
    assert done.exit_code == 1


def test_a_control_topic_that_is_not_there_is_named(
    falcolake: Run, environment: dict[str, str], topic: str
) -> None:
    falcolake("produce", "--count", "5", environment=environment)
    with KafkaAdminClient(
        bootstrap_servers=environment["FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS"]
    ) as admin:
        admin.delete_topics([f"{topic}.control"])
    done = falcolake("flush", environment=environment)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: there is no topic {topic}.control in Kafka at ")
    assert "Try: create it, with one partition, or correct FALCOLAKE_KAFKA__CONTROL_TOPIC" in (
        done.stderr
    )


def test_a_missing_topic_is_named(
    falcolake: Run, environment: dict[str, str], make_name: Callable[[], str]
) -> None:
    name = make_name()
    done = falcolake("flush", environment={**environment, "FALCOLAKE_KAFKA__TOPIC": name})
    assert (done.exit_code, done.stderr.split(" in Kafka")[0]) == (
        2,
        f"Error: there is no topic {name}",
    )


@pytest.mark.parametrize("timeout", ["soon", "-5", "0", "5 weeks", "nan"])
def test_a_timeout_that_is_none_is_wrong_usage(falcolake: Run, timeout: str) -> None:
    done = falcolake("flush", f"--timeout={timeout}")
    assert done.exit_code == 2
    assert "Error: " in done.stderr
    assert f"--timeout {timeout}" in done.stderr
