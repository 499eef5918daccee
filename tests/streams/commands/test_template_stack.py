"""The stack that moto makes of `falcolake template` has the statements of `falcolake policy`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from streams.embedded.s3 import MotoS3
from streams.lake import iam
from streams.templates.topics import msk_rights
from tests.streams.commands.conftest import Run
from tests.streams.templates.account import (
    ACCOUNT,
    CLUSTER,
    ISSUER,
    KEY,
    READERS,
    REGION,
    SOURCE_ROLE,
)

Stack = dict[str, Any]


def settings(bucket: str, **more: str) -> dict[str, str]:
    given = {"BUCKET": bucket, "REGION": REGION, "ACCOUNT_ID": ACCOUNT} | more
    return {f"FALCOLAKE_LAKE__{name}": value for name, value in given.items()}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with MotoS3(tmp_path_factory.mktemp("moto")) as server:
        yield server


def client(server: MotoS3, service: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name=REGION,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )


@pytest.fixture
def create(aws: MotoS3, make_name: Callable[[], str], falcolake: Run) -> Callable[..., Stack]:
    """`create(environment, *arguments, **parameters)`: outputs, and each role with its policies.

    The template is what the command prints by the settings, with `--set` for each argument.
    """
    cloudformation, roles = client(aws, "cloudformation"), client(aws, "iam")

    def run(environment: dict[str, str], *arguments: str, **parameters: str) -> Stack:
        given = [word for each in arguments for word in ("--set", each)]
        done = falcolake("template", "cloudformation", *given, environment=environment)
        assert (done.exit_code, done.stderr) == (0, "")
        name = make_name()
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=done.stdout,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        found: Stack = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        listed = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        for each in listed:
            if each["ResourceType"] == "AWS::IAM::Role":
                role = each["PhysicalResourceId"]
                described = roles.get_role(RoleName=role)["Role"]
                names = roles.list_role_policies(RoleName=role)["PolicyNames"]
                found[each["LogicalResourceId"]] = {
                    "trust": described["AssumeRolePolicyDocument"],
                    **{
                        policy: roles.get_role_policy(RoleName=role, PolicyName=policy)[
                            "PolicyDocument"
                        ]
                        for policy in names
                    },
                }
        return found

    return run


@pytest.fixture
def policy(falcolake: Run) -> Callable[..., Any]:
    """`policy(environment, *arguments)`: the document that `falcolake policy` prints."""

    def run(environment: dict[str, str], *arguments: str) -> Any:
        return json.loads(falcolake("policy", *arguments, environment=environment).stdout)

    return run


@pytest.mark.parametrize("key", [{}, {"KMS_KEY_ID": KEY}], ids=["without a key", "with a key"])
def test_the_roles_of_a_lake_of_one_s_own_have_the_statements_of_policy(
    create: Callable[..., Stack],
    policy: Callable[..., Any],
    make_name: Callable[[], str],
    key: dict[str, str],
) -> None:
    environment = settings(make_name(), **key)
    stack = create(environment, f"eks_issuer=https://{ISSUER}", ReaderArns=",".join(READERS))
    assert stack["WorkerRole"] == {
        "trust": policy(environment, "trust", "--eks-issuer", f"https://{ISSUER}"),
        "lake": policy(environment, "permissions"),
    }
    assert stack["ReaderRole"]["lake"] == policy(environment, "permissions", "--read-only")
    assert stack["ReaderRole"]["trust"] == iam.trust_principals(READERS)
    assert "CrawlerRole" not in stack


def test_the_roles_of_security_lake_have_the_statements_of_policy(
    create: Callable[..., Stack], policy: Callable[..., Any]
) -> None:
    bucket = "aws-security-data-lake-eu-central-1-example"
    role = {"ROLE_ARN": SOURCE_ROLE, "EXTERNAL_ID": "id-1", "KMS_KEY_ID": KEY}
    environment = settings(bucket, **role)
    stack = create(environment, "worker_trust=ec2")
    assert stack["WorkerRole"] == {
        "trust": iam.trust_ec2(),
        "assume": policy(environment, "assume"),
    }
    assert stack["CrawlerRole"] == {
        "trust": policy(environment, "crawler-trust"),
        "lake": policy(environment, "crawler-permissions"),
    }
    assert stack["ProviderRoleArn"] == SOURCE_ROLE
    assert "ReaderRole" not in stack


@pytest.mark.parametrize(
    ("kind", "trust"),
    [
        ("ec2", iam.trust_ec2()),
        ("ecs", iam.trust_ecs(ACCOUNT)),
        ("pod-identity", iam.trust_pod_identity(ACCOUNT)),
    ],
)
def test_the_parameter_chooses_who_is_trusted(
    create: Callable[..., Stack], make_name: Callable[[], str], kind: str, trust: iam.Document
) -> None:
    stack = create(settings(make_name()), f"worker_trust={kind}")
    assert stack["WorkerRole"]["trust"] == trust
    assert ("WorkerProfileName" in stack) == (kind == "ec2")


def test_workers_may_use_their_topics_in_msk_and_no_others(
    create: Callable[..., Stack], make_name: Callable[[], str]
) -> None:
    environment = settings(make_name()) | {"FALCOLAKE_KAFKA__TOPIC": "alerts"}
    stack = create(environment, "worker_trust=ecs", f"msk_cluster_arn={CLUSTER}")
    names = {
        "topic": "alerts",
        "dead_letter_topic": "alerts.dead-letter",
        "control_topic": "alerts.control",
        "group_id": "falcolake",
    }
    assert stack["WorkerRole"]["msk"] == msk_rights(
        CLUSTER, CLUSTER.replace("cluster", "topic"), CLUSTER.replace("cluster", "group"), names
    )
