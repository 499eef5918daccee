"""Terraform with the AWS provider plans and applies the module, at moto (make test-terraform)."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from streams.embedded.s3 import MotoS3
from streams.lake import iam
from streams.templates.topics import msk_rights
from tests.compose.engine import EngineError, run
from tests.compose.files import MODULES
from tests.streams.templates.account import (
    ACCOUNT,
    CLUSTER,
    ISSUER,
    KEY,
    READERS,
    REGION,
    SOURCE_ROLE,
)

pytestmark = pytest.mark.terraform

LAKE = iam.Place("aws", REGION, "the-lake", "ext/falco")
SERVICES = ("eks", "iam", "s3", "securitylake", "sts")

Plan = dict[str, Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with MotoS3(tmp_path_factory.mktemp("moto")) as server:
        yield server


def terraform(folder: Path, *arguments: str) -> str:
    """Run Terraform, or OpenTofu where that is its name."""
    command = shutil.which("terraform") or shutil.which("tofu")
    assert command, "neither terraform nor tofu is in the PATH"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    first, *rest = arguments
    return run([command, f"-chdir={folder}", first, "-no-color", *rest], plain)


@pytest.fixture(scope="module")
def folder(aws: MotoS3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that calls the module with `settings`, at moto."""
    found = tmp_path_factory.mktemp("terraform")
    provider = {
        "region": REGION,
        "access_key": aws.access_key_id,
        "secret_key": aws.secret_access_key,
        "s3_use_path_style": True,
        "endpoints": [dict.fromkeys(SERVICES, aws.endpoint_url)],
    }
    call = {"source": str(MODULES / "falcolake"), "bucket": "the-lake"}
    whole = {"provider": {"aws": provider}, "module": {"falcolake": call}}
    (found / "main.tf.json").write_text(json.dumps(whole))
    terraform(found, "init")
    return found


@pytest.fixture
def plan(folder: Path) -> Callable[..., Plan]:
    """`plan(**variables)`: the values of the planned resources, by type and name."""

    def call(**variables: Any) -> Plan:
        with_variables(folder, variables)
        terraform(folder, "plan", "-out=plan", "-lock=false")
        shown = json.loads(terraform(folder, "show", "-json", "plan").splitlines()[-1])
        (module,) = shown["planned_values"]["root_module"]["child_modules"]
        return {f"{each['type']}.{each['name']}": each["values"] for each in module["resources"]}

    return call


def with_variables(folder: Path, variables: dict[str, Any]) -> None:
    file = folder / "main.tf.json"
    whole = json.loads(file.read_text())
    source = whole["module"]["falcolake"]["source"]
    whole["module"]["falcolake"] = {"source": source, "bucket": "the-lake"} | variables
    file.write_text(json.dumps(whole))


def policies(found: Plan) -> Plan:
    """Return the inline policies of a plan by their names."""
    kind = "aws_iam_role_policy."
    return {
        name.removeprefix(kind): json.loads(values["policy"])
        for name, values in found.items()
        if name.startswith(kind)
    }


def test_terraform_formats_the_modules_as_they_are() -> None:
    assert terraform(MODULES, "fmt", "-check", "-diff", "-recursive") == ""


def test_the_provider_knows_every_resource_and_attribute(folder: Path) -> None:
    assert "The configuration is valid" in terraform(folder, "validate")


@pytest.mark.parametrize("key", [None, iam.Key(KEY)], ids=["without a key", "with a key"])
def test_the_roles_of_a_lake_of_one_s_own_have_the_statements_of_policy(
    plan: Callable[..., Plan], key: iam.Key | None
) -> None:
    more = {"kms_key_arn": KEY} if key else {}
    found = plan(eks_issuer=f"https://{ISSUER}", reader_arns=READERS, **more)
    place = LAKE._replace(key=key)
    assert policies(found) == {
        "worker_lake": iam.permissions(place),
        "reader_lake": iam.reading(place),
    }
    trusts = {
        name: json.loads(found[f"aws_iam_role.{name}"]["assume_role_policy"])
        for name in ("worker", "reader")
    }
    assert trusts == {
        "worker": iam.trust_eks(ACCOUNT, ISSUER, "falco", "falcolake", REGION),
        "reader": iam.trust_principals(READERS),
    }


