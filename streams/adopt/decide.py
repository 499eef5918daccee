"""What has to be adopted, and where reading goes on afterwards. Pure.

A partition is blocked if offsets of the lake's windows and offsets of the log are not the same
records: the log lost its end, or another topic has the name now. Reading goes on where the lake's
windows end, so that no two windows share an offset. What the log has before that offset, and the
lake does not hold, is published again at the log's end.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from streams.audit.coverage import LakeWindow
from streams.windows import lookup
from streams.windows.lookup import ADOPT, Tail
from streams.windows.seal import UNSEALED, Seal
from streams.windows.window import Blocked


class Facts(NamedTuple):
    """One partition, in Kafka and in the lake.

    `committed` is None if Kafka has no offset of it; `seal` is what its metadata says. `start` and
    `end` are the log's first and next offset, open transactions included. `windows` have their
    footers.
    """

    partition: int
    committed: int | None
    seal: Seal
    topic_id: str
    start: int
    end: int
    windows: Sequence[LakeWindow]


class Plan(NamedTuple):
    """What to do with a partition: read on at `until`, after padding the log by `padding` offsets.

    `cut` is the lowest end of the log that is known.
    """

    partition: int
    kind: str
    reason: str
    start: int
    until: int
    padding: int
    cut: int


def noted(facts: Facts, plan: Plan) -> str:
    """Return the commit metadata of a partition that stays blocked until it is adopted."""
    return facts.seal._replace(cut=plan.cut, topic_id=facts.topic_id).encode()


def adopted(facts: Facts, leader_epoch: int) -> str:
    """Return the commit metadata of a partition that has been adopted.

    In that epoch the log has everything before the offset where reading goes on.
    """
    return UNSEALED._replace(topic_id=facts.topic_id, leader_epoch=leader_epoch).encode()


def decide(facts: Facts) -> Plan | None:
    """Return what to do with a partition, or None if workers can go on by themselves."""
    found = _trouble(facts)
    if found is None:
        return None
    reached = max((window.end for window in facts.windows), default=facts.committed or 0)
    cut = facts.end if facts.seal.cut is None else min(facts.seal.cut, facts.end)
    padding = max(0, reached - facts.end)
    return Plan(facts.partition, found.kind, found.reason, facts.start, reached, padding, cut)


def _trouble(facts: Facts) -> Blocked | None:
    """Return why workers do not go on with the partition; None if they do."""
    committed, windows, now = facts.committed, facts.windows, facts.topic_id
    if committed is None:
        where = lookup.decide(_tail(windows), now, facts.start, facts.end)
        return where if isinstance(where, Blocked) else None
    if facts.seal.topic_id and now and facts.seal.topic_id != now:
        offset = f"the committed offset {committed} is"
        return lookup.recreated(offset, facts.seal.topic_id, now)
    needed = max(committed, *facts.seal.ends) if facts.seal.ends else committed
    if facts.seal.cut is not None or facts.end < needed:
        end = facts.end if facts.seal.cut is None else facts.seal.cut
        return Blocked("truncated", f"the log ended at {end}, before offset {needed}", ADOPT)
    reached = max((each.end for each in windows), default=0)
    sealed = set(pairwise((committed, *facts.seal.ends)))
    if any(each.end > committed and (each.first, each.end) not in sealed for each in windows):
        has = f"the lake has windows up to {reached}, but committed is {committed}"
        return Blocked("overlap", has, ADOPT)
    return None


def _tail(windows: Sequence[LakeWindow]) -> Tail | None:
    """Return the last window, as a worker that looks into the lake sees it."""
    if not windows:
        return None
    *others, last = sorted(windows, key=lambda each: (each.end, each.first))
    return Tail(
        last.first,
        last.end,
        frozenset(footer.topic_id for footer in last.footers),
        frozenset(footer.mapping_version for footer in last.footers),
        max((each.end for each in others), default=0),
    )
