"""What holds for every alert: always valid, nothing lost, and DuckDB reads all of it."""

from __future__ import annotations

import json
import tracemalloc
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.mapping import Finding, Mapping, Options, Reject
from schemas.memory import remembered
from tests.schemas.fields import TRICKY, alerts, encode, field_types
from tests.schemas.ocsf_schema import errors
from tests.schemas.staged import stage

KINDS = [
    ("detection_finding", "1.1.0"),
    ("detection_finding", "1.8.0"),
    ("security_finding", "1.1.0"),
]
MAPPINGS = {kind: Mapping(Options(event_class=kind[0], ocsf_version=kind[1])) for kind in KINDS}
NOW = 1_783_198_004_180
PLAIN = {"rule": "Anything", "priority": "Notice", "time": "2026-07-04T20:46:44.180672852Z"}
slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
some = settings(max_examples=20, **slow)
many = settings(max_examples=120, **slow)
thousands = settings(max_examples=4000, **slow)

#: All kinds; in the quick tests the default one alone, for a sweep over all fields.
SWEPT = [
    KINDS[0],
    *(pytest.param(kind, marks=pytest.mark.faults, id="-".join(kind)) for kind in KINDS[1:]),
]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@many
@given(alert=alerts())
def test_every_finding_is_valid_ocsf(kind: tuple[str, str], alert: dict[str, Any]) -> None:
    finding = MAPPINGS[kind].finding(encode(alert), 1_783_198_004_181)

    assert isinstance(finding, dict), finding
    assert errors(kind[0], finding) == []


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@thousands
@given(alert=alerts())
def test_thousands_of_findings_are_valid_ocsf(kind: tuple[str, str], alert: dict[str, Any]) -> None:
    finding = MAPPINGS[kind].finding(encode(alert), 1_783_198_004_181)

    assert isinstance(finding, dict), finding
    assert errors(kind[0], finding) == []


def rows_from_duckdb(mapping: Mapping, found: list[Finding]) -> list[dict[str, Any]]:
    """The findings as real DuckDB makes rows of them, as plain data without NULLs."""
    database, select = stage(mapping, found)
    answer = database.execute(select)
    names = [name for name, *_ in answer.description]
    assert names == list(mapping.columns)
    return [plain(dict(zip(names, row, strict=True))) for row in answer.fetchall()]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    return value


