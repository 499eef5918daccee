"""What the parts of a worker count, by batch and by window."""

from pathlib import Path

import pytest

from streams import clock
from streams.embedded.stack import EmbeddedStack
from streams.errors import Unavailable
from streams.windows.progress import Progress
from streams.worker.metrics import Metrics
from tests.streams.falco_records import NOW, mixed
from tests.streams.worker_parts import Worker, in_loop, lake_of


@pytest.fixture
def worker(tmp_path: Path, stack: EmbeddedStack, bucket: str) -> Worker:
    return Worker(tmp_path / "staging", lake_of(stack, bucket))


@in_loop
async def test_records_are_findings_and_rejects_and_filtered_at_both_ends(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 70, mixed)
        await worker.seal()
        await worker.ship()
        count = worker.metric
        assert count("consumed_records_total") == 70
        for name in ("staged_records_total", "shipped_records_total"):
            assert [count(name, outcome=each) for each in ("finding", "reject", "filtered")] == [
                60,
                10,
                0,
            ]
        assert count("staged_findings_total", severity="Low") == 60
        assert count("staged_rejects_total", reason="The value is empty") == 6
        assert count("staged_rejects_total", reason="The value is not JSON") == 2
        assert count("staged_rejects_total", reason="The value is not UTF-8") == 2
        for name in ("mapping", "staging", "export"):
            assert 0 < count(f"{name}_seconds_total") < 60


@in_loop
async def test_a_batch_that_comes_too_late_is_consumed_and_not_staged(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 5, epoch=0)
        assert worker.metric("consumed_records_total") == 5
        assert worker.metric("staged_records_total", outcome="finding") == 0


@in_loop
async def test_the_age_of_what_was_shipped_is_observed_once_a_batch(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        await worker.take(0, 10, 30)
        await worker.seal()
        await worker.ship()
        assert worker.metric("event_to_lake_seconds_count") == 2
        expected = 2 * (clock.now_ms() - NOW) / 1000
        assert worker.metric("event_to_lake_seconds_sum") == pytest.approx(expected, abs=30)
        assert abs(worker.metric("last_shipped_timestamp_seconds") - clock.now_ms() / 1000) < 30


@in_loop
async def test_lag_is_what_kafka_has_and_the_lake_has_not(worker: Worker) -> None:
    async with worker:
        await worker.assign(0)
        await worker.take(0, 0, 10, highwater=25)
        worker.kafka.starts, worker.kafka.ends = {0: 0}, {0: 40}
        worker.ledger.show()
        assert worker.metric("lag_records", partition="0") == 10**6
        await worker.ledger.ask_bounds()
        worker.ledger.show()
        assert worker.metric("lag_records", partition="0") == 40
        assert worker.metric("staging_records", partition="0") == 10
        age = (clock.now_ms() - NOW) / 1000
        assert worker.metric("lag_seconds", partition="0") == pytest.approx(age, abs=30)
        await worker.seal()
        worker.ledger.show()
        assert worker.metric("waiting_windows", partition="0") == 1
        await worker.ship()
        worker.ledger.show()
        assert worker.metric("lag_records", partition="0") == 30
        assert worker.metric("waiting_windows", partition="0") == 0


@in_loop
async def test_what_retention_leaves_is_reported_once_it_has_deleted_something(
    worker: Worker,
) -> None:
    def spare(unit: str) -> float | None:
        return worker.metrics.registry.get_sample_value(
            f"falcolake_retention_spare_{unit}", {"partition": "0"}
        )

    async with worker:
        kafka = worker.kafka
        kafka.committed, kafka.ends = {0: (100, "")}, {0: 120}
        await worker.assign(0)
        await worker.take(0, 100, 120)
        worker.ledger.show()
        assert (spare("records"), spare("seconds")) == (None, None)
        kafka.starts, kafka.oldest = {0: 60}, {0: NOW - 1_000_000}
        await worker.ledger.ask_bounds()
        worker.ledger.show()
        assert (spare("records"), spare("seconds")) == (40, pytest.approx(1000, abs=1))
        await worker.seal()
        await worker.ship()
        worker.ledger.show()
        assert (spare("records"), spare("seconds")) == (None, None)


@in_loop
async def test_without_an_answer_from_kafka_the_last_bounds_remain(worker: Worker) -> None:
    async with worker:
        worker.kafka.ends = {0: 40}
        await worker.assign(0)
        worker.kafka.errors = [Unavailable("away", "wait")]
        await worker.ledger.ask_bounds()
        worker.ledger.show()
        assert worker.metric("end_offset", partition="0") == 40


@in_loop
async def test_each_assignment_is_a_rebalance_and_staging_is_measured_without_a_batch(
    worker: Worker,
) -> None:
    async with worker:
        await worker.assign(0, 1)
        await worker.assign(1)
        assert worker.metric("rebalances_total") == 2
        assert worker.metric("assigned_partitions") == 1
        worker.ledger.show()
        assert worker.metric("staging_free_bytes") > 0


def test_every_worker_has_its_own_registry() -> None:
    one, other = Metrics(), Metrics()
    one.sealed(3)
    name = "falcolake_sealed_windows_total"
    assert one.registry.get_sample_value(name) == 3
    assert other.registry.get_sample_value(name) == 0


def test_the_versions_that_run_are_a_series() -> None:
    metrics = Metrics()
    metrics.running("0.1.0", "1-x")
    labels = {"version": "0.1.0", "mapping": "1-x"}
    assert metrics.registry.get_sample_value("falcolake_build_info", labels) == 1


def test_gauges_show_what_changed_of_the_partitions_that_a_worker_has_now() -> None:
    metrics = Metrics()

    def shown(name: str) -> dict[str, float]:
        (family,) = (each for each in metrics.registry.collect() if each.name == name)
        return {each.labels["partition"]: each.value for each in family.samples}

    first = Progress(0, 10, 20, 30, 5, None, 10, 0, 1.5, 4, 2.5)
    metrics.progress([first, first._replace(partition=1)])
    assert shown("falcolake_lag_records") == {"0": 20, "1": 20}
    kept = metrics._lag.labels("1")
    metrics.progress(
        [first._replace(committed=20, spare_records=None), first._replace(partition=1)]
    )
    assert shown("falcolake_lag_records") == {"0": 10, "1": 20}
    assert shown("falcolake_retention_spare_records") == {"1": 4}
    metrics.progress([first._replace(partition=1)])
    assert shown("falcolake_lag_records") == {"1": 20}
    assert metrics._lag.labels("1") is kept  # it was not set again
