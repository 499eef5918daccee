"""The plan of a replay: which windows to rebuild or create, and which cannot be. Pure.

A window in the lake keeps its bounds. A gap between windows is always filled completely, so that
the bounds do not depend on the request. Nothing at or past the committed offset is touched: that
part belongs to the workers.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.audit.coverage import Known, LakeWindow


class Target(NamedTuple):
    """Offsets to rebuild: a window, or a gap, which is cut into windows while it is read."""

    partition: int
    first: int
    end: int
    #: The window as the lake has it; None for a gap.
    window: LakeWindow | None = None


class Refused(NamedTuple):
    """Offsets that cannot be rebuilt, and why."""

    partition: int
    first: int
    end: int
    reason: str
    window: LakeWindow | None = None


@dataclass(slots=True)
class Plan:
    """What a replay will do, and what it cannot do."""

    targets: list[Target] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def offsets(self) -> int:
        """The number of offsets to read."""
        return sum(target.end - target.first for target in self.targets)


def make(
    partition: int,
    windows: Sequence[LakeWindow],
    known: Known,
    ranges: Iterable[tuple[int, int]],
) -> Plan:
    """Return the plan for the windows and gaps of a partition that touch any of the ranges.

    `windows` are all windows of it in the lake, in order. Of `known`, the committed offset and the
    bounds in Kafka are used.
    """
    plan = Plan()
    committed = known.committed or 0
    wanted = _joined((first, min(end, committed)) for first, end in ranges)
    if not wanted:
        return plan
    if committed > known.end:
        reason = f"committed {committed}, but Kafka ends at {known.end}: was the topic recreated?"
        first, end = wanted[0][0], wanted[-1][1]
        plan.refused.append(Refused(partition, first, end, reason))
        return plan
    ours = [window for window in windows if window.end <= committed]
    doubled = _doubled(windows)
    for first, end, window in _pieces(ours, windows, known.begin, committed):
        after = bisect_right(wanted, first, key=lambda bounds: bounds[1])
        if after == len(wanted) or wanted[after][0] >= end:
            continue
        if window is None:
            lost = min(max(first, known.begin), end)
            if first < lost:
                reason = "no window has these offsets, and Kafka no longer has them"
                plan.refused.append(Refused(partition, first, lost, reason))
            if lost < end:
                plan.targets.append(Target(partition, lost, end))
        elif (first, end) in doubled:
            reason = "another window has these offsets too, and either could be right"
            plan.refused.append(Refused(partition, first, end, reason, window))
        elif first < known.begin:
            reason = f"Kafka has deleted its records: the first offset is now {known.begin}"
            plan.refused.append(Refused(partition, first, end, reason, window))
        else:
            plan.targets.append(Target(partition, first, end, window))
    return plan


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges in order, without empty ones; those that touch or overlap are merged."""
    found: list[tuple[int, int]] = []
    for first, end in sorted(each for each in ranges if each[0] < each[1]):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((first, end))
    return found


def _doubled(windows: Sequence[LakeWindow]) -> set[tuple[int, int]]:
    """Return the windows that share an offset with another one."""
    found: set[tuple[int, int]] = set()
    before: LakeWindow | None = None
    for window in windows:
        if before is not None and window.first < before.end:
            found |= {(before.first, before.end), (window.first, window.end)}
        if before is None or window.end > before.end:
            before = window
    return found


def _pieces(
    ours: Sequence[LakeWindow], windows: Sequence[LakeWindow], begin: int, committed: int
) -> list[tuple[int, int, LakeWindow | None]]:
    """Return windows and gaps up to the committed offset, in order."""
    start = min([begin, *(window.first for window in windows[:1])])
    # A window that reaches past the committed offset is not a gap.
    taken = [(w.first, min(w.end, committed)) for w in windows if w.first < committed]
    ends = [start]
    for _, end in taken:
        ends.append(max(ends[-1], end))
    firsts = [*(first for first, _ in taken), committed]
    gaps = [(low, high, None) for low, high in zip(ends, firsts, strict=True) if low < high]
    return sorted(
        [*gaps, *((window.first, window.end, window) for window in ours)], key=lambda p: p[:2]
    )
