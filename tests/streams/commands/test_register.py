"""`falcolake register` and `policy`: what they print, and their exit codes."""

import json
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from streams.commands.policy import Kind
from streams.lake import session
from tests.streams.commands.conftest import Run
from tests.streams.lake.test_custom_source import CRAWLER, ROLE, SOURCE, listed

LAKE = {
    "FALCOLAKE_LAKE__BUCKET": "my-lake",
    "FALCOLAKE_LAKE__REGION": "eu-central-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
}
REGISTER = ("register", "falco", "--crawler-role", CRAWLER, "--external-id", "id-1")
SETTINGS = {
    "FALCOLAKE_LAKE__BUCKET": "aws-security-data-lake-x",
    "FALCOLAKE_LAKE__PREFIX": "ext/falco",
    "FALCOLAKE_LAKE__REGION": "eu-central-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
    "FALCOLAKE_LAKE__ROLE_ARN": ROLE,
    "FALCOLAKE_LAKE__EXTERNAL_ID": "id-1",
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    """Security Lake as the commands reach it."""
    client = session.security_lake("eu-central-1")
    monkeypatch.setattr(session, "security_lake", lambda _: client)
    stubber = Stubber(client)
    stubber.activate()
    return stubber


@pytest.fixture
def unregistered(aws: Stubber) -> Callable[[], None]:
    aws.add_response("list_log_sources", {})
    aws.add_response("create_custom_log_source", {"source": SOURCE})
    return aws.assert_no_pending_responses


def test_registering_prints_settings_for_a_shell(
    falcolake: Run, unregistered: Callable[[], None]
) -> None:
    done = falcolake(*REGISTER, environment=LAKE)
    unregistered()
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert all(words[0] == "export" for words in lines)
    assert dict(words[1].split("=", 1) for words in lines) == SETTINGS
    assert done.stderr == (
        "falco registered in eu-central-1\n"
        f"location: s3://aws-security-data-lake-x/ext/falco/\nrole: {ROLE}\n"
    )
    assert done.exit_code == 0


def test_the_toml_is_a_settings_file(
    falcolake: Run, unregistered: Callable[[], None], tmp_path: Path
) -> None:
    done = falcolake(*REGISTER, "--toml", environment=LAKE)
    assert tomllib.loads(done.stdout)["lake"]["role_arn"] == ROLE
    (tmp_path / "made.toml").write_text(done.stdout)
    rows = json.loads(falcolake("--config", "made.toml", "settings", "--json").stdout)
    values = {row["variable"]: row["value"] for row in rows}
    assert SETTINGS.items() <= values.items()


def test_registering_twice_is_registering_once(falcolake: Run, aws: Stubber) -> None:
    aws.add_response("list_log_sources", listed(SOURCE))
    done = falcolake(*REGISTER, "--json", environment=LAKE)
    found = json.loads(done.stdout)
    assert found["created"] is False
    assert found["settings"] == SETTINGS
    assert "already registered in" in done.stderr
    assert done.exit_code == 0


def test_a_dry_run_sends_nothing(falcolake: Run, aws: Stubber) -> None:
    done = falcolake(*REGISTER, "--dry-run", environment=LAKE)  # a request would fail: no answer
    request = json.loads(done.stdout)
    assert request["sourceName"] == "falco"
    assert request["eventClasses"] == ["DETECTION_FINDING"]
    assert done.stderr == "Nothing was sent to Security Lake in eu-central-1.\n"
    assert done.exit_code == 0


def test_a_version_that_security_lake_does_not_take_is_said(falcolake: Run, aws: Stubber) -> None:
    for version, is_beyond in (("1.3.0", False), ("1.8.0", True)):
        environment = LAKE | {"FALCOLAKE_OCSF__VERSION": version}
        done = falcolake(*REGISTER, "--dry-run", environment=environment)
        assert ("OCSF 1.8.0 is outside what Amazon Security Lake" in done.stderr) == is_beyond
        assert ("Set FALCOLAKE_OCSF__VERSION=1.3.0 or 1.1.0" in done.stderr) == is_beyond
        assert done.exit_code == 0


def test_name_class_and_external_id_come_from_the_settings(falcolake: Run, aws: Stubber) -> None:
    environment = LAKE | {
        "FALCOLAKE_LAKE__PREFIX": "ext/falco-prod",
        "FALCOLAKE_OCSF__CLASS": "security_finding",
        "FALCOLAKE_LAKE__ROLE_ARN": ROLE,
        "FALCOLAKE_LAKE__EXTERNAL_ID": "id-of-settings",
    }
    done = falcolake("register", "--crawler-role", CRAWLER, "--dry-run", environment=environment)
    request = json.loads(done.stdout)
    assert (request["sourceName"], request["eventClasses"]) == ("falco-prod", ["SECURITY_FINDING"])
    assert request["configuration"]["providerIdentity"]["externalId"] == "id-of-settings"


@pytest.mark.parametrize(
    ("without", "arguments", "said"),
    [
        ("FALCOLAKE_LAKE__REGION", REGISTER, "no AWS region"),
        ("FALCOLAKE_LAKE__ACCOUNT_ID", REGISTER, "no AWS account"),
        ("", REGISTER[:4], "no external id"),
        ("", (*REGISTER, "--principal", "12"), "--principal is not what Security Lake takes"),
        ("", ("register", "a" * 21, *REGISTER[2:]), "NAME is not what Security Lake takes"),
        ("", ("register", "falco"), "Missing option '--crawler-role'"),
    ],
)
def test_what_is_missing_or_wrong_is_exit_code_2(
    falcolake: Run, without: str, arguments: tuple[str, ...], said: str
) -> None:
    environment = {key: value for key, value in LAKE.items() if key != without}
    done = falcolake(*arguments, environment=environment)
    error, hint = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (2, "")
    assert error.startswith(f"Error: {said}")
    assert hint.startswith("Try: ")


def test_outside_aws_the_workers_account_must_be_given(falcolake: Run, aws: Stubber) -> None:
    environment = LAKE | {"FALCOLAKE_LAKE__ACCOUNT_ID": "external_7"}
    done = falcolake(*REGISTER, "--dry-run", environment=environment)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: 'external_7' is not an AWS account id\nTry: give --princ")
    arguments = (*REGISTER, "--dry-run", "--principal", "123456789012")
    request = json.loads(falcolake(*arguments, environment=environment).stdout)
    assert request["configuration"]["providerIdentity"]["principal"] == "123456789012"


@pytest.mark.parametrize(
    ("code", "exit_code"), [("AccessDeniedException", 2), ("ThrottlingException", 1)]
)
def test_a_refusal_of_aws_is_an_error_and_a_hint(
    falcolake: Run, aws: Stubber, code: str, exit_code: int
) -> None:
    aws.add_response("list_log_sources", {})
    aws.add_client_error("create_custom_log_source", code, "because", 400)
    done = falcolake(*REGISTER, environment=LAKE)
    error, hint = done.stderr.splitlines()
    assert error == f"Error: cannot register falco: {code} because"
    assert hint.startswith("Try: ")
    assert (done.exit_code, done.stdout) == (exit_code, "")


# ---- policy


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in {Kind.ALL, Kind.HINTS}])
def test_every_document_is_json(falcolake: Run, kind: Kind) -> None:
    environment = LAKE | {
        "FALCOLAKE_LAKE__ROLE_ARN": ROLE,
        "FALCOLAKE_LAKE__EXTERNAL_ID": "id-1",
        "FALCOLAKE_LAKE__KMS_KEY_ID": "alias/lake",
    }
    done = falcolake("policy", kind.value, environment=environment)
    document: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (document["Version"], bool(document["Statement"])) == ("2012-10-17", True)
    whole = json.loads(falcolake("policy", environment=environment).stdout)
    assert whole[kind.value] == document


