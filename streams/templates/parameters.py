"""The parameters of the templates: names, defaults from the settings, and what each may be.

CloudFormation checks the same patterns, and so do Terraform's variables.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.errors import Misconfigured
from streams.lake import iam
from streams.settings.settings import Settings

#: Security Lake names its buckets like this.
SECURITY_LAKE_BUCKET = "aws-security-data-lake-"
_ARN = r"arn:aws[a-z-]*"
_TOPIC = r"[A-Za-z0-9._-]{1,249}"


class Parameter(NamedTuple):
    """A parameter; without a default it must be given. An empty text means: none."""

    name: str
    description: str
    default: str | None
    #: The values that it may have; or else a pattern for the whole of it, and what that means.
    choices: tuple[str, ...] = ()
    pattern: str = ""
    meaning: str = ""
    #: "list": texts, each with the pattern; with a comma between them.
    kind: str = "text"

    def check(self, value: str) -> None:
        """Raise Misconfigured if it cannot have this value."""
        each = value.split(",") if self.kind == "list" and value else [value]
        if self.choices and value not in self.choices:
            raise self._refusal(value, f"use one of {', '.join(self.choices)}")
        if self.kind == "list" and not value:
            return
        if self.pattern and not all(re.fullmatch(self.pattern, part, re.ASCII) for part in each):
            raise self._refusal(value, f"it is {self.meaning}")

    def _refusal(self, value: str, hint: str) -> Misconfigured:
        return Misconfigured(f"{self.name} cannot be {value!r}", hint)


def _optional(pattern: str) -> str:
    return f"|{pattern}"


PARAMETERS = (
    Parameter(
        "lake",
        "new-bucket: create the bucket; existing-bucket: use it; security-lake: it is the one of "
        "Amazon Security Lake",
        "new-bucket",
        choices=("new-bucket", "existing-bucket", "security-lake"),
    ),
    Parameter(
        "bucket",
        "S3 bucket of the lake",
        None,
        pattern=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        meaning="a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens",
    ),
    Parameter(
        "prefix",
        "Prefix in the bucket",
        "ext/falco",
        pattern=r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*",
        meaning="a prefix without slashes at its ends",
    ),
    Parameter(
        "kms_key_arn",
        "KMS key that encrypts the objects; empty: S3's own",
        "",
        pattern=_optional(rf"{_ARN}:kms:[a-z0-9-]+:\d{{12}}:key/[A-Za-z0-9-]+"),
        meaning="the ARN of a key, not of an alias, or empty",
    ),
    Parameter(
        "worker_trust",
        "How workers get their role: irsa and pod-identity on EKS, ec2 by an instance profile, "
        "ecs as the role of a task",
        "irsa",
        choices=("irsa", "pod-identity", "ec2", "ecs"),
    ),
    Parameter(
        "eks_issuer",
        "For irsa: the cluster's OpenID Connect issuer, whose provider is in IAM",
        "",
        pattern=_optional(r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/[A-Za-z0-9_.-]+)*"),
        meaning="what aws eks describe-cluster --query cluster.identity.oidc.issuer prints, "
        "or empty",
    ),
    Parameter(
        "eks_cluster",
        "For pod-identity: the cluster to make the association in; empty: make none",
        "",
        pattern=_optional(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"),
        meaning="the name of an EKS cluster, or empty",
    ),
    Parameter(
        "namespace",
        "On EKS: namespace of the workers",
        "falco",
        pattern=r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        meaning="a namespace of lower-case letters, digits and hyphens",
    ),
    Parameter(
        "service_account",
        "On EKS: service account of the workers",
        "falcolake",
        pattern=r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
        meaning="a service account of lower-case letters, digits, dots and hyphens",
    ),
    Parameter(
        "reader_arns",
        "Roles and users that may assume a role that only reads, to audit and query; empty: no "
        "such role is made",
        "",
        pattern=rf"{_ARN}:iam::\d{{12}}:(root|(role|user)/[\w+=,.@/-]+)",
        meaning="ARNs of roles, users or account roots, with commas between them, or empty",
        kind="list",
    ),
    Parameter(
        "source_name",
        "For security-lake: name of the custom source",
        "falco",
        pattern=r"[A-Za-z0-9_.-]{1,20}",
        meaning="at most 20 letters, digits, dots, underscores and hyphens",
    ),
    Parameter(
        "external_id",
        "For security-lake: external id that the source's role asks for",
        "",
        pattern=_optional(r"[\w+=,.@:/-]{2,}"),
        meaning="2 or more letters, digits and characters of _ + = , . @ : / -, or empty",
    ),
    Parameter(
        "event_class",
        "For security-lake: OCSF class of the findings",
        "DETECTION_FINDING",
        choices=("DETECTION_FINDING", "SECURITY_FINDING"),
    ),
    Parameter(
        "msk_cluster_arn",
        "MSK cluster that workers sign in to with IAM; empty: they do not",
        "",
        pattern=_optional(rf"{_ARN}:kafka:[a-z0-9-]+:\d{{12}}:cluster/[\w.-]+/[A-Za-z0-9-]+"),
        meaning="the ARN of an MSK cluster, or empty",
    ),
    Parameter(
        "create_topics",
        "Whether to create the topics in the MSK cluster, a provisioned one of Kafka 3.6 or later",
        "true",
        choices=("true", "false"),
    ),
    Parameter(
        "topic", "Topic of the alerts", "falco-events", pattern=_TOPIC, meaning="a topic's name"
    ),
    Parameter(
        "dead_letter_topic",
        "Topic for records that cannot become findings",
        "falco-events.dead-letter",
        pattern=_TOPIC,
        meaning="a topic's name",
    ),
    Parameter(
        "control_topic",
        "Topic for requests to the workers",
        "falco-events.control",
        pattern=_TOPIC,
        meaning="a topic's name",
    ),
    Parameter(
        "group_id",
        "Consumer group of the workers",
        "falcolake",
        pattern=r'[^*?$%"\\\s]{1,249}',
        meaning="a group's name, without spaces and any of * ? $ % \" \\",
    ),
    Parameter(
        "partitions",
        "Partitions of the topics of alerts and of dead letters",
        "6",
        pattern=r"[1-9]\d{0,4}",
        meaning="a number of partitions, at least 1",
        kind="number",
    ),
    Parameter(
        "replication_factor",
        "Copies of each record",
        "3",
        pattern=r"[2-9]",
        meaning="a number from 2 to 9; with fewer, a broken disk loses alerts",
        kind="number",
    ),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)
#: What CloudFormation has no use for: it cannot make a custom source.
_ONLY_TERRAFORM = {"event_class"}
#: What Terraform's module of the topics has, and the other module of these.
_OF_TOPICS = ("topic", "dead_letter_topic", "control_topic", "partitions", "replication_factor")
_ONLY_TOPICS = {"create_topics", "partitions", "replication_factor"}

Parameters = tuple[Parameter, ...]


def with_values(values: Mapping[str, str]) -> Parameters:
    """Return all parameters, with these values as defaults.

    Raises Misconfigured for a name that is not one, or a value that its parameter cannot have.
    """
    for name in values.keys() - set(NAMES):
        raise Misconfigured(f"there is no parameter {name!r}", f"use one of {', '.join(NAMES)}")
    for parameter in PARAMETERS:
        if parameter.name in values:
            parameter.check(values[parameter.name])
    return tuple(
        parameter._replace(default=values.get(parameter.name, parameter.default))
        for parameter in PARAMETERS
    )


def of_cloudformation(parameters: Parameters) -> Parameters:
    """Return those of the CloudFormation template."""
    return _without(parameters, _ONLY_TERRAFORM)


def of_terraform(parameters: Parameters) -> Parameters:
    """Return those of Terraform's module of roles and lake."""
    return _without(parameters, _ONLY_TOPICS)


