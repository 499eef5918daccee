"""What a request's body becomes: records with the bytes that were sent, or a reason."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.receive.bodies import NoAlertsError, TooManyError, records
from tests.streams.falco_records import alert
from tests.timing import cpu_seconds

A, B, C = alert(1), alert(2, uuid="u-2"), b'{"a": "\xff[}", "b": [1, {"c": "\\"}{"}]}'
PRETTY = json.dumps(json.loads(A), indent=2).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (A, [A]),
        (B, [B]),
        (C, [C]),
        (PRETTY, [PRETTY]),
        (b" \r\n" + A + b"\r\n", [A]),
        (b"\xef\xbb\xbf" + A, [A]),
        (A + b"\n" + B + b"\n", [A, B]),
        (A + b"\r\n\r\n" + C, [A, C]),
        (A + B, [A, B]),
        (PRETTY + b"\n" + PRETTY, [PRETTY, PRETTY]),
        (b"[" + A + b",\n " + C + b"]", [A, C]),
        (b"[" + A + b"]\n[" + B + b"," + C + b"]\n", [A, B, C]),
        (b"[]" + A, [A]),
        (b"{}", [b"{}"]),
        # An alert as text, which the worker reads too.
        (json.dumps(A.decode()).encode(), [json.dumps(A.decode()).encode()]),
        # What is not an object is not dropped, if there is one.
        (b"[" + A + b', 7, "x", [1]]', [A, b"7", b'"x"', b"[1]"]),
        (A + b"\nNotice: a shell\n" + B, [A, b"Notice: a shell", B]),
        (A + b'\n{"cut": "of', [A, b'{"cut": "of']),
        (b'{"cut": "of\n' + A + b"\n" + B, [b'{"cut": "of', A, B]),
        (b"[" + A + b",]\n" + B, [b"[" + A + b",]", B]),
        # JSON that only the worker's own reading takes.
        (b'{"a": 1e999, "b": "\\ud800", "c": "\t"}', [b'{"a": 1e999, "b": "\\ud800", "c": "\t"}']),
        (b'{"n": ' + b"9" * 5000 + b"}", [b'{"n": ' + b"9" * 5000 + b"}"]),
    ],
)
def test_each_object_is_a_record_with_the_bytes_that_were_sent(
    body: bytes, expected: list[bytes]
) -> None:
    assert records(body) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "The body is empty."),
        (b" \n", "The body is empty."),
        (b"[]", "The body is JSON without an object in it: an alert is a JSON object."),
        (b"[1, [2]]", "The body is JSON without an object in it: an alert is a JSON object."),
        (b'"text"', "The body is JSON without an object in it: an alert is a JSON object."),
        (b"null", "The body is JSON without an object in it: an alert is a JSON object."),
        (b"hello", "The body is not JSON."),
        (b"{not json}", "The body is not JSON."),
        (A[:-9], "The body is cut off: the JSON has no end."),
        (
            b"14:03:27.123456789: Notice A shell was spawned",
            "The body is Falco's text output: set json_output: true in falco.yaml.",
        ),
        (b"\x1f\x8b\x08...", None),
        (b"\xff\xfe{\0}\0", "The body is UTF-16: send UTF-8."),
        (b"\xffxyz", "The body is not UTF-8."),
        (b"[" * 500_000, "The body is nested too deeply."),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "The body is nested too deeply."),
    ],
)
def test_a_body_without_an_object_has_a_reason(body: bytes, why: str | None) -> None:
    with pytest.raises(NoAlertsError) as caught:
        records(body)
    assert f"{caught.value}" == why or (why is None and "gzip" in f"{caught.value}")


def test_more_records_than_one_request_may_have_are_refused() -> None:
    assert len(records(b"{}\n" * 50, most=50)) == 50
    for body in (b"{}\n" * 51, b"[" + b"{}," * 50 + b"{}]", b"{}" * 51, b"{}\n-\n" * 26):
        with pytest.raises(TooManyError):
            records(body, most=50)
    with pytest.raises(NoAlertsError):
        records(b"1 " * 51, most=50)


TEXT = st.text(max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(TEXT, JSON, max_size=3), min_size=1, max_size=6)


@settings(max_examples=40)
@given(OBJECTS, st.sampled_from(["\n", "\r\n", " ", "", "\n\n\t"]), st.booleans())
def test_objects_come_back_however_they_are_put_together(
    objects: list[dict[str, Any]], between: str, ascii_only: bool
) -> None:
    each = [json.dumps(one, ensure_ascii=ascii_only).encode() for one in objects]
    assert records(between.encode().join(each)) == each
    assert records(b"[" + b",".join(each) + b"]" + between.encode()) == each


@given(st.binary(max_size=64) | st.text(alphabet='{}[]",:\\ \n\ra1', max_size=64))
def test_any_body_is_records_or_a_reason_and_nothing_of_it_is_dropped(body: bytes | str) -> None:
    sent = body.encode() if isinstance(body, str) else body
    try:
        found = records(sent)
    except NoAlertsError as error:
        assert f"{error}".startswith("The body ")
        return
    whole = sent
    for record in found:
        assert record
        before, _, whole = whole.partition(record)
        assert not before.strip(b" \t\r\n[],\xef\xbb\xbf")
    assert not whole.strip(b" \t\r\n],")


@pytest.mark.parametrize(
    "unit",
    [
        b'{"a"',
        b'"\\',
        b"[{",
        b'{"a":1}\n"',
        b"[1,",
        b"{}\n",
        b'{"":"\n',
        b"\\",
        b"9",
        b"- ",
        b"{}]",
    ],
)
def test_time_grows_no_faster_than_a_body(unit: bytes) -> None:
    def seconds(times: int) -> float:
        body = unit * times

        def read() -> None:
            with contextlib.suppress(NoAlertsError):
                records(body, most=10**9)

        return cpu_seconds(read)

    assert seconds(64_000) < 16 * 4 * seconds(4_000) + 0.1
