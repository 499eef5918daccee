"""The files of `compose/`, read."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
COMPOSE_FILE = COMPOSE / "compose.yaml"
DOCKERFILE = COMPOSE / "Dockerfile"
ALERTS = COMPOSE / "prometheus" / "alerts.yaml"
DASHBOARD = COMPOSE / "grafana" / "dashboards" / "falcolake.json"


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
