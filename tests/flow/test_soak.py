"""The soak passes on a sound worker; its verdict sees missing, doubled and invented records."""

import pytest

from streams.settings.load import load
from tests.flow.worlds import GARBAGE, World, alert
from tests.soak.__main__ import main
from tests.soak.verdict import judge


@pytest.mark.faults
def test_the_verdict_sees_what_is_missing_doubled_or_never_produced(world: World) -> None:
    settings = load(environment=world.environment)
    world.publish([alert(n) for n in range(200)] + [GARBAGE] * 4)
    world.worker(WINDOW__MAX_ROWS=50).start()
    world.wait_until_shipped()
    whole = judge(world, settings, 200, 4)
    assert whole.clean
    assert (whole.records, whole.doubled_by_producer) == (204, 0)
    assert judge(world, settings, 201, 4).differences == ("produced, but not in the topic: [200]",)
    assert judge(world, settings, 199, 4).differences == (
        "in the topic, but never produced: [199]",
    )
    assert judge(world, settings, 200, 5).differences == ("garbage that did not arrive: 1",)
    key = world.objects()[0].key
    body = world.s3.get_object(Bucket=world.bucket, Key=key)["Body"].read()
    world.s3.put_object(Bucket=world.bucket, Key=key.replace("region=", "region=x-"), Body=body)
    (difference,) = judge(world, settings, 200, 4).differences
    assert difference.startswith("too often in the lake")
    world.s3.delete_object(Bucket=world.bucket, Key=key.replace("region=", "region=x-"))
    world.s3.delete_object(Bucket=world.bucket, Key=key)
    found = judge(world, settings, 200, 4)
    assert found.differences[0].startswith("missing in the lake")
    assert found.audit.problems
    assert not found.clean


@pytest.mark.faults
def test_a_short_soak_ends_clean(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(0.7, seed=3) == 0
    report = capfd.readouterr().out
    assert "verdict   clean" in report
    assert "problems: none" in report
