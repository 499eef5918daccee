"""What holds for every alert: its finding is valid OCSF, and no field is lost."""

from __future__ import annotations

import tracemalloc
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import Mapping, Options, Reject
from schemas.memory import remembered
from schemas.sources.dropping import Drop
from schemas.sources.place import Place
from tests.alerts import PLAIN, SAMPLES, SHELL, native
from tests.schemas.fields import (
    TRICKY,
    alerts,
    field_types,
    many,
    marked,
    thousands,
    traces,
)
from tests.schemas.kinds import KINDS, MAPPINGS, OLD, each_kind, finding_of, mapped, text_of
from tests.schemas.ocsf_schema import errors

#: All kinds for a sweep over all fields; in the quick tests only the default one.
SWEPT = [
    KINDS[0],
    *(pytest.param(kind, marks=pytest.mark.faults, id="-".join(kind)) for kind in KINDS[1:]),
]


@each_kind
@many
@given(alert=alerts())
def test_every_finding_is_valid_ocsf(kind: tuple[str, str], alert: dict[str, Any]) -> None:
    finding = finding_of(MAPPINGS[kind], native(alert), 1_783_198_004_181)

    assert errors(kind[0], finding) == []


@pytest.mark.faults
@each_kind
@thousands
@given(alert=alerts())
def test_thousands_of_findings_are_valid_ocsf(kind: tuple[str, str], alert: dict[str, Any]) -> None:
    finding = finding_of(MAPPINGS[kind], native(alert), 1_783_198_004_181)

    assert errors(kind[0], finding) == []


@pytest.mark.parametrize("kind", SWEPT, ids="-".join)
def test_every_field_alone_is_valid_with_right_and_wrong_values(kind: tuple[str, str]) -> None:
    odd: tuple[Any, ...] = (
        7,
        -1,
        2**31,
        2**64,
        1.5,
        True,
        [],
        ["a", 1, None],
        {"a": {"b": None}},
        *TRICKY,
    )
    sources = {"*": "azure_platform"}
    for field, (source, _) in field_types().items():
        for item in odd:
            alert = {**PLAIN, "source": sources.get(source, source), "output_fields": {field: item}}
            finding = finding_of(MAPPINGS[kind], native(alert))
            assert errors(kind[0], finding) == [], alert


@pytest.mark.faults
@each_kind
def test_one_wrong_value_among_many_right_ones_is_valid(kind: tuple[str, str]) -> None:
    """Reach the builders that need another field as well."""
    table = field_types()
    for source in sorted({source for source, _ in table.values()} - {"*"}):
        names = [name for name, (its, _) in table.items() if its in (source, "*")]
        right = {name: marked(name, table[name][1], n) for n, name in enumerate(names)}
        for field in names:
            for item in (7, 1.5, True, [], ["a", 1, None], {"a": {"b": None}}):
                fields = {**right, field: item}
                alert = {**PLAIN, "source": source, "output_fields": fields}
                finding = finding_of(MAPPINGS[kind], native(alert))
                assert errors(kind[0], finding) == [], (field, item)


class Faulty:
    """An event class with a bug."""

    def body_of(self, *_: object) -> NoReturn:
        raise KeyError("no such thing")

    scene_of = body_of


def test_a_bug_in_a_builder_makes_a_reject() -> None:
    mapping = Mapping(Options())
    mapping._class = Faulty()
    assert mapping.map(native(PLAIN), 0) == Reject(
        "The mapping failed; please report it: KeyError('no such thing')"
    )


@each_kind
@many
@given(data=st.data())
def test_no_field_is_lost(kind: tuple[str, str], data: st.DataObject) -> None:
    table = field_types()
    source = data.draw(st.sampled_from([*sorted({source for source, _ in table.values()}), ""]))
    names = [name for name, (its, _) in table.items() if source in ("", its) or its == "*"]
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=40))
    fields = {name: marked(name, table[name][1], n + 300) for n, name in enumerate(chosen)}
    value = native({**PLAIN, "source": source, "output_fields": fields})

    found = mapped(MAPPINGS[kind], value)

    text = text_of(found)
    for name, item in fields.items():
        assert any(trace in text for trace in traces(name, item)), (name, item)


