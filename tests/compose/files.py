"""The files of `compose/`, read. As a program, it writes those that are copies or made by code."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from streams.templates import terraform
from streams.templates.parameters import with_values

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
COMPOSE_FILE = COMPOSE / "compose.yaml"
DOCKERFILE = COMPOSE / "Dockerfile"
ALERTS = COMPOSE / "prometheus" / "alerts.yaml"
DASHBOARD = COMPOSE / "grafana" / "dashboards" / "falcolake.json"
#: Copies of both, made by `make docs`: Helm warns of links.
OF_THE_CHART = COMPOSE / "helm" / "falcolake" / "files"
#: Terraform's modules, made by `make docs`.
MODULES = COMPOSE / "terraform"


def modules() -> dict[Path, str]:
    """Return the files of Terraform's modules, as `falcolake template` would print them."""
    made = {
        "falcolake": terraform.falcolake(with_values({})),
        "topics": terraform.topics(with_values({})),
    }
    return {MODULES / name / file: text for name in made for file, text in made[name].items()}


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
    for file, text in modules().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
