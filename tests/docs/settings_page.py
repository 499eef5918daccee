"""Writes the reference page of all settings from the model itself: `make docs`."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ByteSize, SecretStr

from streams.settings.settings import Settings, fields, rounded, variable
from streams.settings.text import REQUIRED

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = """# Settings

Written by `make docs` from the settings model; a test keeps it up to date.

Set each one in `falcolake.toml` under its section, or as an environment variable: `topic` under
`[kafka]` is `FALCOLAKE_KAFKA__TOPIC`. The environment wins over the file, and both win over
[falcosidekick's variables](from-falcosidekick.md#settings). The file is read from the working
directory; `--config` or `FALCOLAKE_CONFIG` names another one.

    falcolake settings              # each value and where it came from; secrets are masked
    falcolake settings --check      # exit code 1 if required settings are missing
    falcolake settings --schema     # JSON Schema of the file, for editors that complete TOML
    falcolake init                  # asks five questions, and writes a file to begin with
    falcolake settings --example    # such a file, without the questions

A secret can be in a file: `FALCOLAKE_KAFKA__SASL_PASSWORD_FILE=/run/secrets/kafka` is read in place
of `FALCOLAKE_KAFKA__SASL_PASSWORD`.

A duration is a number of seconds, or a number with `ms`, `s`, `m` or `h`. A size is a number of
bytes, or a number with `kB`, `MB`, `GB`, `MiB` or `GiB`.
"""
NOTES = {
    "kafka": """The control and dead-letter topics follow the name of `topic` unless they are set.
The mechanism `AWS_MSK_IAM` needs `pip install 'falcolake[msk]'` and `SASL_SSL`. It signs in with
AWS credentials, without user name and password.""",
    "lake": """AWS credentials come from boto3's own chain: environment, profile, IRSA or instance
role. The role in `role_arn` is assumed with these, and renewed before its session expires: at AWS's
STS in the region, whatever `endpoint_url` is. For an S3 server that has an STS of its own, set
`sts_endpoint_url`, too. A worker needs `s3:PutObject` and `s3:GetObject` on the prefix. For a
server with a private certificate authority, set `AWS_CA_BUNDLE`.""",
    "window": """A window is sealed at whichever limit it reaches first. Amazon Security Lake asks
for at least five minutes between objects.""",
    "staging": """[Sizing](sizing.md) says how large the disk should be.""",
    "ocsf": """Another version or class has other columns. Give it its own prefix and custom source;
see [Upgrades](upgrades.md#mapping-versions).""",
    "mapping": """Alerts of syscalls name no cloud and no cluster. `cloud_provider`,
`cloud_account_id` and `cloud_region` fill `cloud` in each finding that names no cloud itself;
`cluster` adds a resource of type `cluster` to findings about the host, a container or Kubernetes.
What an alert names wins: CloudTrail's account, GCP's project, `ka.cluster.name`.

`drop` has rules for alerts that are not stored:

    [[mapping.drop]]
    rule = "Contact K8S API Server From Container"
    namespace = ["kube-system", "monitoring-*"]

    [[mapping.drop]]
    image = "docker.io/bitnami/*"

An alert is dropped if all conditions of one rule hold. A condition holds if one of its patterns
fits; `*` stands for any text, `?` for one character. `image` is the repository, `repository:tag`,
or the image as Falco prints it; `tag` is one of the Falco rule's tags. An alert that names no
namespace fits no pattern of a namespace. What is dropped is counted as filtered, in the footers and
in `falcolake_staged_filtered_total`. `falcolake map --explain alerts.jsonl` shows which rule drops
which alert. In a variable, `drop` is JSON: `FALCOLAKE_MAPPING__DROP='[{"rule": "…"}]'`.

`fields` gives custom fields a place, such as those that falcosidekick adds:

    [mapping]
    cloud_provider = "AWS"
    cluster = { name = "prod" }
    fields = { env = "metadata.labels[]", vm = "resources[].name", blue = "cluster.name" }

The places are `metadata.labels[]` (as `env:prod`), `metadata.tenant_uid`, `cloud.provider`,
`cloud.account.uid`, `cloud.region`, `cluster.name`, `cluster.uid`, and for one more resource
`resources[].name`, `uid`, `type`, `namespace`, `region` and `labels[]`. A field wins over the other
settings. `falcolake map --explain` shows on a file of alerts where each field goes. In a variable,
`fields` and `cluster` are JSON: `FALCOLAKE_MAPPING__FIELDS='{"env": "metadata.labels[]"}'`. All of
these settings are part of the mapping's version.""",
    "web": """[Operations](operations.md) explains the page and the probes. The server has no
sign-in.""",
    "receive": """[Receive](receive.md) explains them. Senders present the token as
`Authorization: Bearer TOKEN`, or in the URL, as `http://falco:TOKEN@host:2801/`.
`max_bytes_in_flight` must be at least twice `max_request_bytes`.""",
    "log": """The log never has a line per alert. [Operations](operations.md#logs) lists the fields
of a JSON line.""",
}
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class Row(NamedTuple):
    """One setting as the page has it; `default` is None if there is none."""

    section: str
    key: str
    default: str | None
    text: str

    @property
    def name(self) -> str:
        """The dotted name, as in kafka.topic."""
        return f"{self.section}.{self.key}"


def rows() -> Iterator[Row]:
    """Yield every setting, with the default that an empty environment gives it."""
    defaults = Settings()
    for name, field in fields():
        section, _, key = name.partition(".")
        value = defaults.model_dump(by_alias=True)[section][key]
        # As written in the model: "~" is not yet somebody's home directory.
        default = field.default if isinstance(value, Path) else value
        if field.annotation is ByteSize:
            default = ByteSize(default)  # which the dump has as a plain number
        yield Row(section, key, _written(default), field.description or "")


def _written(value: Any) -> str | None:
    """Return a default as a person would write it."""
    if value is None or value == "" or isinstance(value, SecretStr):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, ByteSize):
        return next(f"{value // size}{unit}" for size, unit in _UNITS if value % size == 0)
    return f"{rounded(value)}"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    table: dict[str, list[str]] = {}
    for row in rows():
        default = (
            "**required**" if row.name in REQUIRED else f"`{row.default}`" if row.default else ""
        )
        name = variable(row.name)
        table.setdefault(row.section, []).append(
            f"| `{row.key}` | `{name}` | {default} | {row.text} |"
        )
    for section, lines in table.items():
        what = inspect.getdoc(Settings.model_fields[section].annotation)
        head = ["| setting | variable | default | |", "|---|---|---|---|"]
        parts += [f"## {section}\n", f"{what}\n", "\n".join([*head, *lines]) + "\n"]
        if note := NOTES.get(section):
            parts.append(f"{note}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
