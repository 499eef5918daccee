"""What the tests of the settings share."""

from pathlib import Path

import pytest

from streams.errors import Misconfigured
from streams.settings.load import load

SASL = {
    "FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "FALCOLAKE_KAFKA__SASL_MECHANISM": "scram-sha-512",
    "FALCOLAKE_KAFKA__SASL_USERNAME": "falco",
    "FALCOLAKE_KAFKA__SASL_PASSWORD": "hunter2",
}


LAKE = {
    "FALCOLAKE_LAKE__BUCKET": "my-lake",
    "FALCOLAKE_LAKE__REGION": "eu-central-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
}


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep a falcolake.toml of whoever runs the tests out of them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(environment: dict[str, str], config: Path | None = None) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        load(config, environment)
    return caught.value
