"""Every panel and rule queries metrics and labels that a worker has; no panels overlap."""

import json
import re
from collections.abc import Iterator
from typing import Any

from streams.worker.metrics import Metrics
from tests.compose.files import ALERTS, COMPOSE, DASHBOARD, read

DASHBOARD_JSON = json.loads(DASHBOARD.read_text())
#: What Prometheus itself puts on every series.
OF_PROMETHEUS = {"job", "instance", "le"}
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


def known() -> dict[str, set[str]]:
    """Return the names of a worker's series, with their labels."""
    registry = Metrics().registry
    found: dict[str, set[str]] = {}
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
        labels = set.union(*(KNOWN[name] for name in names)) | OF_PROMETHEUS
        for asked in re.findall(r"\bby \(([^)]*)\)", text):
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


def test_every_alert_has_a_panel_that_shows_its_metric() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    for group in read(ALERTS)["groups"]:
        for rule in group["rules"]:
            for name in re.findall(r"falcolake_[a-z_]+", rule["expr"]):
                assert name in shown, (rule["alert"], name)


def test_every_metric_has_a_panel() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    families = {family.name for family in Metrics().registry.collect()}
    hidden = {name for name in families if name.startswith("falcolake_") and name not in shown}
    assert hidden == {
        # Others cover these: lag shows offsets and last commit, bytes written the size of values.
        *("falcolake_committed_offset", "falcolake_staged_offset", "falcolake_end_offset"),
        *("falcolake_start_offset", "falcolake_retention_spare_records"),
        *("falcolake_staging_records", "falcolake_staged_bytes"),
        "falcolake_last_shipped_timestamp_seconds",
        *("falcolake_control_messages", "falcolake_build_info"),
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


def test_the_dashboard_asks_the_source_that_is_provisioned() -> None:
    provisioning = COMPOSE / "grafana" / "provisioning"
    (source,) = read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    asked = {each["datasource"]["uid"] for panel in panels() for each in [panel, *panel["targets"]]}
    assert asked == {source["uid"]}
    (provider,) = read(provisioning / "dashboards" / "falcolake.yaml")["providers"]
    grafana = read(COMPOSE / "compose.yaml")["services"]["grafana"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"
