"""Packed findings: what went in comes out, and what findings share is in there once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.staging.packed import SCHEMA, pack, unpack
from tests.streams.falco_records import rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBER = st.integers(-(2**63), 2**63 - 1)
FINDING = st.tuples(
    *(st.just(0), NUMBER, NUMBER, st.just(""), st.just(""), st.just("")),
    *(st.sampled_from(["", "rule", "é\x00"]), TEXT, TEXT, TEXT, TEXT),
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(FINDING, min_size=1, max_size=20))
def test_findings_come_out_as_they_went_in(findings):
    table = unpack(pack(findings))
    found = zip(*(table[name].to_pylist() for name in SCHEMA.names), strict=True)
    expected = [
        (offset, time, *texts, sum(len(text.encode()) for text in texts[2:]))
        for _, offset, time, _, _, _, *texts in findings
    ]
    assert list(found) == expected


@pytest.mark.parametrize("columns", [["offset"], ["offset", "time", "size"], ["rule"], ["body"]])
def test_single_columns_can_be_unpacked(columns):
    packed = pack(rows(0, 7, 20).findings)
    assert unpack(packed, columns).equals(unpack(packed).select(columns))


def test_what_findings_share_is_there_once():
    table = unpack(pack(rows(0, 0, 500).findings))
    (rule,) = table["rule"].chunk(0).dictionary.to_pylist()
    assert json.loads(rule)["finding_info"]["title"] == "Terminal shell in container"


def test_findings_that_repeat_each_other_take_a_fraction_of_their_text():
    packed = pack(rows(0, 0, 500).findings)
    texts = sum(unpack(packed, ["size"])["size"].to_pylist())
    assert len(packed) < texts / 8
