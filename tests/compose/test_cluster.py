"""The chart on a real Kubernetes API server: helm installs, upgrades, rolls back and removes it.

Every namespace enforces the Pod Security standard "restricted". Objects are admitted, defaulted and
validated by the API server, with the resource definitions of the Prometheus operator and of KEDA;
controllers make the pods, the scheduler places them.
"""

import contextlib
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.chart import CHART, MINIMUM, manifest, merged, render
from tests.compose.cluster import MERGE, Cluster, RefusedError
from tests.compose.engine import EngineError
from tests.compose.nodes import NODES, Nodes
from tests.compose.test_chart import CASES, EVERYTHING, RECEIVE, SCALED, TLS
from tests.compose.tools import CRDS
from tests.waiting import wait_until

pytestmark = pytest.mark.kube

NAME = "lake-falcolake"
WAIT = ("--wait", "--timeout", "3m")
ALL: dict[str, Any] = merged(EVERYTHING, {"receive": {"enabled": True}})
VOLUMES: dict[str, Any] = {"persistence": {"enabled": True}}
MORE = {"everything, and receivers": merged(merged(ALL, RECEIVE), TLS)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> Iterator[Nodes]:
    with Nodes(cluster) as registered:
        yield registered


class Release:
    """A release of the chart in a namespace of its own."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._folder = folder
        restrict(cluster, namespace)

    def install(self, values: dict[str, Any], chart: Path = CHART) -> None:
        self.helm("install", str(chart), "--values", self._file(values), *WAIT)

    def upgrade(self, values: dict[str, Any]) -> None:
        self.helm("upgrade", str(CHART), "--values", self._file(values), *WAIT)

    def helm(self, verb: str, *arguments: str) -> str:
        return self.cluster.helm(verb, "lake", *arguments, "--namespace", self.namespace)

    def items(self, resource: str, group: str = "/api/v1") -> list[dict[str, Any]]:
        return self.cluster.items(f"{group}/namespaces/{self.namespace}/{resource}")

    def names(self, resource: str, group: str = "/api/v1") -> set[str]:
        return {each["metadata"]["name"] for each in self.items(resource, group)}

    def workers(self) -> list[dict[str, Any]]:
        """Return the pods of workers."""
        label = "app.kubernetes.io%2Fname%3Dfalcolake"
        return self.items(f"pods?labelSelector={label}")

    def stateful_set(self) -> dict[str, Any]:
        return self.cluster.get(f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{NAME}")

    def _file(self, values: dict[str, Any]) -> str:
        file = self._folder / "values.json"
        file.write_text(json.dumps(merged(MINIMUM, values)))
        return str(file)


def restrict(cluster: Cluster, name: str) -> None:
    """Create a namespace that enforces "restricted", and wait for what controllers put into it."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    wait_until(
        lambda: all(
            cluster.items(f"/api/v1/namespaces/{name}/{kind}")
            for kind in ("serviceaccounts", "configmaps")
        ),
        message=f"{name} has an account and a certificate",
    )


_numbers = itertools.count(1)


@pytest.fixture
def release(cluster: Cluster, nodes: Nodes, tmp_path: Path) -> Iterator[Release]:
    """A release that is not installed yet. In the end it is removed, and leaves nothing behind."""
    made = Release(cluster, f"falco-{next(_numbers)}", tmp_path)
    before = cluster.everything()
    yield made
    made.helm("uninstall", "--ignore-not-found", *WAIT)

    def left() -> set[str]:
        return cluster.everything() - before

    with contextlib.suppress(pytest.fail.Exception):
        wait_until(lambda: not left())
    assert left() == set()


