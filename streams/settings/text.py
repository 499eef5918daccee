"""The settings written down: what is set and where from, and a TOML file to begin with.

Walks the model, so that no setting can be left out. Secrets are masked by the model itself.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from streams.settings.settings import Settings, example, fields, rounded, variable

REQUIRED = ("lake.bucket", "lake.region", "lake.account_id")


class Row(NamedTuple):
    """One setting: its name in TOML and in the environment, its value and where that is from."""

    name: str
    variable: str
    value: Any
    origin: str


def rows(settings: Settings) -> Iterator[Row]:
    """Yield every setting with its value as JSON types; None for one that is not set."""
    for section, group in settings.model_dump(mode="json", by_alias=True).items():
        for key, value in group.items():
            name = f"{section}.{key}"
            known = None if value == "" else rounded(value)
            yield Row(name, variable(name), known, str(settings.origin(name)))


def toml() -> str:
    """Write a settings file that loads: what must be set, and all else as comments."""
    lines = [
        "# Settings of falcolake. Every one can also be set in the environment, and that wins:",
        "# [kafka] topic is FALCOLAKE_KAFKA__TOPIC. What is commented out shows the default, or an",
        "# example where there is none. Leave secrets to the environment.",
    ]
    before = ""
    for name, field in fields():
        section, _, key = name.partition(".")
        if section != before:
            lines += ["", f"[{section}]"]
            before = section
        lines.append(f"# {field.description}{'; required' if name in REQUIRED else ''}")
        # JSON's text, numbers and booleans are TOML's too.
        lines.append(f"{'' if name in REQUIRED else '# '}{key} = {json.dumps(example(field))}")
    return "\n".join(lines)
