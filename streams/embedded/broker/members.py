"""The members of a consumer group: their requests, their waits, and the assignors they share."""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from streams.embedded.broker.errors import ErrorCode


class GroupState(Enum):
    """Group states, by the names that clients see."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(frozen=True)
class JoinRequest:
    """A client's request to join. Timeouts are in seconds."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocol_type: str
    protocols: dict[str, bytes]
    knows_two_steps: bool = True
    knows_skip_assignment: bool = False


@dataclass(frozen=True)
class SyncRequest:
    """A request for a member's assignment; the leader's carries everyone's."""

    member_id: str
    instance_id: str | None
    generation: int
    protocol_type: str | None
    protocol: str | None
    assignments: dict[str, bytes]


@dataclass(frozen=True)
class Joined:
    """The answer to a join: a place in the next generation, or why not."""

    error: ErrorCode
    member_id: str
    generation: int = -1
    protocol_type: str | None = None
    protocol: str = ""
    leader: str = ""
    skip_assignment: bool = False
    members: list["Member"] = field(default_factory=list)


@dataclass(frozen=True)
class Synced:
    """The answer to a sync: what the leader assigned, or why not."""

    error: ErrorCode
    assignment: bytes = b""
    protocol_type: str | None = None
    protocol: str | None = None


@dataclass
class Member:
    """One member. Timeouts are in seconds; `joining` and `syncing` are pending answers."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocols: dict[str, bytes]
    assignment: bytes = b""
    joining: "asyncio.Future[Joined] | None" = None
    syncing: "asyncio.Future[Synced] | None" = None
    session: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Return whether the member waits for the group, and so counts as alive."""
        return self.joining is not None or self.syncing is not None

    def wait_to_join(self) -> "asyncio.Future[Joined]":
        """Start a new wait; end a running one, since the client has asked again."""
        self.answer_join(Joined(ErrorCode.UNKNOWN_MEMBER_ID, self.id))
        self.joining = asyncio.get_running_loop().create_future()
        return self.joining

    def answer_join(self, answer: Joined) -> None:
        """End the wait for the next generation, if any."""
        if self.joining is not None and not self.joining.done():
            self.joining.set_result(answer)
        self.joining = None

    def wait_to_sync(self) -> "asyncio.Future[Synced]":
        """Start a new wait; end a running one, since the client has asked again."""
        self.answer_sync(Synced(ErrorCode.REBALANCE_IN_PROGRESS))
        self.syncing = asyncio.get_running_loop().create_future()
        return self.syncing

    def answer_sync(self, answer: Synced) -> None:
        """End the wait for the assignment, if any."""
        if self.syncing is not None and not self.syncing.done():
            self.syncing.set_result(answer)
        self.syncing = None

    def end_session(self) -> None:
        """Stop the timer that would expire the member."""
        if self.session is not None:
            self.session.cancel()
            self.session = None


def common_protocols(members: Collection[Member]) -> set[str]:
    """Return the assignors that all of `members` support."""
    return set.intersection(*(set(member.protocols) for member in members))


def choose_protocol(members: Collection[Member]) -> str:
    """Return the assignor that most members prefer among those that all support.

    There is always one, because a group admits only members that share an assignor.
    """
    common = common_protocols(members)
    liked = Counter(next(name for name in member.protocols if name in common) for member in members)
    return liked.most_common(1)[0][0]
