"""A worker's metrics, compared with what Kafka and S3 say."""

import pytest

from tests.flow.worlds import GARBAGE, World, alert
from tests.waiting import wait_until


def test_the_metrics_are_kafka_s_and_the_lake_s_own_figures(world: World) -> None:
    world.publish([alert(n) for n in range(900)] + [GARBAGE] * 30)
    worker = world.worker(WINDOW__MAX_ROWS=200).start()
    world.wait_until_shipped()
    ends, bodies = world.ends(), world.bodies()
    wait_until(lambda: worker.scrape()["committed_offset", "0"] == ends[0], 30)
    wait_until(lambda: sum(worker.scrape()["lag_records", str(n)] for n in ends) == 0, 30)
    wait_until(lambda: worker.scrape()["shipped_records_total", "finding"] == 900, 30)
    found = worker.scrape()
    for number, end in ends.items():
        for name in ("committed_offset", "staged_offset", "end_offset"):
            assert found[name, str(number)] == end
        assert found["start_offset", str(number)] == 0
        assert found["lag_seconds", str(number)] == 0
    for name in ("staged_records_total", "shipped_records_total"):
        assert (found[name, "finding"], found[name, "reject"]) == (900, 30)
    assert found["staged_findings_total", "Low"] == 900
    assert found["staged_rejects_total", "The value is not JSON"] == 30
    assert found["put_objects_total", "put"] == found["put_seconds_count", ""] == len(bodies)
    assert found["put_bytes_total", ""] == sum(map(len, bodies.values()))
    windows = {stored.window for stored in world.objects()}
    assert found["shipped_windows_total", ""] == found["sealed_windows_total", ""] == len(windows)
    assert found["event_to_lake_seconds_count", ""] >= len(windows)
    assert found["rebalances_total", ""] == found["assigned_partitions", ""] / 3 == 1


@pytest.mark.faults
def test_the_lag_grows_while_nothing_is_read(world: World) -> None:
    """A paused worker reads nothing: only Kafka's answer tells how much there is."""
    world.publish([alert(n) for n in range(300)])
    worker = world.worker(STAGING__MIN_FREE_BYTES=10**18).start()
    wait_until(lambda: worker.readiness().get("paused"), 60)
    world.publish([alert(n) for n in range(300, 900)])

    def total(name: str) -> float:
        found = worker.scrape()
        return sum(found[name, str(number)] for number in range(3))

    wait_until(lambda: total("end_offset") == 900, 60, "Kafka's own answer")
    committed = sum(offset for offset, _ in world.committed().values())
    assert total("lag_records") == 900 - committed >= 600
    before = total("lag_seconds")
    wait_until(lambda: total("lag_seconds") > before + 1, 30)
