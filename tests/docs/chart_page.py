"""Writes the chart's README from its values, their comments and the settings: `make docs`.

In `values.yaml` a comment that begins with `# --` describes the value below it. Any other comment
above a value of the top level describes that whole section.
"""

import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from tests.compose.chart import CHART
from tests.docs import settings_page

PAGE = CHART / "README.md"
DOCUMENTATION = "https://github.com/falcolake/falcolake/blob/main/docs"
HEAD = f"""# falcolake's Helm chart

Workers that ship Falco's alerts from Kafka to an S3 security lake, as OCSF Parquet, each exactly
once. It can also run receivers for Falco's own output. [On EKS]({DOCUMENTATION}/eks.md) walks
through an installation. Four values are required:

```yaml
# values.yaml
config:
  kafka:
    bootstrap_servers: b-1.kafka:9092,b-2.kafka:9092
  lake:
    bucket: aws-security-data-lake-eu-central-1
    region: eu-central-1
    account_id: "123456789012"
```

```sh
helm install falcolake compose/helm/falcolake --namespace falco --values values.yaml
helm test falcolake --namespace falco --logs
```

Below is every value with its default. Each [setting]({DOCUMENTATION}/settings.md) is also a value
under `config`, by its own name. Helm refuses any other name. Written by `make docs` from
`values.yaml`; a test keeps it up to date.
"""
_TABLE = ["| value | default | |", "|---|---|---|"]


class Value(NamedTuple):
    """One value: its dotted name, its default, and what its comment says."""

    name: str
    default: object
    text: str


class Section(NamedTuple):
    """A value of the top level, what the comment above it says, and the values in it."""

    name: str
    text: str
    values: list[Value]


def sections(text: str) -> Iterator[Section]:
    """Yield the sections of a values file, in its order."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    for key, node in root.value:
        described, general = _comments(lines, key.start_mark.line)
        yield Section(key.value, general, list(_values(lines, key.value, node, described)))


def _values(lines: list[str], name: str, node: yaml.Node, text: str) -> Iterator[Value]:
    """Yield a value, or those in it if it is a mapping that has some."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        default = yaml.SafeLoader("").construct_object(node, deep=True)
        yield Value(name, default, text or _of_the_setting(name))
        return
    for key, inner in node.value:
        described, _ = _comments(lines, key.start_mark.line)
        yield from _values(lines, f"{name}.{key.value}", inner, described)


def _comments(lines: list[str], line: int) -> tuple[str, str]:
    """Return what the comments right above a line say: of the value, and of its section."""
    start = line
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    texts = [each.strip().removeprefix("#").strip() for each in lines[start:line]]
    marks = [number for number, each in enumerate(texts) if each.startswith("--")]
    first = marks[0] if marks else len(texts)
    described = " ".join(texts[first:]).removeprefix("--").strip()
    return described, " ".join(texts[:first])


def _of_the_setting(name: str) -> str:
    """Return a setting's description for its value that has no comment."""
    rows = {f"config.{row.name}": row.text for row in settings_page.rows()}
    return rows.get(name, "")


def _row(value: Value) -> str:
    written = value.default if isinstance(value.default, str) else json.dumps(value.default)
    default = f"`{written}`" if written else ""
    return f"| `{value.name}` | {default} | {value.text.replace('|', '&#124;')} |"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    alone: list[str] = []
    for section in sections((CHART / "values.yaml").read_text(encoding="utf-8")):
        if [value.name for value in section.values] == [section.name]:
            (value,) = section.values
            alone.append(_row(value._replace(text=value.text or section.text)))
            continue
        rows = "\n".join([*_TABLE, *map(_row, section.values)])
        parts.append(f"## {section.name}\n")
        parts += [f"{section.text}\n"] if section.text else []
        parts.append(f"{rows}\n")
    rows = "\n".join([*_TABLE, *alone])
    parts.insert(1, f"## All pods\n\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
