"""A replay as text: its windows, the objects that differ, a summary line."""

import re

import pytest

from streams.commands.replay_text import print_replay
from streams.replay.rebuild import ObjectReplay, WindowReplay
from streams.replay.replay import Replay
from streams.windows.window import Counts

CHANGED = WindowReplay(
    *(3, 0, 20, "changed"),
    before=Counts(20, 17, 3, 0),
    after=Counts(20, 18, 2, 0),
    versions=("1", "2"),
    objects=[
        ObjectReplay("ext/falco/a", "changed", 17, 18),
        ObjectReplay("ext/falco/b", "new", None, 1),
        ObjectReplay("ext/falco/c", "same", 4, 4),
        ObjectReplay("ext/falco/d", "deleted", None, None),
    ],
    letters=1,
    resolved=2,
)
SAME = WindowReplay(3, 20, 30, "same", before=Counts(10, 10, 0, 0), after=Counts(10, 10, 0, 0))
REFUSED = WindowReplay(1, 0, 5, "refused", "Kafka has deleted its records")


def shown(capsys: pytest.CaptureFixture[str], *windows: WindowReplay, dry_run: bool) -> list[str]:
    print_replay(Replay("t", "s3://lake/ext/falco", dry_run, [*windows]))
    return capsys.readouterr().out.splitlines()


def test_windows_that_changed_are_listed_with_their_objects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    head, row, _, *objects, _, summary = shown(capsys, CHANGED, SAME, dry_run=False)
    assert head.split() == ["partition", "offsets", "window", "records", "rows", "objects", "what"]
    assert re.split(r"  +", row.strip())[:-1] == [
        *("3", "[0, 20)", "changed", "20", "17 → 18", "1 changed, 1 new, 1 same, 1 deleted")
    ]
    assert row.endswith("mapping 1 → 2; 1 dead letter sent; 2 dead letters resolved")
    assert [line.split() for line in objects] == [
        [*["changed", "17", "→", "18", "rows"]],
        ["s3://lake/ext/falco/a"],
        [*["new", "1", "row"]],
        ["s3://lake/ext/falco/b"],
        ["deleted", "unreadable"],
        ["s3://lake/ext/falco/d"],
    ]
    assert summary.startswith("s3://lake/ext/falco, from topic t: 2 windows (1 changed, 1 same)")


def test_a_dry_run_lists_windows_that_are_the_same_too(capsys: pytest.CaptureFixture[str]) -> None:
    head, row, _, summary = shown(capsys, SAME, dry_run=True)
    assert head.split()[-1] == "objects"  # nothing to say in the last column
    assert row.split() == ["3", "[20,", "30)", "same", "10", "10", "-"]
    assert summary.startswith("dry run, nothing written: ")


def test_a_window_that_was_refused_has_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    _, row, *_ = shown(capsys, REFUSED, dry_run=False)
    cells = re.split(r"  +", row.strip())
    assert cells == ["1", "[0, 5)", "refused", "-", "-", "-", REFUSED.reason]


def test_a_replay_without_a_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shown(capsys, SAME, dry_run=False)) == 1
