"""What a flush reports: how much is in the lake, and why the rest is not."""

import pytest

from streams.control.flush import Flushed, PartitionFlush, reason
from streams.control.messages import State
from streams.kafka.status import PartitionStatus, Status


def status(*partitions: PartitionStatus, group_state: str = "stable") -> Status:
    return Status("alerts", "falcolake", group_state, partitions, None)


def partition(
    number: int = 0, owner: str | None = "w at h", sealed: tuple[int, ...] = ()
) -> PartitionStatus:
    return PartitionStatus(number, 0, 5, 10, sealed, owner)


def answer(held: str = "", paused: str = "") -> State:
    return State(v=1, group="falcolake", request=1, worker="w", paused=paused, partitions={0: held})


@pytest.mark.parametrize(
    ("current", "state", "said"),
    [
        (partition(), None, "not sealed yet by w at h; it has not answered"),
        (partition(), answer(), "not sealed yet by w at h; it reports no problem"),
        (partition(), answer(held="no bucket"), "w cannot ship: no bucket"),
        (partition(), answer(paused="the disk is full"), "w does not read: the disk is full"),
        (
            partition(sealed=(7, 9)),
            answer(),
            "sealed up to 9 by w at h, not shipped yet; it reports no problem",
        ),
        (partition(owner=None), None, "no worker of group falcolake is running"),
    ],
)
def test_why_a_partition_lags(current: PartitionStatus, state: State | None, said: str) -> None:
    assert reason(status(current), current, state) == said


def test_in_a_rebalance_the_group_s_state_explains_a_partition_without_an_owner() -> None:
    orphan = partition(1, owner=None)
    now = status(partition(), orphan, group_state="preparingrebalance")
    assert reason(now, orphan, None) == "no worker owns it; the group is preparingrebalance"


def test_a_commit_past_the_end_does_not_lag() -> None:
    assert PartitionFlush(0, 5, 10, 12).lag == 0
    assert PartitionFlush(0, 5, 10, 7).lag == 3


def test_the_sum_is_of_what_was_asked_for() -> None:
    found = Flushed("alerts", "g", [PartitionFlush(0, 5, 10, 10), PartitionFlush(1, 0, 5, 2)], 3)
    found.seconds = 1.25
    assert f"{found}" == "7 of 10 records are in the lake, after 1.2 s"
    assert [each.partition for each in found.lagging] == [1]
    assert found.plain()["done"] is False
    found.partitions[1].committed = 5
    assert f"{found}" == "all 10 records are in the lake, after 1.2 s"
    assert found.plain()["done"] is True
    one = Flushed("alerts", "g", [PartitionFlush(0, 9, 10, 10)], 3)
    assert f"{one}".startswith("the record is in the lake, after ")


def test_nothing_to_flush_is_done() -> None:
    found = Flushed("alerts", "g")
    assert f"{found}" == "nothing to flush: all of topic alerts is in the lake"
    assert found.plain()["done"] is True
    assert found.plain()["request"] is None