@pytest.mark.parametrize("case", CASES | MORE)
def test_the_server_admits_every_object_and_knows_all_of_its_fields(
    case: str, cluster: Cluster, tmp_path: Path
) -> None:
    """With the pods of templates, which Pod Security looks at only when they are created."""
    name = f"strict-{next(_numbers)}"
    restrict(cluster, name)
    for each in filter(None, yaml.safe_load_all(manifest(tmp_path, (CASES | MORE)[case]))):
        each["metadata"]["namespace"] = name
        if each["kind"] == "Pod":
            del each["spec"]["serviceAccountName"]  # nothing is created, so it is not there
        made = cluster.try_to_create(each, name)
        assert made["metadata"]["name"] == each["metadata"]["name"]
        if each["kind"] in {"StatefulSet", "Deployment"}:
            cluster.try_to_create(pod_of(each), name)


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    """Return a pod as a controller would make it, but for its account and its claims."""
    template = workload["spec"]["template"]
    claims = workload["spec"].get("volumeClaimTemplates", [])
    volumes = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims]
    inside = template["spec"] | {"volumes": template["spec"]["volumes"] + volumes}
    del inside["serviceAccountName"]
    metadata = template["metadata"] | {"name": f"{workload['metadata']['name']}-0"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": inside}


def test_the_server_refuses_a_field_that_nobody_knows_and_a_pod_that_is_root(
    release: Release, tmp_path: Path
) -> None:
    """What the other tests rely on."""
    release.install({})
    objects = list(
        yaml.safe_load_all(
            manifest(tmp_path, merged(SCALED, {"serviceMonitor": {"enabled": True}}))
        )
    )
    kinds = {each["kind"]: each for each in objects if each}
    for kind in ("StatefulSet", "ScaledObject", "ServiceMonitor"):
        kinds[kind]["metadata"] = {"name": "wrong", "namespace": release.namespace}
        kinds[kind]["spec"]["misspelt"] = True
        with pytest.raises(RefusedError, match="misspelt"):
            release.cluster.try_to_create(kinds[kind], release.namespace)
    pod = kinds["Pod"]
    pod["metadata"]["namespace"] = release.namespace
    pod["spec"]["containers"][0]["securityContext"] = {"runAsUser": 0}
    with pytest.raises(RefusedError, match="violates PodSecurity"):
        release.cluster.try_to_create(pod, release.namespace)


def test_the_defaults_run_and_the_doctor_is_admitted(release: Release) -> None:
    release.install({})
    assert release.stateful_set()["status"]["readyReplicas"] == 2
    assert not release.names("persistentvolumeclaims")
    assert "Succeeded" in release.helm("test", "--timeout", "2m")
    # Helm leaves the pod for its log.
    release.cluster.ask("DELETE", f"/api/v1/namespaces/{release.namespace}/pods/{NAME}-doctor")


def test_a_drain_of_nodes_takes_one_worker_at_a_time(release: Release) -> None:
    release.install({"replicaCount": 3})
    budget = f"/apis/policy/v1/namespaces/{release.namespace}/poddisruptionbudgets/{NAME}"

    def allowed() -> int:
        found: int = release.cluster.get(budget)["status"].get("disruptionsAllowed", 0)
        return found

    wait_until(lambda: allowed() == 1, message="one worker may be evicted")
    first, second, _ = release.workers()
    with_these = {"gracePeriodSeconds": 60}
    evict(release, first, with_these)
    with pytest.raises(RefusedError, match="disruption budget"):
        evict(release, second, with_these)
    wait_until(lambda: allowed() == 1, message="the evicted worker is back")


def evict(release: Release, pod: dict[str, Any], options: dict[str, Any]) -> None:
    name = pod["metadata"]["name"]
    path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
    body = {"metadata": {"name": name}, "deleteOptions": options}
    release.cluster.ask("POST", path, {"apiVersion": "policy/v1", "kind": "Eviction", **body})


def placed(release: Release) -> list[str]:
    return sorted(each["spec"]["nodeName"] for each in release.workers())


def test_workers_and_receivers_spread_over_zones(release: Release) -> None:
    release.install({"replicaCount": 3, "receive": {"enabled": True, "replicaCount": 3}})
    assert placed(release) == list(NODES)
    receivers = [pod for pod in release.items("pods") if pod not in release.workers()]
    assert sorted(each["spec"]["nodeName"] for each in receivers) == list(NODES)


def test_one_node_is_enough_for_all(release: Release, nodes: Nodes) -> None:
    nodes.close(NODES[1:])
    try:
        release.install({"replicaCount": 3})
        assert placed(release) == [NODES[0]] * 3
    finally:
        nodes.close(NODES[1:], closed=False)


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """The chart as the version before this one."""
    folder = tmp_path / "falcolake"
    shutil.copytree(CHART, folder)
    file = folder / "Chart.yaml"
    described = yaml.safe_load(file.read_text()) | {"version": "0.0.9", "appVersion": "0.0.9"}
    file.write_text(yaml.safe_dump(described))
    return folder


def images(release: Release) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in release.items("pods")}


def test_an_upgrade_and_a_rollback_replace_every_pod(release: Release, former: Path) -> None:
    """From the same chart with an earlier version and fewer values: no release is tagged yet."""
    release.install(merged(VOLUMES, {"receive": {"enabled": True}}), former)
    assert images(release) == {"falcolake:0.0.9"}
    kept = release.names("persistentvolumeclaims")
    release.upgrade(
        merged(ALL, {"autoscaling": {"enabled": False}, "persistence": {"storageClass": ""}})
    )
    now = images(release)
    assert len(now) == 1
    assert "0.0.9" not in now.pop()
    assert "networkpolicies" in kinds(release)
    assert release.names("persistentvolumeclaims") == kept
    release.helm("rollback", "1", *WAIT)
    assert images(release) == {"falcolake:0.0.9"}
    assert "networkpolicies" not in kinds(release)


