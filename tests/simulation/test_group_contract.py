"""The contract of a consumer group, over the model and over a real broker.

With `--broker apache` the real one is Apache Kafka.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

import pytest
from aiokafka.errors import KafkaError

from streams.windows.seal import METADATA_BYTES
from tests.simulation.contracts import KINDS, either
from tests.simulation.coordinator import REBALANCE, SESSION, Group, Joined
from tests.simulation.loop import SimulatedLoop
from tests.streams.embedded.group_member import (
    FENCED_INSTANCE,
    ILLEGAL_GENERATION,
    OK,
    REBALANCE_IN_PROGRESS,
    SHORTEST_SESSION_MS,
    UNKNOWN_MEMBER,
    Member,
    await_rebalance,
)
from tests.streams.embedded.raw_kafka import RawClient
from tests.waiting import wait_until

METADATA_TOO_LARGE = 12
SHORT, LONG = SHORTEST_SESSION_MS, 30_000


class Kind(Protocol):
    """A group of one kind, with members by name. Requests return Kafka's error codes."""

    def begin(self, name: str, *, short: bool = False, instance: str = "") -> None:
        """Let a member ask to join; with `short`, it is not waited for long.

        Its session ends soon too then if it is silent, unless it is a static one, with an
        `instance`. As aiokafka does, it names that in no heartbeat and no commit.
        """

    def joined(self, name: str) -> int:
        """The answer to it."""

    def sync(self, name: str) -> None:
        """Let a member synchronize, and deal if it is the leader."""

    def synced(self, name: str) -> int:
        """The answer to it; `given` has what it got."""

    def given(self, name: str) -> object: ...

    def join_again(self) -> None:
        """Let all that have not asked do so, and wait for the answers."""

    def finish(self) -> None:
        """Let everyone join and synchronize, so that the next generation begins."""

    def generation(self, name: str) -> int:
        """The generation that a member knows."""

    def beat(self, name: str, generation: int | None = None) -> int: ...

    def commit(
        self, name: str, offset: int, metadata: str = "", generation: int | None = None
    ) -> int: ...

    def committed(self) -> tuple[int, str]: ...

    def leave(self, name: str) -> int: ...

    def expire(self, name: str) -> None:
        """Let a member be silent until the group removes it; the others are not."""

    def late(self) -> None:
        """Let a rebalance end without those that do not join again."""

    def unsynced(self) -> None:
        """Let the limit pass for those that do not synchronize."""


class Model:
    """The simulation's group."""

    def __init__(self) -> None:
        self.now = 0.0
        self._loop = SimulatedLoop(1)
        self._joins: dict[str, asyncio.Future[Joined]] = {}
        self._syncs: dict[str, asyncio.Future[tuple[int, ...]]] = {}
        self._group = Group(lambda: self.now, lambda *_: None, lambda *_: None)

    def begin(self, name: str, *, short: bool = False, instance: str = "") -> None:
        self._joins[name] = self._loop.create_future()
        try:
            self._group.join(name, self._joins[name], instance)
        except KafkaError as error:
            self._joins[name].set_exception(error)

    def joined(self, name: str) -> int:
        return self._answer(self._joins[name])

    def sync(self, name: str) -> None:
        generation, members = self._joins[name].result()
        dealt = {each: (number,) for number, each in enumerate(members)} or None
        self._syncs[name] = self._loop.create_future()
        try:
            self._group.sync(name, generation, dealt, self._syncs[name])
        except KafkaError as error:
            self._syncs[name].set_exception(error)

    def synced(self, name: str) -> int:
        return self._answer(self._syncs[name])

    def given(self, name: str) -> object:
        return self._syncs[name].result()

    def join_again(self) -> None:
        for name in [name for name, each in self._group.members.items() if each.joins is None]:
            self.begin(name, instance=self._group.members[name].instance)
        assert {self.joined(name) for name in self._group.members} == {OK}

    def finish(self) -> None:
        self.join_again()
        for name in self._group.members:
            self.sync(name)
        assert {self.synced(name) for name in self._group.members} == {OK}

    def generation(self, name: str) -> int:
        return self._joins[name].result().generation

    def beat(self, name: str, generation: int | None = None) -> int:
        known = self.generation(name) if generation is None else generation
        return self._code(lambda: self._group.beat(name, known))

    def commit(
        self, name: str, offset: int, metadata: str = "", generation: int | None = None
    ) -> int:
        known = self.generation(name) if generation is None else generation
        return self._code(lambda: self._group.commit(name, known, {0: (offset, metadata)}))

    def committed(self) -> tuple[int, str]:
        return self._group.offsets.get(0, (-1, ""))

    def leave(self, name: str) -> int:
        self._group.leave(name)
        return OK

    def expire(self, name: str) -> None:
        self.now += SESSION + 1
        for other in self._group.members.keys() - {name}:
            self.beat(other)
        self._group.look()

    def late(self) -> None:
        self.now += REBALANCE + 1
        for each in self._group.members.values():
            each.heard = self.now if each.instance else each.heard
        self._group.look()
        for name in [name for name, each in self._joins.items() if each.done()]:
            if name in self._group.members and self.generation(name) == self._group.generation:
                self.sync(name)

    def unsynced(self) -> None:
        self.now += REBALANCE + 1
        self._group.look()

    @staticmethod
    def _answer(answer: "asyncio.Future[Any]") -> int:
        error = answer.exception()
        return OK if error is None else getattr(error, "errno", -1)

    @staticmethod
    def _code(request: Callable[[], None]) -> int:
        try:
            request()
        except KafkaError as error:
            return error.errno
        return OK


