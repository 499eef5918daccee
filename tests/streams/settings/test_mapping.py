"""The settings of the mapping: what they make of an alert, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.mapping import Filtered
from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.mapping import build_mapping
from tests.alerts import SHELL, native
from tests.schemas.kinds import finding_of
from tests.streams.settings.conftest import LAKE, refusal

AWS = {"type_id": 10, "type": "AWS Account"}
FIELDS = '{"env": "metadata.labels[]"}'


def finding(given: dict[str, str], config: Path | None = None) -> dict[str, Any]:
    """Return what an alert becomes with these settings of the mapping."""
    environment = LAKE | {f"FALCOLAKE_MAPPING__{name}": value for name, value in given.items()}
    alert = {**SHELL, "output_fields": {**SHELL["output_fields"], "env": "prod"}}
    return finding_of(build_mapping(load(config, environment)), native(alert))


def cloud(account: str | None, region: str | None, provider: str = "AWS") -> dict[str, Any]:
    found: dict[str, Any] = {"provider": provider}
    if region:
        found["region"] = region
    if account:
        found["account"] = {"uid": account, **(AWS if provider == "AWS" else {})}
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"CLOUD_PROVIDER": "AWS"}, cloud("123456789012", "eu-central-1")),
        ({"CLOUD_ACCOUNT_ID": "111122223333"}, cloud("111122223333", "eu-central-1")),
        ({"CLOUD_REGION": "us-east-1"}, cloud("123456789012", "us-east-1")),
        ({"CLOUD_PROVIDER": "Other"}, cloud(None, None, "Other")),
        ({"CLOUD_PROVIDER": "Other", "CLOUD_ACCOUNT_ID": "p"}, cloud("p", None, "Other")),
    ],
)
def test_in_aws_account_and_region_are_the_lake_s_unless_set(
    given: dict[str, str], expected: dict[str, Any] | None
) -> None:
    assert finding(given).get("cloud") == expected


def test_an_account_outside_aws_is_no_aws_account() -> None:
    settings = load(
        environment=LAKE
        | {
            "FALCOLAKE_LAKE__ACCOUNT_ID": "external_7",
            "FALCOLAKE_MAPPING__CLOUD_PROVIDER": "AWS",
        }
    )
    found = finding_of(build_mapping(settings), native(SHELL))
    assert found["cloud"] == cloud(None, "eu-central-1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"CLUSTER": "prod"}, {"name": "prod"}),
        ({"CLUSTER": '{"name": "prod", "uid": "u"}'}, {"name": "prod", "uid": "u"}),
        ({"CLUSTER__NAME": "prod", "CLUSTER__UID": "u"}, {"name": "prod", "uid": "u"}),
    ],
)
def test_a_cluster_is_a_name_or_a_name_and_a_uid(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    assert {"type": "cluster", **expected} in finding(given)["resources"]


def test_the_file_has_tables_where_variables_have_json(tmp_path: Path) -> None:
    file = tmp_path / "falcolake.toml"
    for text in (
        '[mapping.cluster]\nname = "prod"\n[mapping.fields]\nenv = "metadata.labels[]"\n',
        '[mapping]\ncluster = { name = "prod" }\nfields = { env = "metadata.labels[]" }\n',
        f"[mapping]\ncluster = 'prod'\nfields = '{FIELDS}'\n",
    ):
        file.write_text(text)
        assert finding({}, file) == finding({"CLUSTER": "prod", "FIELDS": FIELDS})


def test_rules_to_drop_alerts_are_tables_or_json(tmp_path: Path) -> None:
    file = tmp_path / "falcolake.toml"
    file.write_text(
        '[[mapping.drop]]\nrule = "a"\nnamespace = ["b", "c"]\n[[mapping.drop]]\ntag = "d"\n'
    )
    text = '[{"rule": "a", "namespace": ["b", "c"]}, {"tag": ["d"]}]'
    by_file = build_mapping(load(file, LAKE))
    by_variable = build_mapping(load(None, LAKE | {"FALCOLAKE_MAPPING__DROP": text}))
    assert by_file.version == by_variable.version
    one = build_mapping(load(None, LAKE | {"FALCOLAKE_MAPPING__DROP": '{"tag": "T1059"}'}))
    assert one.map(native(SHELL), 0) == Filtered("tag=T1059", SHELL["rule"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DROP", "rule", "it must be JSON"),
        ("DROP", "[{}]", "a rule without a condition would drop every alert"),
        ("DROP", '[{"rule": []}]', "a rule without a condition would drop every alert"),
        ("DROP", '[{"rule": "a", "names": "b"}]', "there is no such setting"),
        ("DROP", '[{"rule": ""}]', "a name has 1 to 1,000 characters"),
        ("DROP", json.dumps([{"rule": "a"}] * 101), "at most 100 items"),
        ("FIELDS", '{"env', "it must be JSON"),
        ("FIELDS", "[1]", "it must be a valid dictionary"),
        ("FIELDS", '{"": "metadata.labels[]"}', "a name has 1 to 1,000 characters"),
        ("CLUSTER", "{}", "a cluster has a name or a uid"),
        ("CLUSTER", '{"id": "a"}', "there is no such setting"),
        ("CLUSTER", "a" * 1001, "a name has 1 to 1,000 characters"),
    ],
)
def test_a_wrong_form_is_refused_by_the_name_of_its_setting(
    name: str, value: str, said: str
) -> None:
    error = refusal({f"FALCOLAKE_MAPPING__{name}": value})
    assert error.message.startswith(f"FALCOLAKE_MAPPING__{name} ")
    assert said in error.message
    assert json.loads(error.hint.partition("=")[2])


def test_an_aws_account_has_twelve_digits() -> None:
    error = refusal({"FALCOLAKE_MAPPING__CLOUD_ACCOUNT_ID": "my-project"})
    assert error.message == (
        "FALCOLAKE_MAPPING__CLOUD_ACCOUNT_ID: an AWS account id has 12 digits; "
        "set mapping.cloud_provider for another cloud"
    )


def test_a_place_that_the_schema_does_not_have_ends_the_worker_at_its_start() -> None:
    environment = LAKE | {"FALCOLAKE_MAPPING__FIELDS": '{"env": "resources[].cluster"}'}
    with pytest.raises(Misconfigured, match="'env' cannot become 'resources") as caught:
        build_mapping(load(environment=environment))
    assert "MAPPING__" in caught.value.hint
