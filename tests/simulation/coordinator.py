"""A consumer group, as its coordinator keeps it: members, generations, offsets.

A rebalance begins when a member comes, leaves or is silent for longer than the session. It ends
once all known members have joined, or after a limit without those that have not. Commits are
accepted until then, with the generation of before, as Kafka does.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import errors as kafka_errors

from streams.windows.seal import METADATA_BYTES

SESSION = 10.0
REBALANCE = 12.0


class Joined(NamedTuple):
    """The answer to a member that joined."""

    generation: int
    partitions: tuple[int, ...]


@dataclass(slots=True)
class Member:
    """A member of the group; `joins` is set while it waits for the end of a rebalance."""

    heard: float
    joins: "asyncio.Future[Joined] | None" = None
    partitions: tuple[int, ...] = ()


@dataclass
class Group:
    """One group. `assign` deals partitions to members, `committing` sees each accepted commit."""

    now: Callable[[], float]
    assign: Callable[[list[str]], dict[str, tuple[int, ...]]]
    committing: Callable[[str, int, int, str], None]
    note: Callable[[str, str], None]
    generation: int = 0
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    #: Since when a rebalance is under way; None if none is.
    preparing: float | None = None

    def join(self, name: str, answer: "asyncio.Future[Joined]") -> None:
        """Let a member in, at the end of the rebalance."""
        self.members.setdefault(name, Member(self.now())).joins = answer
        self.members[name].heard = self.now()
        self.rebalance()
        self._complete()

    def rebalance(self) -> None:
        """Begin a rebalance."""
        if self.preparing is None:
            self.preparing = self.now()

    def leave(self, name: str) -> None:
        """Let a member go."""
        if self.members.pop(name, None) is not None:
            self.rebalance()
            self._complete()

    def beat(self, name: str, generation: int) -> None:
        """Take a heartbeat. Raises what Kafka answers to one that is not as it should be."""
        self._check(name, generation)
        self.members[name].heard = self.now()
        if self.preparing is not None:
            raise kafka_errors.RebalanceInProgressError

    def commit(self, name: str, generation: int, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Take offsets, all of them or none. Raises what Kafka answers otherwise."""
        self._check(name, generation)
        if any(len(metadata) > METADATA_BYTES for _, metadata in offsets.values()):
            raise kafka_errors.OffsetMetadataTooLargeError
        self.members[name].heard = self.now()
        for number, (offset, metadata) in offsets.items():
            self.committing(name, number, offset, metadata)
            self.offsets[number] = offset, metadata

    def _check(self, name: str, generation: int) -> None:
        if name not in self.members:
            raise kafka_errors.UnknownMemberIdError
        if generation != self.generation:
            raise kafka_errors.IllegalGenerationError

    def look(self) -> None:
        """Expire members, and end a rebalance that has lasted too long."""
        now = self.now()
        silent = [
            name
            for name, member in self.members.items()
            if member.joins is None and now - member.heard > SESSION
        ]
        for name in silent:
            self.note("kafka", f"removes {name} from the group: silent for {SESSION:.0f} s")
            self.leave(name)
        if self.preparing is not None and now - self.preparing > REBALANCE:
            for name in [name for name, each in self.members.items() if each.joins is None]:
                self.note("kafka", f"removes {name} from the group: it has not joined again")
                del self.members[name]
        self._complete()

    def _complete(self) -> None:
        if self.preparing is None or any(each.joins is None for each in self.members.values()):
            return
        self.preparing = None
        if not self.members:
            return
        self.generation += 1
        dealt = self.assign(sorted(self.members))
        for name, member in self.members.items():
            member.partitions = dealt.get(name, ())
            member.heard = self.now()
            answer, member.joins = member.joins, None
            if answer is not None and not answer.done():
                answer.set_result(Joined(self.generation, member.partitions))
        said = ", ".join(f"{name} {list(numbers)}" for name, numbers in sorted(dealt.items()))
        self.note("kafka", f"generation {self.generation}: {said}")
