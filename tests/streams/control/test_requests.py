"""What an admin makes of the workers' answers."""

import pytest

from streams.control import requests
from streams.control.messages import Ask, Message, State, encode
from streams.control.requests import Answers


def state(worker: str, paused: str = "", group: str = "g", **held: str) -> State:
    """An answer; `held` are its partitions, as p0="why"."""
    partitions = {int(name[1:]): why for name, why in held.items()}
    return State(v=1, group=group, request=1, worker=worker, paused=paused, partitions=partitions)


class Polls:
    """Values that come one poll after the other."""

    def __init__(self, *polls: list[Message | bytes | None]) -> None:
        self._polls = list(polls)

    def poll(self, milliseconds: int) -> list[bytes | None]:
        found = self._polls.pop(0) if self._polls else []
        return [each if isinstance(each, bytes | None) else encode(each) for each in found]


def heard(*polls: list[Message | bytes | None]) -> Answers:
    answers = Answers("g", Polls(*polls))
    for _ in polls:
        answers.listen(1)
    return answers


def held(answers: Answers, partition: int) -> str | None:
    found = answers.of(partition)
    return None if found is None else found.partitions[partition]


def test_the_newest_answer_of_a_worker_counts() -> None:
    answers = heard([state("a", p0="no bucket"), state("a", p0="")], [state("b", p1="x")])
    assert held(answers, 0) == ""
    assert held(answers, 1) == "x"


def test_after_a_rebalance_the_newest_owner_answers_for_a_partition() -> None:
    answers = heard([state("a", p0="old", p1="")], [state("b", p0="new")], [state("a", p1="")])
    assert held(answers, 0) == "new"


def test_an_answer_that_comes_again_is_the_newest_again() -> None:
    answers = heard([state("a", p0="a's"), state("b", p0="b's"), state("a", p0="a's")])
    assert held(answers, 0) == "a's"


@pytest.mark.parametrize(
    "noise", [None, b"", b"{", state("a", group="other", p0="x"), Ask(v=1, group="g")]
)
def test_other_groups_requests_and_noise_are_not_answers(noise: Message | bytes | None) -> None:
    assert heard([noise]).of(0) is None


def test_a_partition_that_nobody_answers_for_has_no_answer() -> None:
    assert heard([state("a", p0="")]).of(1) is None


def test_what_a_terminal_would_obey_is_left_out() -> None:
    found = heard([state("a\x1b[2J", paused="b\x07", p0="c\x1b]0;x")]).of(0)
    assert found is not None
    assert not {"\x1b", "\x07"} & {*found.worker, *found.paused, *found.partitions[0]}


def test_however_many_workers_answer_what_is_kept_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "MOST_BYTES", 100_000)
    answers = heard([state(f"forged {n}" + "x" * 900, p7="no") for n in range(500)])
    answers._tail = Polls([state("last", p0="yes")])
    answers.listen(1)
    assert held(answers, 0) == "yes"
    assert len(answers._states) < 120
