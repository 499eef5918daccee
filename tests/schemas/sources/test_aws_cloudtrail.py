"""AWS CloudTrail events."""

from __future__ import annotations

from tests.schemas.sources.rows import (
    IN_DATA,
    REQUEST,
    RESPONSE,
    SAME,
    SRC,
    UID,
    UNMAPPED,
    USER,
    Case,
    E,
    check,
    each,
)

CALL = {"ct.name": "DeleteBucket"}
CT_USER = {"ct.user": "alice"}

CASES = [
    Case("ct.region", "eu-west-1", {}, ("cloud.region", SAME), None),
    *(
        Case("ct.region", region, {"s3.bucket": "b"}, (f"resources.0.{name}", value), None)
        for region, partition in (
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
        )
        for name, value in (
            ("region", region),
            ("cloud_partition", partition),
            ("uid", f"arn:{partition}:s3:::b"),
        )
    ),
    Case("ct.recipientaccountid", "123456789012", {}, ("cloud.account.uid", SAME), None),
    Case(
        "ct.recipientaccountid",
        "123456789012",
        {"ecr.repository": "r", "ct.user.accountid": "999999999999"},
        ("resources.0.owner.account.uid", SAME),
        None,
    ),
    # The account of who asked need not be the resource's.
    Case(
        "ct.user.accountid",
        "999999999999",
        {"ecr.repository": "r"},
        ("resources.0.owner", None),
        None,
    ),
    Case(
        "ct.user.accountid",
        "123456789012",
        {},
        (f"{USER}.account.uid", SAME),
        ("cloud.account.uid", SAME),
    ),
    Case("ct.name", "DeleteBucket", {}, (f"{E}.api.operation", SAME), None),
    Case("ct.src", "s3.amazonaws.com", CALL, (f"{E}.api.service.name", SAME), None),
    Case("ct.shortsrc", "s3", CALL, (f"{E}.api.service.name", SAME), None),
    Case("ct.apiversion", "2", CALL, (f"{E}.api.version", SAME), None),
    Case("ct.requestid", "1C8A", CALL, (f"{REQUEST}.uid", SAME), None),
    Case("ct.request", "{}", CALL, (f"{REQUEST}.data", {"ct.request": "{}"}), None),
    Case("ct.response", "{}", CALL, (f"{RESPONSE}.data", {"ct.response": "{}"}), None),
    Case("ct.error", "AccessDenied", CALL, (f"{RESPONSE}.error", SAME), None),
    Case("ct.errormessage", "no", CALL, (f"{RESPONSE}.error_message", SAME), None),
    Case("ct.user", "alice", {}, (f"{USER}.name", SAME), None),
    Case("ct.user.arn", "arn:aws:iam::1:user/a", {}, (f"{USER}.uid", SAME), None),
    Case("ct.user.principalid", "AIDA", CT_USER, (f"{USER}.uid_alt", SAME), None),
    Case(
        "ct.user.identitytype",
        "Root",
        CT_USER,
        (f"{USER}.type_id", 2),
        (f"{USER}.type", "Admin"),
    ),
    Case(
        "ct.user.identitytype",
        "IAMUser",
        CT_USER,
        (f"{USER}.type_id", 1),
        (f"{USER}.type", "User"),
    ),
    Case(
        "ct.user.identitytype",
        "AWSService",
        CT_USER,
        (f"{USER}.type_id", 3),
        (f"{USER}.type", "System"),
    ),
    Case(
        "ct.user.identitytype",
        "AssumedRole",
        CT_USER,
        (f"{USER}.type_id", 99),
        (f"{USER}.type", SAME),
    ),
    Case("ct.srcip", "198.51.100.77", {}, (f"{SRC}.ip", SAME), None),
    Case(
        "ct.srcip", "autoscaling.amazonaws.com", {}, (f"{SRC}.domain", SAME), (f"{SRC}.name", SAME)
    ),
    Case("ct.vpcendpointid", "vpce-1", {}, (f"{SRC}.uid", SAME), None),
    Case("ct.error", "AccessDenied", {}, (IN_DATA, SAME), None),
    Case("ct.errormessage", "no", {}, (IN_DATA, SAME), None),
    Case("ct.readonly", "true", CALL, (IN_DATA, SAME), None),
    Case("ct.managementevent", "true", CALL, (IN_DATA, SAME), None),
    Case("ct.useragent", "aws-cli", CALL, (IN_DATA, SAME), (f"{E}.http_request.user_agent", SAME)),
    Case("ct.tlsdetails.tlsversion", "TLSv1.3", CALL, (IN_DATA, SAME), (f"{E}.tls.version", SAME)),
    Case(
        "ct.tlsdetails.ciphersuite",
        "AES",
        {**CALL, "ct.tlsdetails.tlsversion": "TLSv1.3"},
        (IN_DATA, SAME),
        (f"{E}.tls.cipher", SAME),
    ),
    Case(
        "ct.tlsdetails.clientprovidedhostheader",
        "s3",
        {**CALL, "ct.tlsdetails.tlsversion": "1"},
        (IN_DATA, SAME),
        (f"{E}.tls.sni", SAME),
    ),
    Case("ct.id", UID, {}, ("finding_info.related_events.0.uid", SAME), None),
    Case("ct.id", UID, CALL, (f"{REQUEST}.uid", SAME), None),
    Case("ct.id", UID, {**CALL, "ct.requestid": "1C8A"}, (f"{REQUEST}.uid", "1C8A"), None),
    Case(
        "s3.bucket",
        "b",
        {},
        ("resources.0.uid", "arn:aws:s3:::b"),
        ("resources.0.type", "AWS::S3::Bucket"),
    ),
    Case(
        "s3.key",
        "k/x",
        {"s3.bucket": "b"},
        ("resources.0.uid", "arn:aws:s3:::b/k/x"),
        ("resources.0.name", "k/x"),
    ),
    Case(
        "s3.uri",
        "s3://b",
        {"s3.bucket": "b"},
        ("resources.0.uid", "arn:aws:s3:::b"),
        ("unmapped", None),
    ),
    Case(
        "s3.uri",
        "s3://b/k/x",
        {},
        ("resources.0.uid", "arn:aws:s3:::b/k/x"),
        ("resources.0.name", "k/x"),
    ),
    Case(
        "s3.uri", "s3://b", {}, ("resources.0.type", "AWS::S3::Bucket"), ("resources.0.name", "b")
    ),
    Case("s3.uri", "s3:///k", {}, (UNMAPPED, SAME), None),
    Case("s3.uri", "s3://other/k", {"s3.bucket": "b"}, (UNMAPPED, SAME), None),
    *(
        Case(field, "x", {}, ("resources.0.type", kind), ("resources.0.name", SAME))
        for field, kind in (
            ("ct.request.functionname", "AWS::Lambda::Function"),
            ("ecr.repository", "AWS::ECR::Repository"),
            ("iam.role", "AWS::IAM::Role"),
            ("iam.policy", "AWS::IAM::Policy"),
            ("ec2.name", "AWS::EC2::Instance"),
            ("ct.request.cluster", "AWS::ECS::Cluster"),
            ("ct.request.taskdefinition", "AWS::ECS::TaskDefinition"),
            ("ct.request.groupname", "AWS::EC2::SecurityGroup"),
            ("ct.request.username", "AWS::IAM::User"),
            ("ct.request.subnetid", "AWS::EC2::Subnet"),
            ("ct.request.documentname", "AWS::SSM::Document"),
            ("ct.request.serialnumber", "AWS::IAM::MFADevice"),
        )
    ),
    Case("ct.request.cluster", "c", CALL, (f"{REQUEST}.data", {"ct.request.cluster": "c"}), None),
    Case("ct.request.name", "x", {}, (f"{E}.data", {"ct.request.name": "x"}), None),
    Case("ct.response.x", "x", {}, (f"{E}.data", {"ct.response.x": "x"}), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
