"""The audit next to real workers: always clean while they ship, and right about all damage."""

import pytest

from streams.audit import audit
from streams.settings.load import load
from tests.flow.worlds import GARBAGE, World, alert
from tests.waiting import wait_until


@pytest.mark.faults
def test_the_audit_is_clean_while_workers_ship(world: World) -> None:
    settings = load(environment=world.environment)
    late = [alert(n).replace(b"-11-23T", b"-11-24T") for n in range(2000, 2400)]
    world.publish([*(alert(n) for n in range(2000)), *[GARBAGE, None] * 20, *late])
    for name in ("one", "two"):
        world.worker(name, WINDOW__MAX_ROWS=100).start()
    seen = []

    def shipped() -> bool:
        whole = world.shipped()
        seen.append(audit.run(settings))
        return whole

    wait_until(shipped, 90)
    assert [found.problems for found in seen if found.problems] == []
    assert (seen[-1].counts.records, seen[-1].counts.findings) == (2440, 2400)
    assert len({found.windows for found in seen}) > 1, "it never looked during the work"


@pytest.mark.faults
def test_the_audit_finds_what_is_taken_from_a_worker_s_lake(world: World) -> None:
    settings = load(environment=world.environment)
    world.publish([alert(n) for n in range(600)])
    world.worker(WINDOW__MAX_ROWS=50).start()
    world.wait_until_shipped()
    assert audit.run(settings).problems == ()
    for stored in world.objects():
        body = world.s3.get_object(Bucket=world.bucket, Key=stored.key)["Body"].read()
        world.s3.delete_object(Bucket=world.bucket, Key=stored.key)
        (problem,) = audit.run(settings).problems
        assert (problem.kind, problem.partition, problem.first, problem.end) == (
            "gap",
            *stored.window,
        )
        world.s3.put_object(Bucket=world.bucket, Key=stored.key, Body=body)
