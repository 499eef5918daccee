"""When a worker asks all of them, and what it makes of their answers."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from streams.control import fleet as module
from streams.control.fleet import (
    EVERY_MS,
    FORGOTTEN_MS,
    FRESH_MS,
    LOOKED_MS,
    MEMBERS_MS,
    PATIENCE_MS,
    Fleet,
    Member,
    is_link,
)
from streams.control.messages import State, decode, encode
from streams.settings.sections import WebSettings
from streams.worker.identity import page_address

NOW = 1_760_000_000_000


def answer(worker: str, *partitions: int, request: int = 1, **more: Any) -> State:
    return State(
        v=1,
        group="g",
        request=request,
        worker=worker,
        paused=more.pop("paused", ""),
        partitions=dict.fromkeys(partitions, "") | more.pop("held", {}),
        **more,
    )


def member(name: str, *partitions: int) -> Member:
    return Member(name, frozenset(partitions))


def shown(fleet: Fleet, now: int) -> dict[str, tuple[bool | None, list[int]]]:
    """Return of each worker whether it answers, and its partitions."""
    rows = fleet.plain(now, "a")["workers"]
    return {row["worker"]: (row["answers"], row["partitions"]) for row in rows}


def asked(*answers: State) -> Fleet:
    """A fleet that was asked, and has answered, `PATIENCE_MS` before `NOW`."""
    fleet = Fleet()
    fleet.note_question(1, NOW - PATIENCE_MS)
    for each in answers:
        fleet.note_answer(each, 100, NOW - PATIENCE_MS + 10)
    return fleet


def test_it_asks_only_while_someone_looks_and_then_seldom() -> None:
    fleet = Fleet()
    assert not fleet.is_due(NOW)
    assert not fleet.should_seek_members(NOW)
    questions = seeks = 0
    for now in range(NOW, NOW + 60_000, 100):
        for _ in range(50):  # people at the page
            fleet.look(now)
        seeks += fleet.should_seek_members(now)
        if fleet.is_due(now):
            fleet.sent(now)
            questions += 1
    assert questions == 60_000 // EVERY_MS
    assert seeks == 60_000 // MEMBERS_MS
    assert not fleet.is_due(now + LOOKED_MS)
    assert not fleet.should_seek_members(now + LOOKED_MS)


def test_it_does_not_ask_what_another_worker_has_just_asked() -> None:
    fleet = Fleet()
    fleet.look(NOW)
    fleet.note_question(1, NOW - 10)
    assert not fleet.is_due(NOW)
    assert fleet.is_due(NOW - 10 + EVERY_MS)


def test_a_worker_is_silent_once_it_has_had_time_to_answer() -> None:
    fleet = asked(answer("a", 0), answer("b", 1))
    assert shown(fleet, NOW) == {"a": (True, [0]), "b": (True, [1])}
    fleet.note_question(2, NOW)
    fleet.note_answer(answer("a", 0, request=2), 100, NOW + 10)
    assert shown(fleet, NOW + 20)["b"] == (True, [1])
    late = fleet.plain(NOW + PATIENCE_MS, "a")["workers"][1]
    assert (late["worker"], late["answers"]) == ("b", False)
    assert late["heard"] == NOW - PATIENCE_MS + 10
    fleet.note_answer(answer("b", 1, request=2), 100, NOW + PATIENCE_MS)
    assert shown(fleet, NOW + PATIENCE_MS)["b"] == (True, [1])


def test_old_answers_say_nothing_until_the_next_question_is_answered() -> None:
    fleet = asked(answer("a", 0))
    later = NOW + FRESH_MS
    assert shown(fleet, later) == {"a": (None, [0])}
    fleet.note_question(2, later)
    assert shown(fleet, later + 10) == {"a": (None, [0])}
    fleet.note_answer(answer("a", 0, request=2), 100, later + 20)
    assert shown(fleet, later + 30) == {"a": (True, [0])}


def test_a_partition_is_its_newest_owner_s() -> None:
    fleet = asked(answer("a", 0, 1, 2), answer("b", 1, 2))
    assert shown(fleet, NOW) == {"a": (True, [0]), "b": (True, [1, 2])}


def test_members_that_no_answer_accounts_for_do_not_answer_whatever_their_version() -> None:
    fleet = asked(answer("a", 0))
    fleet.note_members([member("x at 10.0.0.1", 0), member("old at 10.0.0.2", 1, 2)])
    assert shown(fleet, NOW) == {"a": (True, [0]), "old at 10.0.0.2": (False, [1, 2])}
    assert fleet.plain(NOW, "a")["workers"][1]["heard"] is None
    assert fleet.plain(NOW, "a")["unknown"] == 0
    fleet.note_members([member("x", 0), member("idle"), member("idle")])
    assert fleet.plain(NOW, "a")["unknown"] == 2
    fleet.note_answer(answer("c"), 100, NOW)
    assert fleet.plain(NOW, "a")["unknown"] == 1


def test_a_silent_member_keeps_its_name_and_when_it_was_heard() -> None:
    fleet = asked(answer("a", 0), answer("b", 1, 2))
    fleet.note_question(2, NOW)
    fleet.note_answer(answer("a", 0, request=2), 100, NOW)
    fleet.note_members([member("x", 0), member("y", 1, 2)])
    now = NOW + PATIENCE_MS
    assert shown(fleet, now) == {"a": (True, [0]), "b": (False, [1, 2])}
    assert fleet.plain(now, "a")["workers"][1]["heard"] == NOW - PATIENCE_MS + 10


def test_a_silent_worker_that_has_left_the_group_is_not_shown() -> None:
    fleet = asked(answer("a", 0), answer("b", 1))
    fleet.note_question(2, NOW)
    fleet.note_answer(answer("a", 0, 1, request=2), 100, NOW)
    now = NOW + PATIENCE_MS
    assert shown(fleet, now)["b"] == (False, [])
    fleet.note_members([member("x", 0, 1)])
    assert shown(fleet, now) == {"a": (True, [0, 1])}
    fleet.note_members(None)
    assert "b" in shown(fleet, now)
    assert "b" not in shown(fleet, NOW + FORGOTTEN_MS)


def test_a_row_has_what_the_worker_says() -> None:
    fleet = asked(
        answer(
            "a", 0, held={3: "no bucket"}, paused="full", lag=7, version="1", address="http://h/"
        )
    )
    (row,) = fleet.plain(NOW, "a")["workers"]
    assert row == {
        "worker": "a",
        "own": True,
        "answers": True,
        "heard": NOW - PATIENCE_MS + 10,
        "partitions": [0, 3],
        "lag": 7,
        "paused": "full",
        "held": {"3": "no bucket"},
        "version": "1",
        "address": "http://h/",
    }


def test_workers_of_earlier_versions_are_understood_and_understand() -> None:
    old = (
        b'{"kind":"state","v":1,"group":"g","request":4,"worker":"w","paused":"",'
        b'"partitions":{"0":""}}'
    )
    state = decode(old)
    assert isinstance(state, State)
    (row,) = asked(state).plain(NOW, "a")["workers"]
    assert (row["lag"], row["version"], row["address"], row["own"]) == (None, "", "", False)
    new = json.loads(encode(answer("w", 0, lag=1, version="2", address="http://h/")))
    assert json.loads(old).keys() <= new.keys()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " https://example.com",
        "//example.com",
        "https://a@example.com/",
        "https://example.com/?q=1",
        "https://example.com/\n",
        "https://éxample.com/",
        "data:text/html,x",
        "https://example.com/" + "x" * 300,
    ],
)
def test_what_is_not_plainly_an_address_of_the_web_is_no_link(address: str) -> None:
    assert not is_link(address)
    (row,) = asked(answer("a", 0, address=address)).plain(NOW, "a")["workers"]
    assert row["address"] == ""
    with pytest.raises(ValidationError):
        WebSettings(url=address)


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1:6066/", "http://[::1]:6066", "https://falco.example.com/w-0/"]
)
def test_an_address_of_the_web_is_a_link(address: str) -> None:
    assert is_link(address)
    assert WebSettings(url=address).url == address


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, ""),
        ({"host": "0.0.0.0"}, ""),
        ({"host": "::"}, ""),
        ({"host": "localhost"}, ""),
        ({"host": "10.0.0.1"}, "http://10.0.0.1:6066/"),
        ({"host": "fd00::1", "port": 1}, "http://[fd00::1]:1/"),
        ({"host": "10.0.0.1", "port": 0}, ""),
        ({"url": "https://example.com"}, "https://example.com"),
    ],
)
def test_a_worker_states_an_address_only_if_others_can_reach_it(
    settings: dict[str, Any], address: str
) -> None:
    found = page_address(WebSettings(**settings))
    assert found == address
    assert is_link(found) == bool(found)


def test_however_many_workers_answer_what_is_kept_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    fleet = asked(*(answer(f"forged {n}", n) for n in range(500)), answer("last", 7))
    assert len(fleet.plain(NOW, "a")["workers"]) == 100
    assert "last" in shown(fleet, NOW)
