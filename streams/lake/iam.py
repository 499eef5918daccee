"""The IAM documents that a lake needs: who may assume its roles, and what those may do.

Pure: settings and arguments in, documents as JSON types out, without asking AWS. A document allows
what falcolake does and nothing more: no delete, no ACL, no tag, no bucket but the lake's. The
templates of `streams.templates` have the same documents, with placeholders in a `Place`.

Source: "Collecting data from custom sources" in the Security Lake user guide; "IAM roles for
service accounts" in the EKS user guide; the IAM and KMS condition keys of the service
authorization reference.
"""

import re
from typing import Any, NamedTuple, Self

from schemas.sources.place import partition_of
from streams.errors import Misconfigured
from streams.settings import sections

Document = dict[str, Any]

VERSION = "2012-10-17"
READ = ("s3:GetObject",)
WRITE = ("s3:PutObject",)
GLUE_POLICY = "service-role/AWSGlueServiceRole"
HINTS = """
Amazon Security Lake creates the role {role} with its permissions and trust when the source is
registered; 'permissions' and 'trust' are for a lake of your own, or to compare.

Workers with a role of their own (an instance's, or EKS IRSA) assume it by FALCOLAKE_LAKE__ROLE_ARN
and FALCOLAKE_LAKE__EXTERNAL_ID; 'assume' is what they need.

Where Kafka has no committed offset, a worker looks for its last windows in the lake, and must list
and read the prefix. If the role of the source lacks that, add 'permissions' to it; Security Lake's
permissions boundary allows it.

The crawler's role has the trust 'crawler-trust', the permissions 'crawler-permissions' and AWS's
policy {glue}.

The person who registers must be an administrator of Lake Formation, and needs iam:PassRole on the
crawler's role and AWS's policy AmazonSecurityLakeAdministrator, or its like.

To query, create a subscriber with data access to {source}, or grant SELECT and DESCRIBE in Lake
Formation on {table} (it is there after the crawler's first run). S3 permissions alone do not let
Athena read it.

In other accounts a subscriber accepts the AWS RAM share, and makes a resource link to the table in
its own Lake Formation.

A key of your own must also allow the provider's and the crawler's role in its key policy, unless
that leaves permissions to IAM.
"""


class Key(NamedTuple):
    """A KMS key: its ARN, or the ARN of all keys together with the alias that chooses one."""

    resource: str
    alias: str | None = None


class Place(NamedTuple):
    """What the documents name of a lake; in a template, placeholders."""

    partition: str
    region: str
    bucket: str
    prefix: str
    key: Key | None = None

    @classmethod
    def of(cls, lake: sections.LakeSettings) -> Self:
        """Return the place of the settings' lake."""
        partition = partition_of(lake.region)
        return cls(partition, lake.region, lake.bucket, lake.prefix, _key_of(lake, partition))


def _key_of(lake: sections.LakeSettings, partition: str) -> Key | None:
    key = lake.kms_key_id
    if not key:
        return None
    account = lake.role_arn.split(":")[4] if lake.role_arn else lake.account_id
    if not account.isdigit():
        account = "*"  # external: the key's own id, or its alias, still says which
    keys = f"arn:{partition}:kms:{lake.region}:{account}:key"
    place, _, alias = key.rpartition("alias/") if "alias/" in key else ("", "", "")
    if alias and place.startswith("arn:"):
        keys = f"{place.rstrip(':')}:key"
    if alias:
        return Key(f"{keys}/*", f"alias/{alias}")
    return Key(key if key.startswith("arn:") else f"{keys}/{key}")


def provider_role(source: str, region: str) -> str:
    """Return the name of the role that Security Lake creates for a custom source's provider."""
    return f"AmazonSecurityLake-Provider-{source}-{region}"


def trust_account(account: str, external_id: str, region: str) -> Document:
    """Let an account's own roles and users assume a role, if they know the external id."""
    return _document(
        {
            "Sid": "WorkersWithTheExternalId",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition_of(region)}:iam::{account}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
        }
    )


def trust_eks(
    account: str, issuer: str, namespace: str, service_account: str, region: str
) -> Document:
    """Let the pods of one Kubernetes service account assume a role, and no others (IRSA).

    `issuer` is the cluster's OpenID Connect issuer, as `aws eks describe-cluster` shows it.
    Raises Misconfigured if it is not one, or if a name is not a Kubernetes name.
    """
    place = issuer.removeprefix("https://").rstrip("/")
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/[A-Za-z0-9_.-]+)*", place):
        raise Misconfigured(
            f"{issuer!r} is not the issuer of a cluster",
            "aws eks describe-cluster --name NAME --query cluster.identity.oidc.issuer",
        )
    for name in (namespace, service_account):
        # A wildcard here would let other pods in.
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name):
            raise Misconfigured(
                f"{name!r} is not a Kubernetes name",
                "namespaces and service accounts have lower-case letters, digits, dots and hyphens",
            )
    return trust_pods(partition_of(region), account, place, namespace, service_account)


