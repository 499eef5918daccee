"""Tags name tactics and techniques; what ATT&CK does not know keeps its id."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.ocsf.attack import MOST_TAGS, attacks, tactics, techniques


def short(tags: list[str]) -> list[dict[str, Any]]:
    return [
        {key: value["uid"] for key, value in attack.items() if key != "version"}
        for attack in attacks(tags)
    ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], []),
        (["container", "mitre_data_destruction", "T10", "t1059", "T1059x"], []),
        (["T1059"], [{"technique": "T1059"}]),
        (["mitre_execution"], [{"tactic": "TA0002"}]),
        (["TA0011"], [{"tactic": "TA0011"}]),
        (["TA0005-defense-evasion"], [{"tactic": "TA0005"}]),
        (["T1059", "mitre_execution"], [{"tactic": "TA0002", "technique": "T1059"}]),
        (["mitre_execution", "T1059"], [{"tactic": "TA0002", "technique": "T1059"}]),
        (
            ["T1059.004", "T1059", "mitre_execution"],
            [{"tactic": "TA0002", "technique": "T1059", "sub_technique": "T1059.004"}],
        ),
        (["T1562-impair-defenses"], [{"technique": "T1562"}]),
        (
            ["T1548", "mitre_privilege_escalation", "mitre_defense_evasion"],
            [
                {"tactic": "TA0004", "technique": "T1548"},
                {"tactic": "TA0005", "technique": "T1548"},
            ],
        ),
        (
            ["T1059", "mitre_execution", "mitre_impact"],
            [{"tactic": "TA0002", "technique": "T1059"}, {"tactic": "TA0040"}],
        ),
        (["T9999", "TA9999"], [{"technique": "T9999"}, {"tactic": "TA9999"}]),
        (["T1059.999"], [{"technique": "T1059", "sub_technique": "T1059.999"}]),
    ],
)
def test_tags_name_attacks(tags: list[str], expected: list[dict[str, str]]) -> None:
    assert short(tags) == expected


def test_a_rule_with_thousands_of_tags_has_the_attacks_of_the_first_thousand() -> None:
    tags = ["TA0002", "T1059", "TA0001"] + [f"T{n:04d}" for n in range(5000, 9000)]
    found = attacks(tags)
    assert [each.get("technique", {}).get("uid") for each in found][:2] == ["T1059", "T5000"]
    assert found[0]["tactic"]["uid"] == "TA0002"
    assert found[-1]["tactic"]["uid"] == "TA0001"
    assert len(found) == MOST_TAGS - 1


def test_names_and_pages_are_attacks_own() -> None:
    (attack,) = attacks(["T1059.004", "mitre_execution"])

    assert attack == {
        "version": "18.1",
        "tactic": {
            "uid": "TA0002",
            "name": "Execution",
            "src_url": "https://attack.mitre.org/tactics/TA0002/",
        },
        "technique": {
            "uid": "T1059",
            "name": "Command and Scripting Interpreter",
            "src_url": "https://attack.mitre.org/techniques/T1059/",
        },
        "sub_technique": {
            "uid": "T1059.004",
            "name": "Unix Shell",
            "src_url": "https://attack.mitre.org/techniques/T1059/004/",
        },
    }


def test_the_table_is_complete() -> None:
    assert len(tactics()) == 14
    assert len(techniques()) == 835
    assert techniques()["T1055.013"].name == "Process Doppelgänging"
    assert techniques()["T1548"].tactics == ("TA0004", "TA0005")
    assert all(each.name and each.tactics for each in techniques().values())
    assert {tactic for each in techniques().values() for tactic in each.tactics} == set(tactics())
