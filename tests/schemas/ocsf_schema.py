"""The official OCSF schema as the judge of findings."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import jsonschema_rs
from ocsf_json_schema import OcsfJsonSchema, OcsfJsonSchemaEmbedded, get_ocsf_schema


@cache
def _schema(version: str) -> OcsfJsonSchema:
    return get_ocsf_schema(version)


@cache
def _validator(event_class: str, version: str, profiles: tuple[str, ...]) -> Any:
    embedded = OcsfJsonSchemaEmbedded(copy.deepcopy(_schema(version)))
    return jsonschema_rs.validator_for(embedded.get_class_schema(event_class, list(profiles)))


def errors(event_class: str, finding: dict[str, Any]) -> list[str]:
    """What the schema of the finding's own version and profiles has against it."""
    metadata = finding["metadata"]
    validator = _validator(event_class, metadata["version"], tuple(metadata["profiles"]))
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:300]
        for error in validator.iter_errors(finding)
    ]
