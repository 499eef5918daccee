"""The proof: whether the lake holds every record of a partition once. Pure: no I/O, no clock.

Keys give the windows, windows the gaps and overlaps, and footers show whether each window is
complete. Nothing is trusted because falcolake wrote it: key, footer, row count and Kafka's offsets
must agree, and each contradiction is a `Problem`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from streams.audit.coverage import Coverage, Kind, Known, LakeWindow, Problem, Stored
from streams.lake.keys import Footer, Unread
from streams.sizes import counted
from streams.windows.letters import Letters

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(
    topic: str,
    partition: int,
    windows: Sequence[LakeWindow],
    known: Known | None = None,
    letters: Letters | None = None,
    *,
    whole: bool = True,
) -> Coverage:
    """Return the coverage of a partition, with everything that is wrong with it.

    `known` is None if Kafka was not asked. If `whole` is false, only some windows are
    selected, and problems that touch none of them are left out.
    """
    found = Coverage(topic, partition, list(windows), known)
    found.problems += _chain(found, whole=whole)
    committed = _committed(known)
    for window in windows:
        if not window.selected:
            continue
        complete = known is None or window.end <= committed
        said = [*_objects(window), *_window(window, complete=complete)]
        found.problems += [_placed(each, found, window) for each in said]
    if letters is not None:
        found.problems += _letters(found, letters, committed)
    return found


def _committed(known: Known | None) -> int:
    return -1 if known is None or known.committed is None else known.committed


def _placed(problem: Problem, found: Coverage, window: LakeWindow) -> Problem:
    """Return a window's problem with the window's place."""
    return Problem(
        problem.kind,
        problem.message,
        found.topic,
        found.partition,
        window.first,
        window.end,
        problem.key,
    )


# ---- the chain of windows


def _chain(found: Coverage, *, whole: bool) -> Iterator[Problem]:
    """Check that each window begins where the one before it ends."""
    known = found.known
    position = known.begin if known else None
    if position is not None and found.windows:
        # Windows whose records Kafka has deleted since are checked too.
        position = min(position, found.windows[0].first)
    before: LakeWindow | None = None
    for window in found.windows:
        told = window.selected or (before is not None and before.selected)
        if position is not None and told and window.first > position:
            yield from _missing(found, position, window.first)
        if before is not None and told and window.first < before.end:
            yield _overlap(found, before, window)
        if position is None or window.end > position:
            position = window.end
        if before is None or window.end > before.end:
            before = window
    if known is not None and position is not None and (before.selected if before else whole):
        yield from _missing(found, position, _committed(known))
        yield from _beyond(found, known)


def _missing(found: Coverage, first: int, end: int) -> Iterator[Problem]:
    """Yield the offsets below the committed one that no window has."""
    known = found.known
    if known is None:
        yield _at(found, "gap", first, end, "no window has these offsets")
        return
    end = min(end, _committed(known))
    kept = min(max(first, known.begin), end)
    if first < kept:
        yield _at(
            found, "lost", first, kept, "no window has these offsets, and Kafka no longer has them"
        )
    if kept < end:
        yield _at(found, "gap", kept, end, "no window has these offsets; Kafka still has them")


def _overlap(found: Coverage, before: LakeWindow, window: LakeWindow) -> Problem:
    text = (
        f"the windows [{before.first}, {before.end}) and [{window.first}, {window.end}) "
        "both have these offsets"
    )
    ids = before.topic_ids | window.topic_ids
    if len(ids) > 1:
        text += f", of two topics of this name, with the ids {_list(ids)}"
    return _at(found, "overlap", window.first, min(before.end, window.end), text)


def _beyond(found: Coverage, known: Known) -> Iterator[Problem]:
    """Yield what is past the committed offset without a seal."""
    committed = known.committed_since
    sealed = set() if committed is None else set(pairwise((committed, *known.sealed)))
    reached = -1 if committed is None else committed
    stray = [
        window
        for window in found.windows
        if window.end > reached and (window.first, window.end) not in sealed
    ]
    if stray:
        end = max(window.end for window in stray)
        says = "the group has committed nothing" if committed is None else f"committed {committed}"
        text = f"{counted(len(stray), 'window')} without a seal, but {says}"
        yield _at(found, "beyond", min(window.first for window in stray), end, text)
    if committed is not None and committed < known.begin:
        text = "Kafka deleted these offsets before they were read"
        yield _at(found, "lost", committed, known.begin, text)
    if reached > known.end:
        text = f"committed {reached}, but Kafka ends at {known.end}: was the topic recreated?"
        yield _at(found, "beyond", known.end, reached, text)


def _at(found: Coverage, kind: Kind, first: int, end: int, text: str) -> Problem:
    return Problem(kind, text, found.topic, found.partition, first, end)


# ---- one object, one window


def _objects(window: LakeWindow) -> Iterator[Problem]:
    """Compare each object's footer with its key."""
    for stored in window.objects:
        if isinstance(stored.footer, Unread):
            kind: Kind = "foreign" if stored.footer.foreign else "unreadable"
            yield Problem(kind, stored.footer.reason, key=stored.key)
        elif stored.footer is not None:
            for kind, message in compare(stored, stored.footer):
                yield Problem(kind, message, key=stored.key)


