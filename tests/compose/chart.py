"""The chart, rendered by Helm."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.compose.engine import run
from tests.compose.files import COMPOSE
from tests.compose.tools import tool

CHART = COMPOSE / "helm" / "falcolake"
NEWEST = "1.37.0"
MINIMUM: dict[str, Any] = {
    "config": {
        "kafka": {"bootstrap_servers": "b-1.kafka:9092,b-2.kafka:9092"},
        "lake": {
            "bucket": "aws-security-data-lake-eu-central-1",
            "region": "eu-central-1",
            "account_id": "012345678901",
        },
    }
}


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return values with others merged over them, as Helm does."""
    both = dict(values)
    for key, value in more.items():
        ours = both.get(key)
        both[key] = (
            merged(ours, value) if isinstance(ours, dict) and isinstance(value, dict) else value
        )
    return both


def manifest(folder: Path, values: dict[str, Any], kubernetes: str = NEWEST) -> str:
    """Return the chart rendered with `MINIMUM` and these values; raise EngineError."""
    file = folder / "values.yaml"
    file.write_text(json.dumps(merged(MINIMUM, values)))
    options = ["--namespace", "falco", "--kube-version", kubernetes, "--values", str(file)]
    return run([tool("helm"), "template", "lake", str(CHART), *options])


def render(
    folder: Path, values: dict[str, Any], kubernetes: str = NEWEST
) -> dict[str, dict[str, Any]]:
    """Return the same, parsed: the resources by their kind."""
    found = [each for each in yaml.safe_load_all(manifest(folder, values, kubernetes)) if each]
    kinds = {each["kind"]: each for each in found}
    assert len(kinds) == len(found), "two resources of one kind"
    return kinds