def test_who_only_reads_has_no_right_to_put(falcolake: Run) -> None:
    done = falcolake("policy", "permissions", "--read-only", environment=LAKE)
    listing, objects = json.loads(done.stdout)["Statement"]
    assert (listing["Action"], objects["Action"]) == ("s3:ListBucket", "s3:GetObject")


def test_the_crawlers_trust_needs_no_settings(falcolake: Run) -> None:
    done = falcolake("policy", "crawler-trust")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Version"] == "2012-10-17"


def test_without_a_role_there_is_nothing_to_assume(falcolake: Run) -> None:
    whole = json.loads(falcolake("policy", "--external-id", "id", environment=LAKE).stdout)
    assert set(whole) == {*Kind} - {Kind.ALL, Kind.ASSUME}
    done = falcolake("policy", "assume", environment=LAKE)
    assert done.stderr.startswith("Error: not set: FALCOLAKE_LAKE__ROLE_ARN")
    assert done.exit_code == 2


def test_pods_are_trusted_by_issuer_namespace_and_service_account(falcolake: Run) -> None:
    done = falcolake(
        *("policy", "trust", "--eks-issuer", "https://oidc.example.com/id/X"),
        *("--namespace", "security", "--service-account", "lake"),
        environment=LAKE,
    )
    (statement,) = json.loads(done.stdout)["Statement"]
    assert "system:serviceaccount:security:lake" in str(statement["Condition"])


def test_hints_are_for_people(falcolake: Run) -> None:
    done = falcolake("policy", "hints", environment=LAKE)
    assert "Lake Formation" in done.stdout
    assert "subscriber" in done.stdout
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("policy", "trust"), LAKE, "no external id"),
        (("policy", "permissions"), {}, "not set: FALCOLAKE_LAKE__BUCKET"),
        (("policy", "trust", "--principal", "x"), LAKE, "'x' is not an AWS account id"),
        (("policy", "trust", "--eks-issuer", "x y"), LAKE, "'x y' is not the issuer"),
        (("policy", "all-of-it"), LAKE, "Invalid value for 'WHAT"),
    ],
)
def test_a_document_that_cannot_be_made_is_exit_code_2(
    falcolake: Run, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = falcolake(*arguments, environment=environment)
    error, hint = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (2, "")
    assert error.startswith(f"Error: {said}")
    assert hint.startswith("Try: ")
