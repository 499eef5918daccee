"""Which records of the control topic are messages, and which are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.control import messages as control
from streams.control.messages import Flush, State

numbers = st.integers(0, 2**31 - 1)
offsets = st.integers(0, 2**63 - 1)
messages = st.builds(
    Flush, v=st.just(1), group=st.text(), ends=st.dictionaries(numbers, offsets)
) | st.builds(
    State,
    v=st.just(1),
    group=st.text(),
    request=offsets,
    worker=st.text(),
    paused=st.text(),
    partitions=st.dictionaries(numbers, st.text()),
)


@given(messages)
def test_a_message_is_read_back_as_it_was_written(message: control.Message) -> None:
    assert control.decode(control.encode(message)) == message


def test_what_is_on_the_wire_does_not_change() -> None:
    assert json.loads(control.encode(Flush(v=1, group="g", ends={0: 5, 12: 7}))) == {
        "kind": "flush",
        "v": 1,
        "group": "g",
        "ends": {"0": 5, "12": 7},
    }


@given(st.binary())
def test_no_bytes_raise(value: bytes) -> None:
    control.decode(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b'{"kind":"flush","group":"g","ends":{}}',
        b'{"kind":"flush","v":2,"group":"g","ends":{}}',
        b'{"kind":"flush","v":true,"group":"g","ends":{}}',
        b'{"kind":"flush","v":1,"group":7,"ends":{}}',
        b'{"kind":"flush","v":1,"group":"g","ends":{"0":-1}}',
        b'{"kind":"flush","v":1,"group":"g","ends":{"-1":1}}',
        b'{"kind":"flush","v":1,"group":"g","ends":{"0":1e300}}',
        b'{"kind":"flush","v":1,"group":"g","ends":{"0":9223372036854775808}}',
        b'{"kind":"flush","v":1,"group":"g","ends":{"zero":1}}',
        b'{"kind":"burn","v":1,"group":"g"}',
    ],
)
def test_anything_else_is_no_message(value: bytes | None) -> None:
    assert control.decode(value) is None


def test_what_a_later_version_adds_is_left_out() -> None:
    value = b'{"kind":"flush","v":1,"group":"g","ends":{"0":1},"why":"because"}'
    assert control.decode(value) == Flush(v=1, group="g", ends={0: 1})


def test_a_message_larger_than_any_of_ours_is_not_decoded() -> None:
    value = control.encode(control.Flush(v=1, group="g", ends={0: 1}))
    assert control.decode(value.ljust(control.LARGEST)) is not None
    assert control.decode(value.ljust(control.LARGEST + 1)) is None


def test_ends_that_kafka_does_not_have_are_dropped_one_by_one() -> None:
    assert control.within({0: 5, 1: 6, 2: 0, 77: 0}, {0: 5, 1: 5, 2: 9}) == {0: 5, 2: 0}
    assert control.within(dict.fromkeys(range(1000), 2**63 - 1), {0: 5}) == {}
