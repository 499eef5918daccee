"""What is remembered of alerts that differ only in their slots changes no finding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import Mapping
from schemas.sources.scene import ROWS
from tests.alerts import PLAIN, SHELL, native
from tests.schemas.fields import alerts, field_types, many, marked, thousands
from tests.schemas.kinds import MAPPINGS, OLD, each_kind, mapped

SLOTS = [row.field for row in ROWS if row.slots]
VALUES = st.sampled_from(
    (
        *(7, 1, True, 1.0, 0, -1, 2**31, 2**63, -(2**31), 2**64, 1_783_198_004_180_672_852, 0.5),
        *("7", "bash -c id", "2026-07-04T20:46:44.18Z", "é\0", "[...]", "", "<NA>", None),
        *([1], [True], ["a"], ["a", "b"], {"a": 1}),
    )
)
FIELDS = st.sampled_from(
    [
        *SLOTS,
        *("evt.time", "proc.exeline", "proc.duration", "proc.aname[2]", "fd.name", "evt.source"),
        *("ka.verb", "ka.sourceips", "ct.name", "okta.evt.type", "gcp.methodName", "github.type"),
    ]
)
CHANGES = st.lists(
    st.tuples(
        st.dictionaries(FIELDS, VALUES, max_size=4),
        st.dictionaries(st.sampled_from(("message", "output", "uuid")), st.text(max_size=3)),
    ),
    max_size=4,
)


def fresh(mapping: Mapping) -> Mapping:
    """Return a mapping with the same options that remembers nothing."""
    return Mapping(mapping.options)


def check(mapping: Mapping, alert: dict[str, Any], changes: list[Any]) -> None:
    given_fields = alert.get("output_fields", {})
    records = [native(alert)] + [
        native({**alert, **keys, "output_fields": {**given_fields, **fields}})
        for fields, keys in changes
    ]
    expected = {record: fresh(mapping).map(record, 7) for record in records}
    for record in [*records, *records, *reversed(records), *records]:
        assert mapping.map(record, 7) == expected[record]


@each_kind
@many
@given(alert=alerts(), fields=st.dictionaries(FIELDS, VALUES), changes=CHANGES)
def test_a_finding_is_the_same_whatever_came_before(
    kind: tuple[str, str], alert: dict[str, Any], fields: dict[str, Any], changes: list[Any]
) -> None:
    alert["output_fields"] = {**alert.get("output_fields", {}), **fields}
    check(fresh(MAPPINGS[kind]), alert, changes)


@pytest.mark.faults
@each_kind
@thousands
@given(alert=alerts(), fields=st.dictionaries(FIELDS, VALUES), changes=CHANGES)
def test_thousands_of_findings_are_the_same_whatever_came_before(
    kind: tuple[str, str], alert: dict[str, Any], fields: dict[str, Any], changes: list[Any]
) -> None:
    alert["output_fields"] = {**alert.get("output_fields", {}), **fields}
    check(fresh(MAPPINGS[kind]), alert, changes)


@each_kind
@pytest.mark.parametrize("slot", SLOTS)
def test_a_slot_is_kept_whatever_other_field_is_with_it(kind: tuple[str, str], slot: str) -> None:
    table = field_types()
    source = table[slot][0]
    others = [name for name, (its, _) in table.items() if its in (source, "*") and name != slot]
    mapping = fresh(MAPPINGS[kind])
    for number, other in enumerate([*SLOTS, *others]):
        fields = {other: marked(other, table[other][1], number)} if other != slot else {}
        for value in (marked(slot, table[slot][1], number + end) for end in (400, 500, 600, 700)):
            record = native({**PLAIN, "source": source, "output_fields": {**fields, slot: value}})
            assert mapping.map(record, 7) == fresh(mapping).map(record, 7)


def test_the_alerts_of_a_rule_in_a_scene_have_all_parts_in_common() -> None:
    mapping = fresh(OLD)
    found = []
    for pid in range(20, 26):
        fields = {**SHELL["output_fields"], "proc.pid": pid, "proc.cmdline": f"bash {pid}"}
        found.append(mapped(mapping, native({**SHELL, "output_fields": fields})))

    assert len({each[4:7] + each[8:9] for each in found}) == 1
    assert [each.own.pid for each in found] == [*range(20, 26)]
    assert [each.own.cmd_line for each in found] == [f"bash {pid}" for pid in range(20, 26)]
    # The objects themselves: only the first two were built.
    assert found[1].body is not found[0].body
    assert all(each.body is found[1].body for each in found[2:])
