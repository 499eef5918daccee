"""The fleet: what the workers of a group answer, for the page of any of them. Pure.

Whoever looks at a page makes its worker ask on the control topic: only while someone looks, at most
every few seconds, and not if another worker has just asked. So many people at many pages cause one
question. A worker that has not answered the last question that it had time for is silent. Group
members that Kafka knows and that no answer accounts for are silent too, whatever their version.
Anyone who may write to the topic can answer, so what is kept is bounded, and an address is a link
only if it is one of the web.
"""

import re
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from streams.control.messages import State

#: Milliseconds between two questions, and between two looks at the group's members.
EVERY_MS = 5_000
MEMBERS_MS = 10_000

#: Milliseconds for which one look at the page lets its worker ask.
LOOKED_MS = 15_000

#: Milliseconds that an answer may take, and after which a question says nothing about now.
PATIENCE_MS = 5_000
FRESH_MS = 30_000

#: Milliseconds after which a silent worker is forgotten if the group's members are not known.
FORGOTTEN_MS = 600_000

#: Bytes of answers that are kept.
MOST_BYTES = 2 << 20

LINK = re.compile(r"https?://[\w.\-\[\]:]+(?:/[\w.\-~/%]*)?", re.ASCII)
LONGEST_LINK = 300


class Member(NamedTuple):
    """A member of the group, as Kafka has it."""

    name: str
    partitions: frozenset[int]


class Heard(NamedTuple):
    """The newest answer of a worker, when it came, and its size."""

    state: State
    at: int
    size: int


class Asked(NamedTuple):
    """A question: its offset on the control topic, and when it was read."""

    offset: int
    at: int


class Fleet:
    """What one worker knows of all of them. Times are epoch ms of this machine."""

    def __init__(self) -> None:
        #: Why the workers cannot be asked; empty if they can.
        self.trouble = ""
        self._looked = self._sent = self._sought = -FRESH_MS
        self._asked: deque[Asked] = deque(maxlen=64)
        #: In the order in which they were heard.
        self._heard: dict[str, Heard] = {}
        self._bytes = 0
        self._members: tuple[Member, ...] | None = None

    # ---- when to ask

    def look(self, now: int) -> None:
        """Note that someone looks at the page."""
        self._looked = now

    def is_due(self, now: int) -> bool:
        """Whether this worker should ask all of them."""
        last = max(self._sent, self._asked[-1].at if self._asked else self._sent)
        return now - self._looked < LOOKED_MS and now - last >= EVERY_MS

    def sent(self, now: int) -> None:
        """Note that this worker asks."""
        self._sent = now

    def should_seek_members(self, now: int) -> bool:
        """Whether Kafka should be asked for the group's members; if so, it counts as done."""
        if now - self._looked >= LOOKED_MS or now - self._sought < MEMBERS_MS:
            return False
        self._sought = now
        return True

    # ---- what is known

    def note_question(self, offset: int, now: int) -> None:
        """Note a question that was read from the topic, whoever asked."""
        self._asked.append(Asked(offset, now))

    def note_answer(self, state: State, size: int, now: int) -> None:
        """Note an answer that was read from the topic."""
        self._drop(state.worker)  # the newest comes last
        self._heard[state.worker] = Heard(state, now, size)
        self._bytes += size
        while self._bytes > MOST_BYTES:
            self._drop(next(iter(self._heard)))

    def _drop(self, worker: str) -> None:
        if worker in self._heard:
            self._bytes -= self._heard.pop(worker).size

    def note_members(self, members: Sequence[Member] | None) -> None:
        """Note the group's members; None if they are not known."""
        self._members = None if members is None else tuple(members)

    # ---- what is shown

    def plain(self, now: int, own: str) -> dict[str, Any]:
        """Return the workers as JSON types; `own` is this worker's name."""
        verdicts = {name: self._answers(heard, now) for name, heard in self._heard.items()}
        owners: dict[int, str] = {}
        for name, heard in self._heard.items():
            owners |= dict.fromkeys(heard.state.partitions, name)
        rows = [
            _row(heard, verdicts[name], own, {n for n, owner in owners.items() if owner == name})
            for name, heard in self._heard.items()
        ]
        rows, unknown = self._with_members(rows, now)
        return {
            "now": now,
            "trouble": self.trouble,
            "workers": sorted(rows, key=lambda row: str(row["worker"])),
            "unknown": unknown,
        }

    def _settled(self, now: int) -> Asked | None:
        """Return the newest question that every worker has had time for."""
        fresh = (each for each in reversed(self._asked) if now - each.at >= PATIENCE_MS)
        found = next(fresh, None)
        return None if found is None or now - found.at > FRESH_MS else found

    def _answers(self, heard: Heard, now: int) -> bool | None:
        """Whether a worker answers; None if it has not had time to."""
        settled = self._settled(now)
        if settled is not None:
            return heard.state.request >= settled.offset
        newest = self._asked[-1] if self._asked else None
        if newest is None or now - newest.at > FRESH_MS or heard.state.request < newest.offset:
            return None
        return True

    def _with_members(
        self, rows: list[dict[str, Any]], now: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the rows of those that answer and of members that do not.

        Also how many members without partitions do not answer: which ones is not known. Workers
        that are silent and no members any more have left.
        """
        if self._members is None:
            return [row for row in rows if now - row["heard"] < FORGOTTEN_MS], 0
        silent = [row for row in rows if row["answers"] is False]
        shown = [row for row in rows if row["answers"] is not False]
        accounted = {number for row in shown for number in row["partitions"]}
        verdict = None if self._settled(now) is None else False
        for member in self._members:
            left = member.partitions - accounted
            if not left:
                continue
            same = [row for row in silent if left & set(row["partitions"])]
            row = max(same, key=lambda each: each["heard"], default=None)
            shown.append({**(row or _unheard(member.name, verdict)), "partitions": sorted(left)})
        idle = sum(not member.partitions for member in self._members)
        return shown, max(0, idle - sum(not row["partitions"] for row in shown))


def _row(heard: Heard, answers: bool | None, own: str, partitions: set[int]) -> dict[str, Any]:
    state = heard.state
    return {
        "worker": state.worker,
        "own": state.worker == own,
        "answers": answers,
        "heard": heard.at,
        "partitions": sorted(partitions),
        "lag": state.lag,
        "paused": state.paused,
        "held": {str(n): why for n, why in sorted(state.partitions.items()) if why},
        "version": state.version,
        "address": state.address if is_link(state.address) else "",
    }


def _unheard(name: str, answers: bool | None) -> dict[str, Any]:
    nothing = State(v=1, group="", request=0, worker=name, paused="", partitions={})
    return _row(Heard(nothing, 0, 0), answers, "", set()) | {"heard": None}


def is_link(address: str) -> bool:
    """Whether an address is plainly one of the web, and nothing that a browser would run."""
    return len(address) <= LONGEST_LINK and LINK.fullmatch(address) is not None
