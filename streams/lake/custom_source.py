"""Falco as a custom source of Amazon Security Lake: what to register, and what AWS answers.

Registering creates a prefix in the lake's bucket, a role that may write there, a Glue table and its
crawler. A source that is registered already is found and left as it is, so registering twice is
registering once. What AWS refuses becomes a `FalcolakeError` here and nowhere else. Credentials are
those of boto3's own chain, an administrator's: the role for writing does not exist yet.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from streams.errors import FalcolakeError, Misconfigured, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.model import Shape

#: Longer ones make a role name of over 64 characters; the service model itself allows 64.
LONGEST_NAME = 20
FAULT = 500  # and above: an HTTP status that blames the service, not the caller
LOCATION = re.compile(r"s3[an]?://([^/]+)/(.+?)/?")

#: Of the service model and of AWS's common errors: what a person does next.
MISCONFIGURED = {
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
}
UNAVAILABLE = {
    "ConflictException": "another change is under way, or the name is taken: wait a minute and "
    "try again, or choose another name",
    "InternalServerException": "a fault within AWS: try again; twice is no harm",
    "ThrottlingException": "AWS asks to slow down: try again in a minute",
}
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
        """Give the arguments of CreateCustomLogSource."""
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


def connect(region: str) -> "BaseClient":
    """Build a client of Security Lake. Sends nothing."""
    config = Config(
        connect_timeout=10, read_timeout=120, retries={"mode": "standard", "total_max_attempts": 3}
    )
    client: BaseClient = boto3.Session(region_name=region).client("securitylake", config=config)
    return client


def check(client: "BaseClient", registration: Registration) -> None:
    """Hold a registration against the service model's own rules. Raises Misconfigured.

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
    try:
        answer = client.create_custom_log_source(**registration.request())  # type: ignore[attr-defined]
    except (BotoCoreError, ClientError) as error:
        raise translated(error, f"register {registration.name}") from error
    return _source(answer.get("source", {}), created=True)


def find(client: "BaseClient", registration: Registration) -> Source | None:
    """Find the source among the region's; None if it is not registered."""
    wanted = {"sourceName": registration.name}
    if registration.version:
        wanted["sourceVersion"] = registration.version
    try:
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
    except (BotoCoreError, ClientError) as error:
        raise translated(error, "list the custom sources") from error
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


def translated(error: Exception, what: str) -> FalcolakeError:
    """Say what an error of Security Lake means, and what to try."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        code = answer.get("Code", "")
        message = f"cannot {what}: {code} {answer.get('Message', '')}".rstrip()
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if code in MISCONFIGURED:
            return Misconfigured(message, MISCONFIGURED[code])
        if code not in UNAVAILABLE and status < FAULT:
            return Misconfigured(message, "check the arguments and the AWS credentials")
        return Unavailable(message, UNAVAILABLE.get(code, "try again; twice is no harm"))
    message = f"cannot {what}: {error}".splitlines()[0]
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Misconfigured(message, "sign in to AWS: boto3 finds no credentials")
    if isinstance(error, ParamValidationError):
        return Misconfigured(message, "falcolake register --help")
    return Unavailable(message, "is Security Lake offered in this region, and the network there?")
