"""What has to be adopted, and where reading goes on."""

import json

import pytest

from streams.adopt.decide import Facts, decide, metadata, topic_id_in
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
    found = Facts(0, committed, UNSEALED, "", NOW, 0, end, windows)
    return found._replace(**other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(facts(None, 50), id="a new group and an empty lake"),
        pytest.param(facts(None, 50, window(0, 40)), id="a new group, windows of this topic"),
        pytest.param(facts(40, 50, window(0, 40)), id="all is well"),
        pytest.param(facts(40, 50, window(0, 40), sealed_id=NOW), id="the same id"),
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
        (facts(50, 70, window(0, 50), sealed_id=OLD), "recreated", 50, 0),
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
        noted = metadata(NOW, found.seal, plan.cut)
        padded = found._replace(
            committed=100, end=105, seal=read_seal(noted, 100), sealed_id=topic_id_in(noted)
        )
        again = decide(padded)
        assert again is not None
        assert (again.until, again.padding, again.cut) == (100, 0, 60)
        done = metadata(NOW)
        assert decide(padded._replace(seal=read_seal(done, 100), sealed_id=NOW)) is None


def test_the_metadata_has_the_topic_and_nothing_of_another_tool_is_believed() -> None:
    assert json.loads(metadata(NOW)) == {"v": 1, "m": "", "ends": [], "t": NOW}
    assert metadata("") == ""
    assert topic_id_in(metadata(NOW)) == NOW
    assert {topic_id_in(text) for text in ("", "words", "[]", '{"t":7}', "[" * 10**5)} == {""}
