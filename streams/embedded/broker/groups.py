"""One consumer group: Kafka's classic rebalance protocol as a state machine.

Follows Kafka's GroupCoordinator, including static membership (KIP-345) and the two-step join
(KIP-394). Members live in memory only: after a restart the group is empty, and clients get
UNKNOWN_MEMBER_ID and join again. The catalog keeps the committed offsets.
"""

import asyncio
import uuid
from collections.abc import Callable

from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.members import (
    GroupState,
    Joined,
    JoinRequest,
    Member,
    Synced,
    SyncRequest,
    choose_protocol,
    common_protocols,
)


class Group:
    """The members of one group and the state of their rebalance."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = GroupState.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._instances: dict[str, str] = {}
        self._promised: dict[str, asyncio.TimerHandle] = {}
        self._unsynced: set[str] = set()
        self._deadline: asyncio.TimerHandle | None = None

    async def join(self, request: JoinRequest) -> Joined:
        """Join the next generation; return when it begins."""
        if not self._supports(request):
            raise Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if not request.member_id:
            answer = self._join_unknown(request)
        elif request.member_id in self._promised:
            self._promised.pop(request.member_id).cancel()
            answer = self._add(request, request.member_id)
        else:
            answer = self._join_known(request)
        return answer if isinstance(answer, Joined) else await answer

    def _supports(self, request: JoinRequest) -> bool:
        if not request.protocol_type or not request.protocols:
            return False
        if not self.members:
            return True
        common = common_protocols(self.members.values())
        return request.protocol_type == self.protocol_type and bool(common & set(request.protocols))

    def _join_unknown(self, request: JoinRequest) -> "Joined | asyncio.Future[Joined]":
        member_id = f"{request.instance_id or request.client_id}-{uuid.uuid4()}"
        if request.instance_id is not None:
            if request.instance_id in self._instances:
                return self._replace_static(request, member_id)
            return self._add(request, member_id)
        if request.knows_two_steps:
            self._promised[member_id] = asyncio.get_running_loop().call_later(
                request.session_timeout, self._break_promise, member_id
            )
            return Joined(ErrorCode.MEMBER_ID_REQUIRED, member_id)
        return self._add(request, member_id)

    def _break_promise(self, member_id: str) -> None:
        del self._promised[member_id]
        self._begin_if_all_joined()

    def _add(self, request: JoinRequest, member_id: str) -> "asyncio.Future[Joined]":
        member = Member(
            id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            session_timeout=request.session_timeout,
            rebalance_timeout=request.rebalance_timeout,
            protocols=request.protocols,
        )
        if not self.members:
            self.leader = member_id
            self.protocol_type = request.protocol_type
        self.members[member_id] = member
        if request.instance_id is not None:
            self._instances[request.instance_id] = member_id
        return self._rebalance_with(member)

    def _rebalance_with(self, member: Member) -> "asyncio.Future[Joined]":
        answer = member.wait_to_join()
        if self.state is GroupState.PREPARING:
            self._begin_if_all_joined()
        else:
            self._prepare()
        return answer

    def _join_known(self, request: JoinRequest) -> "Joined | asyncio.Future[Joined]":
        member = self._member(request.member_id, request.instance_id)
        unchanged = member.protocols == request.protocols
        resent = unchanged and (
            self.state is GroupState.COMPLETING
            or (self.state is GroupState.STABLE and member.id != self.leader)
        )
        self._update(member, request)
        if resent:
            self._keep_alive(member)
            return self._place(member)
        return self._rebalance_with(member)

    @staticmethod
    def _update(member: Member, request: JoinRequest) -> None:
        member.protocols = request.protocols
        member.session_timeout = request.session_timeout
        member.rebalance_timeout = request.rebalance_timeout
        member.client_id = request.client_id
        member.client_host = request.client_host

    def _replace_static(
        self, request: JoinRequest, member_id: str
    ) -> "Joined | asyncio.Future[Joined]":
        """Let a returning static member resume its place under its new id, and fence the old id."""
        assert request.instance_id is not None
        old_id = self._instances[request.instance_id]
        old_leader = self.leader
        member = self.members.pop(old_id)
        member.answer_join(Joined(ErrorCode.FENCED_INSTANCE_ID, old_id))
        member.answer_sync(Synced(ErrorCode.FENCED_INSTANCE_ID))
        member.id = member_id
        self.members[member_id] = member
        self._instances[request.instance_id] = member_id
        self._unsynced.discard(old_id)
        if old_leader == old_id:
            self.leader = member_id
        self._update(member, request)
        self._keep_alive(member)
        keeps_protocol = choose_protocol(self.members.values()) == self.protocol
        if self.state is not GroupState.STABLE or not keeps_protocol:
            return self._rebalance_with(member)
        if request.knows_skip_assignment:
            return self._place(member, skip_assignment=self.leader == member_id)
        # A client that cannot skip the assignment must not consider itself leader of a stable
        # group, since its assignment would not be used. So it is told the old leader.
        return self._place(member, leader=old_leader)

    def _place(
        self, member: Member, *, leader: str | None = None, skip_assignment: bool = False
    ) -> Joined:
        leader = self.leader if leader is None else leader
        return Joined(
            ErrorCode.NONE,
            member.id,
            generation=self.generation,
            protocol_type=self.protocol_type,
            protocol=self.protocol or "",
            leader=leader,
            skip_assignment=skip_assignment,
            members=list(self.members.values()) if member.id == leader else [],
        )

    def _prepare(self) -> None:
        for member in self.members.values():
            if member.syncing is not None:
                self._keep_alive(member)
                member.answer_sync(Synced(ErrorCode.REBALANCE_IN_PROGRESS))
        self._unsynced.clear()
        self.state = GroupState.PREPARING
        self._set_deadline(self._begin)
        self._begin_if_all_joined()

    def _begin_if_all_joined(self) -> None:
        if self.state is not GroupState.PREPARING or self._promised:
            return
        if all(member.joining is not None for member in self.members.values()):
            self._begin()

    def _begin(self) -> None:
        """Begin the next generation with the members that have joined.

        Others are removed, except static members, which have until the end of their session.
        """
        for member in list(self.members.values()):
            if member.joining is None and member.instance_id is None:
                self._drop(member)
        joined = [member for member in self.members.values() if member.joining is not None]
        if self.members and not joined:
            self._set_deadline(self._begin)
            return
        self._cancel_deadline()
        self.generation += 1
        if not joined:
            self.state, self.protocol, self.leader = GroupState.EMPTY, None, ""
            return
        if self.members[self.leader].joining is None:
            self.leader = joined[0].id
        self.state = GroupState.COMPLETING
        self.protocol = choose_protocol(self.members.values())
        self._unsynced = set(self.members)
        self._set_deadline(self._expel_unsynced)
        for member in self.members.values():
            member.assignment = b""
        for member in joined:
            self._keep_alive(member)
            member.answer_join(self._place(member))

    def _expel_unsynced(self) -> None:
        late = [self.members[member_id] for member_id in self._unsynced]
        for member in late:
            self._drop(member)
        if late:
            self._prepare()

    async def sync(self, request: SyncRequest) -> Synced:
        """Submit the assignment (the leader) or wait for it (other members)."""
        member = self._current(request.member_id, request.instance_id, request.generation)
        for ours, theirs in (
            (self.protocol_type, request.protocol_type),
            (self.protocol, request.protocol),
        ):
            if theirs is not None and theirs != ours:
                raise Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        self._unsynced.discard(member.id)
        self._keep_alive(member)
        if self.state is GroupState.PREPARING:
            raise Refusal(ErrorCode.REBALANCE_IN_PROGRESS)
        if self.state is GroupState.STABLE:
            return self._share(member)
        answer = member.wait_to_sync()
        if member.id == self.leader:
            self._assign(request.assignments)
        return await answer

    def _assign(self, assignments: dict[str, bytes]) -> None:
        self.state = GroupState.STABLE
        if not self._unsynced:
            self._cancel_deadline()
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")
            if member.syncing is not None:
                self._keep_alive(member)
                member.answer_sync(self._share(member))

    def _share(self, member: Member) -> Synced:
        if not self._unsynced:
            self._cancel_deadline()
        return Synced(ErrorCode.NONE, member.assignment, self.protocol_type, self.protocol)

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int) -> ErrorCode:
        """Keep a member alive; tell it if it must join again."""
        self._keep_alive(self._current(member_id, instance_id, generation))
        rebalancing = self.state is GroupState.PREPARING
        return ErrorCode.REBALANCE_IN_PROGRESS if rebalancing else ErrorCode.NONE

    def leave(self, member_id: str, instance_id: str | None) -> None:
        """Remove a member at once; a static one may be named by just its instance id."""
        if member_id in self._promised:
            self._promised.pop(member_id).cancel()
            self._begin_if_all_joined()
            return
        if not member_id and instance_id is not None:
            member_id = self._instances.get(instance_id, "")
        self._remove(self._member(member_id, instance_id))

    def check_commit(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """Raise Refusal unless the commit comes from a member of the current generation.

        A group without members accepts commits from clients that do not claim to be members.
        """
        if generation < 0 and not self.members:
            return
        self._keep_alive(self._current(member_id, instance_id, generation))
        if self.state is GroupState.COMPLETING:
            raise Refusal(ErrorCode.REBALANCE_IN_PROGRESS)

    def _member(self, member_id: str, instance_id: str | None) -> Member:
        if instance_id is not None and self._instances.get(instance_id, member_id) != member_id:
            raise Refusal(ErrorCode.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None or (instance_id is not None and member.instance_id != instance_id):
            raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    def _current(self, member_id: str, instance_id: str | None, generation: int) -> Member:
        member = self._member(member_id, instance_id)
        if generation != self.generation:
            raise Refusal(ErrorCode.ILLEGAL_GENERATION)
        return member

    def _keep_alive(self, member: Member) -> None:
        member.end_session()
        member.session = asyncio.get_running_loop().call_later(
            member.session_timeout, self._expire, member
        )

    def _expire(self, member: Member) -> None:
        if not member.is_waiting:
            self._remove(member)

    def _remove(self, member: Member) -> None:
        self._drop(member)
        if self.state is GroupState.PREPARING:
            self._begin_if_all_joined()
        else:
            self._prepare()

    def _drop(self, member: Member) -> None:
        member.end_session()
        member.answer_join(Joined(ErrorCode.UNKNOWN_MEMBER_ID, ""))
        member.answer_sync(Synced(ErrorCode.UNKNOWN_MEMBER_ID))
        del self.members[member.id]
        self._unsynced.discard(member.id)
        if member.instance_id is not None:
            self._instances.pop(member.instance_id, None)
        if self.leader == member.id:
            self.leader = next(iter(self.members), "")

    def _set_deadline(self, act: Callable[[], None]) -> None:
        self._cancel_deadline()
        patience = max((member.rebalance_timeout for member in self.members.values()), default=0)
        self._deadline = asyncio.get_running_loop().call_later(patience, act)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def close(self) -> None:
        """Stop every timer and end every wait."""
        for promise in self._promised.values():
            promise.cancel()
        self._promised.clear()
        for member in list(self.members.values()):
            self._drop(member)
        self._cancel_deadline()
        self.state = GroupState.DEAD
