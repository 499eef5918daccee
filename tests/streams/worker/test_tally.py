"""Findings counted by severity and rule, rejects by reason, in bounded memory."""

from collections import Counter

import pytest

from schemas.mapping import Mapping, Options
from streams.windows.batch import Rejected, Rows
from streams.worker.tally import MOST_REASONS, OTHER, SEVERITIES, Tallier, most, reason_name
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
