"""Packed findings: what went in comes out, and what findings share is in there once."""

import gc
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mapping import Finding
from schemas.ocsf.parts import Own
from streams.staging.filing import LATEST
from streams.staging.packed import FEW, SCHEMA, may_have_more, pack, unpack, unpack_all
from tests.streams.falco_records import rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBER = st.integers(-(2**63), 2**63 - 1)
OF_TYPE = {pa.int64(): NUMBER, pa.string(): TEXT}
FINDING = st.builds(
    Finding,
    time=NUMBER,
    region=st.just(""),
    account_id=st.just(""),
    event_day=st.just(""),
    rule=st.sampled_from(["", "rule", "é\x00"]),
    scene=TEXT,
    body=TEXT,
    raw_data=TEXT,
    unmapped=TEXT,
    own=st.builds(
        Own, TEXT, *(st.none() | OF_TYPE[SCHEMA.field(each).type] for each in Own._fields[1:])
    ),
)


def packed_rows(first: int, end: int) -> bytes:
    made = rows(0, first, end)
    return pack(made.offsets, made.timestamps, made.findings)


@settings(max_examples=50, derandomize=True)
@given(
    st.lists(st.tuples(NUMBER, NUMBER, FINDING), min_size=1, max_size=20), st.sampled_from((1, FEW))
)
def test_findings_come_out_as_they_went_in(found: list[tuple[int, int, Any]], times: int) -> None:
    found = found * times  # few, or more of them than that
    offsets, timestamps, findings = zip(*found, strict=True)
    table = unpack(pack(offsets, timestamps, findings))
    assert table["offset"].to_pylist() == list(offsets)
    for name in ("time", "rule", "scene", "body", "raw_data", "unmapped"):
        assert table[name].to_pylist() == [getattr(each, name) for each in findings]
    for name in Own._fields:
        assert table[name].to_pylist() == [getattr(each.own, name) for each in findings]
    days = [min(max(0, each), LATEST) // 86_400_000 for each in timestamps]
    assert table["recorded"].to_pylist() == days
    sizes = []
    for each in findings:
        own = (each.own.message, each.own.cmd_line, each.own.parent_cmd_line)
        texts = [each.body, each.raw_data, each.unmapped, *filter(None, own)]
        sizes.append(len("".join(texts).encode()))
    assert table["size"].to_pylist() == sizes
    assert table.schema == SCHEMA


@pytest.mark.parametrize("end", [20, 8 + FEW])
@pytest.mark.parametrize("columns", [["offset"], ["offset", "time", "size"], ["rule"], ["body"]])
def test_single_columns_can_be_unpacked(columns: list[str], end: int) -> None:
    packed = packed_rows(7, end)
    assert unpack(packed, columns).equals(unpack(packed).select(columns))


def test_what_findings_share_is_there_once() -> None:
    table = unpack(packed_rows(0, 500))
    (rule,) = table["rule"].chunk(0).dictionary.to_pylist()
    assert json.loads(rule)["finding_info"]["title"] == "Terminal shell in container"
    assert len(table["body"].chunk(0).dictionary) == 1


def test_few_findings_of_several_appends_are_read_as_one_batch() -> None:
    apart = [packed_rows(first, first + 10) for first in (0, 10, 20)]
    table = unpack_all(apart)
    assert table.equals(unpack(packed_rows(0, 30)))
    assert [column.num_chunks for column in table.columns] == [1] * len(SCHEMA)


@pytest.mark.parametrize("count", [FEW, FEW + 1])
def test_what_was_packed_is_freed_without_the_collector(count: int) -> None:
    made = rows(0, 0, count)
    gc.collect()
    gc.disable()
    try:
        unpack(pack(made.offsets, made.timestamps, made.findings))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_single_finding_takes_less_room_than_its_text() -> None:
    packed = packed_rows(0, 1)
    (finding,) = rows(0, 0, 1).findings
    assert len(packed) < sum(len(text) for text in finding[4:9])


def test_findings_that_repeat_each_other_take_a_fraction_of_their_text() -> None:
    packed = packed_rows(0, 500)
    texts = sum(len("".join(each[4:9])) for each in rows(0, 0, 500).findings)
    assert len(packed) < texts / 15


@pytest.mark.parametrize("count", [FEW, FEW + 1])
@pytest.mark.parametrize("columns", [["offset"], ["offset", "body"]])
def test_a_batch_tells_whether_a_finding_may_have_more_evidences(
    columns: list[str], count: int
) -> None:
    made = rows(0, 0, count)
    plain = pack(made.offsets, made.timestamps, made.findings)
    assert not may_have_more(unpack(plain, columns))
    findings = [made.findings[0]._replace(body='{"more":[{}]}'), *made.findings[1:]]
    assert may_have_more(unpack(pack(made.offsets, made.timestamps, findings), columns))
    assert may_have_more(SCHEMA.empty_table())  # as an earlier version staged it