class Real:
    """A group of a broker, whose members are driven by hand."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._name = f"g-{uuid.uuid4().hex[:12]}"
        self._members: dict[str, Member] = {}
        self._joining: set[str] = set()
        self._given: dict[str, bytes] = {}

    def begin(self, name: str, *, short: bool = False, instance: str = "") -> None:
        session = SHORT if short and not instance else LONG
        rebalance = 500 if short else 10_000
        if name not in self._members:
            raw = RawClient(self._bootstrap)
            self._members[name] = Member(
                raw, self._name, session, instance or None, rebalance_ms=rebalance
            )
        self._members[name].begin_join()
        self._joining.add(name)

    def joined(self, name: str) -> int:
        self._joining.discard(name)
        return self._members[name].receive_join()

    def sync(self, name: str) -> None:
        member = self._members[name]
        dealt = {each.id: called.encode() for called, each in self._members.items()}
        member.send_sync(dealt if member.id == member.leader else None)

    def synced(self, name: str) -> int:
        code, self._given[name] = self._members[name].receive_sync()
        return code

    def given(self, name: str) -> object:
        return self._given[name]

    def join_again(self) -> None:
        for name in self._members.keys() - self._joining:
            await_rebalance(self._members[name])
            self._members[name].send_join()
        assert {self.joined(name) for name in self._members} == {OK}

    def finish(self) -> None:
        self.join_again()
        for name in self._members:
            self.sync(name)
        assert {self.synced(name) for name in self._members} == {OK}

    def generation(self, name: str) -> int:
        return self._members[name].generation

    def beat(self, name: str, generation: int | None = None) -> int:
        return self._unnamed(name).heartbeat(generation)

    def commit(
        self, name: str, offset: int, metadata: str = "", generation: int | None = None
    ) -> int:
        return self._unnamed(name).commit(self._topic, offset, metadata, generation=generation)

    def _unnamed(self, name: str) -> Member:
        return replace(self._members[name], instance=None)

    def committed(self) -> tuple[int, str]:
        return next(iter(self._members.values())).committed(self._topic)

    def leave(self, name: str) -> int:
        return self._members.pop(name).leave()

    def expire(self, name: str) -> None:
        gone = self._members.pop(name)
        for other in self._members.values():
            await_rebalance(other)
        self._members[name] = gone

    def late(self) -> None:
        for name in self._joining:
            assert self._members[name].receive_join() == OK
            assert self._members[name].sync()[0] == OK
        self._joining.clear()

    def unsynced(self) -> None:
        """Do nothing: the answer to a synchronization comes once the limit has passed."""

    def close(self) -> None:
        for member in self._members.values():
            member.raw.close()


@pytest.fixture(params=KINDS)
def group(request: pytest.FixtureRequest) -> Iterator[Kind]:
    yield from either(request, Model, Real)


def of(group: Kind, *names: str) -> Kind:
    """Let members in, one after the other."""
    for name in names:
        group.begin(name)
        group.finish()
    return group


def test_all_members_are_of_one_generation_and_each_is_higher(group: Kind) -> None:
    of(group, "a")
    first = group.generation("a")
    of(group, "b")
    assert group.generation("a") == group.generation("b") > first
    assert group.beat("a") == group.beat("b") == OK


def test_a_newcomer_is_told_to_the_others_who_may_still_commit(group: Kind) -> None:
    of(group, "a", "b")
    before = group.generation("a")
    group.begin("c")
    wait_until(lambda: group.beat("a") == REBALANCE_IN_PROGRESS, 20, "a rebalance")
    assert group.beat("b") == REBALANCE_IN_PROGRESS
    assert group.commit("a", 7, "m") == OK
    group.finish()
    assert group.commit("a", 8, generation=before) == ILLEGAL_GENERATION
    assert group.beat("a", before) == ILLEGAL_GENERATION
    assert group.committed() == (7, "m")
    assert group.commit("c", 9) == OK
    assert group.committed() == (9, "")


def test_an_offset_that_was_never_committed_is_none(group: Kind) -> None:
    assert of(group, "a").committed() == (-1, "")


def test_metadata_has_a_limit_and_what_is_over_it_commits_nothing(group: Kind) -> None:
    of(group, "a")
    assert group.commit("a", 1, "x" * METADATA_BYTES) == OK
    assert group.commit("a", 2, "x" * (METADATA_BYTES + 1)) == METADATA_TOO_LARGE
    assert group.committed() == (1, "x" * METADATA_BYTES)


def test_an_offset_may_go_back(group: Kind) -> None:
    """Kafka compares nothing: that a commit never goes back is the worker's own care."""
    of(group, "a")
    assert group.commit("a", 9) == group.commit("a", 3) == OK
    assert group.committed() == (3, "")