def kinds(release: Release) -> set[str]:
    """Return the kinds of resources that are in a release's namespace."""
    paths = (each.split("/") for each in release.cluster.everything())
    return {kind for kind, namespace, _ in paths if namespace == release.namespace}


def test_everything_on_is_installed_and_keda_takes_over_from_the_autoscaler(
    release: Release,
) -> None:
    release.install(ALL)
    assert kinds(release) >= {
        *("statefulsets", "deployments", "networkpolicies", "configmaps"),
        *("horizontalpodautoscalers", "servicemonitors", "prometheusrules"),
    }
    path = f"/apis/autoscaling/v2/namespaces/{release.namespace}/horizontalpodautoscalers/{NAME}"

    def found_its_workers() -> bool:
        conditions = release.cluster.get(path).get("status", {}).get("conditions", [])
        return any((each["type"], each["status"]) == ("AbleToScale", "True") for each in conditions)

    wait_until(found_its_workers, message="the autoscaler finds its StatefulSet")
    release.upgrade(merged(merged(ALL, {"autoscaling": {"enabled": False}}), SCALED))
    assert "horizontalpodautoscalers" not in kinds(release)
    assert kinds(release) >= {"scaledobjects"}
    release.helm("rollback", "1", *WAIT)
    assert "scaledobjects" not in kinds(release)
    assert "horizontalpodautoscalers" in kinds(release)


@pytest.mark.parametrize("scaler", [{"autoscaling": {"enabled": True}}, SCALED])
def test_a_scaler_begins_with_the_workers_that_run(
    scaler: dict[str, Any], release: Release
) -> None:
    """A field that an upgrade leaves out falls back to its default: one worker."""
    release.install({"replicaCount": 3})
    release.upgrade(scaler)
    assert release.stateful_set()["spec"]["replicas"] == 3
    scale(release, 4)
    release.upgrade(merged(scaler, {"podLabels": {"again": "yes"}}))
    assert release.stateful_set()["spec"]["replicas"] == 4


def scale(release: Release, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{release.namespace}/statefulsets/{NAME}/scale"
    release.cluster.ask("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)


def test_a_worker_that_is_scaled_away_takes_its_volume_with_it(release: Release) -> None:
    release.install(merged(VOLUMES, {"replicaCount": 3}))
    claims = [each["status"]["phase"] for each in release.items("persistentvolumeclaims")]
    assert claims == ["Bound"] * 3
    scale(release, 2)
    wait_until(
        lambda: release.names("persistentvolumeclaims") == {f"staging-{NAME}-{n}" for n in (0, 1)},
        message="the third worker's claim is gone",
    )
    assert {each["metadata"]["name"] for each in release.workers()} == {f"{NAME}-0", f"{NAME}-1"}


@pytest.mark.parametrize("before", [True, False])
def test_helm_says_how_to_change_between_volumes_and_none(release: Release, before: bool) -> None:
    release.install({"persistence": {"enabled": before}})
    after = {"persistence": {"enabled": not before}}
    with pytest.raises(EngineError, match=rf"kubectl delete statefulset {NAME}` first"):
        release.upgrade(after)
    path = f"/apis/apps/v1/namespaces/{release.namespace}/statefulsets/{NAME}"
    release.cluster.ask("DELETE", path)
    wait_until(lambda: not release.names("statefulsets", "/apis/apps/v1"))
    release.upgrade(after)
    assert bool(release.names("persistentvolumeclaims")) is not before


def test_helm_refuses_two_scalers_before_it_asks_the_server(release: Release) -> None:
    release.install({})
    with pytest.raises(EngineError, match="two scalers"):
        release.upgrade({"autoscaling": {"enabled": True}, "keda": {"enabled": True}})


ROLE = {"config": {"kafka": {"security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"}}}


@pytest.mark.parametrize("values", [{}, TLS, ROLE], ids=["plain", "password", "role"])
def test_keda_knows_each_field_of_its_trigger(values: dict[str, Any], tmp_path: Path) -> None:
    """Its definition takes any text there: the tags of its scaler's fields know better."""
    source = (CRDS / "kafka_scaler.go").read_text()
    known = {
        name: (sources.split(";"), choices.split(";") if choices else None)
        for name, sources, choices in re.findall(
            r"`keda:\"name=(\w+),order=([\w;]+)(?:[^\"]*,enum=([\w;]+))?", source
        )
    }
    found = render(tmp_path, merged(SCALED, values))
    (trigger,) = found["ScaledObject"]["spec"]["triggers"]
    assert trigger["type"] == "kafka"
    for name, value in trigger["metadata"].items():
        sources, choices = known[name]
        assert "triggerMetadata" in sources
        assert choices is None or value in choices
    authentication = found.get("TriggerAuthentication", {"spec": {}})["spec"]
    for each in authentication.get("env", []) + authentication.get("secretTargetRef", []):
        assert "authParams" in known[each["parameter"]][0]
