"""`falcolake settings`."""

import json
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

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


COMPLETE = {
    "FALCOLAKE_LAKE__BUCKET": "lake",
    "FALCOLAKE_LAKE__REGION": "eu-west-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
}


def test_check_tells_complete_settings_from_incomplete_and_wrong_ones(falcolake: Run) -> None:
    done = falcolake("settings", "--check", environment=COMPLETE)
    assert (done.exit_code, done.stdout) == (0, "complete\n")
    done = falcolake("settings", "--check", environment={"FALCOLAKE_LAKE__BUCKET": "lake"})
    assert done.exit_code == 1
    assert "not set: FALCOLAKE_LAKE__REGION, FALCOLAKE_LAKE__ACCOUNT_ID" in done.stderr
    wrong = COMPLETE | {"FALCOLAKE_WINDOW__INTERVAL": "soon"}
    assert falcolake("settings", "--check", environment=wrong).exit_code == 2


def test_the_schema_takes_the_example_and_refuses_what_falcolake_refuses(falcolake: Run) -> None:
    schema = jsonschema_rs.validator_for(json.loads(falcolake("settings", "--schema").stdout))
    example = tomllib.loads(falcolake("settings", "--example").stdout)
    assert schema.is_valid(example)
    for wrong in ("[kafka]\ntopik = 'x'", "[kafk]", "[web]\nport = 'x'", "[ocsf]\nversion = '9'"):
        assert not schema.is_valid(tomllib.loads(wrong)), wrong


def test_the_schema_takes_every_example_of_a_setting(falcolake: Run) -> None:
    schema = jsonschema_rs.validator_for(json.loads(falcolake("settings", "--schema").stdout))
    text = falcolake("settings", "--example").stdout.splitlines()
    lines = [line.removeprefix("# ") if " = " in line else line for line in text]
    uncommented = tomllib.loads("\n".join(lines[4:]))
    assert list(map(str, schema.iter_errors(uncommented))) == []


# ---- secrets in files


SASL = {"FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "FALCOLAKE_KAFKA__SASL_USERNAME": "falco"}
PASSWORD = "FALCOLAKE_KAFKA__SASL_PASSWORD"


def test_a_secret_can_be_in_a_file(falcolake: Run, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    environment = SASL | {f"{PASSWORD}_FILE": str(file)}
    rows = {
        row["name"]: row
        for row in json.loads(falcolake("settings", "--json", environment=environment).stdout)
    }
    assert rows["kafka.sasl_password"]["origin"] == f"file: {file} by {PASSWORD}_FILE"
    assert "hunter2" not in json.dumps(rows)


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (None, {}, "cannot read the secret in"),
        (b"", {}, "is empty"),
        (b"\xff", {}, "it is not UTF-8 text"),
        (b"hunter2", {PASSWORD: "other"}, "set only one of them"),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error(
    falcolake: Run, tmp_path: Path, content: bytes | None, more: dict[str, str], words: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    done = falcolake("settings", environment=SASL | more | {f"{PASSWORD}_FILE": str(file)})
    assert done.exit_code == 2
    assert words in done.stderr
    assert "hunter2" not in done.stderr
