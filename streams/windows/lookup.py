"""Where a partition goes on for which Kafka has no committed offset: the lake is the ledger. Pure.

Kafka forgets the offsets of a group that was idle for a week, and a new group has none. Reading
from the beginning would put everything into the lake a second time. The last window of the
partition in the lake says where to go on, if its topic id proves that it is of this very topic.
"""

from typing import NamedTuple

from streams.windows.seal import MIXED
from streams.windows.window import Blocked

ADOPT = (
    "stop the workers and decide with 'falcolake adopt', or set LAKE__PREFIX to a new prefix to "
    "read the topic from its beginning"
)


class Tail(NamedTuple):
    """The last window of a partition in the lake, and what its footers say.

    `ids` are the topic ids in them, `versions` the mapping versions; a footer without an id has an
    empty one, and an object whose footer cannot be read has none. `reach` is the end of the window
    that ends next to last, 0 if it is the only one.
    """

    first: int
    end: int
    ids: frozenset[str]
    versions: frozenset[str]
    reach: int = 0


class GoOn(NamedTuple):
    """Read on from `committed`. If `ends` has the end of a window, ship that one again.

    `version` is the mapping version that put it.
    """

    committed: int
    ends: tuple[int, ...] = ()
    version: str = ""


def recreated(what: str, before: str, now: str) -> Blocked:
    """Return why a partition is blocked whose topic has another id than `what` says."""
    return Blocked(
        "recreated",
        f"{what} of an earlier topic of this name: its id was {before}, now it is {now}",
        ADOPT,
    )


def decide(tail: Tail | None, topic_id: str, start: int, end: int) -> GoOn | Blocked:
    """Return where a partition without a committed offset goes on, or why it cannot.

    `start` and `end` are the log's first and next offset, `tail` is None if the lake has no window
    of the partition. The last window may lack objects or dead letters, as after a crash: it keeps
    its bounds and is shipped again, unless Kafka no longer has all its records.
    """
    if tail is None:
        return GoOn(start)
    has = f"the lake has windows of this partition up to offset {tail.end}"
    others = sorted(tail.ids - {"", topic_id})
    if others and topic_id:
        return recreated(f"{has},", others[0], topic_id)
    if tail.ids != {topic_id} or not topic_id:
        return Blocked(
            "overlap", f"{has}, and no topic id proves that they are of this topic", ADOPT
        )
    if tail.reach > tail.first:
        return Blocked("overlap", f"{has}, and the last ones overlap", ADOPT)
    if tail.end > end:
        return Blocked("truncated", f"{has}, but the log ends at {end}", ADOPT)
    if start > tail.first:
        return GoOn(tail.end)
    version = MIXED if len(tail.versions) > 1 else "".join(tail.versions)
    return GoOn(tail.first, (tail.end,), version)
