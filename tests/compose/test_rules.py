"""promtool checks the rules: their syntax, their tests, and whether the tests can fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.engine import EngineError, run
from tests.compose.files import ALERTS, COMPOSE, read
from tests.compose.test_dashboard import expressions, filled
from tests.compose.tools import tool

pytestmark = pytest.mark.tools

TESTS = Path(__file__).with_name("alerts.test.yaml")
REMOVED = Path(__file__).with_name("removed.test.yaml")
RULES = [rule["alert"] for group in read(ALERTS)["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    return run([tool("promtool"), *arguments])


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    answer = promtool("check", "config", str(COMPOSE / "prometheus" / "prometheus.yaml"))
    assert f"{len(RULES)} rules found" in answer


def test_every_rule_fires_when_it_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(TESTS), str(REMOVED))


def run_tests(folder: Path, tests: list[dict[str, Any]], rules: dict[str, Any]) -> str:
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    whole = read(TESTS) | {"rule_files": ["rules.yaml"], "tests": tests}
    (folder / "test.yaml").write_text(yaml.safe_dump(whole))
    return promtool("test", "rules", str(folder / "test.yaml"))


def staging(part: Any) -> Any:
    """Return a part of a test for another deployment."""
    return yaml.safe_load(yaml.safe_dump(part).replace("prod", "staging"))


def test_every_rule_is_about_one_deployment(tmp_path: Path) -> None:
    """Each test again: next to a healthy deployment, and with the same trouble in two."""
    tests = read(TESTS)["tests"]
    healthy = tests[0]["input_series"]
    assert {each["alertname"] for each in tests[0]["alert_rule_test"]} == set(RULES)
    again = []
    for test in tests:
        if not test["input_series"]:
            continue
        series = test["input_series"]
        beside = test | {
            "name": f"{test['name']}, next to a healthy deployment",
            "input_series": series + staging(healthy),
        }
        both = test | {
            "name": f"{test['name']}, in two deployments",
            "input_series": series + staging(series),
            "alert_rule_test": [
                each
                | {"exp_alerts": each.get("exp_alerts", []) + staging(each.get("exp_alerts", []))}
                for each in test["alert_rule_test"]
            ],
        }
        again += [beside, both]
    assert "SUCCESS" in run_tests(tmp_path, again, read(ALERTS))


DEPLOYMENT = "cluster, namespace, topic, group"
BROKEN: dict[str, Callable[[str], str]] = {
    "never fires": lambda _: "vector(1) == 0",
    "always fires": lambda _: "vector(1) == 1",
    "mixes topics": lambda expr: expr.replace(DEPLOYMENT, "cluster, namespace, group"),
    "mixes groups": lambda expr: expr.replace(DEPLOYMENT, "cluster, namespace, topic"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("name", RULES)
def test_the_tests_notice_a_rule_that_never_or_always_fires_or_mixes_deployments(
    name: str, how: str, tmp_path: Path
) -> None:
    rules = read(ALERTS)
    for rule in rules["groups"][0]["rules"]:
        if rule["alert"] == name:
            rule["expr"] = BROKEN[how](rule["expr"])
    assert rules != read(ALERTS)
    tests = [
        test
        for test in read(TESTS)["tests"]
        if any(name == each["alertname"] for each in test["alert_rule_test"])
    ]
    with pytest.raises(EngineError, match=f"alertname: ?{name}"):
        run_tests(tmp_path, tests, rules)


def test_every_panel_is_promql(tmp_path: Path) -> None:
    """As a recording rule, which promtool parses."""
    asked = [filled(text) for _, text in expressions()]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(asked)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))
