"""`falcolake template`: it follows the settings, and refuses what cannot be deployed."""

import json

import pytest

from streams.templates.parameters import NAMES, PARAMETERS
from tests.streams.commands.conftest import Run

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234-abcd"
ENVIRONMENT = {
    "FALCOLAKE_LAKE__BUCKET": "aws-security-data-lake-eu-central-1-x",
    "FALCOLAKE_LAKE__PREFIX": "ext/falco-prod",
    "FALCOLAKE_LAKE__REGION": "eu-central-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
    "FALCOLAKE_LAKE__KMS_KEY_ID": "1234-abcd",
    "FALCOLAKE_OCSF__CLASS": "security_finding",
    "FALCOLAKE_KAFKA__TOPIC": "alerts",
    "FALCOLAKE_KAFKA__GROUP_ID": "lake-of-prod",
}


def test_the_settings_are_the_defaults_of_the_parameters(falcolake: Run) -> None:
    done = falcolake("template", "cloudformation", environment=ENVIRONMENT)
    template = json.loads(done.stdout)
    defaults = {name: each.get("Default") for name, each in template["Parameters"].items()}
    assert {
        "Lake": "security-lake",
        "Bucket": "aws-security-data-lake-eu-central-1-x",
        "Prefix": "ext/falco-prod",
        "SourceName": "falco-prod",
        "KmsKeyArn": KEY,
        "Topic": "alerts",
        "DeadLetterTopic": "alerts.dead-letter",
        "ControlTopic": "alerts.control",
        "GroupId": "lake-of-prod",
    }.items() <= defaults.items()
    assert "For a stack in eu-central-1." in template["Description"]
    assert (done.exit_code, done.stderr) == (0, "")


def test_terraform_has_the_same_defaults_and_the_class(falcolake: Run) -> None:
    text = falcolake("template", "terraform", environment=ENVIRONMENT).stdout
    for value in ("aws-security-data-lake-eu-central-1-x", KEY, "SECURITY_FINDING", "falco-prod"):
        assert f'  default     = "{value}"\n' in text
    topics = falcolake("template", "terraform-topics", environment=ENVIRONMENT).stdout
    assert '  default     = "alerts.dead-letter"\n' in topics


def test_what_is_given_goes_before_the_settings(falcolake: Run) -> None:
    alias = ENVIRONMENT | {"FALCOLAKE_LAKE__KMS_KEY_ID": "alias/lake"}
    given = ("--set", f"kms_key_arn={KEY}", "--set", "bucket=other", "--set", "partitions=2")
    done = falcolake("template", "cloudformation", *given, environment=alias)
    parameters = json.loads(done.stdout)["Parameters"]
    assert parameters["Bucket"]["Default"] == "other"
    assert parameters["Partitions"]["Default"] == "2"
    assert parameters["KmsKeyArn"]["Default"] == KEY


@pytest.mark.parametrize("tool", ["cloudformation", "terraform", "terraform-topics"])
def test_a_template_needs_no_settings(falcolake: Run, tool: str) -> None:
    done = falcolake("template", tool)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout


def test_the_help_names_every_parameter_and_each_of_its_choices(falcolake: Run) -> None:
    text = " ".join(falcolake("template", "--help").stdout.split())
    words = text.split("Parameters: ")[1].split(" CloudFormation writes")[0]
    choices = {choice for each in PARAMETERS for choice in each.choices}
    missing = choices - {"true", "false", "DETECTION_FINDING", "SECURITY_FINDING"}
    assert [name for name in (*NAMES, *missing) if name not in words] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cloudformation", "--set", "x=1"), "there is no parameter 'x'"),
        (("cloudformation", "--set", "bucket"), "--set 'bucket' has no value"),
        (("terraform", "--set", "bucket=My_Lake"), "bucket cannot be 'My_Lake'"),
        (("terraform", "--set", "bucket="), "bucket cannot be ''"),
        (("terraform", "--set", "prefix=/x"), "prefix cannot be '/x'"),
        (("terraform", "--set", "worker_trust=root"), "worker_trust cannot be 'root'"),
        (("terraform", "--set", "eks_issuer=oidc.example.com"), "eks_issuer cannot be"),
        (("terraform", "--set", "namespace=*"), "namespace cannot be '*'"),
        (("terraform", "--set", "reader_arns=*"), "reader_arns cannot be '*'"),
        (("terraform", "--set", "kms_key_arn=alias/x"), "kms_key_arn cannot be 'alias/x'"),
        (("terraform", "--set", "external_id=${x}"), "external_id cannot be '${x}'"),
        (("terraform-topics", "--set", "partitions=0"), "partitions cannot be '0'"),
        (("terraform-topics", "--set", "replication_factor=1"), "replication_factor cannot be"),
        (("pulumi",), "Invalid value for 'TOOL"),
    ],
)
def test_what_cannot_be_deployed_is_wrong_usage(
    falcolake: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = falcolake("template", *arguments)
    error, hint = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (2, "")
    assert error.startswith(f"Error: {said}")
    assert hint.startswith("Try: ")


@pytest.mark.parametrize("tool", ["cloudformation", "terraform"])
def test_an_alias_is_not_a_key(falcolake: Run, tool: str) -> None:
    environment = ENVIRONMENT | {"FALCOLAKE_LAKE__KMS_KEY_ID": "alias/lake"}
    done = falcolake("template", tool, environment=environment)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: lake.kms_key_id is 'alias/lake': a template needs")
