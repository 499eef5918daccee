"""Panels and rules query metrics and labels that exist, by deployment; no panels overlap."""

import json
import re
from collections.abc import Iterator
from typing import Any

from streams.receive import metrics as receive
from streams.registry import deployment
from streams.settings.sections import KafkaSettings
from streams.worker.metrics import Metrics
from tests.compose.files import ALERTS, COMPOSE, DASHBOARD, OF_THE_CHART, read

DASHBOARD_JSON = json.loads(DASHBOARD.read_text())
#: What every series has: from Prometheus itself, its operator, and falcolake.
OF_ALL = {"job", "instance", "le", "cluster", "namespace", "pod", *deployment(KafkaSettings())}
#: What chooses the series of a panel.
CHOSEN = '{job="falcolake", namespace=~"$namespace", topic=~"$topic", group=~"$group"'
REGISTRIES = (Metrics().registry, receive.Metrics().registry)
#: prometheus_client's own on Linux; it names them only when asked for their values.
OF_THE_PROCESS = ("process_cpu_seconds_total", "process_resident_memory_bytes")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD_JSON["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the name and expression of every panel and rule."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for group in read(ALERTS)["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def filled(expression: str) -> str:
    """Return an expression as Grafana asks it when everything is chosen."""
    return re.sub(r"\$(?:namespace|topic|group)\b", ".*", expression).replace(
        "$__rate_interval", "1m"
    )


def known() -> dict[str, set[str]]:
    """Return the names of a worker's and a receiver's series, with their labels."""
    found: dict[str, set[str]] = {}
    for registry in REGISTRIES:
        for collector, names in registry._collector_to_names.items():
            labels = set(getattr(collector, "_labelnames", ()))
            found.update(dict.fromkeys(names, labels))
    return found | {name: set() for name in OF_THE_PROCESS}


KNOWN = known()


def test_every_series_that_is_asked_for_exists() -> None:
    asked = {
        (who, name)
        for who, text in expressions()
        for name in re.findall(r"\b(?:falcolake|process)_[a-z_]+", text)
    }
    assert len({who for who, _ in asked}) == len(panels()) + 10
    assert {pair for pair in asked if pair[1] not in KNOWN} == set()


def test_every_label_that_is_asked_for_exists() -> None:
    for who, text in expressions():
        names = re.findall(r"\b(?:falcolake|process)_[a-z_]+", text)
        labels = set.union(*(KNOWN[name] for name in names)) | OF_ALL
        for asked in re.findall(r"\b(?:by|on) \(([^)]*)\)", text):
            assert set(asked.split(", ")) <= labels, (who, asked)


def test_a_legend_names_labels_that_its_expression_leaves() -> None:
    for panel in panels():
        for target in panel["targets"]:
            (left,) = re.findall(r"\bby \(([^)]*)\)", target["expr"])[:1] or [""]
            without = "sum(" not in target["expr"] and not left
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in left.split(", ") or (without and label == "instance"), panel[
                    "title"
                ]


def test_every_expression_asks_for_falcolakes_job_alone() -> None:
    for who, text in expressions():
        series = re.findall(r"\b(?:falcolake|process)_[a-z_]+", text)
        assert len(re.findall(r'{job="falcolake"[,}]', text)) == len(series), who


def test_every_panel_shows_the_chosen_deployments_alone() -> None:
    for panel in panels():
        for target in panel["targets"]:
            series = re.findall(r"\b(?:falcolake|process)_[a-z_]+", target["expr"])
            assert target["expr"].count(CHOSEN) == len(series), panel["title"]


def test_the_dashboard_lets_choose_source_namespace_topic_and_group() -> None:
    source, *chosen = DASHBOARD_JSON["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert [each["name"] for each in chosen] == ["namespace", "topic", "group"]
    for each in chosen:
        series, label = re.fullmatch(
            r'label_values\((\w+){job="falcolake"[^}]*}, (\w+)\)', each["definition"]
        ).groups()
        assert (series in KNOWN, label) == (True, each["name"])
        assert each["query"]["query"] == each["definition"]
        # Without Kubernetes no series has a namespace: "All" must not ask for one.
        assert (each["includeAll"], each["allValue"]) == (True, ".*")


def test_every_rule_is_grouped_by_deployment() -> None:
    """So is the division of one rule; absence is what is left when no deployment is known."""
    for group in read(ALERTS)["groups"]:
        for rule in group["rules"]:
            known = rule["expr"].partition("or absent(")[0]
            grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", known)
            assert grouped, rule["alert"]
            assert all(by.startswith("cluster, namespace, topic, group") for by in grouped)
            assert re.findall(r"\b(?:sum|min|max|count|scalar)\s*\(", known) == [], rule["alert"]


def test_every_alert_has_a_panel_that_shows_its_metric() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    for group in read(ALERTS)["groups"]:
        for rule in group["rules"]:
            for name in re.findall(r"falcolake_[a-z_]+", rule["expr"]):
                assert name in shown, (rule["alert"], name)


def test_every_metric_has_a_panel() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    families = {family.name for registry in REGISTRIES for family in registry.collect()}
    hidden = {name for name in families if name.startswith("falcolake_") and name not in shown}
    assert hidden == {
        # Others cover these: lag shows offsets and last commit, bytes written the size of values.
        *("falcolake_committed_offset", "falcolake_staged_offset", "falcolake_end_offset"),
        *("falcolake_start_offset", "falcolake_retention_spare_records"),
        *("falcolake_staging_records", "falcolake_staged_bytes"),
        "falcolake_last_shipped_timestamp_seconds",
        *("falcolake_control_messages", "falcolake_build_info", "falcolake_receive_bytes"),
        "falcolake_staged_filtered",  # only there where alerts are dropped
    }


def test_every_panel_says_what_it_shows() -> None:
    for panel in DASHBOARD_JSON["panels"]:
        assert panel["title"]
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD_JSON["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD_JSON["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_chart_has_these_rules_and_this_dashboard() -> None:
    """If this fails, run `make docs` and commit what it wrote."""
    for file in (ALERTS, DASHBOARD):
        copy = OF_THE_CHART / file.name
        assert not copy.is_symlink()
        assert copy.read_bytes() == file.read_bytes()
    assert len(list(OF_THE_CHART.iterdir())) == 2


def test_the_dashboard_asks_the_source_that_was_chosen_and_is_provisioned() -> None:
    provisioning = COMPOSE / "grafana" / "provisioning"
    (source,) = read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    variables = DASHBOARD_JSON["templating"]["list"]
    asked = {each["datasource"]["uid"] for panel in panels() for each in [panel, *panel["targets"]]}
    asked |= {each["datasource"]["uid"] for each in variables if "datasource" in each}
    assert asked == {"${datasource}"}
    assert (source["type"], source["isDefault"]) == (variables[0]["query"], True)
    (provider,) = read(provisioning / "dashboards" / "falcolake.yaml")["providers"]
    grafana = read(COMPOSE / "compose.yaml")["services"]["grafana"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"
