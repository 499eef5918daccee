"""The settings: one typed, validated model. `Settings(...)` reads nothing itself, see `load`.

Secrets are never shown.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self, get_args

from pydantic import Field, PrivateAttr, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from schemas.ocsf.releases import beyond_security_lake
from streams.errors import Misconfigured
from streams.settings import sections

SECURITY_LAKE_INTERVAL = 300
SECURITY_LAKE_PREFIX = "ext/"


class Origin(NamedTuple):
    """Where a value came from: a source, and its name there."""

    source: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.name}" if self.name else self.source


class Settings(BaseSettings):
    """Every setting of falcolake, validated. Build it with `load`, or from dicts in tests."""

    model_config = SettingsConfigDict(
        env_prefix="FALCOLAKE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    kafka: sections.KafkaSettings = Field(default_factory=sections.KafkaSettings)
    lake: sections.LakeSettings = Field(default_factory=sections.LakeSettings)
    window: sections.WindowSettings = Field(default_factory=sections.WindowSettings)
    staging: sections.StagingSettings = Field(default_factory=sections.StagingSettings)
    ocsf: sections.OcsfSettings = Field(default_factory=sections.OcsfSettings)
    mapping: sections.MappingSettings = Field(default_factory=sections.MappingSettings)
    web: sections.WebSettings = Field(default_factory=sections.WebSettings)
    receive: sections.ReceiveSettings = Field(default_factory=sections.ReceiveSettings)
    log: sections.LogSettings = Field(default_factory=sections.LogSettings)

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)
    _strays: list[str] = PrivateAttr(default_factory=list)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the caller's values: `load` decides what else is read."""
        return (init_settings,)

    def traced(self, origins: Mapping[str, Origin], strays: list[str]) -> Self:
        """Record the origins of the values and warnings about variables; return the settings."""
        self._origins.update(origins)
        self._strays.extend(strays)
        return self

    def origin(self, name: str) -> Origin:
        """Return where the value of a setting, such as "kafka.topic", came from."""
        return self._origins.get(name, Origin("default"))

    def require_lake(self) -> None:
        """Raise Misconfigured with the names of required settings that are not set."""
        missing = [
            variable(f"lake.{name}")
            for name in ("bucket", "region", "account_id")
            if not getattr(self.lake, name)
        ]
        if missing:
            raise Misconfigured(
                f"not set: {', '.join(missing)}",
                "set them in the environment, or in falcolake.toml under [lake]; "
                "'falcolake settings --example' prints such a file",
            )

    def warnings(self) -> list[str]:
        """Return a sentence for everything that is allowed but probably not intended."""
        found = list(self._strays)
        if self.window.interval < SECURITY_LAKE_INTERVAL:
            found.append(
                f"{variable('window.interval')} is {self.window.interval:g} s: "
                "Amazon Security Lake asks for at least 5 minutes between objects"
            )
        beyond = beyond_security_lake(self.ocsf.version)
        if beyond and self.lake.prefix.startswith(SECURITY_LAKE_PREFIX):
            found.append(
                f"{variable('ocsf.version')}: {beyond}. For a lake of your own, choose a "
                f"{variable('lake.prefix')} that does not begin with {SECURITY_LAKE_PREFIX}"
            )
        if self.staging.max_bytes < 2 * self.window.max_bytes:
            found.append(
                f"{variable('staging.max_bytes')} has no room for two full windows "
                f"({variable('window.max_bytes')}): reading will pause while one is shipped"
            )
        if self.kafka.security_protocol == "SASL_PLAINTEXT":
            found.append(
                f"{variable('kafka.security_protocol')} is SASL_PLAINTEXT: alerts, and a PLAIN "
                "password, cross the network unencrypted"
            )
        return found


def variable(name: str) -> str:
    """Return the environment variable of a setting: kafka.topic → FALCOLAKE_KAFKA__TOPIC."""
    return "FALCOLAKE_" + name.replace(".", "__").upper()


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting's dotted name and its field, in the order of the documentation."""
    for section, group in Settings.model_fields.items():
        model = group.annotation
        assert isinstance(model, type) and issubclass(model, sections.Section)
        for name, field in model.model_fields.items():
            yield f"{section}.{field.alias or name}", field


def secret(field: FieldInfo) -> bool:
    """Whether a setting's value must never be shown."""
    return SecretStr in get_args(field.annotation)


def example(field: FieldInfo) -> str | int | float | bool:
    """Return a valid value for a setting: its example, or its default; objects as JSON."""
    value = rounded(field.examples[0] if field.examples else field.default)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value if isinstance(value, int | float) else str(value)


def rounded(value: Any) -> Any:
    """Return a whole number without a fraction: 300.0 → 300."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