def with_json_as_text(value: Any, name: str = "") -> Any:
    """`value` with its json_t attributes as text, as Parquet has them."""
    if name in ("data", "evidence"):
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        return {key: with_json_as_text(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_json_as_text(item) for item in value]
    return value


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@some
@given(batch=st.lists(alerts(), min_size=1, max_size=20))
def test_duckdb_reads_every_attribute_back(kind: tuple[str, str], batch: list[Any]) -> None:
    check_read_back(kind, batch)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@many
@given(batch=st.lists(alerts(), min_size=1, max_size=20))
def test_duckdb_reads_every_attribute_of_many_back(kind: tuple[str, str], batch: list[Any]) -> None:
    check_read_back(kind, batch)


def check_read_back(kind: tuple[str, str], batch: list[Any]) -> None:
    mapping = MAPPINGS[kind]
    values = [encode(alert) for alert in batch]
    rows = rows_from_duckdb(mapping, [mapping.map(value, 1_783_198_004_181) for value in values])

    for row, value in zip(rows, values, strict=True):
        finding = mapping.finding(value, 1_783_198_004_181)
        assert with_json_as_text(row) == finding


@pytest.mark.parametrize("kind", SWEPT, ids="-".join)
def test_every_field_alone_is_valid_with_right_and_wrong_values(kind: tuple[str, str]) -> None:
    odd = (7, -1, 2**31, 2**64, 1.5, True, [], ["a", 1, None], {"a": {"b": None}}, *TRICKY)
    sources = {"*": "azure_platform"}
    for field, (source, _) in field_types().items():
        for item in odd:
            alert = {**PLAIN, "source": sources.get(source, source), "output_fields": {field: item}}
            finding = MAPPINGS[kind].finding(encode(alert), 0)
            assert isinstance(finding, dict), (alert, finding)
            assert errors(kind[0], finding) == [], alert


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_one_wrong_value_among_many_right_ones_is_valid(kind: tuple[str, str]) -> None:
    """What a field alone does not reach: the builders that need another field beside it."""
    table = field_types()
    for source in sorted({source for source, _ in table.values()} - {"*"}):
        names = [name for name, (its, _) in table.items() if its in (source, "*")]
        right = {name: marked(name, table[name][1], n) for n, name in enumerate(names)}
        for field in names:
            for item in (7, 1.5, True, [], ["a", 1, None], {"a": {"b": None}}):
                fields = {**right, field: item}
                alert = {**PLAIN, "source": source, "output_fields": fields}
                finding = MAPPINGS[kind].finding(encode(alert), 0)
                assert isinstance(finding, dict), (field, item, finding)
                assert errors(kind[0], finding) == [], (field, item)


def test_a_fault_of_a_builder_costs_one_record_and_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("no such thing")

    mapping = Mapping(Options())
    monkeypatch.setattr(mapping, "_build", fail)

    assert mapping.map(encode(PLAIN), 0) == Reject(
        "The mapping failed; please report it: KeyError('no such thing')"
    )


def marked(field: str, type_: str, number: int) -> Any:
    """A value for `field`, of its type, that nothing else in the alert has."""
    mark = f"q{number}z"
    if field.endswith((".ts", ".mtime")):
        return 1_700_000_000_000_000_000 + number * 1_000_000
    if "duration" in field:
        return number * 1_000_000_000
    if type_ in ("port", "bool", "double"):
        return {"port": 20_000 + number, "bool": bool(number % 2), "double": number + 0.5}[type_]
    if type_ not in ("charbuf", "string", "dyn", "bytebuf", "ipaddr", "ipnet"):
        return 1_000_000 + number
    if type_ == "ipaddr" or field.lower().endswith(("ip", "sourceips")):
        return f"10.7.{number >> 8}.{number & 255}"
    shape = number % 4
    if field.endswith(("path", "uri")) or (field in ("fd.name", "proc.exe") and shape % 2):
        return f"/{mark}/file"
    if field.endswith("digest"):
        return f"sha256:{number:064x}"
    return [mark, f"{mark},{mark}b", f"{mark}.example.com", f"{mark}@example.com"][shape]


def traces(field: str, item: Any) -> list[str]:
    """The texts one of which the finding must hold when it holds the field's value."""
    if isinstance(item, bool):
        return [
            f'"{field}":"{str(item).lower()}"',
            f'"{field}":{str(item).lower()}',
            "direction_id",
        ]
    if isinstance(item, str):
        parts = item.removeprefix("sha256:").split(",")
        return [json.dumps(item)[1:-1], *parts[:1]]
    if "duration" in field:
        return [str(NOW - item // 1_000_000), str(item)]
    return [str(item), str(item // 1_000_000) if isinstance(item, int) else str(item)]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@many
@given(data=st.data())
def test_no_field_is_lost(kind: tuple[str, str], data: st.DataObject) -> None:
    table = field_types()
    source = data.draw(st.sampled_from([*sorted({source for source, _ in table.values()}), ""]))
    names = [name for name, (its, _) in table.items() if source in ("", its) or its == "*"]
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=40))
    fields = {name: marked(name, table[name][1], n + 300) for n, name in enumerate(chosen)}
    value = encode({**PLAIN, "source": source, "output_fields": fields})

    found = MAPPINGS[kind].map(value, 0)

    assert isinstance(found, Finding)
    text = found.rule + found.scene + found.body + found.unmapped
    for name, item in fields.items():
        assert any(trace in text for trace in traces(name, item)), (name, item)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@many
@given(alert=alerts())
def test_the_answer_does_not_depend_on_what_came_before(
    kind: tuple[str, str], alert: dict[str, Any]
) -> None:
    fresh = Mapping(Options(event_class=kind[0], ocsf_version=kind[1]))

    assert MAPPINGS[kind].map(encode(alert), 5) == fresh.map(encode(alert), 5)


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
    ]

    versions = [Mapping(Options(**change)).version for change in changes * 2]

    assert len(set(versions)) == len(changes)
    assert versions[: len(changes)] == versions[len(changes) :]
    assert all(len(each) <= 60 and each.isascii() and " " not in each for each in versions)


def test_the_deployments_own_words_are_in_the_metadata() -> None:
    mapping = Mapping(Options(product_version="0.42.0", tenant_uid="acme"))

    metadata = mapping.finding(encode({**PLAIN, "tags": ["a"]}), 5)["metadata"]

    assert metadata["product"]["version"] == "0.42.0"
    assert metadata["tenant_uid"] == "acme"
    assert metadata["labels"] == ["a"]
    assert metadata["logged_time"] == metadata["processed_time"] == 5


@pytest.mark.parametrize(
    ("priority", "severity", "severity_id"),
    [
        ("Emergency", "Fatal", 6),
        ("ALERT", "Fatal", 6),
        ("Critical", "Critical", 5),
        ("Error", "High", 4),
        ("warning", "Medium", 3),
        ("Notice", "Low", 2),
        ("Informational", "Informational", 1),
        ("Info", "Informational", 1),
        ("Debug", "Informational", 1),
        ("Sometime", "Unknown", 0),
    ],
)
def test_the_priority_gives_the_severity(priority: str, severity: str, severity_id: int) -> None:
    finding = MAPPINGS[KINDS[1]].finding(encode({**PLAIN, "priority": priority}), 0)

    assert (finding["severity"], finding["severity_id"]) == (severity, severity_id)
    assert finding["metadata"]["log_level"] == priority
    assert finding["is_alert"] == (severity_id >= 2)


@pytest.mark.parametrize(
    ("tags", "confidence", "types"),
    [
        (["maturity_stable", "host", "T1059", "mitre_execution"], "High", ["host"]),
        (["maturity_incubating"], "Medium", ["syscall"]),
        (["maturity_sandbox", "mitre_data_destruction"], "Low", ["mitre_data_destruction"]),
        (["maturity_deprecated", "PCI_DSS_10.2.5"], "Low", ["PCI_DSS_10.2.5"]),
        ([], None, ["syscall"]),
    ],
)
def test_tags_give_confidence_and_types(
    tags: list[str], confidence: str | None, types: list[str]
) -> None:
    finding = MAPPINGS[KINDS[0]].finding(encode({**PLAIN, "tags": tags}), 0)

    assert finding.get("confidence") == confidence
    assert finding["finding_info"]["types"] == types
    assert finding["metadata"].get("labels", []) == tags


def test_ocsf_1_8_says_how_large_the_alert_was_and_that_falcosidekick_cut_it() -> None:
    whole = encode({**PLAIN, "output": "ż"})
    cut = encode({**PLAIN, "output": "ż[...]", "uuid": "u-1"})
    mapping = MAPPINGS[KINDS[1]]

    assert mapping.finding(whole, 0)["raw_data_size"] == len(whole)
    assert "is_truncated" not in mapping.finding(whole, 0)["metadata"]
    assert mapping.finding(cut, 0)["metadata"]["is_truncated"] is True
    assert mapping.finding(cut, 0)["metadata"]["original_event_uid"] == "u-1"
    assert mapping.finding(cut, 0)["finding_info"]["uid"] == "u-1"


@pytest.mark.parametrize(
    "place",
    [
        *("fd.name", "container.name", "k8s.pod.name", "user.name", "proc.exepath"),
        *("name of a field", "rule", "tags", "priority", "source", "hostname"),
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
            alert = {**PLAIN, "output_fields": fields}
            if place in PLAIN or place in ("tags", "hostname"):
                alert[place] = [text] if place == "tags" else text
            else:
                alert["output_fields"] = {**fields, (text if " " in place else place): text}
            mapping.map(json.dumps(alert, ensure_ascii=False).encode(), 0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 90_000_000
