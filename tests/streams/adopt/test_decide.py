"""What has to be adopted, and where reading goes on."""

import pytest

from streams.adopt.decide import Facts, adopted, decide, noted
from streams.audit.coverage import LakeWindow, Stored
from streams.lake.keys import Footer, ObjectKey
from streams.windows.seal import UNSEALED, Seal, read_seal
from streams.windows.window import Counts

OLD, NOW = "old-old-old-old-old-ol", "now-now-now-now-now-no"


def window(first: int, end: int, topic_id: str = NOW) -> LakeWindow:
    place = ObjectKey("r", "a", "20261123", "falco-events", 0, first, end)
    counts = Counts(end - first, end - first, 0, 0)
    footer = Footer("falco-events", 0, first, end, counts, "1", end - first, None, topic_id)
    return LakeWindow(first, end, [Stored("key", place, 1, footer)])


def facts(committed: int | None, end: int, *windows: LakeWindow, **other: object) -> Facts:
    found = Facts(0, committed, UNSEALED, NOW, 0, end, windows)
    return found._replace(**other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(facts(None, 50), id="a new group and an empty lake"),
        pytest.param(facts(None, 50, window(0, 40)), id="a new group, windows of this topic"),
        pytest.param(facts(40, 50, window(0, 40)), id="all is well"),
        pytest.param(
            facts(40, 50, window(0, 40), seal=UNSEALED._replace(topic_id=NOW)), id="the same id"
        ),
        pytest.param(facts(50, 50, window(0, 20, OLD), window(20, 50)), id="adopted before"),
        pytest.param(
            facts(20, 50, window(0, 20), window(20, 40), seal=Seal("1", (40,))), id="sealed"
        ),
    ],
)
def test_what_workers_can_go_on_with_is_not_adopted(found: Facts) -> None:
    assert decide(found) is None


@pytest.mark.parametrize(
    ("found", "kind", "until", "padding"),
    [
        (facts(100, 60, window(0, 100)), "truncated", 100, 40),
        (facts(100, 140, window(0, 100), seal=Seal("", (), 60)), "truncated", 100, 0),
        (facts(80, 90, window(0, 80), seal=Seal("1", (95,))), "truncated", 80, 0),
        (facts(None, 60, window(0, 100)), "truncated", 100, 40),
        (facts(None, 70, window(0, 50, OLD)), "recreated", 50, 0),
        (facts(None, 7, window(0, 50, OLD)), "recreated", 50, 43),
        (facts(50, 70, window(0, 50), seal=UNSEALED._replace(topic_id=OLD)), "recreated", 50, 0),
        (facts(None, 70, window(0, 50, "")), "overlap", 50, 0),
        (facts(None, 70, window(0, 50), topic_id=""), "overlap", 50, 0),
        (facts(None, 70, window(0, 50), window(30, 60)), "overlap", 60, 0),
        (facts(30, 70, window(0, 30), window(30, 50)), "overlap", 50, 0),
    ],
)
def test_reading_goes_on_where_the_lake_ends(
    found: Facts, kind: str, until: int, padding: int
) -> None:
    plan = decide(found)
    assert plan is not None
    assert (plan.kind, plan.until, plan.padding) == (kind, until, padding)
    assert plan.reason


def test_a_partition_that_was_noted_stays_to_be_adopted() -> None:
    """Padding makes the log look whole: only the note in the metadata says that it is not."""
    for found in (facts(100, 60, window(0, 100)), facts(None, 60, window(0, 100, OLD))):
        plan = decide(found)
        assert plan is not None
        seal = read_seal(noted(found, plan), 100)
        padded = found._replace(committed=100, end=105, seal=seal)
        again = decide(padded)
        assert again is not None
        assert (again.until, again.padding, again.cut) == (100, 0, 60)
        done = read_seal(adopted(padded, 7), 100)
        assert done.topic_id == NOW
        assert decide(padded._replace(seal=done)) is None
