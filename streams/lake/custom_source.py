"""Falco as a custom source of Amazon Security Lake: what to register, and what AWS answers.

Registering creates a prefix in the lake's bucket, a role that may write there, a Glue table and its
crawler. A source that is registered already is found and left as it is, so registering twice is
safe. The credentials are an administrator's: the role for writing does not exist yet.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.errors import Misconfigured
from streams.lake.errors import Advice, translating

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.model import Shape

#: Longer ones make a role name of over 64 characters; the service model itself allows 64.
LONGEST_NAME = 20
LOCATION = re.compile(r"s3[an]?://([^/]+)/(.+?)/?")

#: For an administrator who registers a source, by the codes of the service model and AWS's common
#: ones.
ADVICE = Advice(
    waiting="check that Security Lake is offered in this region, and the network; then try again: "
    "registering twice is safe",
    credentials="sign in to AWS: boto3 finds no credentials",
    parameters="see 'falcolake register --help'",
    unknown="check the arguments and the AWS credentials",
    reconfigure={
        "BadRequestException": "check the name, the crawler's role and the event class, and that "
        "the role exists and trusts glue.amazonaws.com: 'falcolake policy crawler-trust'",
        "ValidationException": "check the name, the crawler's role and the event class",
        "ResourceNotFoundException": "enable Security Lake in this region first, and create the "
        "crawler's role: 'falcolake policy crawler-trust' and 'crawler-permissions'",
        "AccessDeniedException": "use an administrator of Security Lake who is also one of Lake "
        "Formation and may pass the crawler's role; 'falcolake policy hints' says more",
        "UnrecognizedClientException": "correct the AWS credentials",
        "InvalidSignatureException": "correct the AWS credentials, and this machine's clock",
        "ExpiredTokenException": "renew the AWS credentials",
        "InvalidClientTokenId": "correct the AWS credentials",
    },
    wait={
        "ConflictException": "another change is in progress, or the name is taken: try again in a "
        "minute, or choose another name",
        "InternalServerException": "a fault within AWS: try again, registering twice is safe",
        "ThrottlingException": "AWS asks to slow down: try again in a minute",
    },
)
RULES = {
    "sourceName": ("CustomLogSourceName", "letters, digits, dots, underscores and hyphens"),
    "sourceVersion": ("CustomLogSourceVersion", "up to 32 letters, digits, dots, _ and -"),
    "roleArn": ("RoleArn", "a role's ARN, like arn:aws:iam::123456789012:role/name"),
    "principal": ("AwsPrincipal", "an account id of 12 digits, or an AWS service"),
    "externalId": ("ExternalId", "2 to 1224 letters, digits and characters of _ + = , . @ : / -"),
}
OPTIONS = {
    "sourceName": "NAME",
    "sourceVersion": "--source-version",
    "roleArn": "--crawler-role",
    "principal": "--principal",
    "externalId": "--external-id",
}


@dataclass(frozen=True, slots=True)
class Registration:
    """What is to be registered; `request` is what AWS is sent."""

    region: str
    name: str
    event_class: str
    crawler_role: str
    principal: str
    external_id: str
    version: str | None = None

    def request(self) -> dict[str, Any]:
        """Return the arguments of CreateCustomLogSource."""
        found: dict[str, Any] = {
            "sourceName": self.name,
            "eventClasses": [self.event_class],
            "configuration": {
                "crawlerConfiguration": {"roleArn": self.crawler_role},
                "providerIdentity": {
                    "principal": self.principal,
                    "externalId": self.external_id,
                },
            },
        }
        return found | ({"sourceVersion": self.version} if self.version else {})


@dataclass(frozen=True, slots=True)
class Source:
    """A custom source as AWS describes it; `created` is False if it was there before."""

    name: str
    version: str | None
    location: str
    role_arn: str
    crawler_arn: str
    table_arn: str
    created: bool

    @property
    def place(self) -> tuple[str, str] | None:
        """The location's bucket and prefix; None if AWS gave no such location."""
        found = LOCATION.fullmatch(self.location)
        return (found[1], found[2]) if found else None


def check(client: "BaseClient", registration: Registration) -> None:
    """Check a registration against the service model's own rules. Raises Misconfigured.

    botocore itself checks lengths and types, and no patterns.
    """
    if len(registration.name) > LONGEST_NAME or ":" in registration.name:
        raise _wrong("sourceName", f"at most {LONGEST_NAME} {RULES['sourceName'][1]}")
    request = registration.request()
    configuration = request["configuration"]
    values = request | configuration["crawlerConfiguration"] | configuration["providerIdentity"]
    for name, (shape, rule) in RULES.items():
        model = client.meta.service_model.shape_for(shape)
        if name in values and not _fits(values[name], model):
            raise _wrong(name, rule)


def _fits(value: str, model: "Shape") -> bool:
    rules = model.metadata
    return (
        rules.get("min", 0) <= len(value) <= rules.get("max", 2048)
        and re.fullmatch(rules["pattern"], value, re.ASCII) is not None
    )


def _wrong(name: str, rule: str) -> Misconfigured:
    return Misconfigured(
        f"{OPTIONS[name]} is not what Security Lake takes: it is {rule}",
        "falcolake register --help",
    )


def register(client: "BaseClient", registration: Registration) -> Source:
    """Register the source, or find it registered. Raises Misconfigured or Unavailable."""
    there = find(client, registration)
    if there is not None:
        return there
    with translating(f"register {registration.name}", ADVICE):
        answer = client.create_custom_log_source(**registration.request())  # type: ignore[attr-defined]
    return _source(answer.get("source", {}), created=True)


def find(client: "BaseClient", registration: Registration) -> Source | None:
    """Find the source among the region's; None if it is not registered."""
    wanted = {"sourceName": registration.name}
    if registration.version:
        wanted["sourceVersion"] = registration.version
    with translating("list the custom sources", ADVICE):
        pages = client.get_paginator("list_log_sources").paginate(
            regions=[registration.region], sources=[{"customLogSource": wanted}]
        )
        for page in pages:
            for account in page.get("sources", []):
                for each in account.get("sources", []):
                    found = each.get("customLogSource", {})
                    # A filter that AWS does not apply must not give us another's source.
                    if wanted.items() <= found.items():
                        return _source(found, created=False)
    return None


def _source(found: dict[str, Any], *, created: bool) -> Source:
    provider, attributes = found.get("provider", {}), found.get("attributes", {})
    return Source(
        found.get("sourceName", ""),
        found.get("sourceVersion"),
        provider.get("location", ""),
        provider.get("roleArn", ""),
        attributes.get("crawlerArn", ""),
        attributes.get("tableArn", ""),
        created,
    )
