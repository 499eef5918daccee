"""Handlers of consumer group requests: membership and administration."""

from typing import Any

from kafka.protocol.admin import (
    DeleteGroupsResponse,
    DescribeGroupsResponse,
    ListGroupsResponse,
)
from kafka.protocol.consumer import (
    HeartbeatResponse,
    JoinGroupResponse,
    LeaveGroupResponse,
    SyncGroupResponse,
)

from streams.embedded.broker.broker import Broker
from streams.embedded.broker.coordinator import Coordinator
from streams.embedded.broker.errors import ErrorCode, Refusal, refusal_code
from streams.embedded.broker.groups import Group
from streams.embedded.broker.members import GroupState, Joined, JoinRequest, Synced, SyncRequest
from streams.embedded.broker.wire import Call

MAX_SESSION_MS = 30 * 60 * 1000
"""Kafka's `group.max.session.timeout.ms`; any positive minimum is allowed."""


def _join_request(call: Call) -> JoinRequest:
    body = call.body
    if not 0 < body.session_timeout_ms <= MAX_SESSION_MS:
        raise Refusal(ErrorCode.INVALID_SESSION_TIMEOUT)
    rebalance_ms = body.rebalance_timeout_ms
    return JoinRequest(
        member_id=body.member_id,
        instance_id=body.group_instance_id,
        client_id=call.client_id,
        client_host=f"/{call.client_host}",
        session_timeout=body.session_timeout_ms / 1000,
        rebalance_timeout=(rebalance_ms if rebalance_ms >= 0 else body.session_timeout_ms) / 1000,
        protocol_type=body.protocol_type,
        protocols={protocol.name: protocol.metadata for protocol in body.protocols},
        knows_two_steps=call.version >= 4,
        knows_skip_assignment=call.version >= 9,
    )


async def join_group(broker: Broker, call: Call) -> Any:
    """JoinGroup: answers when the group's next generation begins."""
    try:
        request = _join_request(call)
        joined = await broker.groups.get_or_create(call.body.group_id).join(request)
    except Refusal as error:
        joined = Joined(error.code, call.body.member_id)
    return JoinGroupResponse(
        error_code=joined.error,
        generation_id=joined.generation,
        protocol_type=joined.protocol_type,
        protocol_name=joined.protocol,
        leader=joined.leader,
        skip_assignment=joined.skip_assignment,
        member_id=joined.member_id,
        members=[
            JoinGroupResponse.JoinGroupResponseMember(
                member_id=member.id,
                group_instance_id=member.instance_id,
                metadata=member.protocols[joined.protocol],
            )
            for member in joined.members
        ],
    )


async def sync_group(broker: Broker, call: Call) -> Any:
    """SyncGroup: answers when the leader has assigned."""
    body = call.body
    request = SyncRequest(
        member_id=body.member_id,
        instance_id=body.group_instance_id,
        generation=body.generation_id,
        protocol_type=body.protocol_type,
        protocol=body.protocol_name,
        assignments={one.member_id: one.assignment for one in body.assignments},
    )
    try:
        synced = await broker.groups.get(body.group_id).sync(request)
    except Refusal as error:
        synced = Synced(error.code)
    return SyncGroupResponse(
        error_code=synced.error,
        protocol_type=synced.protocol_type,
        protocol_name=synced.protocol,
        assignment=synced.assignment,
    )


async def heartbeat(broker: Broker, call: Call) -> Any:
    """Heartbeat."""
    body = call.body
    try:
        group = broker.groups.get(body.group_id)
        code = group.heartbeat(body.member_id, body.group_instance_id, body.generation_id)
    except Refusal as error:
        code = error.code
    return HeartbeatResponse(error_code=code)


async def leave_group(broker: Broker, call: Call) -> Any:
    """LeaveGroup, for one member or (from version 3) several."""
    body = call.body

    def leave(member_id: str, instance_id: str | None) -> None:
        broker.groups.get(body.group_id).leave(member_id, instance_id)

    if call.version < 3:
        return LeaveGroupResponse(error_code=refusal_code(leave, body.member_id, None))
    return LeaveGroupResponse(
        members=[
            LeaveGroupResponse.MemberResponse(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=refusal_code(leave, member.member_id, member.group_instance_id),
            )
            for member in body.members
        ]
    )


async def list_groups(broker: Broker, call: Call) -> Any:
    """ListGroups."""
    wanted = call.body.states_filter
    groups = [group for name in broker.groups.names() if (group := broker.groups.find(name))]
    return ListGroupsResponse(
        groups=[
            ListGroupsResponse.ListedGroup(
                group_id=group.name,
                protocol_type=group.protocol_type or "",
                group_state=group.state.value,
                group_type="classic",
            )
            for group in groups
            if not wanted or group.state.value in wanted
        ]
    )


async def describe_groups(broker: Broker, call: Call) -> Any:
    """DescribeGroups; an unknown group is Dead."""
    return DescribeGroupsResponse(
        groups=[_described(broker.groups, name) for name in call.body.groups]
    )


def _described(groups: Coordinator, name: str) -> Any:
    answer = DescribeGroupsResponse.DescribedGroup
    group = groups.find(name)
    if group is None:
        return answer(group_id=name, group_state=GroupState.DEAD.value, members=[])
    return answer(
        group_id=name,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=group.protocol or "",
        members=_described_members(group),
    )


def _described_members(group: Group) -> list[Any]:
    protocol = group.protocol if group.state is GroupState.STABLE else None
    return [
        DescribeGroupsResponse.DescribedGroup.DescribedGroupMember(
            member_id=member.id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            member_metadata=member.protocols[protocol] if protocol else b"",
            member_assignment=member.assignment,
        )
        for member in group.members.values()
    ]


async def delete_groups(broker: Broker, call: Call) -> Any:
    """DeleteGroups, for groups without members."""
    return DeleteGroupsResponse(
        results=[
            DeleteGroupsResponse.DeletableGroupResult(
                group_id=name, error_code=refusal_code(broker.groups.delete, name)
            )
            for name in call.body.groups_names
        ]
    )
