"""Nodes of a cluster of the tests, and what kubelets and a volume plugin would do on them.

A kubelet needs a container runtime, so one loop stands in for all: a pod that is bound to a node
runs and is ready at once, or succeeds if it must not be restarted, and one that is to be deleted is
gone. Volumes are there beforehand, for the claims of pods to be bound to.
"""

import threading
from collections.abc import Sequence
from typing import Any, Self

from tests.compose.cluster import MERGE, Cluster, RefusedError

NODES = ("node-a", "node-b", "node-c")
#: Volumes of each storage class. None is used twice.
VOLUMES = {"kept-ready": 60, "gp3": 20}
_POLL_SECONDS = 0.1
_WHEN = "2026-01-01T00:00:00Z"


class Nodes:
    """Three nodes, each in a zone of its own, and the loop that runs their pods."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelets")
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        for name in NODES:
            self._register(name)
        self._provide_volumes()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def close(self, names: Sequence[str], closed: bool = True) -> None:
        """Let no pod be scheduled on these nodes, or again."""
        for name in names:
            body = {"spec": {"unschedulable": closed}}
            self._cluster.ask("PATCH", f"/api/v1/nodes/{name}", body, MERGE)

    def _register(self, name: str) -> None:
        labels = {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": f"zone-of-{name}",
        }
        node = {"metadata": {"name": name, "labels": labels}}
        self._cluster.create("/api/v1/nodes", node)
        room = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
        ready = {"type": "Ready", "status": "True", "reason": "Tests", "message": "stand-in"}
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        self._cluster.ask("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, MERGE)

    def _provide_volumes(self) -> None:
        """Create a default storage class, and volumes of it."""
        for name, count in VOLUMES.items():
            default = {"storageclass.kubernetes.io/is-default-class": str(name != "gp3").lower()}
            self._cluster.create(
                "/apis/storage.k8s.io/v1/storageclasses",
                {
                    "metadata": {"name": name, "annotations": default},
                    "provisioner": "kubernetes.io/no-provisioner",
                },
            )
            for number in range(count):
                spec = {
                    "capacity": {"storage": "20Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": name,
                    "persistentVolumeReclaimPolicy": "Retain",
                    "hostPath": {"path": f"/var/lib/{name}-{number}"},
                }
                volume = {"metadata": {"name": f"{name}-{number}"}, "spec": spec}
                self._cluster.create("/api/v1/persistentvolumes", volume)

    def _run(self) -> None:
        try:
            while not self._stop.wait(_POLL_SECONDS):
                for pod in self._cluster.items("/api/v1/pods"):
                    self._tend(pod)
        except BaseException as error:
            self._failure = error
            raise

    def _tend(self, pod: dict[str, Any]) -> None:
        """Do the next thing that a pod's kubelet would do."""
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if "deletionTimestamp" in metadata:
            gone = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
            self._while_it_is_there("DELETE", path, gone)
        elif pod["status"]["phase"] == "Pending" and pod["spec"].get("nodeName"):
            status = {"metadata": {"uid": metadata["uid"]}, "status": _status(pod)}
            self._while_it_is_there("PATCH", f"{path}/status", status, MERGE)

    def _while_it_is_there(self, method: str, path: str, *body: Any) -> None:
        """Ask for a change, unless the pod was deleted or replaced since it was read."""
        try:
            self._cluster.ask(method, path, *body)
        except RefusedError as refusal:
            if not str(refusal).startswith(("404", "409")):
                raise


def _status(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a pod that has just started, or that has already done its work."""
    done = pod["spec"]["restartPolicy"] == "Never"
    state = (
        {"terminated": {"exitCode": 0, "startedAt": _WHEN, "finishedAt": _WHEN}}
        if done
        else {"running": {"startedAt": _WHEN}}
    )
    containers = [
        {
            "name": each["name"],
            "image": each["image"],
            "imageID": each["image"],
            "ready": not done,
            "restartCount": 0,
            "state": state,
        }
        for each in pod["spec"]["containers"]
    ]
    true = {"status": "False" if done else "True", "lastTransitionTime": _WHEN}
    return {
        "phase": "Succeeded" if done else "Running",
        "startTime": _WHEN,
        "conditions": [
            {"type": "Ready", **true},
            {"type": "ContainersReady", **true},
            {"type": "Initialized", "status": "True", "lastTransitionTime": _WHEN},
            # A merge replaces the list: the scheduler's own condition stays in it.
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": _WHEN},
        ],
        "containerStatuses": containers,
    }
