"""The CloudFormation template: roles, the bucket of a lake of one's own, topics in Amazon MSK.

CloudFormation has no resource for a custom source of Security Lake: `falcolake register` makes it,
with the crawler's role of this template. The lake's region is the stack's own.
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from streams.lake import iam
from streams.templates import stack
from streams.templates.parameters import Parameters
from streams.templates.topics import TOPICS, msk_rights

Json = dict[str, Any]

#: Days for which S3 keeps an object that `replay` has replaced, or a person deleted.
NONCURRENT_DAYS = 90
NOTHING = {"Ref": "AWS::NoValue"}
PLACE = iam.Place(
    "${AWS::Partition}", "${AWS::Region}", "${Bucket}", "${Prefix}", iam.Key("${KmsKeyArn}")
)
ACCOUNT = "${AWS::AccountId}"
PROVIDER = f"arn:{PLACE.partition}:iam::{ACCOUNT}:role/" + iam.provider_role(
    "${SourceName}", PLACE.region
)


def template(parameters: Parameters, region: str = "") -> Json:
    """Return the template; `region` is said in its description, if it is known."""
    where = f" For a stack in {region}." if region else ""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"falcolake: roles, lake and topics, made by 'falcolake template'.{where}",
        "Parameters": stack.parameters(parameters),
        "Rules": stack.rules(),
        "Conditions": stack.conditions(),
        "Resources": _bucket() | _worker() | _reader() | _crawler() | _topics(),
        "Outputs": _outputs(),
    }


def _filled(value: Any) -> Any:
    """Return a document whose placeholders are references."""
    if isinstance(value, dict):
        return {name: _filled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part) for part in value]
    return _text(value) if isinstance(value, str) and "${" in value else value


def _of_the_lake(document: Callable[[iam.Place], Json]) -> Json:
    """Return a document with the lake's key, if there is one, or without."""
    without = document(PLACE._replace(key=None))
    return _if("HasKey", _filled(document(PLACE)), _filled(without))


def _text(value: str) -> Json:
    parts = {
        name: {"Fn::Join": [kind, {"Fn::Split": [":cluster/", {"Ref": "MskClusterArn"}]}]}
        for name, kind in (("MskTopics", ":topic/"), ("MskGroups", ":group/"))
        if f"${{{name}}}" in value
    }
    return {"Fn::Sub": [value, parts] if parts else value}


def _policy(name: str, document: Json, role: str, condition: str | None = None) -> Json:
    properties = {"PolicyName": name, "PolicyDocument": document, "Roles": [{"Ref": role}]}
    found: Json = {"Type": "AWS::IAM::Policy"}
    found |= {"Condition": condition} if condition else {}
    return found | {"Properties": properties}


def _if(condition: str, then: Any, otherwise: Any) -> Json:
    return {"Fn::If": [condition, then, otherwise]}


def _bucket() -> Json:
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    encryption = {
        "ServerSideEncryptionByDefault": _if(
            "HasKey",
            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KmsKeyArn"}},
            {"SSEAlgorithm": "AES256"},
        ),
        "BucketKeyEnabled": _if("HasKey", True, NOTHING),
    }
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    properties = {
        "BucketName": {"Ref": "Bucket"},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": dict.fromkeys(blocked, True),
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {"Rules": [_lifecycle()]},
    }
    document = _filled(iam.encrypted_transport(PLACE))
    policy = {"Bucket": {"Ref": "LakeBucket"}, "PolicyDocument": document}
    return {
        "LakeBucket": {
            "Type": "AWS::S3::Bucket",
            "Condition": "HasNewBucket",
            **kept,
            "Properties": properties,
        },
        "LakeBucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Condition": "HasNewBucket",
            **kept,
            "Properties": policy,
        },
    }


def _lifecycle() -> Json:
    """Remove what is not part of the lake: parts of uploads, replaced and deleted objects."""
    return {
        "Id": "OnlyWhatIsNotInTheLake",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS},
    }


