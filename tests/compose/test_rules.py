"""promtool checks the rules: their syntax, their tests, and whether the tests can fail."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.compose.engine import EngineError, run
from tests.compose.files import ALERTS, COMPOSE, read
from tests.compose.test_dashboard import expressions
from tests.compose.tools import tool

pytestmark = pytest.mark.tools

TESTS = Path(__file__).with_name("alerts.test.yaml")
RULES = [rule["alert"] for group in read(ALERTS)["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    return run([tool("promtool"), *arguments])


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    answer = promtool("check", "config", str(COMPOSE / "prometheus" / "prometheus.yaml"))
    assert f"{len(RULES)} rules found" in answer


def test_every_rule_fires_when_it_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(TESTS))


@pytest.mark.parametrize("never", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_the_tests_notice_a_rule_that_never_or_always_fires(
    name: str, never: bool, tmp_path: Path
) -> None:
    rules = read(ALERTS)
    for rule in rules["groups"][0]["rules"]:
        if rule["alert"] == name:
            rule["expr"] = "vector(1) == 0" if never else "vector(1) == 1"
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    tests = read(TESTS) | {"rule_files": ["rules.yaml"]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(tests))
    with pytest.raises(EngineError, match=f"alertname: ?{name}"):
        promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_every_panel_is_promql(tmp_path: Path) -> None:
    """As a recording rule, which promtool parses; Grafana fills in the interval."""
    asked = [text.replace("$__rate_interval", "1m") for _, text in expressions()]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(asked)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


def test_the_chart_has_these_rules_and_no_others(tmp_path: Path) -> None:
    chart = COMPOSE / "helm" / "falcolake"
    packed = shutil.copytree(chart, tmp_path / "chart")  # follows the link, as helm package does
    assert (packed / "files" / "alerts.yaml").read_bytes() == ALERTS.read_bytes()
