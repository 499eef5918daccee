"""Whatever a record contains, it becomes a finding, or a reject that says why."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.mapping import Filtered, Finding, Mapping, Options, Reject
from tests.alerts import PLAIN, SMALL
from tests.schemas.kinds import OLD, finding_of, mapped
from tests.schemas.ocsf_schema import errors
from tests.schemas.staged import stage


def value(**changes: Any) -> bytes:
    return json.dumps({**SMALL, **changes}).encode()


def without(key: str) -> bytes:
    return json.dumps({name: item for name, item in SMALL.items() if name != key}).encode()


REJECTS = {
    "null": (None, "The value is empty."),
    "empty": (b"", "The value is empty."),
    "invalid UTF-8": (b'{"rule": "\xff"}', "The value is not UTF-8."),
    "encoded surrogate": (b'{"rule": "\xed\xa0\x80"}', "The value is not UTF-8."),
    "text": (b"hello", "The value is not JSON."),
    "NUL": (b"\0", "The value is not JSON."),
    "half an alert": (value()[:-10], "The value is cut off: the JSON has no end."),
    "NaN": (value(output_fields={"a": 1}).replace(b"1}", b"NaN}"), "The value is not JSON."),
    "two alerts": (
        value() + value(),
        "The value has several JSON values: send each as a record.",
    ),
    "list": (b"[1]", "The value is an array: send an alert, which is an object."),
    "number": (b"7", "The value is JSON, but not an object."),
    "string": (b'"alert"', "The value is JSON, but not an object."),
    "null literal": (b"null", "The value is JSON, but not an object."),
    "no rule": (without("rule"), "The alert has no rule."),
    "empty rule": (value(rule=""), "The alert has no rule."),
    "null rule": (value(rule=None), "The alert has no rule."),
    "list for rule": (value(rule=["a"]), "The alert's rule is not a string."),
    "no priority": (without("priority"), "The alert has no priority."),
    "number for priority": (value(priority=3), "The alert's priority is not a string."),
    "no time": (without("time"), "The alert has no valid time."),
    "time of day": (value(time="20:46:44"), "The alert has no valid time."),
    "number for time": (value(time=1), "The alert has no valid time."),
    "year 0": (value(time="0000-01-01T00:00:00Z"), "The alert has no valid time."),
    "month 13": (value(time="2026-13-01T00:00:00Z"), "The alert has no valid time."),
    "past 9999": (value(time="9999-12-31T23:59:59-01:00"), "The alert has no valid time."),
    "week date": (value(time="2026-W27-6T20:46:44Z"), "The alert has no valid time."),
    "brackets": (b"[" * 10_000, "The value is nested too deeply."),
    "deep alert": (
        value().replace(b'"sh"', b"[" * 10_000 + b"]" * 10_000),
        "The value is nested too deeply.",
    ),
    "deep enough": (
        value().replace(b'"sh"', b"[" * 101 + b"]" * 101),
        "The value is nested too deeply.",
    ),
    "deep list in a quoted string": (
        json.dumps({"log": f'{{"rule": {"[" * 101 + "]" * 101}}}'}).encode(),
        "The alert has no rule: its key log is nested too deeply.",
    ),
    "string that never ends": (
        b"[" * 101 + b'"' + b'\\"' * 1000,
        "The value is nested too deeply.",
    ),
    "log that is not JSON": (
        b'{"log": "starting up"}',
        "The alert has no rule: its key log is not JSON.",
    ),
    "empty wrapping": (b'{"log": null}', "The alert has no rule."),
    "gzip": (
        gzip.compress(value()),
        "The value is gzip data: send plain JSON, and let the Kafka producer compress.",
    ),
    "byte order mark": (
        b"\xef\xbb\xbf" + value(),
        "The value begins with a byte order mark: send UTF-8 without one.",
    ),
    "UTF-16": (value().decode().encode("utf-16"), "The value is UTF-16: send UTF-8."),
    "UTF-16 without a mark": (
        value().decode().encode("utf-16-le"),
        "The value is UTF-16: send UTF-8.",
    ),
    "Schema Registry": (
        b"\0\0\0\0\x07" + value(),
        (
            "The value has a Schema Registry header: send plain JSON, with a serializer without "
            "schemas."
        ),
    ),
    "Schema Registry, a large id": (
        b"\0\0\0\0\xf7" + value(),
        (
            "The value has a Schema Registry header: send plain JSON, with a serializer without "
            "schemas."
        ),
    ),
    "syslog": (
        b"<13>Jul 10 12:00:00 node-1 falco: " + value(),
        'The value has text before the JSON: "<13>Jul 10 12:00:00 node-1 falco:".',
    ),
    "text after": (value() + b" end", 'The value has text after the JSON: "end".'),
    "an array of alerts": (
        b"[" + value() + b"," + value() + b"]",
        "The value is an array: send each of its 2 items as a record.",
    ),
    "Falco's text": (
        b"14:03:27.123456789: Notice A shell was spawned (user=root)",
        "The value is Falco's text output: set json_output: true in falco.yaml.",
    ),
    "Falco's text in an envelope": (
        b'{"log": "2026-07-10T12:00:00.123456789+0000: Warning Sensitive file opened {x}"}',
        (
            "The alert has no rule: its key log is Falco's text output; set json_output: true in "
            "falco.yaml."
        ),
    ),
    "CloudEvents without an alert": (
        json.dumps({**PLAIN, "specversion": "1.0", "type": "a", "data": {"b": 1}}).encode(),
        "The value is a CloudEvents envelope without an alert: its key data has none.",
    ),
    "long rule": (value(rule="r" * 70_000), "The alert's rule is longer than 65,535 characters."),
}


@pytest.mark.parametrize(("record", "reason"), REJECTS.values(), ids=REJECTS)
def test_a_reject_says_why(record: bytes | None, reason: str) -> None:
    assert OLD.map(record, 0) == Reject(reason)


FINDINGS = {
    "unknown priority": value(priority="Sometime"),
    "string for output_fields": value(output_fields="a=b"),
    "list for output_fields": value(output_fields=[1]),
    "null everywhere": value(
        output_fields=None, tags=None, source=None, hostname=None, output=None
    ),
    "numbers for tags": value(tags=[1, 2]),
    "string for tags": value(tags="T1059"),
    "numbers for texts": value(output=7, hostname=8, source=9, uuid=10),
    "objects for texts": value(output={}, hostname=[], source={"a": []}),
    "lone surrogate": value(output_fields={"proc.name": "X"}).replace(b"X", b"\\ud800"),
    "lone surrogate in rule": value(rule="X").replace(b"X", b"\\udfff"),
    "10^400": value(output_fields={"proc.pid": 1}).replace(b": 1}", b": 1" + b"0" * 400 + b"}"),
    "1e400": value(output_fields={"proc.pid": 1}).replace(b": 1}", b": 1e400}"),
    "10,000 digits": value(output_fields={"a": 1}).replace(b": 1}", b": " + b"9" * 10_000 + b"}"),
    "year 1": value(time="0001-01-01T00:00:00Z"),
    "year 9999": value(time="9999-12-31T23:59:59.999999999Z"),
    "NUL": value(rule="a\0b", hostname="\0", output_fields={"a\0": "\0", "proc.name": "\0"}),
    "quotes and slashes": value(
        output_fields={"ct.region": "../'\"/x", "ct.recipientaccountid": "1/../2"}
    ),
    "full id that begins with NUL": value(
        output_fields={"container.full_id": "\0abc", "proc.name": "sh"}
    ),
    "brackets in a string": value(output_fields={"proc.cmdline": "[{" * 1000}),
    "depth of the limit": value(output_fields={"evt.arg.a": "X"}).replace(
        b'"X"', b"[" * 98 + b"]" * 98
    ),
    "large field": value(output_fields={"proc.cmdline": "x" * 1_000_000}),
    "large message": value(output="x" * 1_000_000),
    "large tags": value(tags=["x" * 1_000_000]),
    "large texts": value(uuid="u" * 70_000, hostname="h" * 70_000, source="s" * 70_000),
    "two large parts": value(
        output_fields={"s3.bucket": "b" * 40_000, "s3.key": "k" * 40_000, "ct.name": "x"}
    ),
    "two middling parts": value(
        output_fields={"s3.bucket": "b" * 32_703, "s3.key": "k" * 32_703, "ct.name": "x"}
    ),
    "many fields": value(output_fields={f"custom.{n}": "x" * 100 for n in range(5_000)}),
    "escapes": value(output='\\"\n\t\r\u2028\x7f'),
    "duplicate keys": b'{"rule":"a","rule":"b",' + value()[1:-1] + b',"priority":"Debug"}',
    "space around": b" \r\n" + value() + b"\n",
}


@pytest.mark.parametrize("version", ["1.1.0", "1.8.0"])
@pytest.mark.parametrize("record", FINDINGS.values(), ids=FINDINGS)
def test_odd_alerts_are_valid_findings_that_duckdb_reads(record: bytes, version: str) -> None:
    mapping = Mapping(Options(ocsf_version=version, location="alert"))
    found = mapped(mapping, record)
    finding = finding_of(mapping, record)

    assert errors("detection_finding", finding) == []
    assert (found.region, found.account_id) == ("us-east-1", "000000000000")
    assert len(found.event_day) == 8
    assert found.event_day.isdecimal()
    whole = finding.get("raw_data") or finding["unmapped"]["raw_data"]
    assert whole == found.raw_data == record.decode()
    database, select = stage(mapping, [found])
    row = database.execute(select).fetchone()
    assert row is not None
    columns = dict(zip(mapping.columns, row, strict=True))
    assert columns["time"] == finding["time"]
    assert columns["unmapped"] == finding.get("unmapped")
    assert columns["raw_data"] == finding.get("raw_data")
    assert columns["message"] == finding.get("message")


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(b'{"rule":{},"priority":{},"time":{}}')
def test_bytes_of_any_kind_are_answered(record: bytes) -> None:
    assert isinstance(OLD.map(record, -1), Finding | Reject)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(changes=st.dictionaries(st.sampled_from([*SMALL, "uuid", "message", "log"]), json_values))
def test_values_of_any_type_are_answered(changes: dict[str, Any]) -> None:
    finding = OLD.finding(value(**changes), -1)

    if isinstance(finding, dict):
        assert errors("detection_finding", finding) == []
    else:
        assert isinstance(finding, Reject)


def test_a_priority_below_the_minimum_is_filtered() -> None:
    mapping = Mapping(Options(minimum_priority="Warning"))

    answers = [
        mapping.map(value(priority=name), 0)
        for name in ("Emergency", "error", "WARNING", "Sometime", "Notice", "info", "Debug")
    ]

    assert [isinstance(answer, Filtered) for answer in answers] == [False] * 4 + [True] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(event_class="finding"), "Unknown event class 'finding'"),
        (Options(ocsf_version="1.2.0"), "detection_finding has no OCSF version '1.2.0'"),
        (Options(minimum_priority="high"), "Unknown priority 'high'"),
        (Options(location="moon"), "Unknown location 'moon'"),
    ],
)
def test_invalid_options_are_refused(options: Options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mapping(options)


@pytest.mark.parametrize("field", ["evt.arg.a", "ct.request", "ka.req.x", "gcp.authorizationInfo"])
@pytest.mark.parametrize("depth", [97, 98, 99, 150, 400, 3000])
def test_the_limit_of_depth_does_not_depend_on_the_caller(field: str, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    record = value(output_fields={field: "X", "gcp.user": "a"}, source="k8s_audit")
    as_list = record.replace(b'"X"', deep.encode())
    as_text = record.replace(b'"X"', json.dumps(deep).encode())

    def called(frames: int) -> tuple[Any, Any]:
        if frames:
            return called(frames - 1)
        return OLD.map(as_list, 0), OLD.map(as_text, 0)

    assert called(600) == called(0)
    assert isinstance(called(0)[0], Reject) == (depth > 98)
    assert isinstance(called(0)[1], Finding)
