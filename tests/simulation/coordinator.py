"""A consumer group, as its coordinator keeps it: members, generations, offsets.

A rebalance begins when a member comes, leaves or is silent for longer than the session. It has two
steps. All known members *join* again, or a limit passes without those that do not; then the next
generation begins, and its leader is told who is in it. All *synchronize*: the leader brings who
gets what, and each is answered its own. Commits are accepted until all have joined, with the
generation of before, and again from the leader's synchronization on, as Kafka does.

A *static* member has an instance's name. Who joins by the same name later, under another id, takes
its place at once, in the same generation and without a rebalance; the id before is fenced
(KIP-345).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import errors as kafka_errors

from streams.windows.seal import METADATA_BYTES

SESSION = 10.0
REBALANCE = 12.0

Dealt = Mapping[str, tuple[int, ...]]


class Fenced(kafka_errors.BrokerResponseError):
    """Another member has this one's instance by now; aiokafka does not know this error."""

    errno = 82
    message = "FENCED_INSTANCE_ID"


class Joined(NamedTuple):
    """The answer to a member that joined; the leader gets the ids of all, others none."""

    generation: int
    members: tuple[str, ...] = ()


@dataclass(slots=True)
class Member:
    """A member; `joins` and `syncs` are set while it waits for the answer to that request."""

    heard: float
    instance: str = ""
    joins: "asyncio.Future[Joined] | None" = None
    syncs: "asyncio.Future[tuple[int, ...]] | None" = None
    has_synced: bool = False
    partitions: tuple[int, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether a request of it is under way, so that its session does not end."""
        return self.joins is not None or self.syncs is not None

    def refuse(self, error: kafka_errors.KafkaError) -> None:
        """Answer what is under way with an error."""
        waiting = [each for each in (self.joins, self.syncs) if each is not None]
        self.joins = self.syncs = None
        for answer in waiting:
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # so that nobody needs to retrieve it: its member may be dead


@dataclass
class Group:
    """One group. `committing` sees each accepted commit."""

    now: Callable[[], float]
    committing: Callable[[str, int, int, str], None]
    note: Callable[[str, str], None]
    generation: int = 0
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    leader: str = ""
    #: Since when members join; None if they do not.
    preparing: float | None = None
    #: Since when members synchronize, of whom the leader has not; None if it has.
    completing: float | None = None
    #: Ids of members whose instances have other ids by now.
    fenced: set[str] = field(default_factory=set)

    def join(self, name: str, answer: "asyncio.Future[Joined]", instance: str = "") -> None:
        """Let a member in, at the end of the rebalance. Raises Fenced."""
        if name in self.fenced:
            raise Fenced
        before = next(
            (n for n, m in self.members.items() if instance and m.instance == instance), name
        )
        if before != name:
            self._replace(before, name, answer)
            return
        known = name in self.members
        member = self.members.setdefault(name, Member(self.now(), instance))
        member.heard = self.now()
        if (
            known
            and self.preparing is None
            and (self.completing is not None or name != self.leader)
        ):
            answer.set_result(self._joined(name))
            return
        member.joins = answer
        self.rebalance()
        self._complete()

    def _replace(self, before: str, name: str, answer: "asyncio.Future[Joined]") -> None:
        """Hand the place of a static member to the same instance under another id."""
        member = self.members.pop(before)
        member.refuse(Fenced())
        self.fenced.add(before)
        self.members[name] = member
        member.heard = self.now()
        if self.leader == before:
            self.leader = name
        self.note("kafka", f"{name} takes the place of {before}")
        if self.preparing is None and self.completing is None:
            # Not as its leader, which would deal again: a client of JoinGroup 5 is told so.
            answer.set_result(Joined(self.generation))
            return
        member.joins = answer
        self.rebalance()
        self._complete()

    def _joined(self, name: str) -> Joined:
        return Joined(self.generation, tuple(sorted(self.members)) if name == self.leader else ())

    def rebalance(self) -> None:
        """Begin a rebalance."""
        if self.preparing is not None:
            return
        self.preparing, self.completing = self.now(), None
        for member in self.members.values():
            if member.syncs is not None:
                member.heard = self.now()
                member.refuse(kafka_errors.RebalanceInProgressError())

    def sync(
        self,
        name: str,
        generation: int,
        dealt: Dealt | None,
        answer: "asyncio.Future[tuple[int, ...]]",
    ) -> None:
        """Take from the leader who gets what; tell a member its own. Raises Kafka's errors."""
        member = self._check(name, generation)
        member.heard, member.has_synced = self.now(), True
        if self.preparing is not None:
            raise kafka_errors.RebalanceInProgressError
        member.syncs = answer
        if self.completing is not None:
            if name != self.leader or dealt is None:
                return
            self.completing = None
            for each, other in self.members.items():
                other.partitions = dealt.get(each, ())
            said = ", ".join(f"{n} {list(m.partitions)}" for n, m in sorted(self.members.items()))
            self.note("kafka", f"generation {self.generation}: {said}")
        for other in self.members.values():
            if other.syncs is not None:
                other.heard = self.now()
                waiting, other.syncs = other.syncs, None
                if not waiting.done():
                    waiting.set_result(other.partitions)

    def leave(self, name: str) -> None:
        """Let a member go."""
        if name in self.members:
            self._drop([name])
            self.rebalance()
            self._complete()

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            self.members.pop(name).refuse(kafka_errors.UnknownMemberIdError())
        if self.leader not in self.members:
            self.leader = next(iter(self.members), "")

    def beat(self, name: str, generation: int) -> None:
        """Take a heartbeat. Raises what Kafka answers to one that is not as it should be."""
        self._check(name, generation).heard = self.now()
        if self.preparing is not None:
            raise kafka_errors.RebalanceInProgressError

    def commit(self, name: str, generation: int, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Take offsets, all of them or none. Raises what Kafka answers otherwise."""
        member = self._check(name, generation)
        if any(len(metadata) > METADATA_BYTES for _, metadata in offsets.values()):
            raise kafka_errors.OffsetMetadataTooLargeError
        member.heard = self.now()
        if self.completing is not None:
            raise kafka_errors.RebalanceInProgressError
        for number, (offset, metadata) in offsets.items():
            self.committing(name, number, offset, metadata)
            self.offsets[number] = offset, metadata

    def _check(self, name: str, generation: int) -> Member:
        if name not in self.members:
            raise kafka_errors.UnknownMemberIdError
        if generation != self.generation:
            raise kafka_errors.IllegalGenerationError
        return self.members[name]

    def look(self) -> None:
        """Expire members, and end a step of a rebalance that has lasted too long."""
        now = self.now()
        for name in [n for n, m in self.members.items() if not m.waits and now - m.heard > SESSION]:
            self.note("kafka", f"removes {name} from the group: silent for {SESSION:.0f} s")
            self.leave(name)
        if self.preparing is not None and now - self.preparing > REBALANCE:
            self._give_up(
                [n for n, m in self.members.items() if not (m.joins or m.instance)], "joined"
            )
            self._complete(late=True)
        elif self.completing is not None and now - self.completing > REBALANCE:
            self._give_up([n for n, m in self.members.items() if not m.has_synced], "synchronized")
            self.rebalance()
        self._complete()

    def _give_up(self, names: list[str], what: str) -> None:
        for name in names:
            self.note("kafka", f"removes {name} from the group: it has not {what} again")
        self._drop(names)

    def _complete(self, *, late: bool = False) -> None:
        """Begin the next generation if all have joined, or if it is `late` and some have."""
        if self.preparing is None:
            return
        joined = [name for name, member in self.members.items() if member.joins is not None]
        if len(joined) < len(self.members) and not (late and joined):
            return
        self.preparing = None
        if not joined:
            return
        self.generation += 1
        if self.leader not in joined:
            self.leader = joined[0]
        self.completing = self.now()
        for member in self.members.values():
            member.partitions, member.has_synced = (), False
        for name in joined:
            member = self.members[name]
            member.heard = self.now()
            answer, member.joins = member.joins, None
            if answer is not None and not answer.done():
                answer.set_result(self._joined(name))
