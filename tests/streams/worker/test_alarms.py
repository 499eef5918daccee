"""Alarms: what is wrong with a partition's log is an error in the log, once."""

import pytest

from streams.windows.batch import Found
from streams.windows.window import Partition
from streams.worker.alarms import Alarms
from streams.worker.metrics import Metrics
from tests.streams.worker_parts import BLOCKED


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"falcolake_{name}", labels)


def test_a_blocked_partition_is_logged_once_and_shown_as_long_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    alarms = Alarms(metrics)
    partitions = {n: Partition(n, 0, 0, "v") for n in (0, 1)}
    alarms.show_blocked(partitions, 10.0)
    assert not caplog.records
    partitions[1].block(BLOCKED)
    for now in (20.0, 30.0):
        alarms.show_blocked(partitions, now)
        assert alarms.blocked == {1: 20.0}
    alarms.show_blocked({}, 40.0)
    assert alarms.blocked == {}
    assert value(metrics, "blocked_since_seconds", partition="1", kind="overlap") is None
    alarms.show_blocked(partitions, 50.0)
    assert alarms.blocked == {1: 50.0}
    (said,) = caplog.records
    assert said.levelname == "ERROR"
    assert said.getMessage() == f"partition 1: blocked: {BLOCKED.reason} ({BLOCKED.hint})"


def test_a_partition_that_is_blocked_for_another_reason_is_reported_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    alarms, partition = Alarms(metrics), Partition(1, 0, 0, "v", blocked=BLOCKED)
    alarms.show_blocked({1: partition}, 10.0)
    partition.blocked = BLOCKED._replace(kind="truncated")
    alarms.show_blocked({1: partition}, 20.0)
    assert len(caplog.records) == 2
    assert value(metrics, "blocked_since_seconds", partition="1", kind="overlap") is None
    assert value(metrics, "blocked_since_seconds", partition="1", kind="truncated")


def test_lost_offsets_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    alarms = Alarms(metrics)
    for _ in range(2):
        alarms.took_over({0: Found(10, "", 40, 50)}, {0: Partition(0, 10, 40, "v")})
    alarms.skipped(0, 50, 60)
    assert value(metrics, "lost_records_total", partition="0") == 40
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
