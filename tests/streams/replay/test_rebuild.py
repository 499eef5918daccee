"""One window, or the windows of a gap, rebuilt from Kafka by a `Rebuilder` alone."""

from pathlib import Path
from typing import Any

import pytest

from streams.audit import audit
from streams.audit.audit import sort_objects
from streams.kafka import dead_letter_reader, scan
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.replay.plan import Target
from streams.replay.rebuild import Rebuilder, Task, WindowReplay
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings
from streams.staging.filing import MOST_DAYS
from tests.streams.falco_records import NOW, Message, alert, mixed
from tests.streams.lake_writer import LakeWriter

GAP = Target(1, 0, 20)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "staging"


def rebuild(
    settings: Settings, directory: Path, target: Target = GAP, **task: Any
) -> list[WindowReplay]:
    """Rebuild one target: a gap, or the window that the lake has with these bounds."""
    lake, client = settings.lake, connect(settings.lake)
    reader = LakeReader(lake, client)
    arranged, _ = sort_objects(reader.objects(), lake.prefix)
    existing = {
        (partition, window.first, window.end): window
        for (_, partition), windows in arranged.items()
        for window in windows
    }
    target = target._replace(window=existing.get(target[:3]))
    whole = Task(
        settings,
        build_mapping(settings),
        reader,
        Lake(lake, client),
        reader,
        existing,
        dead_letter_reader.read(settings),
        **task,
    )
    with scan.open_consumer(settings) as consumer, Rebuilder(whole, consumer, directory) as one:
        return list(one.rebuild(target))


def states(window: WindowReplay) -> list[str]:
    return [each.state for each in window.objects]