def compare(stored: Stored, footer: Footer) -> Iterator[tuple[Kind, str]]:
    """Compare an object's footer with its key: yield the kind and message of each problem."""
    if stored.account is None:
        pairs = (
            (name, getattr(stored.place, name), getattr(footer, name))
            for name in ("topic", "partition", "first", "end")
        )
        other = [(name, keyed, said) for name, keyed, said in pairs if keyed != said]
        key = ", ".join(f"{name} {keyed}" for name, keyed, _ in other)
        yield (
            "foreign",
            f"its key says {key}; its footer says {', '.join(f'{s}' for _, _, s in other)}",
        )
        return
    counts = footer.counts
    if min(counts) < 0 or counts.records != counts.findings + counts.rejects + counts.filtered:
        yield "counts", f"records are not the sum of the others: {_words(counts._asdict())}"
    if footer.repeated is not None and not 0 <= footer.repeated <= max(0, counts.records - 1):
        yield "counts", f"{footer.repeated} of {counts.records} records cannot be repeated"
    for name, moved in (("days", footer.other_days), ("places", footer.other_places)):
        if not 0 <= moved <= max(0, counts.findings):
            yield "counts", f"{moved} of {counts.findings} findings cannot be of other {name}"
    if footer.times is None:
        if footer.rows:
            yield "foreign", "its footer lacks the times of its rows"
        return
    days = {day(time) for time in footer.times}
    if not footer.other_days and days != {stored.place.event_day}:
        yield "misplaced", f"it has rows of {' to '.join(sorted(days))}"


def day(time: int) -> str:
    """Return the UTC day, yyyymmdd, of a time in epoch ms; "… ms" if it is out of range."""
    try:
        moment = _EPOCH + timedelta(milliseconds=time)
    except OverflowError:
        return f"{time} ms"
    return f"{moment.year:04d}{moment:%m%d}"


def _window(window: LakeWindow, *, complete: bool) -> Iterator[Problem]:
    """Compare the objects of a window with each other and with its bounds.

    A window that is still being shipped may lack objects.
    """
    footers = window.footers
    if not footers:
        return
    if len(window.topic_ids) > 1:
        ids = _list(window.topic_ids)
        yield Problem("overlap", f"its objects are of two topics of this name, with the ids {ids}")
        return
    if len({(_said(each), each.mapping_version) for each in footers}) > 1:
        stories = sorted({_said(footer) for footer in footers})
        versions = sorted({footer.mapping_version for footer in footers})
        text = " against ".join(stories if len(stories) > 1 else versions)
        yield Problem("disagreement", f"its objects disagree: {text}")
        return
    counts, room = footers[0].counts, window.end - window.first
    if counts.records > room:
        yield Problem("counts", f"{counts.records} records do not fit into {room} offsets")
    if len(footers) < len(window.objects):
        return
    rows = sum(footer.rows for footer in footers)
    there = f"{counted(rows, 'row')} in {counted(len(footers), 'object')}"
    text = f"{there}, but {counted(counts.findings, 'finding')}"
    if rows < counts.findings and complete:
        yield Problem("short", text)
    elif rows > counts.findings:
        yield Problem("excess", text)


def _list(ids: frozenset[str]) -> str:
    return " and ".join(sorted(ids))


def _said(footer: Footer) -> str:
    """Return what a footer says of its window."""
    more = {
        "repeated": footer.repeated or 0,
        "of other days": footer.other_days,
        "of other places": footer.other_places,
    }
    return _words(footer.counts._asdict() | {name: value for name, value in more.items() if value})


def _words(values: dict[str, int]) -> str:
    return ", ".join(f"{value} {name}" for name, value in values.items())


def _letters(found: Coverage, letters: Letters, committed: int) -> Iterator[Problem]:
    """Compare each window's rejects with the dead letters of its offsets."""
    found.letters = 0
    for window in found.windows:
        if not window.footers or window.end > committed:
            continue
        there, wanted = (
            letters.within(found.partition, window.first, window.end),
            window.counts.rejects,
        )
        found.letters += there
        if there > wanted or (there < wanted and not letters.trimmed):
            text = f"{counted(there, 'dead letter')}, but {counted(wanted, 'reject')}"
            yield _at(found, "dead-letters", window.first, window.end, text)
