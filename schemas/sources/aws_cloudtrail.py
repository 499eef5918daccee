"""AWS CloudTrail events: `ct.*`, `s3.*`, `ec2.*`, `ecr.*`, `iam.*`.

Where there is a choice it follows Security Lake's own CloudTrail source: the user's uid is the ARN,
the event id is a related event.
"""

from __future__ import annotations

from typing import Any

from schemas.ocsf.releases import Release, is_ip
from schemas.sources.draft import ANY, DATA, Draft, Row, plain
from schemas.sources.place import cloud_of, partition_of

_API = "evidences[].api"
_USER = "evidences[].actor.user"
_SRC = "evidences[].src_endpoint"

# The fields that name the resource of an event, and its type.
_RESOURCES = (
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

_NO_NAME = "data: without ct.name."

ROWS: tuple[Row, ...] = (
    Row("ct.region", ("cloud.region", "resources[].region", "resources[].cloud_partition")),
    Row("ct.recipientaccountid", ("cloud.account.uid", "resources[].owner.account.uid")),
    Row(
        "ct.user.accountid",
        (f"{_USER}.account.uid", "cloud.account.uid"),
        "cloud: only if there is no ct.recipientaccountid.",
    ),
    Row("ct.name", (f"{_API}.operation",)),
    Row("ct.src", (f"{_API}.service.name",), "With ct.name."),
    Row("ct.shortsrc", (f"{_API}.service.name",), "If there is no ct.src."),
    Row("ct.apiversion", (f"{_API}.version",)),
    Row(
        "ct.requestid",
        (f"{_API}.request.uid",),
        "If missing: ct.id, then the finding's uid.",
        slots=("request_uid",),
    ),
    Row(
        "ct.request*",
        (f"{_API}.request.data", DATA),
        "One JSON object, keyed by Falco field.",
        ANY,
    ),
    Row("ct.response*", (f"{_API}.response.data", DATA), "Like ct.request*.", ANY),
    Row("ct.error", (f"{_API}.response.error", DATA), _NO_NAME),
    Row("ct.errormessage", (f"{_API}.response.error_message", DATA), _NO_NAME),
    Row("ct.readonly", (DATA,)),
    Row("ct.managementevent", (DATA,)),
    Row("ct.user", (f"{_USER}.name",)),
    Row("ct.user.arn", (f"{_USER}.uid",), "As in Security Lake's own CloudTrail source."),
    Row("ct.user.principalid", (f"{_USER}.uid_alt",), "With a user."),
    Row(
        "ct.user.identitytype",
        (f"{_USER}.type_id", f"{_USER}.type"),
        "With a user. Root: Admin, IAMUser: User, AWSService: System, others unchanged.",
    ),
    Row(
        "ct.srcip",
        (f"{_SRC}.ip", f"{_SRC}.domain"),
        "domain: for a service's name instead of an address.",
    ),
    Row("ct.vpcendpointid", (f"{_SRC}.uid",)),
    Row("ct.useragent", ("evidences[].http_request.user_agent", DATA), "Before 1.4: data."),
    Row("ct.tlsdetails.tlsversion", ("evidences[].tls.version", DATA), "Before 1.4: data."),
    *(
        Row(
            f"ct.tlsdetails.{name}",
            (f"evidences[].tls.{to}", DATA),
            "data: before 1.4, or without the version.",
        )
        for name, to in (("ciphersuite", "cipher"), ("clientprovidedhostheader", "sni"))
    ),
    Row(
        "ct.id",
        ("finding_info.related_events[].uid", f"{_API}.request.uid"),
        "Joins with Security Lake's own CloudTrail logs. request: if there is no ct.requestid.",
        slots=("event_uid",),
    ),
    Row("s3.bucket", ("resources[].uid", "resources[].name"), "arn:aws:s3:::bucket/key"),
    Row("s3.key", ("resources[].uid",), "With s3.bucket."),
    Row("s3.uri", ("resources[].uid", "resources[].name"), "If there is no s3.bucket."),
    *(Row(field, ("resources[].name",), f"Type {kind}.") for field, kind in _RESOURCES),
)

_IDENTITIES = {"Root": (2, "Admin"), "IAMUser": (1, "User"), "AWSService": (3, "System")}


def build(draft: Draft, release: Release) -> None:
    """Add the cloud, the call, who made it, and its resources."""
    owner = _cloud(draft, release)
    _resources(draft, release, owner)
    _api(draft)
    _actor(draft)
    _endpoint(draft)
    if release.modern:
        _request(draft)


def _cloud(draft: Draft, release: Release) -> str | None:
    """Add the cloud; return the account that got the event, which is that of its resources."""
    fields = draft.fields
    recipient: str | None = fields.pop("ct.recipientaccountid", None)
    account = recipient or fields.get("ct.user.accountid")
    draft.cloud = cloud_of("AWS", account, fields.pop("ct.region", None), release)
    return recipient


def _api(draft: Draft) -> None:
    fields = draft.fields
    pop = fields.pop
    event = pop("ct.id", None)
    if event is not None:
        draft.related += ({"uid": event, "type": "CloudTrail event"},)
    operation = pop("ct.name", None)
    if operation is None:
        # OCSF has no api without an operation. Keep the arguments as an object, not in unmapped.
        if data := _data(draft, "ct.request") | _data(draft, "ct.response"):
            draft.evidence["data"] = data
        return
    api: dict[str, Any] = {"operation": operation}
    service = draft.first("ct.src")
    if service is None:
        service = pop("ct.shortsrc", None)
    elif service.split(".")[0] == fields.get("ct.shortsrc"):
        del fields["ct.shortsrc"]
    if service is not None:
        api["service"] = {"name": service}
    draft.take(api, (("ct.apiversion", "version"),))
    request: dict[str, Any] = {"uid": pop("ct.requestid", None) or event or draft.uid}
    if data := _data(draft, "ct.request"):
        request["data"] = data
    api["request"] = request
    response: dict[str, Any] = {}
    draft.take(response, (("ct.error", "error"), ("ct.errormessage", "error_message")))
    if data := _data(draft, "ct.response"):
        response["data"] = data
    if response:
        api["response"] = response
    draft.evidence["api"] = api


def _data(draft: Draft, prefix: str) -> dict[str, Any]:
    parts = (f"{prefix}.", f"{prefix}[")
    names = [name for name in draft.fields if name.startswith(parts) or name == prefix]
    return {name: plain(draft.fields.pop(name)) for name in names}


def _actor(draft: Draft) -> None:
    fields = draft.fields
    user: dict[str, Any] = {}
    draft.take(
        user,
        (("ct.user", "name"), ("ct.user.arn", "uid")),
    )
    if "name" in user:
        draft.observe("evidences[].actor.user.name", 4, user["name"])
    account = fields.pop("ct.user.accountid", None)
    if account is not None:
        user["account"] = {"uid": account}
    if not user:
        return
    draft.take(user, (("ct.user.principalid", "uid_alt"),))
    if (identity := fields.pop("ct.user.identitytype", None)) is not None:
        user["type_id"], user["type"] = _IDENTITIES.get(identity, (99, identity))
    draft.evidence["actor"] = {"user": user}


def _endpoint(draft: Draft) -> None:
    fields = draft.fields
    endpoint: dict[str, Any] = {}
    if (source := fields.pop("ct.srcip", None)) is not None:
        if is_ip(source):
            endpoint["ip"] = source
            draft.observe("evidences[].src_endpoint.ip", 2, source)
        else:
            endpoint["domain"] = endpoint["name"] = source
            draft.observe("evidences[].src_endpoint.domain", 1, source)
    draft.take(endpoint, (("ct.vpcendpointid", "uid"),))
    if endpoint:
        draft.evidence["src_endpoint"] = endpoint


def _request(draft: Draft) -> None:
    fields = draft.fields
    if not draft.evidence:
        return
    if (agent := fields.pop("ct.useragent", None)) is not None:
        draft.evidence["http_request"] = {"user_agent": agent}
        draft.observe("evidences[].http_request.user_agent", 16, agent)
    if (version := fields.pop("ct.tlsdetails.tlsversion", None)) is not None:
        tls = {"version": version}
        draft.take(
            tls,
            (
                ("ct.tlsdetails.ciphersuite", "cipher"),
                ("ct.tlsdetails.clientprovidedhostheader", "sni"),
            ),
        )
        draft.evidence["tls"] = tls


def _resources(draft: Draft, release: Release, owner: str | None) -> None:
    """Add the resources that the fields name; those in the request stay in its data too."""
    fields = draft.fields
    region = draft.cloud.get("region") if draft.cloud else None
    of_all = {
        "region": region,
        "cloud_partition": partition_of(region) if region is not None else None,
        "owner": {"account": {"uid": owner}} if owner is not None else None,
    }
    bucket, key = _s3_object(fields)
    if bucket is not None:
        place = bucket if key is None else f"{bucket}/{key}"
        uid = f"arn:{of_all['cloud_partition'] or 'aws'}:s3:::{place}"
        draft.resource(
            release,
            1,
            type="AWS::S3::Object" if key is not None else "AWS::S3::Bucket",
            name=key if key is not None else bucket,
            uid=uid,
            **of_all,
        )
        draft.observe("resources[].uid", 10, uid)
    for field, kind in _RESOURCES:
        name = fields.get(field)
        if name.__class__ is str:
            if not field.startswith("ct.request"):
                del fields[field]
            draft.resource(release, 1, type=kind, name=name, **of_all)


def _s3_object(fields: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the bucket and the key, from the fields that name them."""
    bucket, key = fields.pop("s3.bucket", None), None
    uri: str = fields.get("s3.uri", "")
    if bucket is not None:
        key = fields.pop("s3.key", None)
    elif uri.startswith("s3://") and not uri.startswith("s3:///"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
    if uri == f"s3://{bucket}" or uri == f"s3://{bucket}/{key}":
        del fields["s3.uri"]
    return bucket or None, key or None
