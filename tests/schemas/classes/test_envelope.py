"""What every class has around its evidence."""

from __future__ import annotations

import pytest

from schemas.mapping import Mapping, Options
from tests.alerts import PLAIN, native
from tests.schemas.kinds import MAPPINGS, MIDDLE, NEW, OLD, each_kind, finding_of


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
    finding = finding_of(NEW, native({**PLAIN, "priority": priority}), 0)

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
    finding = finding_of(OLD, native({**PLAIN, "tags": tags}), 0)

    assert finding.get("confidence") == confidence
    assert finding["finding_info"]["types"] == types
    assert finding["metadata"].get("labels", []) == tags


def test_the_settings_are_in_the_metadata() -> None:
    mapping = Mapping(Options(product_version="0.42.0", tenant_uid="acme"))

    metadata = finding_of(mapping, native({**PLAIN, "tags": ["a"]}), 5)["metadata"]

    assert metadata["product"]["version"] == "0.42.0"
    assert metadata["tenant_uid"] == "acme"
    assert metadata["labels"] == ["a"]
    assert metadata["logged_time"] == metadata["processed_time"] == 5


def test_ocsf_1_8_says_how_large_the_alert_was_and_that_falcosidekick_cut_it() -> None:
    whole = native({**PLAIN, "output": "ż"})
    cut = native({**PLAIN, "output": "ż[...]", "uuid": "u-1"})
    mapping = NEW

    assert finding_of(mapping, whole, 0)["raw_data_size"] == len(whole)
    assert "is_truncated" not in finding_of(mapping, whole, 0)["metadata"]
    assert finding_of(mapping, cut, 0)["metadata"]["is_truncated"] is True
    assert finding_of(mapping, cut, 0)["metadata"]["original_event_uid"] == "u-1"
    assert finding_of(mapping, cut, 0)["finding_info"]["uid"] == "u-1"


@pytest.mark.parametrize(
    ("name", "tags", "fragment"),
    [
        ("Terminal shell in container", ["maturity_stable"], "Terminal%20shell%20in%20container"),
        ("Launch ingress-tool (ż)", ["maturity_sandbox"], "Launch%20ingress%2Dtool%20%28%C5%BC%29"),
        ("A rule of one's own", ["T1059"], None),
        ("x" * 201, ["maturity_stable"], None),
    ],
)
@each_kind
def test_a_rule_of_falcos_has_its_page(
    kind: tuple[str, str], name: str, tags: list[str], fragment: str | None
) -> None:
    finding = finding_of(MAPPINGS[kind], native({**PLAIN, "rule": name, "tags": tags}))
    info = finding.get("finding_info") or finding["finding"]

    page = f"https://falcosecurity.github.io/rules/#:~:text={fragment}"
    assert info.get("src_url") == (fragment and page)


@pytest.mark.parametrize("mapping", [OLD, MIDDLE, NEW], ids=["1.1.0", "1.3.0", "1.8.0"])
def test_an_extension_is_named_if_its_profile_is(mapping: Mapping) -> None:
    alert = {**PLAIN, "source": "syscall", "output_fields": {"group.name": "root"}}
    named = finding_of(mapping, native(alert))["metadata"]
    other = finding_of(mapping, native(PLAIN))["metadata"]

    assert "linux/linux_users" in named["profiles"]
    assert named["extensions"] == [{"name": "linux", "uid": "1", "version": named["version"]}]
    assert "extensions" not in other
