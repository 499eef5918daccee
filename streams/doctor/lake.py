"""The checks of `doctor` that ask the lake: credentials, clock, bucket, put, key.

They write one empty object, always the same: `PREFIX/_falcolake_doctor`. It stays, because the role
of a Security Lake provider may not delete; `audit`, `verify` and Athena ignore it.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from streams import clock
from streams.doctor.diagnosis import Check, Diagnosis, bad, good, one_line, skipped, warning
from streams.errors import FalcolakeError
from streams.lake.errors import (
    EXISTS,
    NOT_IMPLEMENTED,
    WHO_ANSWERS,
    WRITER,
    translating,
    was_refused,
)
from streams.lake.proof import measure, refute
from streams.lake.session import connect, session
from streams.lake.store import NOT_FOUND, PROBE, READ_BACK, encryption
from streams.settings.settings import Settings, variable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: AWS refuses a request whose time is off by more.
AWS_REFUSES = 15 * 60
ACCEPTABLE_SKEW = 60
ADVICE = replace(
    WRITER,
    waiting=f"check {variable('lake.endpoint_url')} and the network; "
    "workers hold their windows meanwhile",
    unreachable="",
)
READERS = (
    "audit, verify and replay need this, and workers where Kafka has no committed offset: "
    "'falcolake policy permissions'"
)
BUCKET = "fix bucket first"
EMPTY = measure(io.BytesIO())
PROVIDER = ":role/AmazonSecurityLake-Provider-"


def checks(settings: Settings) -> list[Check]:
    """Return the checks of the lake, in the order in which they depend on each other."""
    visit = Visit(settings)
    return [
        Check("credentials", "settings", visit.credentials),
        Check("bucket", "credentials", visit.bucket),
        Check("clock", "credentials", visit.skew),
        Check("put", "bucket", visit.put),
        Check("conditional put", "put", visit.conditional_put),
        Check("read", "put", visit.read),
    ]


class Visit:
    """The checks, and the client that they share."""

    def __init__(self, settings: Settings) -> None:
        self._lake = settings.lake
        self._key = f"{self._lake.prefix}/{PROBE}"
        self._url = f"s3://{self._lake.bucket}/{self._key}"

    @cached_property
    def _client(self) -> "S3Client":
        return connect(self._lake)

    def _ask(
        self, what: str, request: Callable[[], Any], *expected: int | str, any_answer: bool = False
    ) -> Any:
        """Send a request; return the answer, also a refusal with an expected status or code."""
        refused = self._client.exceptions.ClientError
        with translating(f"{what} in s3://{self._lake.bucket}", ADVICE):
            try:
                return request()
            except refused as error:
                if any_answer or {_status(error.response), _code(error.response)} & {*expected}:
                    return error.response
                raise

    def credentials(self) -> Iterator[Diagnosis]:
        """Check that there are credentials, and that they can assume the role."""
        role = self._lake.role_arn
        found = session(self._lake).get_credentials()
        if found is not None:
            try:
                with translating(f"assume {role}" if role else "get AWS credentials", ADVICE):
                    found.get_frozen_credentials()
            except FalcolakeError as error:
                if not role or not was_refused(error):
                    raise
                yield bad("credentials", one_line(error.message), self._trust())
                return
        if found is None:
            yield bad(
                "credentials",
                "boto3 finds no AWS credentials",
                "give the worker a role or credentials: the environment, a profile, IRSA, IMDS",
            )
            return
        if role and PROVIDER in role and not self._lake.external_id:
            yield warning(
                "credentials",
                "a provider role of Security Lake asks for an external id",
                f"set {variable('lake.external_id')} to the one of the registration",
            )
        by = "with" if self._lake.external_id else "without"
        what = f"{role} is assumed, {by} an external id" if role else f"found by {found.method}"
        yield good("credentials", what)

    def _trust(self) -> str:
        external = variable("lake.external_id")
        return (
            "the role must trust these credentials ('falcolake policy trust'), they must be "
            f"allowed to assume it ('falcolake policy assume'), and {external} must be the role's"
        )

    def skew(self) -> Iterator[Diagnosis]:
        """Check this machine's clock against the lake's: the time is part of a signature."""
        try:
            answer = self._ask("ask", self._list, any_answer=True)
        except FalcolakeError as error:
            yield skipped("clock", f"not checked: {one_line(error.message)}", BUCKET)
            return
        date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        if date is None:
            yield warning("clock", "the lake does not report its time", "check that NTP runs here")
            return
        seconds = round(clock.now_ns() / 1e9 - parsedate_to_datetime(date).timestamp())
        side = "ahead of" if seconds > 0 else "behind"
        says = f"{abs(seconds)} s {side} the lake's"
        if abs(seconds) >= AWS_REFUSES:
            yield bad("clock", says, "set this machine's clock by NTP: AWS refuses its requests")
        elif abs(seconds) > ACCEPTABLE_SKEW:
            yield warning("clock", says, "set this machine's clock by NTP")
        else:
            yield good("clock", f"within {ACCEPTABLE_SKEW} s of the lake's")

    def _list(self) -> Any:
        return self._client.list_objects_v2(
            Bucket=self._lake.bucket, Prefix=f"{self._lake.prefix}/", MaxKeys=1
        )

    def bucket(self) -> Iterator[Diagnosis]:
        """Check that the bucket exists, in the configured region, and its prefix can be listed."""
        place = f"s3://{self._lake.bucket}/{self._lake.prefix}/"
        answer = self._ask("list the lake", self._list, "AccessDenied")
        if _code(answer):
            yield warning("bucket", f"{place} cannot be listed", READERS)
            return
        region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        if region not in {None, self._lake.region}:
            yield warning(
                "bucket",
                f"{self._lake.bucket} is in {region}, {variable('lake.region')} says "
                f"{self._lake.region}",
                f"set {variable('lake.region')}={region}",
            )
        yield good("bucket", f"{place} can be listed")

    def put(self) -> Iterator[Diagnosis]:
        """Check that an object can be put, that the answer proves it, and its encryption."""
        key = self._lake.kms_key_id
        answer = self._ask(f"put {PROBE}", self._put)
        wrong = refute(EMPTY, answer)
        if wrong is not None:
            yield bad("put", f"nothing proves that {self._url} was put: {wrong}", WHO_ANSWERS)
            return
        if key and answer.get("ServerSideEncryption") != "aws:kms":
            yield bad(
                "put",
                f"the store does not encrypt with {key}",
                f"unset {variable('lake.kms_key_id')}, or use a store that supports KMS",
            )
            return
        used = answer.get("SSEKMSKeyId", key) if key else None
        yield good(
            "put", f"{self._url} (empty, it stays){f', encrypted with {used}' if used else ''}"
        )

    def conditional_put(self) -> Iterator[Diagnosis]:
        """Check that the store refuses to overwrite an object, if the put asks for that."""
        check = "conditional put"
        answer = self._ask(
            f"put {PROBE}",
            lambda: self._put(IfNoneMatch="*"),
            EXISTS,
            NOT_IMPLEMENTED,
        )
        if _code(answer) == EXISTS:
            yield good(check, "refused, as it should be: the object exists")
            return
        none = _status(answer) == NOT_IMPLEMENTED
        yield warning(
            check,
            "the store does not support them" if none else "the store ignores the condition",
            "a window that is put again has the same bytes; but do not delete and create the topic "
            "again under one prefix. AWS supports them",
        )

    def _put(self, **condition: str) -> Any:
        place: Any = {"Bucket": self._lake.bucket, "Key": self._key}
        return self._client.put_object(
            **place | condition,
            Body=b"",
            ChecksumCRC32=EMPTY.crc32,
            **encryption(self._lake),
        )

    def read(self) -> Iterator[Diagnosis]:
        """Check that objects can be read back: that proves what is there before a retried put."""
        place: Any = {"Bucket": self._lake.bucket, "Key": self._key}
        try:
            found = self._ask(
                f"read {PROBE}",
                partial(self._client.head_object, **place, ChecksumMode="ENABLED"),
                NOT_FOUND,
            )
            with self._ask(f"read {PROBE}", partial(self._client.get_object, **place))["Body"]:
                pass
        except FalcolakeError as error:
            yield bad("read", one_line(error.message), READ_BACK)
            return
        if not found.get("ETag") or found.get("ContentLength"):
            yield bad("read", f"{self._url} is not the empty object that was put", WHO_ANSWERS)
            return
        yield good("read", "objects can be read back")


def _status(answer: Any) -> int | None:
    status: int | None = answer["ResponseMetadata"].get("HTTPStatusCode")
    return status


def _code(answer: Any) -> str:
    code: str = answer.get("Error", {}).get("Code", "")
    return code
