"""The lake: keys, and put, list, read of objects. The only S3 here.

A key says what its object holds (`ObjectKey`), so the lake is its own ledger. `put` creates an
object whole or not at all, with one PutObject and nothing that a Security Lake provider role may
not do: no multipart, no ACL, no tags, no delete. Every failure is a `FalcolakeError` that says what
to try; whoever calls holds what it has and tries again.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)

from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.lake.keys import ObjectKey
from streams.settings import sections

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/vnd.apache.parquet"
#: The last part of the key that `doctor` puts, and that is none of a window's objects. Readers as
#: Athena pass over names that begin with an underscore.
PROBE = "_falcolake_doctor"
ALREADY_EXISTS = 412
NOT_IMPLEMENTED = 501

HINTS = {
    "NoSuchBucket": "create the bucket, or correct LAKE__BUCKET",
    "AccessDenied": "allow s3:PutObject on the prefix to the worker's role; see LAKE__ROLE_ARN",
    "InvalidAccessKeyId": "correct the AWS credentials of the worker",
    "SignatureDoesNotMatch": "correct the AWS credentials of the worker",
    "ExpiredToken": "renew the AWS credentials, or set LAKE__ROLE_ARN: those renew themselves",
    "PermanentRedirect": "correct LAKE__REGION: the bucket is in another region",
    "AuthorizationHeaderMalformed": "correct LAKE__REGION: the bucket is in another region",
    "RequestTimeTooSkewed": "set this machine's clock by NTP",
}
WAITING = "nothing is lost: Kafka keeps the records until the lake takes them"


def connect(settings: sections.LakeSettings) -> "S3Client":
    """Build the S3 client: the settings' endpoint and role over boto3's own credential chain.

    A role is assumed when first needed and again before it expires. Raises Misconfigured if there
    are no credentials to assume it with.
    """
    return session(settings).client(
        "s3",
        endpoint_url=settings.endpoint_url,
        config=Config(
            signature_version="s3v4",  # of presigned requests too
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=16,
            retries={"mode": "standard", "total_max_attempts": 2},
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
        ),
    )


def session(settings: sections.LakeSettings) -> boto3.Session:
    """Give boto3's own credentials, or those of the settings' role, which renew themselves.

    Raises Misconfigured if there are no credentials to assume the role with.
    """
    base = boto3.Session(region_name=settings.region or None)
    return _assuming(settings, settings.role_arn, base) if settings.role_arn else base


def encryption(settings: sections.LakeSettings) -> dict[str, Any]:
    """Give the arguments of a put that ask for the settings' key; none without one."""
    if not settings.kms_key_id:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key_id}


def is_probe(key: str) -> bool:
    """Whether a key is `doctor`'s."""
    return key.rpartition("/")[2] == PROBE


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


class StoredObject(NamedTuple):
    """One object under the prefix, as a listing shows it."""

    key: str
    size: int


@dataclass(slots=True)
class Lake:
    """The bucket and prefix. Safe to call from several threads."""

    settings: sections.LakeSettings
    client: "S3Client"
    _conditional: bool = True

    def key(self, key: ObjectKey) -> str:
        """Write an object's whole key in the bucket."""
        return key.under(self.settings.prefix)

    def put(self, key: str, file: Path, *, overwrite: bool = False) -> bool:
        """Put a file under a key, only if nothing is there, unless `overwrite`.

        Returns whether it was written; False means that it was there already. A store that does not
        know conditional puts gets plain ones: the same window makes the same bytes.
        """
        arguments: dict[str, Any] = {
            "Bucket": self.settings.bucket,
            "Key": key,
            "ContentType": CONTENT_TYPE,
            **encryption(self.settings),
        }
        if self._conditional and not overwrite:
            arguments["IfNoneMatch"] = "*"
        try:
            with file.open("rb") as body:
                self.client.put_object(Body=body, **arguments)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == ALREADY_EXISTS and "IfNoneMatch" in arguments:
                return False
            if status == NOT_IMPLEMENTED and "IfNoneMatch" in arguments:
                log.warning("the store has no conditional puts: objects are put plainly")
                self._conditional = False
                return self.put(key, file)
            raise self._translate(error, f"put {key}") from error
        except (BotoCoreError, OSError) as error:
            raise self._translate(error, f"put {key}") from error
        return True

    def objects(self, below: str = "") -> Iterator[StoredObject]:
        """List the objects whose keys begin with the prefix, a slash and `below`, in key order."""
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.settings.bucket, Prefix=f"{self.settings.prefix}/{below}"
            )
            for page in pages:
                for found in page.get("Contents", []):
                    yield StoredObject(found["Key"], found["Size"])
        except (BotoCoreError, ClientError) as error:
            raise self._translate(error, "list the lake") from error

    def read(self, key: str) -> bytes:
        """Read a whole object."""
        try:
            return self.client.get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise self._translate(error, f"read {key}") from error

    def delete(self, key: str) -> None:
        """Delete an object: for `replay --prune` alone, with a right that no worker needs."""
        try:
            self.client.delete_object(Bucket=self.settings.bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise self._translate(error, f"delete {key}") from error

    def _translate(self, error: Exception, what: str) -> FalcolakeError:
        place = f"s3://{self.settings.bucket}"
        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            message = f"cannot {what} in {place}: {code or status} {_detail(error)}".rstrip()
            if code.startswith("KMS") or "kms:" in message:
                return Misconfigured(message, "allow kms:GenerateDataKey; see LAKE__KMS_KEY_ID")
            if code in HINTS:
                return Misconfigured(message, HINTS[code])
            return Unavailable(message, WAITING)
        said = re.sub(r'(https?://[^/"]+)[^"]*', r"\1", str(error))
        message = f"cannot {what} in {place}: {said}"
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return Misconfigured(message, "give the worker AWS credentials or a role")
        if isinstance(error, SSLError):
            return Misconfigured(message, "set AWS_CA_BUNDLE to a PEM file of whom to trust")
        if isinstance(error, ParamValidationError):
            return Misconfigured(message.splitlines()[0], "correct the LAKE__ settings")
        return Unavailable(message, WAITING)


def _detail(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Message", "").split("\n")[0][:200]