def of_topics(parameters: Parameters) -> Parameters:
    """Return those of Terraform's module of topics."""
    return _without(parameters, set(NAMES) - set(_OF_TOPICS))


def _without(parameters: Parameters, names: Iterable[str]) -> Parameters:
    return tuple(parameter for parameter in parameters if parameter.name not in names)


def from_settings(settings: Settings, source: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the values that the settings give, and those that a person gives instead.

    `source` is the custom source's name. Raises Misconfigured if the lake's key is an alias.
    """
    lake, kafka = settings.lake, settings.kafka
    found = {
        "bucket": lake.bucket,
        "prefix": lake.prefix,
        "kms_key_arn": "" if "kms_key_arn" in given else _key_arn(settings),
        "external_id": lake.external_id or "",
        "event_class": settings.ocsf.event_class.upper(),
        "topic": kafka.topic,
        "dead_letter_topic": kafka.dead_letter_topic,
        "control_topic": kafka.control_topic,
        "group_id": kafka.group_id,
    }
    if lake.bucket.startswith(SECURITY_LAKE_BUCKET):
        found |= {"lake": "security-lake", "source_name": source}
    return {name: value for name, value in found.items() if value} | dict(given)


def _key_arn(settings: Settings) -> str:
    if settings.lake.kms_key_id is None:
        return ""
    key = iam.Place.of(settings.lake).key
    if key is None or key.alias or "*" in key.resource:
        raise Misconfigured(
            f"lake.kms_key_id is {settings.lake.kms_key_id!r}: a template needs the ARN of the key",
            "aws kms describe-key --key-id alias/NAME --query KeyMetadata.Arn prints it",
        )
    return key.resource
