"""Clients of AWS: of S3 with the settings' endpoint and role, and of Security Lake.

Credentials are those of boto3's own chain, or those of a role that they may assume, which renew
themselves. Building a client sends nothing. Wrong AWS configuration is `Misconfigured` here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.loaders import Loader, create_loader

from streams.errors import Misconfigured
from streams.lake.errors import WRITER, translating
from streams.settings import sections

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_s3 import S3Client


#: Seconds for a connection to be there, on each of a name's addresses, of which S3 has eight. A
#: first request's body also fails when none of it can be sent for so long.
CONNECT = 5
#: Seconds that S3 may take for an answer, and to begin it.
ANSWER = 15
#: What a put is allowed in addition: some proxies take it all before they send any of it on.
BYTES_PER_SECOND = 1_000_000
#: The kernel takes the last bytes of a put at once, however slow the line is: at most so many, on
#: a line of about 1 Mbit/s.
KERNEL = 4_000_000
SLOWEST = 100_000

BRIEF = Config(
    connect_timeout=CONNECT,
    read_timeout=ANSWER,
    retries={"mode": "standard", "total_max_attempts": 2},
)


def connect(settings: sections.LakeSettings) -> "S3Client":
    """Build the S3 client: the settings' endpoint and role over boto3's own credential chain.

    A role is assumed when first needed and again before it expires. Raises Misconfigured if there
    are no credentials to assume it with.
    """
    with _setting_up():
        return _client(session(settings), settings, BRIEF)


def patience(size: int) -> int:
    """Return the seconds that the answer to a put of this size may take.

    There are few values, since each needs a client.
    """
    seconds = ANSWER
    needed = ANSWER * 2 / 3 + max(size / BYTES_PER_SECOND, min(size, KERNEL) / SLOWEST)
    while seconds < needed:
        seconds *= 4
    return seconds


def patient(client: "S3Client", settings: sections.LakeSettings, seconds: int) -> "S3Client":
    """Build a client for puts, with another one's credentials, that sends each request once."""
    once = Config(read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 1})
    credentials = client._request_signer._credentials  # type: ignore[attr-defined]  # noqa: SLF001
    with _setting_up():
        return _client(_session(settings, credentials), settings, BRIEF.merge(once))


@contextmanager
def _setting_up() -> Iterator[None]:
    with translating("set up a client of S3", WRITER):
        try:
            yield
        except ValueError as error:  # of an endpoint in AWS's own variables or files
            raise Misconfigured(
                f"cannot set up a client of S3: {error}",
                "correct AWS's environment variables or configuration files",
            ) from error


def _client(session: boto3.Session, settings: sections.LakeSettings, config: Config) -> "S3Client":
    own = Config(
        signature_version="s3v4",  # of presigned requests too
        max_pool_connections=16,
        s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
    )
    return session.client("s3", endpoint_url=settings.endpoint_url, config=config.merge(own))


def session(settings: sections.LakeSettings) -> boto3.Session:
    """Build a session with boto3's own credentials, or those of the settings' role.

    Raises Misconfigured if there are no credentials to assume the role with.
    """
    with translating("find AWS credentials", WRITER):
        base = _session(settings)
        return _assuming(settings, settings.role_arn, base) if settings.role_arn else base


def _session(settings: sections.LakeSettings, credentials: Any = None) -> boto3.Session:
    """Build a session with these credentials; without any, with those of boto3's own chain."""
    inner = botocore.session.Session()
    inner.register_component("data_loader", _models(inner.get_config_variable("data_path")))
    inner.set_default_client_config(BRIEF)  # of the clients, too, that fetch credentials from STS
    if credentials is not None:
        inner._credentials = credentials  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    return boto3.Session(botocore_session=inner, region_name=settings.region or None)


@cache
def _models(data_path: str | None) -> Loader:
    """Return what loads AWS's models: to read those of S3 takes a tenth of a second, but once."""
    return create_loader(data_path)


def _assuming(settings: sections.LakeSettings, role_arn: str, base: boto3.Session) -> boto3.Session:
    source = base.get_credentials()
    if source is None:
        raise Misconfigured(
            f"there are no AWS credentials to assume {role_arn} with",
            "give the worker AWS credentials or a role of its own, or unset LAKE__ROLE_ARN",
        )
    extra: dict[str, Any] = {"RoleSessionName": "falcolake"}
    if settings.external_id:
        extra["ExternalId"] = settings.external_id

    def sts(service: str, **arguments: Any) -> Any:
        # The endpoint of S3 has no STS but on some servers other than AWS.
        where = {"region_name": settings.region, "endpoint_url": settings.sts_endpoint_url}
        return base.client(service, **{**arguments, **where})  # type: ignore[call-overload]

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=source,
        role_arn=role_arn,
        extra_args=extra,
    )
    return _session(
        settings, DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    )


def security_lake(region: str) -> "BaseClient":
    """Build a client of Security Lake, with boto3's own credentials."""
    config = Config(
        connect_timeout=10, read_timeout=120, retries={"mode": "standard", "total_max_attempts": 3}
    )
    with translating("set up a client of Security Lake", WRITER):
        client: BaseClient = boto3.Session(region_name=region).client("securitylake", config=config)
    return client