def trust_pods(
    partition: str, account: str, issuer: str, namespace: str, service_account: str
) -> Document:
    """Let the pods of one service account assume a role (IRSA); `issuer` is without https://."""
    return _document(
        {
            "Sid": "WorkersOfTheServiceAccount",
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                }
            },
        }
    )


def trust_pod_identity(account: str) -> Document:
    """Let EKS Pod Identity hand out a role in one account; an association says to which pods."""
    return _trust_service(
        "WorkersByPodIdentity",
        "pods.eks.amazonaws.com",
        ["sts:AssumeRole", "sts:TagSession"],
        {"StringEquals": {"aws:SourceAccount": account}},
    )


def trust_ecs(account: str) -> Document:
    """Let the ECS tasks of one account have a role."""
    return _trust_service(
        "WorkersInTasks",
        "ecs-tasks.amazonaws.com",
        "sts:AssumeRole",
        {"StringEquals": {"aws:SourceAccount": account}},
    )


def trust_ec2() -> Document:
    """Let EC2 instances have a role; an instance profile says which."""
    return _trust_service("WorkersOnInstances", "ec2.amazonaws.com", "sts:AssumeRole")


def trust_glue() -> Document:
    """Let AWS Glue assume the crawler's role."""
    return _trust_service("Glue", "glue.amazonaws.com", "sts:AssumeRole")


def trust_principals(principals: Any) -> Document:
    """Let roles and users, by their ARNs, assume a role; a template has a reference instead."""
    return _document(
        {
            "Sid": "Readers",
            "Effect": "Allow",
            "Principal": {"AWS": principals},
            "Action": "sts:AssumeRole",
        }
    )


def _trust_service(
    sid: str, service: str, action: str | list[str], condition: Document | None = None
) -> Document:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
    }
    return _document(statement | ({"Condition": condition} if condition else {}))


def permissions(place: Place) -> Document:
    """Allow what falcolake does under the prefix: list, get and put, and the lake's key.

    Workers put, and get to compare what is there already. They also list where Kafka has no
    committed offset of a partition (a new group, or one that Kafka forgot): the lake's last window
    then says where to go on. `audit`, `verify`, `replay` and `doctor` always list and get.
    """
    return _document(_listing(place), *_objects(place, "ReadAndWriteObjects", *READ, *WRITE))


def reading(place: Place) -> Document:
    """Allow what `audit`, `verify` and `query` do under the prefix: list and get, and decrypt."""
    return _document(_listing(place), *_objects(place, "ReadObjects", *READ))


def may_assume(role_arn: str) -> Document:
    """Allow assuming the lake's role: for the role or user that the workers themselves have."""
    return _document(
        {
            "Sid": "AssumeTheRoleOfTheLake",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": role_arn,
        }
    )


def crawler_permissions(place: Place) -> Document:
    """Allow Glue's crawler to read the objects; it also needs AWS's own AWSGlueServiceRole."""
    return _document(*_objects(place, "ReadAndWriteObjects", *READ, *WRITE))


def encrypted_transport(place: Place) -> Document:
    """Refuse requests without TLS: the policy of a bucket of one's own."""
    return _document(
        {
            "Sid": "OnlyWithTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [_bucket(place), f"{_bucket(place)}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def _bucket(place: Place) -> str:
    return f"arn:{place.partition}:s3:::{place.bucket}"


def _listing(place: Place) -> Document:
    return {
        "Sid": "ListThePrefix",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": _bucket(place),
        "Condition": {"StringLike": {"s3:prefix": f"{place.prefix}/*"}},
    }


def _objects(place: Place, sid: str, *actions: str) -> list[Document]:
    """Allow these actions on the lake's objects, and the use of its key that they need."""
    objects = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions) if len(actions) > 1 else actions[0],
        "Resource": f"{_bucket(place)}/{place.prefix}/*",
    }
    uses = ["kms:GenerateDataKey", "kms:Decrypt"] if set(WRITE) <= set(actions) else "kms:Decrypt"
    return [objects, _key(place, place.key, uses)] if place.key else [objects]


def _key(place: Place, key: Key, actions: str | list[str]) -> Document:
    """Allow use of the key, through S3 only. A condition names the keys of an alias."""
    through = {"kms:ViaService": f"s3.{place.region}.amazonaws.com"}
    condition: Document = {"StringEquals": through}
    if key.alias:
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": key.alias}
    return {
        "Sid": "UseTheKey",
        "Effect": "Allow",
        "Action": actions,
        "Resource": key.resource,
        "Condition": condition,
    }


def hints(place: Place, source: str) -> list[str]:
    """Return what IAM documents alone do not settle: who registers, who crawls, who may query."""
    region = place.region.replace("-", "_")
    table = f"amazon_security_lake_table_{region}_ext_{re.sub(r'[^a-z0-9]', '_', source.lower())}"
    database = f"amazon_security_lake_glue_db_{region}"
    text = HINTS.format(
        role=provider_role(source, place.region),
        glue=f"arn:{place.partition}:iam::aws:policy/{GLUE_POLICY}",
        source=source,
        table=f"{database}.{table}",
    )
    return [" ".join(hint.split()) for hint in text.split("\n\n")]


def _document(*statements: Document) -> Document:
    return {"Version": VERSION, "Statement": list(statements)}
