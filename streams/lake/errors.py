"""What the errors of botocore mean to a person: those of S3, and of AWS's other services.

They are translated only here. What a service refuses is told by its code, and what to do about it
depends on who asks: see `Advice`. What botocore itself raises goes by its class. An error that no
rule names counts as `Unavailable`: wait, and try again.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from botocore.parsers import ResponseParserError

from streams.errors import FalcolakeError, Misconfigured, Unavailable, Unproved, in_words

SERVER_FAULT = 500  # and above: an HTTP status that blames the service, not the caller

NOT_IMPLEMENTED = 501  # not that
PRECONDITION_FAILED = 412
#: The code of a 412 that is S3's: the object is there. Proxies answer 412, too.
EXISTS = "PreconditionFailed"
#: The code of a put that met another one of the same object.
RACE = "ConditionalRequestConflict"

WHO_ANSWERS = (
    "look at what answers in the lake's place: LAKE__ENDPOINT_URL, and every proxy, ingress or "
    "captive portal between; nothing is lost, and it is tried again"
)

# By name: older releases of botocore lack some of these classes.
NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError"}
#: A session of `aws sso login` or `aws login` that is missing or over.
SIGNED_OUT = {"LoginError", "NoAuthTokenError", "SSOError", "TokenRetrievalError"}
#: What botocore finds wrong with AWS's variables and configuration files on this machine.
CONFIGURATION = {
    "ConfigNotFound",
    "ConfigParseError",
    "InvalidChecksumConfigError",
    "InvalidConfigError",
    "InvalidDefaultsMode",
    "InvalidEndpointConfigurationError",
    "InvalidIMDSEndpointError",
    "InvalidIMDSEndpointModeError",
    "InvalidMaxRetryAttemptsError",
    "InvalidProxiesConfigError",
    "InvalidRegionError",
    "InvalidRetryConfigurationError",
    "InvalidS3AddressingStyleError",
    "InvalidSTSRegionalEndpointsConfigError",
    "NoRegionError",
    "ProfileNotFound",
    "RefreshWithMFAUnsupportedError",
    "UnknownRegionError",
    "UnknownCredentialError",
}
#: No connection, or none that lasts: botocore's two bases of such errors.
NO_CONNECTION = {"ConnectionError", "HTTPClientError"}
PARAMETERS = {"InvalidDNSNameError", "ParamValidationError", "ValidationError"}


@dataclass(frozen=True)
class Advice:
    """What to try, by what went wrong, for one kind of caller.

    `unreachable` is for a service without a connection; without it, as `waiting`. `reconfigure` and
    `wait` are hints by the service's error code. `unknown` is for a code that is
    in neither and blames the caller; without it such a code is waited for.
    """

    waiting: str
    credentials: str
    parameters: str
    kms: str = ""
    unreachable: str = ""
    unknown: str = ""
    reconfigure: dict[str, str] = field(default_factory=dict)
    wait: dict[str, str] = field(default_factory=dict)


WAY = "check the way from here to S3: security group, VPC endpoint, proxy, DNS"

#: A worker, which puts objects.
WRITER = Advice(
    waiting="nothing is lost: Kafka keeps the records until the lake takes them",
    unreachable=f"{WAY}; nothing is lost meanwhile",
    credentials="give the worker AWS credentials or a role",
    parameters="correct the LAKE__ settings",
    kms="allow kms:GenerateDataKey; see LAKE__KMS_KEY_ID",
    reconfigure={
        "NoSuchBucket": "create the bucket, or correct LAKE__BUCKET",
        "AccessDenied": "allow s3:PutObject on the prefix to the worker's role; see LAKE__ROLE_ARN",
        "InvalidAccessKeyId": "correct the AWS credentials of the worker",
        "SignatureDoesNotMatch": "correct the AWS credentials of the worker",
        "ExpiredToken": "renew the AWS credentials, or set LAKE__ROLE_ARN, whose credentials "
        "renew themselves",
        "PermanentRedirect": "correct LAKE__REGION: the bucket is in another region",
        "AuthorizationHeaderMalformed": "correct LAKE__REGION: the bucket is in another region",
        "RequestTimeTooSkewed": "set this machine's clock by NTP",
    },
)

#: A command that lists and gets objects.
READER = replace(
    WRITER,
    waiting="try again; nothing was changed",
    unreachable=f"{WAY}, and try again; nothing was changed",
    kms="allow kms:Decrypt on the lake's key",
    reconfigure={
        **WRITER.reconfigure,
        "AccessDenied": "allow s3:ListBucket on the bucket, s3:GetObject on the prefix",
    },
)


@contextmanager
def translating(what: str, advice: Advice, *also: type[Exception]) -> Iterator[None]:
    """Turn botocore's errors inside the block, and those of the types in `also`, into falcolake's.

    `what` completes "cannot …".
    """
    kinds: tuple[type[Exception], ...] = (BotoCoreError, ClientError, ResponseParserError, *also)
    try:
        yield
    except kinds as error:
        raise translated(error, what, advice) from error


def translated(error: Exception, what: str, advice: Advice) -> FalcolakeError:
    """Return what an error of botocore means, and what to try."""
    if isinstance(error, ClientError):
        return _refusal(error, what, advice)
    said = re.sub(r'(https?://[^/"]+)[^"]*', r"\1", in_words(error))
    message = f"cannot {what}: {said}"
    if isinstance(error, ResponseParserError):
        return Unproved(f"cannot {what}: the answer is not one of S3's".strip(), WHO_ANSWERS)
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & NO_CREDENTIALS:
        return Misconfigured(message, advice.credentials)
    if names & SIGNED_OUT:
        return Misconfigured(message, "sign in to AWS again, or use other credentials")
    if names & CONFIGURATION:
        return Misconfigured(message, "correct AWS's environment variables or configuration files")
    if "SSLError" in names:
        return Misconfigured(message, "set AWS_CA_BUNDLE to a PEM file of the authority to trust")
    if names & PARAMETERS:
        return Misconfigured(message.splitlines()[0], advice.parameters)
    unreachable = advice.unreachable if names & NO_CONNECTION else ""
    return Unavailable(message, unreachable or advice.waiting)


def _refusal(error: ClientError, what: str, advice: Advice) -> FalcolakeError:
    answer = error.response.get("Error", {})
    code, detail = answer.get("Code", ""), answer.get("Message", "").split("\n")[0][:200]
    status = status_of(error)
    message = f"cannot {what}: {code or status} {detail}".rstrip()
    if advice.kms and (code.startswith("KMS") or "kms:" in message):
        return Misconfigured(message, advice.kms)
    if code in {"", f"{status}"} and _is_html(error):
        return Unproved(f"cannot {what}: an answer in HTML, which S3 never sends", WHO_ANSWERS)
    if status == PRECONDITION_FAILED and code != EXISTS:
        return Unproved(f"{message}: a 412 that is not S3's", WHO_ANSWERS)
    if code in advice.reconfigure:
        return Misconfigured(message, advice.reconfigure[code])
    if advice.unknown and code not in advice.wait and (status or SERVER_FAULT) < SERVER_FAULT:
        return Misconfigured(message, advice.unknown)
    return Unavailable(message, advice.wait.get(code, advice.waiting))


def is_brief(error: Exception) -> bool:
    """Return whether a request may be sent again at once: it met a race, a fault, a dead line."""
    if isinstance(error, ClientError):
        status = status_of(error) or SERVER_FAULT
        return code_of(error) == RACE or (status >= SERVER_FAULT and status != NOT_IMPLEMENTED)
    return isinstance(error, ConnectionClosedError)


def _is_html(error: ClientError) -> bool:
    """Return whether the answer is a page. HEAD has no body; its type then says nothing."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    page = str(headers.get("content-type", "")).startswith("text/html")
    return page and not error.operation_name.startswith("Head")


def was_refused(error: FalcolakeError) -> bool:
    """Return whether the service itself refused; other errors come before it, or on the way."""
    return isinstance(error.__cause__, ClientError)


def code_of(error: ClientError) -> str:
    """Return the service's code of a refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int | None:
    """Return the HTTP status of a refusal."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