def _worker() -> Json:
    rights = msk_rights(
        "${MskClusterArn}",
        "${MskTopics}",
        "${MskGroups}",
        {
            name: f"${{{stack.logical(name)}}}"
            for name in ("group_id", *(topic.parameter for topic in TOPICS))
        },
    )
    association = {
        "ClusterName": {"Ref": "EksCluster"},
        "Namespace": {"Ref": "Namespace"},
        "ServiceAccount": {"Ref": "ServiceAccount"},
        "RoleArn": _arn("WorkerRole"),
    }
    return {
        "WorkerRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": _trust()},
        },
        "WorkerLake": _policy(
            "lake", _of_the_lake(iam.permissions), "WorkerRole", "HasLakeOfItsOwn"
        ),
        "WorkerAssume": _policy(
            "assume", _filled(iam.may_assume(PROVIDER)), "WorkerRole", "IsSecurityLake"
        ),
        "WorkerMsk": _policy("msk", _filled(rights), "WorkerRole", "HasMsk"),
        "WorkerProfile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Condition": "TrustsInstances",
            "Properties": {"Roles": [{"Ref": "WorkerRole"}]},
        },
        "WorkerAssociation": {
            "Type": "AWS::EKS::PodIdentityAssociation",
            "Condition": "HasAssociation",
            "Properties": association,
        },
    }


def _trust() -> Json:
    """Return the trust by the parameter. That of IRSA is a text, for its keys have the issuer."""
    pods = iam.trust_pods(
        PLACE.partition, ACCOUNT, "${Issuer}", "${Namespace}", "${ServiceAccount}"
    )
    # The slashes at the end are for an issuer that is not given: Fn::Select must find something.
    issuer = {"Fn::Select": [1, {"Fn::Split": ["//", {"Fn::Sub": "${EksIssuer}//"}]}]}
    return _if(
        "TrustsPods",
        {"Fn::Sub": [json.dumps(pods), {"Issuer": issuer}]},
        _if(
            "TrustsPodIdentity",
            _filled(iam.trust_pod_identity(ACCOUNT)),
            _if("TrustsInstances", iam.trust_ec2(), _filled(iam.trust_ecs(ACCOUNT))),
        ),
    )


def _reader() -> Json:
    role = {
        "AssumeRolePolicyDocument": iam.trust_principals({"Ref": "ReaderArns"}),
    }
    return {
        "ReaderRole": {"Type": "AWS::IAM::Role", "Condition": "HasReaders", "Properties": role},
        "ReaderLake": _policy("lake", _of_the_lake(iam.reading), "ReaderRole", "HasReaders"),
    }


def _crawler() -> Json:
    glue = f"arn:{PLACE.partition}:iam::aws:policy/{iam.GLUE_POLICY}"
    role = {
        "AssumeRolePolicyDocument": iam.trust_glue(),
        "ManagedPolicyArns": [{"Fn::Sub": glue}],
    }
    return {
        "CrawlerRole": {
            "Type": "AWS::IAM::Role",
            "Condition": "IsSecurityLake",
            "Properties": role,
        },
        "CrawlerLake": _policy(
            "lake", _of_the_lake(iam.crawler_permissions), "CrawlerRole", "IsSecurityLake"
        ),
    }


def _topics() -> Json:
    """Return the topics. MSK takes their settings as JSON in base64."""

    def topic(name: str, config: Iterable[tuple[str, str]], partitions: Any) -> Json:
        properties = {
            "ClusterArn": {"Ref": "MskClusterArn"},
            "TopicName": {"Ref": name},
            "PartitionCount": partitions,
            "ReplicationFactor": {"Ref": "ReplicationFactor"},
            "Configs": base64.b64encode(json.dumps(dict(config)).encode()).decode(),
        }
        return {
            "Type": "AWS::MSK::Topic",
            "Condition": "HasTopics",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": properties,
        }

    return {
        f"Msk{stack.logical(each.parameter)}": topic(
            stack.logical(each.parameter),
            each.config.items(),
            {"Ref": "Partitions"} if each.is_partitioned else 1,
        )
        for each in TOPICS
    }


def _outputs() -> Json:
    def output(description: str, value: Any, condition: str | None = None) -> Json:
        found = {"Description": description, "Value": value}
        return found | ({"Condition": condition} if condition else {})

    return {
        "WorkerRoleArn": output("The workers' own role", _arn("WorkerRole")),
        "WorkerProfileName": output(
            "The instance profile of the workers", {"Ref": "WorkerProfile"}, "TrustsInstances"
        ),
        "ReaderRoleArn": output("The role that only reads", _arn("ReaderRole"), "HasReaders"),
        "CrawlerRoleArn": output(
            "For falcolake register --crawler-role", _arn("CrawlerRole"), "IsSecurityLake"
        ),
        "ProviderRoleArn": output(
            "lake.role_arn, once falcolake register has run",
            {"Fn::Sub": PROVIDER},
            "IsSecurityLake",
        ),
    }


def _arn(resource: str) -> Json:
    return {"Fn::GetAtt": [resource, "Arn"]}