def test_who_leaves_is_told_to_the_others_and_its_offsets_stay(group: Kind) -> None:
    of(group, "a", "b")
    assert group.commit("b", 5, "m") == OK
    assert group.leave("b") == OK
    wait_until(lambda: group.beat("a") == REBALANCE_IN_PROGRESS, 20, "a rebalance")
    group.finish()
    assert group.committed() == (5, "m")


def test_who_is_silent_is_removed_and_may_commit_nothing(group: Kind) -> None:
    of(group, "a")
    group.begin("b", short=True)
    group.finish()
    assert group.commit("b", 5) == OK
    group.expire("b")
    assert group.commit("b", 6) == UNKNOWN_MEMBER
    assert group.beat("b") == UNKNOWN_MEMBER
    assert group.beat("a") == REBALANCE_IN_PROGRESS
    assert group.committed() == (5, "")


def test_who_does_not_join_again_in_time_is_left_out(group: Kind) -> None:
    group.begin("slow", short=True)
    group.finish()
    group.begin("quick", short=True)
    group.late()
    assert group.beat("slow") == UNKNOWN_MEMBER
    assert group.commit("slow", 1) == UNKNOWN_MEMBER
    assert group.commit("quick", 2) == OK


def test_nothing_is_committed_between_join_and_synchronization(group: Kind) -> None:
    of(group, "a")
    group.begin("b")
    group.join_again()
    assert group.commit("a", 1) == group.commit("b", 1) == REBALANCE_IN_PROGRESS
    assert group.beat("a") == group.beat("b") == OK
    group.sync("a")
    group.sync("b")
    assert group.synced("a") == group.synced("b") == OK
    assert group.given("a") != group.given("b")
    assert group.commit("b", 2) == OK
    assert group.committed() == (2, "")


def test_who_joins_while_others_synchronize_makes_them_join_again(group: Kind) -> None:
    of(group, "a")
    group.begin("b")
    group.join_again()
    group.sync("b")
    group.begin("c")
    assert group.synced("b") == REBALANCE_IN_PROGRESS
    group.sync("a")
    assert group.synced("a") == REBALANCE_IN_PROGRESS
    group.finish()
    assert group.commit("c", 3) == OK


def test_a_leader_that_never_synchronizes_is_removed(group: Kind) -> None:
    group.begin("a", short=True)
    group.finish()
    group.begin("b", short=True)
    group.join_again()
    group.sync("b")
    group.unsynced()
    assert group.synced("b") == REBALANCE_IN_PROGRESS
    assert group.commit("a", 1) == UNKNOWN_MEMBER


def test_a_static_member_that_comes_back_takes_its_place_in_the_same_generation(
    group: Kind,
) -> None:
    """Nobody else notices. Only the member's id tells the two apart."""
    group.begin("a", instance="x")
    group.finish()
    group.begin("b", instance="y")
    group.finish()
    for before, after, instance in (("b", "later b", "y"), ("a", "later a", "x")):
        assert group.commit(before, 5, "m") == OK
        group.begin(after, instance=instance)
        assert group.joined(after) == OK
        assert group.generation(after) == group.generation(before)
        group.sync(after)
        assert group.synced(after) == OK
        assert group.given(after) == group.given(before)
        assert group.commit(before, 6) == group.beat(before) == UNKNOWN_MEMBER
        assert group.beat(after) == OK
        assert group.commit(after, 7) == OK
        assert group.committed() == (7, "")


def test_a_static_member_that_was_replaced_cannot_join_by_its_old_id(group: Kind) -> None:
    group.begin("a", instance="x")
    group.finish()
    group.begin("later", instance="x")
    assert group.joined("later") == OK
    group.begin("a", instance="x")
    assert group.joined("a") == FENCED_INSTANCE
    assert group.beat("later") == OK


def test_a_static_member_that_waits_is_told_that_it_was_replaced(group: Kind) -> None:
    of(group, "other")
    group.begin("a", instance="x")
    group.begin("later", instance="x")
    assert group.joined("a") == FENCED_INSTANCE


def test_a_static_member_that_does_not_join_again_in_time_stays(group: Kind) -> None:
    group.begin("slow", short=True, instance="x")
    group.finish()
    group.begin("quick", short=True)
    group.late()
    assert group.beat("slow") == group.commit("slow", 1) == ILLEGAL_GENERATION
    assert group.commit("quick", 2) == OK