def test_a_gap_is_cut_where_a_window_is_full(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    made = rebuild(settings, directory)
    assert [(each.first, each.end, each.outcome) for each in made] == [
        (0, 8, "made"),
        (8, 16, "made"),
        (16, 20, "made"),
    ]
    assert [each.letters for each in made] == [1, 1, 1]
    assert {state for each in made for state in states(each)} == {"new"}
    assert len(list(writer.lake.objects())) == sum(len(each.objects) for each in made)
    assert not directory.exists()


@pytest.mark.faults
def test_a_window_of_many_days_is_rebuilt_byte_for_byte(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    values = [alert(number % 50, day=f"{2031 + number % 50}-04-05") for number in range(80)]
    writer.publish(2, values)
    writer.commit({2: 80})
    larger = settings.window.model_copy(update={"max_rows": 1000})
    settings = settings.model_copy(update={"window": larger})
    (made,) = rebuild(settings, directory, Target(2, 0, 80))
    assert (made.outcome, len(made.objects)) == ("made", MOST_DAYS)
    assert sum(each.after or 0 for each in made.objects) == 80
    found = audit.run(settings)
    assert found.partitions[2].problems == []
    assert found.partitions[2].repeated == 30
    (again,) = rebuild(settings, directory, Target(2, 0, 80))
    assert (again.outcome, set(states(again))) == ("same", {"same"})


def test_a_window_that_is_whole_is_left_or_skipped(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    rebuild(settings, directory)
    written = [(each.key, each.size) for each in writer.lake.objects()]
    (again,) = rebuild(settings, directory, Target(1, 0, 8))
    assert (again.outcome, set(states(again)), again.letters) == ("same", {"same"}, 0)
    assert again.before == again.after
    (skipped,) = rebuild(settings, directory, Target(1, 0, 8), resume=True)
    assert (skipped.outcome, skipped.objects) == ("skipped", [])
    assert [(each.key, each.size) for each in writer.lake.objects()] == written


def test_an_object_that_differs_is_overwritten_unless_it_is_a_dry_run(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    rebuild(settings, directory)
    key = next(iter(writer.lake.objects())).key
    whole = writer.lake.read(key)
    writer.rewrite(key, rows=1)
    cut = writer.lake.read(key)
    for dry_run, body in ((True, cut), (False, whole)):
        (window,) = rebuild(settings, directory, Target(1, 0, 8), dry_run=dry_run, resume=True)
        changed = [each for each in window.objects if each.state == "changed"]
        assert [(each.key, each.before) for each in changed] == [(key, 1)]
        assert window.outcome == "changed"
        assert writer.lake.read(key) == body


def test_an_object_that_is_damaged_inside_is_written_again(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    rebuild(settings, directory)
    key = next(iter(writer.lake.objects())).key
    whole = writer.lake.read(key)
    writer.put(key, whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    (window,) = rebuild(settings, directory, Target(1, 0, 8))
    assert window.outcome == "changed"
    assert writer.lake.read(key) == whole


def test_an_object_of_another_window_is_replaced(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    """Its findings are of records that are not this window's, and are in the lake elsewhere."""
    rebuild(settings, directory)
    first, *_, last = (each.key for each in writer.lake.objects())
    whole = writer.lake.read(first)
    writer.put(first, writer.lake.read(last))
    (window,) = rebuild(settings, directory, Target(1, 0, 8))
    assert window.outcome == "changed"
    assert writer.lake.read(first) == whole


def test_an_object_that_the_window_no_longer_has_is_stale_until_it_is_pruned(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    rebuild(settings, directory)
    key = next(iter(writer.lake.objects())).key
    other = key.replace("region=eu-central-1", "region=eu-central-2")
    writer.rewrite(key, to=other)
    (window,) = rebuild(settings, directory, Target(1, 0, 8))
    assert (window.stale, window.outcome) == ([other], "changed")
    (window,) = rebuild(settings, directory, Target(1, 0, 8), prune=True, dry_run=True)
    assert other in [each.key for each in writer.lake.objects()]
    (window,) = rebuild(settings, directory, Target(1, 0, 8), prune=True)
    assert (window.stale, "deleted" in states(window)) == ([], True)
    assert other not in [each.key for each in writer.lake.objects()]


def test_a_window_of_an_earlier_topic_is_refused_and_stays(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    rebuild(settings, directory, topic_id="earlier")
    before = {each.key: writer.lake.read(each.key) for each in writer.lake.objects()}
    bounds = Target(1, 0, 8)
    (window,) = rebuild(settings, directory, bounds, topic_id="now")
    assert (window.outcome, window.objects) == ("refused", [])
    assert window.reason == "its records were of an earlier topic of this name, with the id earlier"
    assert {each.key: writer.lake.read(each.key) for each in writer.lake.objects()} == before
    (same,) = rebuild(settings, directory, bounds, topic_id="earlier")
    assert same.outcome == "same"


@pytest.mark.parametrize("others", [(0, 8), (5, 8)], ids=["all", "the last ones"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_findings_of_records_that_kafka_no_longer_has_are_not_overwritten(
    settings: Settings,
    writer: LakeWriter,
    directory: Path,
    others: tuple[int, int],
    dry_run: bool,
) -> None:
    """As after an unclean election: the offsets are the same, the lake has the only copy."""
    first, end = others
    cut = [Message(n, mixed(n), NOW + n + (first <= n < end) * 60_000) for n in range(8)]
    writer.window(1, 0, 8, made_of=cut)
    lake = writer.lake
    before = {each.key: lake.read(each.key) for each in lake.objects()}
    (window,) = rebuild(settings, directory, Target(1, 0, 8), dry_run=dry_run, prune=True)
    assert (window.outcome, window.objects) == ("refused", [])
    assert "Kafka has other records there now" in window.reason
    assert "the only copy" in window.reason
    assert {each.key: lake.read(each.key) for each in lake.objects()} == before


def test_a_window_is_refused_unless_kafka_has_all_its_records(
    settings: Settings, writer: LakeWriter, directory: Path
) -> None:
    (key, *_) = writer.window(1, 0, 8, lambda _: b"{}", records=8)
    writer.rewrite(key, records=9)
    (window,) = rebuild(settings, directory, Target(1, 0, 8))
    assert (window.outcome, window.objects) == ("refused", [])
    assert window.reason == "Kafka has 8 of its 9 records: was the topic compacted?"
    writer.expire(1, 2)
    (window,) = rebuild(settings, directory, Target(1, 0, 8))
    assert window.reason == "Kafka has deleted its records: the first offset is now 2"
    (gap,) = rebuild(settings, directory, Target(1, 0, 2))
    assert (gap.outcome, gap.reason) == (
        "refused",
        "no window has these offsets, and Kafka has no records there",
    )
