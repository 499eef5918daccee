"""The IAM documents that a lake needs: who may assume its roles, and what those may do.

Pure: settings and arguments in, documents as JSON types out, without asking AWS. A document allows
what falcolake does and nothing more: no delete, no ACL, no tag, no bucket but the lake's.

Source: "Collecting data from custom sources" in the Security Lake user guide; "IAM roles for
service accounts" in the EKS user guide; the IAM and KMS condition keys of the service
authorization reference.
"""

import re
from typing import Any

from schemas.sources.place import partition_of
from streams.errors import Misconfigured
from streams.settings import sections

Document = dict[str, Any]

VERSION = "2012-10-17"
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
    return _document(
        {
            "Sid": "WorkersOfTheServiceAccount",
            "Effect": "Allow",
            "Principal": {
                "Federated": f"arn:{partition_of(region)}:iam::{account}:oidc-provider/{place}"
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{place}:aud": "sts.amazonaws.com",
                    f"{place}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                }
            },
        }
    )


def trust_glue() -> Document:
    """Let AWS Glue assume the crawler's role."""
    return _document(
        {
            "Sid": "Glue",
            "Effect": "Allow",
            "Principal": {"Service": "glue.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )


def permissions(lake: sections.LakeSettings) -> Document:
    """Allow what falcolake does under the prefix: list, get and put, and the lake's key.

    Workers put, and get to compare what is there already. They also list where Kafka has no
    committed offset of a partition (a new group, or one that Kafka forgot): the lake's last window
    then says where to go on. `audit`, `verify`, `replay` and `doctor` always list and get.
    """
    listing = {
        "Sid": "ListThePrefix",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": _bucket(lake),
        "Condition": {"StringLike": {"s3:prefix": f"{lake.prefix}/*"}},
    }
    return _document(listing, *_objects(lake))


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


def crawler_permissions(lake: sections.LakeSettings) -> Document:
    """Allow Glue's crawler to read the objects; it also needs AWS's own AWSGlueServiceRole."""
    return _document(*_objects(lake))


def _bucket(lake: sections.LakeSettings) -> str:
    return f"arn:{partition_of(lake.region)}:s3:::{lake.bucket}"


def _objects(lake: sections.LakeSettings) -> list[Document]:
    objects = {
        "Sid": "ReadAndWriteObjects",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"{_bucket(lake)}/{lake.prefix}/*",
    }
    return [objects, _key(lake, lake.kms_key_id)] if lake.kms_key_id else [objects]


def _key(lake: sections.LakeSettings, key: str) -> Document:
    """Allow use of the key, through S3 only. A condition names the keys of an alias."""
    account = lake.role_arn.split(":")[4] if lake.role_arn else lake.account_id
    if not account.isdigit():
        account = "*"  # external: the key's own id, or its alias, still says which
    keys = f"arn:{partition_of(lake.region)}:kms:{lake.region}:{account}:key"
    place, _, alias = key.rpartition("alias/") if "alias/" in key else ("", "", "")
    if alias and place.startswith("arn:"):
        keys = f"{place.rstrip(':')}:key"
    through = {"kms:ViaService": f"s3.{lake.region}.amazonaws.com"}
    condition: Document = {"StringEquals": through}
    if alias:
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": f"alias/{alias}"}
    resource = f"{keys}/*" if alias else key if key.startswith("arn:") else f"{keys}/{key}"
    return {
        "Sid": "UseTheKey",
        "Effect": "Allow",
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": resource,
        "Condition": condition,
    }


def hints(lake: sections.LakeSettings, source: str) -> list[str]:
    """Return what IAM documents alone do not settle: who registers, who crawls, who may query."""
    region = lake.region.replace("-", "_")
    table = f"amazon_security_lake_table_{region}_ext_{re.sub(r'[^a-z0-9]', '_', source.lower())}"
    database = f"amazon_security_lake_glue_db_{region}"
    text = HINTS.format(
        role=provider_role(source, lake.region),
        glue=f"arn:{partition_of(lake.region)}:iam::aws:policy/{GLUE_POLICY}",
        source=source,
        table=f"{database}.{table}",
    )
    return [" ".join(hint.split()) for hint in text.split("\n\n")]


def _document(*statements: Document) -> Document:
    return {"Version": VERSION, "Statement": list(statements)}