@each_kind
@many
@given(alert=alerts())
def test_the_result_does_not_depend_on_earlier_records(
    kind: tuple[str, str], alert: dict[str, Any]
) -> None:
    fresh = Mapping(Options(event_class=kind[0], ocsf_version=kind[1]))

    assert MAPPINGS[kind].map(native(alert), 5) == fresh.map(native(alert), 5)


def test_the_version_changes_with_every_option_and_with_nothing_else() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"region": "eu-west-1"},
        {"account_id": "123456789012"},
        {"event_class": "security_finding"},
        {"ocsf_version": "1.8.0"},
        {"minimum_priority": "error"},
        {"location": "alert"},
        {"product_version": "0.42.0"},
        {"tenant_uid": "acme"},
        {"place": Place("AWS")},
        {"place": Place("AWS", cloud_region="eu-west-1")},
        {"place": Place("AWS", cloud_account_id="eu-west-1")},
        {"place": Place(cluster_name="AWS")},
        {"place": Place(cluster_uid="AWS")},
        {"drop": (Drop(rule=("a",)),)},
        {"drop": (Drop(tag=("a",)),)},
        {"drop": (Drop(rule=("a", "b")),)},
        {"drop": (Drop(rule=("a",)), Drop(rule=("b",)))},
        {"fields": (("env", "metadata.labels[]"),)},
        {"fields": (("env", "metadata.tenant_uid"),)},
        {"fields": (("team", "metadata.labels[]"),)},
    ]

    versions = [Mapping(Options(**change)).version for change in changes * 2]

    assert len(set(versions)) == len(changes)
    assert versions[: len(changes)] == versions[len(changes) :]
    assert all(len(each) <= 60 and each.isascii() and " " not in each for each in versions)


@pytest.mark.parametrize(
    "place",
    [
        *("k8s.pod.name", "name of a field"),
        *(
            pytest.param(place, marks=pytest.mark.faults)
            for place in (
                *("fd.name", "container.name", "user.name", "proc.exepath"),
                *("rule", "tags", "priority", "source", "hostname"),
            )
        ),
    ],
)
def test_alerts_that_never_repeat_take_little_memory(place: str) -> None:
    mapping = Mapping(Options())
    remembered.clear()
    fields = {"container.id": "c", "proc.name": "sh", "evt.type": "open"}
    tracemalloc.start()
    try:
        for number in range(2_000):
            text = f"/{number}/" + "é" * 15_000
            alert: dict[str, Any] = {**PLAIN, "output_fields": fields}
            if place in PLAIN or place in ("tags", "hostname"):
                alert[place] = [text] if place == "tags" else text
            else:
                alert["output_fields"] = {**fields, (text if " " in place else place): text}
            mapping.map(native(alert), 0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 90_000_000


@pytest.mark.parametrize(
    ("source", "rule", "expected"),
    [
        ("syscall", "a", "syscall"),
        ("syscalls", "a", "syscall"),
        ("", "a", "syscall"),
        (None, "Falco internal: x", "internal"),
        ("syscalls", "Falco internal: x", "internal"),
        ("internal", "Falco internal: x", "internal"),
        ("k8s_audit_eks", "a", "k8s_audit_eks"),
    ],
)
def test_the_source_is_found(source: str | None, rule: str, expected: str) -> None:
    finding = finding_of(OLD, native({**SHELL, "source": source, "rule": rule}))

    assert finding["metadata"]["log_name"] == expected
    assert finding["finding_info"]["data_sources"] == [expected]


def test_the_aws_account_and_region_may_be_the_alerts() -> None:
    record = native(SAMPLES["cloudtrail"])
    options: dict[str, Any] = {"region": "us-west-2", "account_id": "999999999999"}

    ours = mapped(Mapping(Options(**options)), record)
    its = mapped(Mapping(Options(**options, location="alert")), record)

    assert (ours.region, ours.account_id) == ("us-west-2", "999999999999")
    assert (its.region, its.account_id) == ("eu-west-1", "123456789012")
