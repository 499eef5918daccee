"""The seal comes back from the commit metadata; what it does not know is refused or ignored."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import Misconfigured
from streams.windows.seal import (
    LARGEST,
    LARGEST_EPOCH,
    METADATA_BYTES,
    NO_EPOCH,
    UNSEALED,
    Seal,
    read_seal,
)


@given(
    version=st.text(max_size=60),
    ends=st.lists(st.integers(1, LARGEST), unique=True, max_size=20).map(sorted),
    cut=st.none() | st.integers(0, LARGEST),
    topic_id=st.text(max_size=22),
    leader_epoch=st.integers(NO_EPOCH, LARGEST_EPOCH),
)
def test_a_seal_comes_back_from_its_text(
    version: str, ends: list[int], cut: int | None, topic_id: str, leader_epoch: int
) -> None:
    seal = Seal(version, tuple(ends), cut, topic_id, leader_epoch)
    says = bool(ends or topic_id or cut is not None or leader_epoch != NO_EPOCH)
    assert read_seal(seal.encode(), 0) == (seal if says else UNSEALED)


def test_a_seal_is_written_as_the_protocol_says() -> None:
    assert json.loads(Seal("x", (7, 9)).encode()) == {"v": 1, "m": "x", "ends": [7, 9]}
    assert UNSEALED.encode() == ""
    cut = Seal("x", (), 40).encode()
    assert json.loads(cut) == {"v": 1, "m": "x", "ends": [], "cut": 40}
    known = Seal("x", (), topic_id="an-id").encode()
    assert json.loads(known) == {"v": 1, "m": "x", "ends": [], "t": "an-id"}
    led = Seal("x", (), leader_epoch=0).encode()
    assert json.loads(led) == {"v": 1, "m": "x", "ends": [], "e": 0}


@pytest.mark.parametrize(
    ("seal", "epoch_end", "cut"),
    [
        (Seal("x", (), leader_epoch=3), None, None),
        (Seal("x", (), 40, leader_epoch=3), None, 40),
        (Seal("x", (), leader_epoch=3), 100, None),
        (Seal("x", (), leader_epoch=3), 99, 99),
        (Seal("x", (120, 140), leader_epoch=3), 140, None),
        (Seal("x", (120, 140), leader_epoch=3), 139, 139),
        (Seal("x", (), 40, leader_epoch=3), 100, 40),
        (Seal("x", (), 40, leader_epoch=3), 60, 40),
        (Seal("x", (), 40, leader_epoch=3), 0, 0),
    ],
)
def test_a_log_that_ends_in_the_epoch_before_what_is_sealed_was_cut(
    seal: Seal, epoch_end: int | None, cut: int | None
) -> None:
    assert seal.cut_at(100, epoch_end) == cut


def test_ends_that_are_committed_are_no_longer_sealed() -> None:
    assert read_seal(Seal("x", (7, 9, 12)).encode(), 9) == Seal("x", (12,))


def test_ends_are_sorted_and_each_there_once() -> None:
    assert read_seal('{"v":1,"m":"x","ends":[9,7,9]}', 0) == Seal("x", (7, 9))


@pytest.mark.parametrize(
    "metadata",
    ["", "hello", "{}", "null", "[1]", "1", '"v"', '{"ends":[1]}', "[" * 4000, "9" * 4096, "\x00"],
)
def test_metadata_of_another_tool_seals_nothing(metadata: str) -> None:
    assert read_seal(metadata, 0) == UNSEALED


@pytest.mark.parametrize(
    "metadata",
    [
        '{"v":2,"m":"x","ends":[1]}',
        '{"v":1,"ends":[1]}',
        '{"v":1,"m":"x","ends":["1"]}',
        '{"v":1,"m":"x","ends":[true]}',
        '{"v":1,"m":"x","ends":[1.0]}',
        '{"v":1,"m":"x","ends":{}}',
        '{"v":1,"m":1,"ends":[1]}',
        '{"v":1,"m":"x","ends":[],"cut":"1"}',
        '{"v":1,"m":"x","ends":[],"t":1}',
        '{"v":1,"m":"x","ends":[],"e":"1"}',
    ],
)
def test_metadata_of_a_newer_falcolake_is_refused_not_guessed(metadata: str) -> None:
    with pytest.raises(Misconfigured, match="newer falcolake") as caught:
        read_seal(metadata, 0)
    assert "upgrade" in caught.value.hint


def test_a_seal_that_kafka_would_not_take_does_not_fit() -> None:
    ends = list(range(10**18, 10**18 + 300))
    fitting = [count for count in range(1, 300) if Seal("v", tuple(ends[:count])).fits]
    seal = Seal("v", tuple(ends[: fitting[-1]]), LARGEST, leader_epoch=LARGEST_EPOCH)
    longest = seal.encode()
    assert fitting == list(range(1, fitting[-1] + 1))
    assert METADATA_BYTES - 20 < len(longest.encode()) <= METADATA_BYTES


def test_the_version_is_measured_as_kafka_stores_it() -> None:
    assert len(Seal("é" * 100, (1,)).encode().encode()) == len(Seal("é" * 100, (1,)).encode())
