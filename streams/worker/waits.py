"""Waits: what the worker waits for, since when, and whether that is too long.

Whoever asks Kafka or the lake for something begins a `Wait`, and ends it when it is answered or has
failed. A *peer* is a broker or the lake. It is *away* while a wait for it is overdue, or while
every request to it has failed for `PATIENCE` seconds. Slow is not away: bytes that move postpone
the moment at which a wait is overdue. Nothing here survives the process. Times are monotonic
seconds, and arguments; several threads may call.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, NamedTuple

from streams.sizes import in_bytes

#: Seconds without an answer, or a byte that moves, after which a wait is worth a word, and overdue
#: unless it has an allowance.
PATIENCE: Final = 8.0

#: Bytes of a put that the kernel may have taken and not sent yet: Linux's largest send buffer by
#: default.
BUFFERED: Final = 4_000_000

#: Looks at a try of a put in which bytes that move prove nothing: they go to the buffers of both
#: ends, even if the other side takes none.
BURST: Final = 2

#: Bytes a second that the slowest connection of a put is granted: 1 Mbit/s.
SLOWEST: Final = 125_000

#: Seconds that a failure counts while nobody asks again. A consumer asks at once, and a broker that
#: nobody asks has lost its partitions; a held window waits up to a minute before the next try.
SOON: Final = 5.0
LATER: Final = 90.0


class Peer(NamedTuple):
    """Whom the worker waits for. `kind` is "kafka" or "lake", `hint` what to try while away."""

    kind: str
    name: str
    hint: str


@dataclass(slots=True, eq=False)
class Wait:
    """One request under way. `since` is when it began, or when a byte of it last moved.

    A put has a `size`, and `moved` counts its bytes that were handed to the network in this try.
    Without a size `moved` counts bytes of the answer.
    """

    peer: Peer
    what: str
    began: float
    partition: int | None = None
    size: int | None = None
    moved: Callable[[], int] = lambda: 0
    #: Seconds that the other side may take on purpose.
    extra: float = 0.0
    #: Seconds that its failure counts while nobody asks again.
    linger: float = SOON
    since: float = field(init=False)
    _seen: int = 0
    _looks: int = 0

    def __post_init__(self) -> None:
        self.since = self.began

    def __str__(self) -> str:
        size = "" if self.size is None else f" ({in_bytes(self.size)})"
        return f"{self.what}{size}"

    @property
    def complaint(self) -> str:
        """Return what to say once this is overdue."""
        return f"{self.peer.name} does not answer: {self}"

    def follow(self, moved: Callable[[], int]) -> None:
        """Count bytes by this from now on."""
        self.moved = moved

    def look(self, now: float) -> None:
        """Note whether bytes have moved since the last look."""
        moved = self.moved()
        if moved < self._seen or not moved:
            self._looks = 0  # another try
        if moved:
            self._looks += 1
        if moved > self._seen and (self.size is None or self._looks > BURST):
            self.since = now
        self._seen = moved

    def is_overdue(self, now: float) -> bool:
        """Whether this has waited longer than the bytes that are under way can explain."""
        under_way = 0 if self.size is None else min(self.moved(), BUFFERED)
        return now - self.since > PATIENCE + self.extra + under_way / SLOWEST


class Away(NamedTuple):
    """A peer that does not answer, what was asked of it first, and since when."""

    peer: Peer
    what: str
    since: float


class Turn(NamedTuple):
    """A peer that went away, or came back. `seconds` is how long it has been away.

    `answered` is false while it is away, and if nobody asks it any more.
    """

    peer: Peer
    what: str
    seconds: float
    back: bool
    answered: bool = False


class _Failure(NamedTuple):
    """The first failure since a peer's last answer; `last` is when the latest one ended."""

    what: str
    since: float
    last: float
    linger: float


class Waits:
    """All that one process waits for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: set[Wait] = set()
        self._failures: dict[Peer, _Failure] = {}
        self._away: dict[Peer, Away] = {}

    def begin(self, wait: Wait) -> None:
        """Note that something was asked."""
        with self._lock:
            self._under_way.add(wait)

    def drop(self, wait: Wait) -> None:
        """Forget a wait that says nothing about its peer."""
        with self._lock:
            self._under_way.discard(wait)

    def answered(self, wait: Wait) -> None:
        """Note that the peer answered, unless the wait has ended before."""
        with self._lock:
            if wait in self._under_way:
                self._under_way.discard(wait)
                self._failures.pop(wait.peer, None)

    def failed(self, wait: Wait, now: float, error: str = "") -> None:
        """Note that a wait ended without an answer."""
        with self._lock:
            self._under_way.discard(wait)
            first = self._failures.get(wait.peer)
            self._failures[wait.peer] = _Failure(
                error or str(wait), first.since if first else wait.since, now, wait.linger
            )

    def look(self, now: float) -> list[Turn]:
        """Note which bytes moved; return who went away or came back since the last look."""
        with self._lock:
            for wait in self._under_way:
                wait.look(now)
            asked = {wait.peer for wait in self._under_way}
            unasked = [
                peer
                for peer, failure in self._failures.items()
                if peer not in asked and now - failure.last > failure.linger
            ]
            for peer in unasked:
                del self._failures[peer]
        before, self._away = self._away, {each.peer: each for each in self.away(now)}
        went = [
            Turn(peer, each.what, now - each.since, back=False)
            for peer, each in self._away.items()
            if peer not in before
        ]
        came = [
            Turn(peer, each.what, now - each.since, back=True, answered=peer not in unasked)
            for peer, each in before.items()
            if peer not in self._away
        ]
        return went + came

    def away(self, now: float) -> list[Away]:
        """Return who does not answer, and since when, longest first."""
        found: dict[Peer, Away] = {}
        with self._lock:
            for peer, failure in self._failures.items():
                if now - failure.since >= PATIENCE:
                    found[peer] = Away(peer, failure.what, failure.since)
            for wait in self._under_way:
                if wait.is_overdue(now):
                    known, failure_of = found.get(wait.peer), self._failures.get(wait.peer)
                    since = min(wait.since, failure_of.since if failure_of else wait.since)
                    if known is None or since < known.since:
                        found[wait.peer] = Away(wait.peer, str(wait), since)
        return sorted(found.values(), key=lambda each: each.since)

    def overdue(self, kind: str, now: float) -> list[Wait]:
        """Return what a kind of peers has not answered in time, oldest first."""
        return [wait for wait in self.long(now) if wait.peer.kind == kind and wait.is_overdue(now)]

    def long(self, now: float) -> list[Wait]:
        """Return what has been under way for `PATIENCE` seconds, oldest first."""
        with self._lock:
            found = [wait for wait in self._under_way if now - wait.began >= PATIENCE + wait.extra]
        return sorted(found, key=lambda wait: wait.began)


def lasting(seconds: float) -> str:
    """Format a duration in its two largest units."""
    whole = round(seconds)
    for large, name, small, of in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= large:
            return f"{whole // large} {name} {whole % large // small} {of}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
