"""A Kubernetes control plane just for the tests: etcd, API server, controllers and scheduler.

All four are the real ones, in the program that `make test-kube` builds. They listen on loopback and
end with the tests. There is no container runtime: `tests.compose.nodes` stands in for kubelets.
"""

import contextlib
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import yaml

from streams.embedded.ports import free_ports
from streams.embedded.process import ServerProcess
from tests.certificates import Authority
from tests.compose.engine import run
from tests.compose.tools import CRDS, tool
from tests.waiting import wait_until

START_SECONDS = 120.0
TOKEN = "of-the-administrator"
MERGE = "application/merge-patch+json"
#: Groups of resources that change by themselves, and say nothing of what was installed.
_RESTLESS = {"apiservices", "componentstatuses", "events", "ipaddresses", "leases", "nodes"}


class RefusedError(Exception):
    """The API server refused a request; the message has its reason."""


class Cluster:
    """A running control plane, as a context manager, with what its API answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = folder / "kubeconfig.json"
        self._authority = Authority(folder)
        self._trust = ssl.create_default_context(cafile=str(self._authority.certificate))

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """Return the API's answer to a request; raise `RefusedError`."""
        request = urllib.request.Request(
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise RefusedError(f"{error.code} {error.read().decode()}") from error
        return found

    def get(self, path: str) -> dict[str, Any]:
        """Return an object, or a list of them."""
        return self.ask("GET", path)

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list."""
        found: list[dict[str, Any]] = self.get(path)["items"]
        return found

    def create(self, path: str, body: Any) -> dict[str, Any]:
        """Create an object, without fields that its kind does not know."""
        return self.ask("POST", f"{path}?fieldValidation=Strict", body)

    def try_to_create(self, manifest: dict[str, Any], namespace: str) -> dict[str, Any]:
        """Return what would be created of a manifest, admitted and strictly validated."""
        path = self._path_of(manifest["apiVersion"], manifest["kind"], namespace)
        return self.ask("POST", f"{path}?dryRun=All&fieldValidation=Strict", manifest)

    def helm(self, *arguments: str) -> str:
        """Return what helm prints; raise EngineError with it on failure."""
        # Its cache is kept by the server's address, which another run may have had.
        files = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self._folder / "helm")}
        return run([tool("helm"), *arguments], os.environ | files)

    def everything(self) -> set[str]:
        """Return the path of each object, but for those that come and go by themselves."""
        found = set()
        for version, resource in self._resources():
            if resource["name"] in _RESTLESS or "list" not in resource["verbs"]:
                continue
            for each in self.items(f"{version}/{resource['name']}"):
                metadata = each["metadata"]
                found.add(
                    "/".join((resource["name"], metadata.get("namespace", ""), metadata["name"]))
                )
        return found

    def _resources(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each kind of resource with the path of its group and version."""
        groups = self.get("/apis")["groups"]
        versions = [f"/apis/{each['preferredVersion']['groupVersion']}" for each in groups]
        for version in ["/api/v1", *versions]:
            for resource in self.get(version)["resources"]:
                if "/" not in resource["name"]:
                    yield version, resource

    def _path_of(self, version: str, kind: str, namespace: str) -> str:
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        (name,) = (
            each["name"]
            for each in self.get(prefix)["resources"]
            if each["kind"] == kind and "/" not in each["name"]
        )
        return f"{prefix}/namespaces/{namespace}/{name}"

    def _start(self, stack: contextlib.ExitStack) -> None:
        store, peers, port = free_ports(3)
        self._url = f"https://127.0.0.1:{port}"
        self._write_kubeconfig()
        self._serve(
            stack,
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{store}",
            f"--advertise-client-urls=http://127.0.0.1:{store}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
            "--unsafe-no-fsync",
            url=f"http://127.0.0.1:{store}/health",
        )
        server = self._authority.issue("api", "127.0.0.1")
        accounts = self._authority.issue("accounts")
        tokens = self._folder / "tokens.csv"
        tokens.write_text(f"{TOKEN},administrator,administrator,system:masters\n")
        self._serve(
            stack,
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{store}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--token-auth-file={tokens}",
            f"--service-account-key-file={accounts.certificate}",
            f"--service-account-signing-key-file={accounts.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            # Nobody watches whether nodes live, so nobody would take their first taint from them.
            "--disable-admission-plugins=TaintNodesByCondition",
            url=f"{self._url}/readyz",
        )
        self._serve(
            stack,
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={accounts.key}",
            f"--root-ca-file={self._authority.certificate}",
            "--controllers=*,-node-lifecycle-controller",
            "--horizontal-pod-autoscaler-sync-period=1s",
            "--leader-elect=false",
            "--secure-port=0",
        )
        self._serve(
            stack,
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
        )
        self._install_crds()

    def _serve(self, stack: contextlib.ExitStack, name: str, *options: str, url: str = "") -> None:
        """Start a server that is ready once `url` answers, if it has one; `stack` stops it."""
        process = ServerProcess(
            name,
            [tool("kubernetes"), name, *options],
            log=self._folder / f"{name}.log",
            directory=self._folder,
        )
        process.start(lambda: not url or self._answers(url), START_SECONDS)
        stack.callback(process.stop)

    def _answers(self, url: str) -> bool:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except OSError:
            return False

    def _write_kubeconfig(self) -> None:
        cluster = {
            "server": self._url,
            "certificate-authority": str(self._authority.certificate),
        }
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "tests", "cluster": cluster}],
                    "users": [{"name": "administrator", "user": {"token": TOKEN}}],
                    "contexts": [
                        {
                            "name": "tests",
                            "context": {"cluster": "tests", "user": "administrator"},
                        }
                    ],
                    "current-context": "tests",
                }
            )
        )

    def _install_crds(self) -> None:
        """Create the resources of the Prometheus operator and KEDA, and wait for them."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        kinds = [yaml.safe_load(file.read_text()) for file in sorted(CRDS.glob("*.yaml"))]
        for kind in kinds:
            self.create(path, kind)
        wait_until(
            lambda: all(self._serves(kind["spec"]) for kind in kinds),
            message="the operators' resources are served",
        )

    def _serves(self, kind: dict[str, Any]) -> bool:
        """Return whether objects of a new kind can be listed: it takes a moment."""
        version = next(each["name"] for each in kind["versions"] if each["storage"])
        try:
            self.items(f"/apis/{kind['group']}/{version}/{kind['names']['plural']}")
        except RefusedError:
            return False
        return True
