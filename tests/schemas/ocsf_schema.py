"""The official OCSF schema, to validate findings."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import jsonschema_rs
from ocsf_json_schema import (  # type: ignore[import-untyped]
    OcsfJsonSchema,
    OcsfJsonSchemaEmbedded,
    get_ocsf_schema,
)


@cache
def _schema(version: str) -> OcsfJsonSchema:
    return get_ocsf_schema(version)


@cache
def _validator(event_class: str, version: str, profiles: tuple[str, ...]) -> Any:
    embedded = OcsfJsonSchemaEmbedded(copy.deepcopy(_schema(version)))
    return jsonschema_rs.validator_for(embedded.get_class_schema(event_class, list(profiles)))


def errors(event_class: str, finding: dict[str, Any]) -> list[str]:
    """Return the errors of a finding by the schema of its own version and profiles."""
    metadata = finding["metadata"]
    validator = _validator(event_class, metadata["version"], tuple(metadata["profiles"]))
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:300]
        for error in validator.iter_errors(finding)
    ]


def is_attribute(event_class: str, version: str, path: str) -> bool:
    """Return whether a class has an attribute path, as in `evidences[].process.name`."""
    schema = _schema(version)
    inside = schema["classes"][event_class]
    for step in path.split("."):
        attribute = inside.get("attributes", {}).get(step.removesuffix("[]"))
        if attribute is None or attribute.get("is_array", False) != step.endswith("[]"):
            return False
        inside = schema["objects"].get(attribute.get("object_type"), {})
    return True
