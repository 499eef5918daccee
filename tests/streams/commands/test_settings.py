"""`falcolake settings`."""

import json
from pathlib import Path

from streams.settings.settings import fields
from tests.streams.commands.conftest import Run


def test_every_setting_is_shown_with_its_value_and_origin(falcolake: Run, tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text('[kafka]\ngroup_id = "lake"\n')
    environment = {
        "FALCOLAKE_KAFKA__TOPIC": "alerts",
        "AWS_SECURITYLAKE_BUCKET": "sidekick-lake",
    }
    done = falcolake("settings", environment=environment)
    lines = {line.split()[0]: line.split(maxsplit=2) for line in done.stdout.splitlines()[1:]}
    assert done.exit_code == 0
    assert set(lines) == {name for name, _ in fields()}
    assert lines["kafka.topic"][1] == "alerts"
    assert lines["kafka.topic"][2].strip() == "environment: FALCOLAKE_KAFKA__TOPIC"
    assert lines["kafka.group_id"][2].strip() == "file: falcolake.toml"
    assert lines["lake.bucket"][2].strip() == "falcosidekick: AWS_SECURITYLAKE_BUCKET"
    assert lines["lake.region"][1:] == ["-", lines["lake.region"][2]]
    assert lines["window.interval"][1] == "300"


def test_secrets_are_masked(falcolake: Run) -> None:
    environment = {
        "FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "FALCOLAKE_KAFKA__SASL_USERNAME": "falco",
        "FALCOLAKE_KAFKA__SASL_PASSWORD": "hunter2",
    }
    for arguments in (["settings"], ["settings", "--json"]):
        done = falcolake(*arguments, environment=environment)
        assert done.exit_code == 0
        assert "falco" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr


def test_json_has_the_types_of_the_settings(falcolake: Run) -> None:
    rows = {row["name"]: row for row in json.loads(falcolake("settings", "--json").stdout)}
    assert rows["window.max_rows"] == {
        "name": "window.max_rows",
        "variable": "FALCOLAKE_WINDOW__MAX_ROWS",
        "value": 1_000_000,
        "origin": "default",
    }
    assert rows["lake.bucket"]["value"] is None


def test_warnings_go_to_standard_error(falcolake: Run) -> None:
    done = falcolake("settings", environment={"FALCOLAKE_WINDOW__INTERVAL": "60"})
    assert done.exit_code == 0
    assert done.stderr.startswith("Warning: FALCOLAKE_WINDOW__INTERVAL is 60 s")


def test_the_example_is_a_settings_file(falcolake: Run, tmp_path: Path) -> None:
    (tmp_path / "made.toml").write_text(falcolake("settings", "--example").stdout)
    rows = json.loads(falcolake("--config", "made.toml", "settings", "--json").stdout)
    from_file = {row["name"] for row in rows if row["origin"] == "file: made.toml"}
    assert from_file == {"lake.bucket", "lake.region", "lake.account_id"}
