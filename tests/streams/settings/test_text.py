"""The settings as text: the example file is valid and complete."""

import tomllib
from pathlib import Path

import pytest

from streams.settings import text as settings_text
from streams.settings.load import load
from streams.settings.settings import Settings, example, fields, variable


def test_the_example_file_loads_and_has_every_setting(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text(settings_text.toml())
    settings = load(environment={})
    settings.require_lake()
    required = {
        "bucket": "my-security-lake",
        "region": "eu-central-1",
        "account_id": "123456789012",
    }
    assert settings.model_dump() == Settings(lake=required).model_dump()
    for name, _ in fields():
        assert f"{name.partition('.')[2]} = " in settings_text.toml()


@pytest.mark.parametrize("name", [name for name, _ in fields()])
def test_the_example_of_every_setting_is_right(name: str, tmp_path: Path) -> None:
    """A setting that belongs to others is given together with them."""
    together = {
        "kafka.sasl_": {"kafka.security_protocol": "SASL_SSL", "kafka.sasl_username": "u"},
        "kafka.ssl_": {"kafka.security_protocol": "SSL", "kafka.ssl_cert_file": "c.pem"},
        "receive.tls_": {"receive.tls_certificate": "c.pem"},
        "lake.external_id": {"lake.role_arn": "arn:aws:iam::123456789012:role/r"},
    }
    others = next((more for start, more in together.items() if name.startswith(start)), {})
    if name.startswith("kafka.sasl_"):
        others = others | {"kafka.sasl_password": "p"}
    field = dict(fields())[name]
    values = others | {name: f"{example(field)}"}
    settings = load(environment={variable(key): value for key, value in values.items()})
    assert settings.origin(name).source == "environment"


def test_the_example_is_toml_whatever_is_uncommented() -> None:
    lines = [
        line.removeprefix("# ") if " = " in line else line
        for line in settings_text.toml().splitlines()
    ]
    values = tomllib.loads("\n".join(line for line in lines if " = " in line or "[" in line[:1]))
    assert {f"{section}.{key}" for section, group in values.items() for key in group} == {
        name for name, _ in fields()
    }
