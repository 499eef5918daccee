"""A consumer group's member, driven by hand over a raw connection."""

from dataclasses import dataclass, field
from typing import Any

from kafka.protocol.admin import DescribeGroupsRequest, DescribeGroupsResponse
from kafka.protocol.consumer import (
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)
from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription

from tests.streams.embedded.raw_kafka import RawClient
from tests.waiting import wait_until

OK = 0
ILLEGAL_GENERATION, INCONSISTENT_PROTOCOL, INVALID_GROUP, UNKNOWN_MEMBER = 22, 23, 24, 25
REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED, FENCED_INSTANCE = 27, 79, 82
SHORTEST_SESSION_MS = 500


def subscription(*topics: str) -> bytes:
    """Return a consumer's subscription; Kafka parses it and fails on anything else."""
    return ConsumerProtocolSubscription(0, topics=[*topics], user_data=b"").encode()


TOPICS = subscription("topics")


@dataclass
class Member:
    """A group member driven by hand, with its own connection like a real one."""

    raw: RawClient
    group: str
    session_ms: int
    instance: str | None = None
    rebalance_ms: int = 10_000
    protocols: dict[str, bytes] = field(default_factory=lambda: {"range": TOPICS})
    id: str = ""
    generation: int = -1
    leader: str = ""
    members: list[Any] = field(default_factory=list)

    def send_join(self) -> None:
        protocol = JoinGroupRequest.JoinGroupRequestProtocol
        self.raw.send(
            JoinGroupRequest(
                group_id=self.group,
                session_timeout_ms=self.session_ms,
                rebalance_timeout_ms=self.rebalance_ms,
                member_id=self.id,
                group_instance_id=self.instance,
                protocol_type="consumer",
                protocols=[protocol(name=n, metadata=m) for n, m in self.protocols.items()],
            ),
            5,
        )

    def receive_join(self) -> int:
        answer = self.raw.receive(JoinGroupResponse, 5)
        if answer.error_code in (OK, MEMBER_ID_REQUIRED):
            self.id = answer.member_id
        if answer.error_code == OK:
            self.generation, self.leader = answer.generation_id, answer.leader
            self.members = list(answer.members)
        return answer.error_code

    def begin_join(self) -> None:
        """Ask for a member id first, as a client without one must."""
        if not self.id and self.instance is None:
            self.send_join()
            assert self.receive_join() == MEMBER_ID_REQUIRED
        self.send_join()

    def join(self) -> int:
        self.begin_join()
        return self.receive_join()

    def send_sync(self, assignments: dict[str, bytes] | None = None) -> None:
        assignment = SyncGroupRequest.SyncGroupRequestAssignment
        self.raw.send(
            SyncGroupRequest(
                group_id=self.group,
                generation_id=self.generation,
                member_id=self.id,
                group_instance_id=self.instance,
                assignments=[
                    assignment(member_id=member, assignment=given)
                    for member, given in (assignments or {}).items()
                ],
            ),
            3,
        )

    def receive_sync(self) -> tuple[int, bytes]:
        answer = self.raw.receive(SyncGroupResponse, 3)
        return answer.error_code, bytes(answer.assignment)

    def sync(self, assignments: dict[str, bytes] | None = None) -> tuple[int, bytes]:
        self.send_sync(assignments)
        return self.receive_sync()

    def heartbeat(self, generation: int | None = None) -> int:
        return self.raw.call(
            HeartbeatRequest(
                group_id=self.group,
                generation_id=self.generation if generation is None else generation,
                member_id=self.id,
                group_instance_id=self.instance,
            ),
            HeartbeatResponse,
            3,
        ).error_code

    def leave(self) -> int:
        member = LeaveGroupRequest.MemberIdentity(
            member_id=self.id, group_instance_id=self.instance
        )
        request = LeaveGroupRequest(group_id=self.group, members=[member])
        return self.raw.call(request, LeaveGroupResponse, 3).members[0].error_code

    def commit(
        self,
        topic: str,
        offset: int,
        metadata: str = "",
        *,
        partition: int = 0,
        generation: int | None = None,
    ) -> int:
        described = OffsetCommitRequest.OffsetCommitRequestTopic
        answer = self.raw.call(
            OffsetCommitRequest(
                group_id=self.group,
                generation_id_or_member_epoch=self.generation if generation is None else generation,
                member_id=self.id,
                group_instance_id=self.instance,
                topics=[
                    described(
                        name=topic,
                        partitions=[
                            described.OffsetCommitRequestPartition(
                                partition_index=partition,
                                committed_offset=offset,
                                committed_metadata=metadata,
                            )
                        ],
                    )
                ],
            ),
            OffsetCommitResponse,
            7,
        )
        return answer.topics[0].partitions[0].error_code

    def committed(self, topic: str) -> tuple[int, str]:
        described = OffsetFetchRequest.OffsetFetchRequestTopic
        answer = self.raw.call(
            OffsetFetchRequest(
                group_id=self.group, topics=[described(name=topic, partition_indexes=[0])]
            ),
            OffsetFetchResponse,
            5,
        )
        partition = answer.topics[0].partitions[0]
        return partition.committed_offset, partition.metadata

    def state(self) -> str:
        request = DescribeGroupsRequest(groups=[self.group])
        return self.raw.call(request, DescribeGroupsResponse, 4).groups[0].group_state


def await_rebalance(member: Member) -> None:
    wait_until(lambda: member.heartbeat() == REBALANCE_IN_PROGRESS, message="a rebalance")
