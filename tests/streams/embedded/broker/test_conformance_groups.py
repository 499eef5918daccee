"""Consumer groups as Kafka runs them, seen on the wire: membership, fencing, commits."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from kafka.protocol.admin import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
)
from kafka.protocol.consumer import OffsetDeleteRequest, OffsetDeleteResponse

from tests.streams.embedded.group_member import (
    FENCED_INSTANCE,
    ILLEGAL_GENERATION,
    INCONSISTENT_PROTOCOL,
    INVALID_GROUP,
    OK,
    REBALANCE_IN_PROGRESS,
    SHORTEST_SESSION_MS,
    TOPICS,
    UNKNOWN_MEMBER,
    Member,
    await_rebalance,
    subscription,
)
from tests.streams.embedded.raw_kafka import Connect
from tests.waiting import wait_until


@pytest.fixture
def new_member(connect: Connect, kafka_bootstrap: str, group: str) -> Callable[..., Member]:
    """Makes a member; its session outlives the test unless it asks for the shortest."""

    def make(**options: Any) -> Member:
        short = options.pop("short_session", False)
        session_ms = SHORTEST_SESSION_MS if short else 30_000
        return Member(connect(kafka_bootstrap), group, session_ms, **options)

    return make


@pytest.fixture
def pair(new_member: Callable[..., Member]) -> tuple[Member, Member]:
    """A stable group: the leader and another member."""
    leader, other = new_member(), new_member()
    assert leader.join() == OK
    assert leader.sync({leader.id: b"all"}) == (OK, b"all")
    rebalance(leader, other)
    return leader, other


def rebalance(leader: Member, other: Member) -> None:
    """Let both join, whichever waits for the other; the leader assigns `l` and `o`."""
    other.begin_join()
    await_rebalance(leader)
    assert leader.join() == OK
    assert other.receive_join() == OK
    assert leader.generation == other.generation
    other.send_sync()
    assert leader.sync({leader.id: b"l", other.id: b"o"}) == (OK, b"l")
    assert other.receive_sync() == (OK, b"o")


def test_the_first_member_leads_and_learns_who_is_there(pair: tuple[Member, Member]) -> None:
    leader, other = pair
    assert leader.leader == other.leader == leader.id
    assert {member.member_id for member in leader.members} == {leader.id, other.id}
    assert {bytes(member.metadata) for member in leader.members} == {TOPICS}
    assert other.members == []


def test_every_generation_has_a_higher_number(pair: tuple[Member, Member]) -> None:
    leader, other = pair
    before = leader.generation
    assert other.leave() == OK
    assert leader.heartbeat() == REBALANCE_IN_PROGRESS
    assert leader.join() == OK
    assert leader.generation > before


def test_the_protocol_that_all_support_is_chosen(new_member: Callable[..., Member]) -> None:
    preferred, common, others = subscription("s"), subscription("r"), subscription("r2")
    leader = new_member(protocols={"sticky": preferred, "range": common})
    other = new_member(protocols={"range": others})
    assert leader.join() == OK
    assert leader.sync() == (OK, b"")
    rebalance(leader, other)
    assert {bytes(member.metadata) for member in leader.members} == {common, others}


def test_a_member_with_no_common_protocol_is_refused(
    pair: tuple[Member, Member], new_member: Callable[..., Member]
) -> None:
    stranger = new_member(protocols={"other": TOPICS})
    stranger.send_join()
    assert stranger.receive_join() == INCONSISTENT_PROTOCOL


def test_a_group_needs_a_name(new_member: Callable[..., Member]) -> None:
    member = new_member()
    member.group = ""
    member.send_join()
    assert member.receive_join() == INVALID_GROUP


def test_strangers_and_old_generations_are_refused(
    pair: tuple[Member, Member], new_member: Callable[..., Member], make_topic: Callable[..., str]
) -> None:
    leader, _ = pair
    topic, stranger = make_topic(), new_member()
    stranger.id, stranger.generation = "nobody", leader.generation
    assert stranger.heartbeat() == UNKNOWN_MEMBER
    assert stranger.sync()[0] == UNKNOWN_MEMBER
    assert stranger.commit(topic, 1) == UNKNOWN_MEMBER
    assert stranger.leave() == UNKNOWN_MEMBER
    assert leader.heartbeat(leader.generation - 1) == ILLEGAL_GENERATION
    assert leader.commit(topic, 1, generation=leader.generation - 1) == ILLEGAL_GENERATION
    assert leader.commit(topic, 1, generation=leader.generation + 1) == ILLEGAL_GENERATION
    assert leader.committed(topic) == (-1, "")


def test_a_commit_keeps_its_metadata(
    pair: tuple[Member, Member], make_topic: Callable[..., str]
) -> None:
    leader, other = pair
    topic = make_topic()
    assert leader.commit(topic, 41, '{"v":1,"ends":[42,43]} ü') == OK
    assert other.committed(topic) == (41, '{"v":1,"ends":[42,43]} ü')


def test_metadata_may_have_4096_bytes_and_no_more(
    pair: tuple[Member, Member], make_topic: Callable[..., str]
) -> None:
    leader, _ = pair
    topic = make_topic()
    assert leader.commit(topic, 1, "x" * 4096) == OK
    assert leader.commit(topic, 2, "x" * 4097) == 12
    assert leader.committed(topic) == (1, "x" * 4096)


def test_a_commit_for_an_unknown_partition_is_refused(
    pair: tuple[Member, Member], make_topic: Callable[..., str]
) -> None:
    leader, _ = pair
    assert leader.commit(make_topic(), 1, partition=5) == 3


def test_a_member_may_commit_until_the_next_generation_begins(
    pair: tuple[Member, Member], new_member: Callable[..., Member], make_topic: Callable[..., str]
) -> None:
    leader, other = pair
    topic, newcomer = make_topic(), new_member()
    newcomer.begin_join()
    await_rebalance(leader)
    assert leader.state() == "PreparingRebalance"
    assert leader.commit(topic, 7) == OK

    stale = other.generation
    other.begin_join()
    assert leader.join() == other.receive_join() == newcomer.receive_join() == OK
    assert leader.state() == "CompletingRebalance"
    assert leader.heartbeat() == OK
    assert leader.commit(topic, 8) == REBALANCE_IN_PROGRESS
    assert other.commit(topic, 8, generation=stale) == ILLEGAL_GENERATION
    assert leader.committed(topic) == (7, "")


def test_only_a_group_without_members_takes_commits_from_anyone(
    new_member: Callable[..., Member], make_topic: Callable[..., str]
) -> None:
    outsider, member = new_member(), new_member()
    topic = make_topic()
    assert outsider.commit(topic, 3, generation=5) in (ILLEGAL_GENERATION, UNKNOWN_MEMBER)
    assert outsider.commit(topic, 3, generation=-1) == OK
    assert member.join() == OK
    assert member.sync() == (OK, b"")
    assert outsider.commit(topic, 4, generation=-1) == UNKNOWN_MEMBER
    assert outsider.committed(topic) == (3, "")


def test_a_silent_member_is_expelled_when_its_session_ends(
    new_member: Callable[..., Member], make_topic: Callable[..., str]
) -> None:
    silent, other = new_member(short_session=True), new_member()
    assert silent.join() == OK
    assert silent.sync() == (OK, b"")
    topic = make_topic()
    other.begin_join()
    # The silent member never joins again; the other need not wait for its rebalance timeout.
    began = time.monotonic()
    assert other.receive_join() == OK
    assert time.monotonic() - began < 9.5
    assert [member.member_id for member in other.members] == [other.id]
    assert silent.heartbeat() == UNKNOWN_MEMBER
    assert silent.commit(topic, 1) == UNKNOWN_MEMBER


def test_a_member_that_vanishes_while_it_joins_is_out_when_its_session_ends(
    new_member: Callable[..., Member],
) -> None:
    leader, vanishing = new_member(), new_member(short_session=True)
    assert leader.join() == OK
    assert leader.sync() == (OK, b"")
    vanishing.begin_join()
    await_rebalance(leader)
    vanishing.raw.close()
    assert leader.join() == OK
    assert leader.sync() == (OK, b"")
    await_rebalance(leader)
    assert leader.join() == OK
    assert [member.member_id for member in leader.members] == [leader.id]


def test_heartbeats_keep_a_member_past_its_session_timeout(
    new_member: Callable[..., Member],
) -> None:
    member = new_member(short_session=True)
    assert member.join() == OK
    assert member.sync() == (OK, b"")
    end = time.monotonic() + 1.5 * SHORTEST_SESSION_MS / 1000
    while time.monotonic() < end:
        assert member.heartbeat() == OK
        time.sleep(SHORTEST_SESSION_MS / 5000)


def test_a_member_that_does_not_join_again_in_time_is_left_out(
    new_member: Callable[..., Member],
) -> None:
    slow, quick = new_member(rebalance_ms=500), new_member(rebalance_ms=500)
    assert slow.join() == OK
    assert slow.sync() == (OK, b"")
    quick.begin_join()
    assert quick.receive_join() == OK
    assert quick.leader == quick.id
    assert slow.heartbeat() == UNKNOWN_MEMBER


def test_a_leader_that_never_assigns_does_not_hold_up_the_others(
    new_member: Callable[..., Member],
) -> None:
    leader, other = new_member(rebalance_ms=500), new_member(rebalance_ms=500)
    assert leader.join() == OK
    assert leader.sync() == (OK, b"")
    other.begin_join()
    await_rebalance(leader)
    assert leader.join() == other.receive_join() == OK
    assert other.sync()[0] == REBALANCE_IN_PROGRESS
    assert other.join() == OK
    assert other.leader == other.id


def test_a_static_member_that_restarts_gets_its_assignment_without_a_rebalance(
    new_member: Callable[..., Member],
) -> None:
    leader, other = new_member(instance="a"), new_member(instance="b")
    assert leader.join() == OK
    assert leader.sync() == (OK, b"")
    rebalance(leader, other)

    for old, assignment in ((other, b"o"), (leader, b"l")):
        restarted = new_member(instance=old.instance)
        assert restarted.join() == OK
        assert restarted.id != old.id
        assert restarted.generation == old.generation
        assert restarted.leader != restarted.id
        assert restarted.sync() == (OK, assignment)
        assert restarted.heartbeat() == OK
        assert old.heartbeat() == FENCED_INSTANCE


def test_a_replaced_static_member_is_fenced_everywhere(
    new_member: Callable[..., Member], make_topic: Callable[..., str]
) -> None:
    old, new = new_member(instance="a"), new_member(instance="a")
    topic = make_topic()
    assert old.join() == OK
    assert old.sync() == (OK, b"")
    assert new.join() == OK
    assert old.commit(topic, 1) == FENCED_INSTANCE
    assert old.sync()[0] == FENCED_INSTANCE
    assert old.leave() == FENCED_INSTANCE
    old.send_join()
    assert old.receive_join() == FENCED_INSTANCE
    assert new.commit(topic, 1) == OK


def test_a_waiting_static_member_is_told_that_it_was_replaced(
    pair: tuple[Member, Member], new_member: Callable[..., Member]
) -> None:
    leader, _ = pair
    old, new = new_member(instance="a"), new_member(instance="a")
    old.begin_join()
    await_rebalance(leader)
    new.begin_join()
    assert old.receive_join() == FENCED_INSTANCE


def test_a_group_with_members_cannot_be_deleted(
    pair: tuple[Member, Member], make_topic: Callable[..., str]
) -> None:
    leader, other = pair
    topic = make_topic()
    assert leader.commit(topic, 5) == OK

    def delete() -> int:
        request = DeleteGroupsRequest(groups_names=[leader.group])
        return leader.raw.call(request, DeleteGroupsResponse, 1).results[0].error_code

    assert delete() == 68
    assert leader.leave() == other.leave() == OK
    assert leader.state() == "Empty"
    assert leader.committed(topic) == (5, "")
    assert delete() == OK
    assert leader.committed(topic) == (-1, "")
    assert leader.state() == "Dead"
    assert delete() == 69


def test_offsets_of_a_consumed_topic_cannot_be_deleted(
    new_member: Callable[..., Member], make_topic: Callable[..., str]
) -> None:
    consumed, other = make_topic(), make_topic()
    member = new_member(protocols={"range": subscription(consumed)})
    assert member.join() == OK
    assert member.sync() == (OK, b"")
    assert member.commit(consumed, 1) == member.commit(other, 2) == OK
    topic = OffsetDeleteRequest.OffsetDeleteRequestTopic
    partition = topic.OffsetDeleteRequestPartition(partition_index=0)
    answer = member.raw.call(
        OffsetDeleteRequest(
            group_id=member.group,
            topics=[topic(name=name, partitions=[partition]) for name in (consumed, other)],
        ),
        OffsetDeleteResponse,
        0,
    )
    assert answer.error_code == OK
    assert {one.name: one.partitions[0].error_code for one in answer.topics} == {
        consumed: 86,
        other: OK,
    }
    assert member.committed(consumed) == (1, "")
    assert member.committed(other) == (-1, "")


def test_a_group_is_listed_in_its_state(pair: tuple[Member, Member]) -> None:
    leader, _ = pair

    def listed(state: str) -> set[str]:
        answer = leader.raw.call(ListGroupsRequest(states_filter=[state]), ListGroupsResponse, 4)
        return {one.group_id for one in answer.groups}

    assert leader.group in listed("Stable")
    assert leader.group not in listed("Empty")


def test_a_deleted_topics_offsets_are_forgotten(
    pair: tuple[Member, Member], make_topic: Callable[..., str]
) -> None:
    leader, _ = pair
    topic = make_topic()
    assert leader.commit(topic, 5) == OK
    request = DeleteTopicsRequest(topic_names=[topic], timeout_ms=5000)
    assert leader.raw.call(request, DeleteTopicsResponse, 3).responses[0].error_code == OK
    wait_until(lambda: leader.committed(topic) == (-1, ""))
