"""Clients of AWS: of S3 with the settings' endpoint and role, and of Security Lake.

Credentials are those of boto3's own chain, or those of a role that they may assume, which renew
themselves. Building a client sends nothing. Wrong AWS configuration is `Misconfigured` here.
"""

from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from streams.errors import Misconfigured
from streams.lake.errors import WRITER, translating
from streams.settings import sections

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_s3 import S3Client


def connect(settings: sections.LakeSettings) -> "S3Client":
    """Build the S3 client: the settings' endpoint and role over boto3's own credential chain.

    A role is assumed when first needed and again before it expires. Raises Misconfigured if there
    are no credentials to assume it with.
    """
    config = Config(
        signature_version="s3v4",  # of presigned requests too
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=16,
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
    )
    with translating("set up a client of S3", WRITER):
        return session(settings).client("s3", endpoint_url=settings.endpoint_url, config=config)


def session(settings: sections.LakeSettings) -> boto3.Session:
    """Build a session with boto3's own credentials, or those of the settings' role.

    Raises Misconfigured if there are no credentials to assume the role with.
    """
    with translating("find AWS credentials", WRITER):
        base = boto3.Session(region_name=settings.region or None)
        return _assuming(settings, settings.role_arn, base) if settings.role_arn else base


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
        return base.client(
            service,  # type: ignore[call-overload]
            **{**arguments, "region_name": settings.region, "endpoint_url": settings.endpoint_url},
        )

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=source,
        role_arn=role_arn,
        extra_args=extra,
    )
    inner = botocore.session.Session()
    refreshing = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    inner._credentials = refreshing  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    return boto3.Session(botocore_session=inner, region_name=settings.region)


def security_lake(region: str) -> "BaseClient":
    """Build a client of Security Lake, with boto3's own credentials."""
    config = Config(
        connect_timeout=10, read_timeout=120, retries={"mode": "standard", "total_max_attempts": 3}
    )
    with translating("set up a client of Security Lake", WRITER):
        client: BaseClient = boto3.Session(region_name=region).client("securitylake", config=config)
    return client
