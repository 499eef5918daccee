"""Coverage: objects sorted into windows, windows into partitions, and their counts."""

from streams.audit.coverage import Coverage, Known, LakeWindow, Problem, Stored, arrange
from streams.lake.keys import Footer, ObjectKey, Unread
from streams.windows.window import Counts


def stored(
    first: int, end: int, *, topic: str = "t", partition: int = 0, day: str = "20261123"
) -> Stored:
    """An object with a record in every offset but the last."""
    place = ObjectKey("eu-west-1", "1" * 12, day, topic, partition, first, end)
    counts = Counts(end - first - 1, end - first - 1, 0, 0)
    footer = Footer(topic, partition, first, end, counts, "1", counts.findings, (0, 1))
    return Stored(place.under("ext/falco"), place, 1000, footer)


def test_objects_are_arranged_by_topic_partition_and_first_offset() -> None:
    objects = [
        stored(5, 9),
        stored(0, 5),
        stored(0, 5, day="20261124"),
        stored(0, 3, partition=1),
        stored(0, 3, topic="s"),
    ]
    found = arrange(objects)
    assert list(found) == [("s", 0), ("t", 0), ("t", 1)]
    windows = found["t", 0]
    assert [(each.first, each.end, len(each.objects)) for each in windows] == [(0, 5, 2), (5, 9, 1)]


def test_a_window_has_the_counts_of_its_first_footer() -> None:
    window = LakeWindow(0, 5, [stored(0, 5)])
    assert window.counts == Counts(4, 4, 0, 0)
    assert window.absent == 1
    assert LakeWindow(0, 5).counts == Counts(0, 0, 0, 0)
    assert LakeWindow(0, 5).absent == 0


def test_a_footer_of_another_window_does_not_count() -> None:
    one = stored(0, 5)
    for footer in (None, Unread("torn"), stored(0, 6).footer, stored(0, 5, topic="s").footer):
        other = one._replace(footer=footer)
        assert other.account is None
        assert LakeWindow(0, 5, [other]).footers == []


def test_a_partition_has_the_bounds_and_totals_of_its_windows() -> None:
    windows = arrange([stored(3, 9), stored(4, 6), stored(9, 12)])["t", 0]
    found = Coverage("t", 0, windows, Known(0, 20, 12, 12))
    assert found.bounds == (3, 12)
    assert found.counts == Counts(8, 8, 0, 0)
    assert (found.objects, found.absent) == (3, 3)
    assert Coverage("t", 0, []).bounds is None
    assert Coverage("t", 0, []).counts == Counts(0, 0, 0, 0)


def test_json_has_no_value_for_what_is_not_known() -> None:
    found = Coverage("t", 7, [], problems=[Problem("gap", "none")])
    assert found.plain() == {
        "topic": "t",
        "partition": 7,
        "first": None,
        "end": None,
        "committed": None,
        "windows": 0,
        "objects": 0,
        "records": 0,
        "findings": 0,
        "rejects": 0,
        "filtered": 0,
        "repeated": 0,
        "absent": 0,
        "dead_letters": None,
        "problems": 1,
    }