def test_security_lake_has_its_source_and_the_crawler_s_role(plan: Callable[..., Plan]) -> None:
    found = plan(
        lake="security-lake",
        external_id="id-1",
        worker_trust="pod-identity",
        eks_cluster="prod",
        kms_key_arn=KEY,
        msk_cluster_arn=CLUSTER,
    )
    names = {
        "topic": "falco-events",
        "dead_letter_topic": "falco-events.dead-letter",
        "control_topic": "falco-events.control",
        "group_id": "falcolake",
    }
    assert policies(found) == {
        "worker_assume": iam.may_assume(SOURCE_ROLE),
        "worker_msk": msk_rights(
            CLUSTER, CLUSTER.replace("cluster", "topic"), CLUSTER.replace("cluster", "group"), names
        ),
        "crawler_lake": iam.crawler_permissions(LAKE._replace(key=iam.Key(KEY))),
    }
    source = found["aws_securitylake_custom_log_source.falco"]
    (configuration,) = source["configuration"]
    assert (source["source_name"], source["event_classes"]) == ("falco", ["DETECTION_FINDING"])
    assert configuration["provider_identity"] == [{"principal": ACCOUNT, "external_id": "id-1"}]
    assert found["aws_eks_pod_identity_association.worker"]["cluster_name"] == "prod"
    assert not [name for name in found if name.startswith("aws_s3_bucket")]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "eks_issuer is the cluster's issuer"),
        ({"lake": "security-lake", "worker_trust": "ecs"}, "external_id is a long random text"),
        ({"worker_trust": "root"}, "Use one of irsa, pod-identity, ec2, ecs"),
        ({"worker_trust": "ecs", "kms_key_arn": "alias/lake"}, "not of an alias"),
        ({"worker_trust": "ecs", "reader_arns": ["*"]}, "reader_arns must be ARNs"),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    plan: Callable[..., Plan], variables: dict[str, Any], said: str
) -> None:
    with pytest.raises(EngineError) as caught:
        plan(**variables)
    assert said in " ".join(str(caught.value).replace("│", " ").split())


def test_what_is_applied_is_there_and_a_second_plan_changes_nothing(
    folder: Path, aws: MotoS3
) -> None:
    with_variables(folder, {"worker_trust": "ec2", "reader_arns": READERS, "kms_key_arn": KEY})
    try:
        terraform(folder, "apply", "-auto-approve")
        s3 = aws.client()
        assert s3.get_bucket_versioning(Bucket="the-lake")["Status"] == "Enabled"
        blocked = s3.get_public_access_block(Bucket="the-lake")["PublicAccessBlockConfiguration"]
        assert set(blocked.values()) == {True}
        (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="the-lake")["Rules"]
        assert {name for name in rule if "Expiration" in name} == {"NoncurrentVersionExpiration"}
        policy = json.loads(s3.get_bucket_policy(Bucket="the-lake")["Policy"])
        assert policy == iam.encrypted_transport(LAKE)
        roles: Any = boto3.client(
            "iam",
            endpoint_url=aws.endpoint_url,
            region_name=REGION,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
        )
        found = {
            name.rsplit("-", 1)[0]: roles.get_role_policy(RoleName=name, PolicyName="lake")
            for name in (role["RoleName"] for role in roles.list_roles()["Roles"])
        }
        place = LAKE._replace(key=iam.Key(KEY))
        assert {name: each["PolicyDocument"] for name, each in found.items()} == {
            "falcolake-worker": iam.permissions(place),
            "falcolake-reader": iam.reading(place),
        }
        terraform(folder, "plan", "-detailed-exitcode")
    finally:
        terraform(folder, "destroy", "-auto-approve")
