"""Findings counted by severity and rule, rejects by reason, in bounded memory."""

from collections import Counter

import pytest

from schemas.mapping import Mapping, Options
from schemas.sources.dropping import Drop
from streams.windows.batch import Rejected, Rows
from streams.worker.tally import (
    MOST_FILTERED,
    MOST_REASONS,
    OTHER,
    SEVERITIES,
    Tallier,
    most,
    reason_name,
)
from tests.streams.falco_records import alert, rows

WORST = {
    "Emergency": "Fatal",
    "Alert": "Fatal",
    "Critical": "Critical",
    "Error": "High",
    "Warning": "Medium",
    "Notice": "Low",
    "Informational": "Informational",
    "Debug": "Informational",
}


@pytest.mark.parametrize("event_class", ["detection_finding", "security_finding"])
def test_findings_are_counted_by_severity_and_rule_in_both_classes(event_class: str) -> None:
    priorities = list(WORST)

    def one(number: int) -> bytes:
        return alert(number, rule=f"Rule {number % 2}", priority=priorities[number % 8])

    found = Tallier().count(rows(0, 0, 80, one, Mapping(Options(event_class=event_class))))
    expected = Counter(dict.fromkeys(SEVERITIES, 0))
    for severity in WORST.values():
        expected[severity] += 10
    assert found.severities == +expected
    assert found.rules == {"Rule 0": 40, "Rule 1": 40}
    assert not found.reasons


def test_rejects_are_counted_by_reason_without_the_details_of_one_record() -> None:
    refused = Rows(0, 0, 3)
    for number, reason in enumerate(
        [
            "The value is not JSON.",
            "The mapping failed; please report it: 'x'",
            "The value is not JSON.",
        ]
    ):
        refused.rejects.append(Rejected(number, 0, None, b"", reason))
    assert Tallier().count(refused).reasons == {
        "The value is not JSON": 2,
        "The mapping failed; please report it": 1,
    }


def test_what_is_filtered_is_counted_by_what_filters_it_and_by_rule() -> None:
    options = Options(minimum_priority="error", drop=(Drop(rule=("Rule 1", "Rule 2")),))

    def one(number: int) -> bytes:
        return alert(number, rule=f"Rule {number % 4}", priority="Debug" if number < 4 else "Error")

    found = rows(0, 0, 80, one, Mapping(options))
    assert found.filtered == 42
    assert Tallier().count(found).filtered == {
        **{("minimum_priority", f"Rule {number}"): 1 for number in range(4)},
        **{("rule=Rule 1|Rule 2", f"Rule {number}"): 19 for number in (1, 2)},
    }


def test_rules_of_what_is_filtered_are_bounded_whatever_comes() -> None:
    mapping = Mapping(Options(drop=(Drop(source=("*",)),)))
    tallier, names = Tallier(), set[str]()
    for start in range(0, 3 * MOST_FILTERED, 50):
        found = rows(0, start, start + 50, lambda n: alert(n, rule=f"{n}" * 300), mapping)
        tally = tallier.count(found)
        assert tally.filtered.total() == 50
        names |= {each.rule for each in tally.filtered}
    assert len(names) == MOST_FILTERED + 1
    assert OTHER in names
    assert all(len(name) <= 200 for name in names)


def test_reasons_are_bounded_whatever_comes() -> None:
    tallier, names = Tallier(), set[str]()
    for number in range(5 * MOST_REASONS):
        one = Rows(0, 0, 1)
        one.rejects.append(Rejected(0, 0, None, b"", f"Reason {number}."))
        names |= tallier.count(one).reasons.keys()
    assert len(names) == MOST_REASONS + 1
    assert OTHER in names


def test_the_largest_come_first_and_equal_ones_by_name() -> None:
    assert most(Counter(b=2, a=2, c=5, d=1), 3) == [("c", 5), ("a", 2), ("b", 2)]
    assert reason_name("The alert has no rule.") == "The alert has no rule"
