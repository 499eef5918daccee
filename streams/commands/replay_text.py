"""Prints a replay: its windows in a table, the objects that differ, a summary line."""

from typing import TYPE_CHECKING

from streams.sizes import counted
from streams.terminal import locate, print_item, print_table, print_text, print_words

if TYPE_CHECKING:
    from streams.replay.rebuild import ObjectReplay, WindowReplay
    from streams.replay.replay import Replay

HEADS = ["partition", "offsets", "window", "records", "rows", "objects", "what"]


def print_replay(found: "Replay") -> None:
    """Print the windows that changed, or all of them after a dry run; then the totals."""
    told = [
        each
        for each in found.windows
        if found.dry_run or each.stale or each.outcome not in {"same", "skipped"}
    ]
    if told:
        rows = [_row(each) for each in told]
        columns = len(HEADS) if any(row[-1] for row in rows) else len(HEADS) - 1
        print_table(HEADS[:columns], [row[:columns] for row in rows], right="partition")
        print_text("")
    differing = [one for each in told for one in each.objects if one.state != "same"]
    for one in differing:
        print_item(one.state, _rows(one), locate(found.place, one.key))
    if differing:
        print_text("")
    print_words(f"{found}")


def _row(window: "WindowReplay") -> list[str]:
    before, after = window.before, window.after
    return [
        f"{window.partition}",
        f"[{window.first}, {window.end})",
        window.outcome,
        _change(before and before.records, after and after.records),
        _change(before and before.findings, after and after.findings),
        _objects(window),
        _what(window),
    ]


def _change(before: int | None, after: int | None) -> str:
    words = ["-" if each is None else f"{each}" for each in (before, after)]
    return words[0] if before == after else " → ".join(words)


def _objects(window: "WindowReplay") -> str:
    states = [each.state for each in window.objects]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "-"


def _what(window: "WindowReplay") -> str:
    """Return the reason, and what else happened to the window."""
    words = [window.reason] if window.reason else []
    if len(window.versions) > 1:
        words.append(f"mapping {' → '.join(window.versions)}")
    words += [f"{counted(window.letters, 'dead letter')} sent"] if window.letters else []
    words += [f"{counted(window.resolved, 'dead letter')} resolved"] if window.resolved else []
    return "; ".join(words)


def _rows(one: "ObjectReplay") -> str:
    """Return an object's rows: before and after if they changed, else the current or last ones."""
    if one.state == "new":
        return counted(one.after or 0, "row")
    before = "unreadable" if one.before is None else f"{one.before:,}"
    if one.state == "changed":
        return f"{before} → {counted(one.after or 0, 'row')}"
    return before if one.before is None else counted(one.before, "row")
