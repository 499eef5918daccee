"""The files of `compose/`, read. As a program, it copies into the chart what that has too."""

import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
COMPOSE_FILE = COMPOSE / "compose.yaml"
DOCKERFILE = COMPOSE / "Dockerfile"
ALERTS = COMPOSE / "prometheus" / "alerts.yaml"
DASHBOARD = COMPOSE / "grafana" / "dashboards" / "falcolake.json"
#: Copies of both, made by `make docs`: Helm warns of links.
OF_THE_CHART = COMPOSE / "helm" / "falcolake" / "files"


def read(path: Path) -> Any:
    """Read a YAML file of one document."""
    return yaml.safe_load(path.read_text())


def services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file, with shared parts merged in."""
    found: dict[str, dict[str, Any]] = read(COMPOSE_FILE)["services"]
    return found


def images() -> dict[str, str]:
    """Return the image of each service."""
    return {name: service["image"] for name, service in services().items()}


if __name__ == "__main__":
    for file in (ALERTS, DASHBOARD):
        shutil.copy(file, OF_THE_CHART)
