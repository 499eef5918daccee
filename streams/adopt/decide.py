"""What has to be adopted, and where reading goes on afterwards. Pure.

A partition is blocked if offsets of the lake's windows and offsets of the log are not the same
records: the log lost its end, or another topic has the name now. Reading goes on where the lake's
windows end, so that no two windows share an offset. What the log has before that offset, and the
lake does not hold, is published again at the log's end.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from streams.audit.coverage import LakeWindow
from streams.windows.seal import UNSEALED, Seal

Kind = Literal["truncated", "recreated", "overlap"]


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
    kind: Kind
    reason: str
    start: int
    until: int
    padding: int
    cut: int


def noted(facts: Facts, plan: Plan) -> str:
    """Return the commit metadata of a partition that stays blocked until it is adopted."""
    return facts.seal._replace(cut=plan.cut, topic_id=facts.topic_id).encode()


def adopted(facts: Facts) -> str:
    """Return the commit metadata of a partition that has been adopted."""
    return UNSEALED._replace(topic_id=facts.topic_id).encode()


def decide(facts: Facts) -> Plan | None:
    """Return what to do with a partition, or None if workers can go on by themselves."""
    found = _trouble(facts)
    if found is None:
        return None
    kind, reason = found
    reached = max((window.end for window in facts.windows), default=facts.committed or 0)
    cut = facts.end if facts.seal.cut is None else min(facts.seal.cut, facts.end)
    padding = max(0, reached - facts.end)
    return Plan(facts.partition, kind, reason, facts.start, reached, padding, cut)


def _trouble(facts: Facts) -> tuple[Kind, str] | None:
    committed, windows, now = facts.committed, facts.windows, facts.topic_id
    reached = max((window.end for window in windows), default=0)
    if committed is None:
        if not windows:
            return None
        others = sorted(set().union(*(window.topic_ids for window in windows[-1:])) - {now})
        has = f"the lake has windows up to offset {reached}"
        if others and now:
            return "recreated", f"{has} of a topic with the id {others[0]}; now it is {now}"
        if not now or windows[-1].topic_ids != {now}:
            return "overlap", f"{has}, and no topic id proves that they are of this topic"
        if any(first.end > second.first for first, second in pairwise(windows[-2:])):
            return "overlap", f"{has}, and the last ones overlap"
        if reached > facts.end:
            return "truncated", f"{has}, but the log ends at {facts.end}"
        return None
    if facts.seal.topic_id and now and facts.seal.topic_id != now:
        return "recreated", f"the committed offset is of a topic with the id {facts.seal.topic_id}"
    needed = max(committed, *facts.seal.ends) if facts.seal.ends else committed
    if facts.seal.cut is not None or facts.end < needed:
        end = facts.end if facts.seal.cut is None else facts.seal.cut
        return "truncated", f"the log ended at {end}, before offset {needed}"
    sealed = set(pairwise((committed, *facts.seal.ends)))
    if any(each.end > committed and (each.first, each.end) not in sealed for each in windows):
        return "overlap", f"the lake has windows up to {reached}, but committed is {committed}"
    return None
