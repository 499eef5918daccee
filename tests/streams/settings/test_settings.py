"""The settings: what they require, what they warn of, and secrets that are never shown."""

from pathlib import Path

import pytest

from streams.errors import Misconfigured
from streams.settings import text as settings_text
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.streams.settings.conftest import LAKE, SASL, refusal


def test_only_commands_that_write_need_the_lake() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(environment={"FALCOLAKE_LAKE__REGION": "eu-central-1"}).require_lake()
    assert caught.value.message == "not set: FALCOLAKE_LAKE__BUCKET, FALCOLAKE_LAKE__ACCOUNT_ID"
    load(environment=LAKE).require_lake()


def test_warnings_name_what_is_probably_not_meant() -> None:
    settings = load(
        environment=SASL
        | {
            "FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "FALCOLAKE_WINDOW__INTERVAL": "60",
            "FALCOLAKE_STAGING__MAX_BYTES": "300MB",
        }
    )
    interval, staging, protocol = settings.warnings()
    assert "5 minutes" in interval
    assert "FALCOLAKE_STAGING__MAX_BYTES" in staging
    assert "unencrypted" in protocol


@pytest.mark.parametrize(
    ("version", "prefix", "is_beyond"),
    [
        ("1.1.0", "ext/falco", False),
        ("1.3.0", "ext/falco", False),
        ("1.8.0", "ext/falco", True),
        ("1.8.0", "security/falco", False),
    ],
)
def test_a_version_that_security_lake_does_not_take_is_a_warning(
    version: str, prefix: str, is_beyond: bool
) -> None:
    environment = {"FALCOLAKE_OCSF__VERSION": version, "FALCOLAKE_LAKE__PREFIX": prefix}
    found = load(environment=environment).warnings()
    assert len(found) == is_beyond
    for warning in found:
        assert "FALCOLAKE_OCSF__VERSION: OCSF 1.8.0 is outside" in warning
        assert "1.3.0 is the newest" in warning


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    settings = load(environment=SASL)
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "hunter2"
    shown = [repr(settings), str(settings), repr(list(settings_text.rows(settings)))]
    for wrong in ("SASL_PASSWORD__X", "SASL_PASWORD"):
        error = refusal({f"FALCOLAKE_KAFKA__{wrong}": "hunter2"})
        shown += [error.message, error.hint]
    error = refusal({"FALCOLAKE_KAFKA__SASL_PASSWORD": "hunter2"})
    shown += [error.message, error.hint, repr(error)]
    (tmp_path / "falcolake.toml").write_text('[[kafka]]\nsasl_password = "hunter2"\n')
    shown.append(repr(refusal({})))
    (tmp_path / "falcolake.toml").write_text('sasl_password = "hunter2"\n')
    shown.append(repr(refusal({})))
    assert not [text for text in shown if "hunter2" in text]


def test_settings_made_in_code_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCOLAKE_KAFKA__TOPIC", "other")
    assert Settings().kafka.topic == "falco-events"
    assert load().kafka.topic == "other"
