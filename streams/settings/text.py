"""The settings as text: every value with its origin, and an example TOML file.

Walks the model, so no setting can be left out. Secrets are masked by the model itself.
"""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from streams.settings.settings import Settings, example, fields, rounded, variable

REQUIRED = ("lake.bucket", "lake.region", "lake.account_id")


class Row(NamedTuple):
    """One setting: its name in TOML and in the environment, its value, and where that came from."""

    name: str
    variable: str
    value: Any
    origin: str


def rows(settings: Settings) -> Iterator[Row]:
    """Yield every setting with its value as JSON types, None if it is not set."""
    for section, group in settings.model_dump(mode="json", by_alias=True).items():
        for key, value in group.items():
            name = f"{section}.{key}"
            known = None if value == "" else rounded(value)
            yield Row(name, variable(name), known, str(settings.origin(name)))


def default(name: str) -> str | None:
    """Return the default of a setting as text; None if it has none."""
    found = dict(fields())[name].default
    return f"{found}" if found else None


def toml(answers: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a valid settings file: required settings, those given, all others as comments."""
    lines = [
        "# Settings of falcolake. Environment variables override them: FALCOLAKE_KAFKA__TOPIC is",
        "# topic in [kafka]. Lines that are commented out show the default, or an example if there",
        "# is none. Set secrets in the environment.",
    ]
    before = ""
    for name, field in fields():
        section, _, key = name.partition(".")
        if section != before:
            lines += ["", f"[{section}]"]
            before = section
        lines.append(f"# {field.description}{'; required' if name in REQUIRED else ''}")
        value = field.examples[0] if field.examples else example(field)
        value = answers.get(name, value)
        is_set = name in REQUIRED or name in answers
        lines.append(f"{'' if is_set else '# '}{key} = {_toml(rounded(value))}")
    return "\n".join(lines)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a settings file, for editors that complete and check TOML.

    Environment variables can complete a file, so nothing in it is required.
    """
    made = Settings.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "Settings of falcolake"
    return made


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(value[key])}' for key in value)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)  # JSON's text, numbers and booleans are TOML's too
