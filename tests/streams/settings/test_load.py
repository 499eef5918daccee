"""Loading: where values come from, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.settings import fields, variable
from tests.streams.settings.conftest import refusal


def test_environment_wins_over_file_over_falcosidekick_over_default(tmp_path: Path) -> None:
    file = tmp_path / "falcolake.toml"
    file.write_text('[kafka]\ntopic = "from-file"\ngroup_id = "from-file"\n')
    settings = load(
        environment={
            "FALCOLAKE_KAFKA__TOPIC": "from-environment",
            "KAFKA_TOPIC": "from-falcosidekick",
            "KAFKA_HOSTPORT": "kafka-1,kafka-2:9093",
        }
    )
    assert settings.kafka.topic == "from-environment"
    assert settings.kafka.group_id == "from-file"
    assert settings.kafka.servers == ["kafka-1:9092", "kafka-2:9093"]
    assert str(settings.origin("kafka.topic")) == "environment: FALCOLAKE_KAFKA__TOPIC"
    assert str(settings.origin("kafka.group_id")) == "file: falcolake.toml"
    assert str(settings.origin("kafka.bootstrap_servers")) == "falcosidekick: KAFKA_HOSTPORT"
    assert str(settings.origin("kafka.session_timeout")) == "default"


def test_the_file_is_what_config_names(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text('[kafka]\ntopic = "named"\n')
    other = tmp_path / "other.toml"
    other.write_text('[kafka]\ntopic = "other"\n')
    environment = {"FALCOLAKE_CONFIG": str(named)}
    assert load(environment=environment).kafka.topic == "named"
    assert load(other, environment).kafka.topic == "other"


def test_an_empty_variable_is_not_set() -> None:
    assert load(environment={"FALCOLAKE_LAKE__ENDPOINT_URL": ""}).lake.endpoint_url is None


def test_toml_numbers_and_text_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "falcolake.toml"
    file.write_text(
        "[lake]\naccount_id = 123456789012\n"
        '[window]\ninterval = "5m"\nmax_bytes = 1000\n'
        '[ocsf]\nclass = "security_finding"\n'
    )
    settings = load(environment={})
    assert settings.lake.account_id == "123456789012"
    assert (settings.window.interval, settings.window.max_bytes) == (300, 1000)
    assert settings.ocsf.event_class == "security_finding"


def test_a_wrong_value_in_a_file_is_named_as_there(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text('[lake]\nbucket = "A"\n')
    error = refusal({})
    assert error.message.startswith("lake.bucket in falcolake.toml is 'A': ")
    assert error.hint == 'for example lake.bucket = "my-security-lake"'


def test_all_wrong_settings_are_told_at_once() -> None:
    error = refusal({"FALCOLAKE_LAKE__BUCKET": "A", "FALCOLAKE_WEB__PORT": "x"})
    assert [line.split()[0] for line in error.message.splitlines()] == [
        "FALCOLAKE_LAKE__BUCKET",
        "FALCOLAKE_WEB__PORT",
    ]


def test_a_default_derived_from_a_wrong_value_is_not_told_too() -> None:
    assert len(refusal({"FALCOLAKE_KAFKA__TOPIC": "a b"}).message.splitlines()) == 1


def test_unknown_settings_are_refused_with_the_nearest(tmp_path: Path) -> None:
    error = refusal({"FALCOLAKE_KAFKA__TOPC": "x"})
    assert error.message == "FALCOLAKE_KAFKA__TOPC: there is no such setting"
    assert "FALCOLAKE_KAFKA__TOPIC" in error.hint
    (tmp_path / "falcolake.toml").write_text('[kafak]\ntopic = "x"\n')
    assert refusal({}).message == "kafak in falcolake.toml: there is no such setting"
    (tmp_path / "falcolake.toml").write_text('topic = "x"\n')
    assert refusal({}).message == "topic in falcolake.toml: there is no such setting"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("FALCOLAKE_KAFK__TOPIC", "did you mean FALCOLAKE_KAFKA__TOPIC?"),
        ("falcolake_lak__bucket", "did you mean FALCOLAKE_LAKE__bucket?"),
        ("FALCOLAKE_SOMETHING__ELSE", "the sections are KAFKA"),
    ],
)
def test_an_unknown_section_in_the_environment_is_refused(name: str, hint: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(environment={name: "x"})
    assert name in caught.value.message
    assert hint.split(",")[0] in caught.value.hint


def test_a_section_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "falcolake.toml").write_text("kafka = 5\n")
    assert "one by one" in refusal({"FALCOLAKE_KAFKA__TOPIC": "x"}).message
    (tmp_path / "falcolake.toml").unlink()
    assert "FALCOLAKE_KAFKA" in refusal({"FALCOLAKE_KAFKA": "{"}).message


def test_a_near_miss_in_the_environment_is_a_warning() -> None:
    settings = load(
        environment={"FALCOLAKE_WINDOW_INTERVAL": "60", "FALCOLAKE_SERVICE_HOST": "10.0.0.1"}
    )
    (warning,) = settings.warnings()
    assert "FALCOLAKE_WINDOW_INTERVAL" in warning
    assert "FALCOLAKE_WINDOW__INTERVAL" in warning


@pytest.mark.parametrize("content", [b"[kafka", b"[kafka]\ntopic = x", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "falcolake.toml").write_bytes(content)
    assert "falcolake.toml" in refusal({}).message


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    assert "nowhere.toml" in refusal({}, tmp_path / "nowhere.toml").message
    assert "nowhere.toml" in refusal({"FALCOLAKE_CONFIG": "nowhere.toml"}).message
    assert str(tmp_path) in refusal({}, tmp_path).message


@given(
    st.dictionaries(
        st.sampled_from([variable(name) for name, _ in fields()]), st.text(min_size=1), max_size=5
    )
)
def test_any_text_in_the_environment_is_settings_or_misconfigured(
    environment: dict[str, str],
) -> None:
    try:
        load(environment=environment)
    except Misconfigured as error:
        assert error.message
