"""The lake: put, list and read its objects.

`put` creates an object completely or not at all, with one PutObject and nothing that a Security
Lake provider role may not do: no multipart, no ACL, no tags, no delete. Every failure is a
`FalcolakeError` that says what to try; the caller keeps what it has and tries again.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from streams.lake.errors import WRITER, Advice, status_of, translating
from streams.lake.keys import ObjectKey
from streams.lake.upload import Upload
from streams.settings import sections

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/vnd.apache.parquet"
#: The last part of the key that `doctor` puts; it belongs to no window. Athena and other readers
#: ignore names that begin with an underscore.
PROBE = "_falcolake_doctor"
ALREADY_EXISTS = 412
NOT_IMPLEMENTED = 501


def encryption(settings: sections.LakeSettings) -> dict[str, Any]:
    """Return the arguments of a put that ask for the settings' key; none without one."""
    if not settings.kms_key_id:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key_id}


def is_probe(key: str) -> bool:
    """Return whether a key is `doctor`'s."""
    return key.rpartition("/")[2] == PROBE


class StoredObject(NamedTuple):
    """One object under the prefix, as a listing shows it."""

    key: str
    size: int


@dataclass(slots=True)
class Lake:
    """The bucket and prefix. Safe to call from several threads."""

    ADVICE: ClassVar[Advice] = WRITER

    settings: sections.LakeSettings
    client: "S3Client"
    _conditional: bool = True

    def key(self, key: ObjectKey) -> str:
        """Return an object's full key in the bucket."""
        return key.under(self.settings.prefix)

    def put(
        self,
        key: str,
        file: Path,
        *,
        overwrite: bool = False,
        begun: Callable[[Callable[[], int]], None] = lambda taken: None,
    ) -> bool:
        """Put a file under a key, only if nothing is there, unless `overwrite`.

        Returns whether it was written; False means that it was there already. A store that does not
        know conditional puts gets plain ones: the same window makes the same bytes. `begun` is
        called with a function that counts the bytes handed to the network.
        """
        arguments: dict[str, Any] = {
            "Bucket": self.settings.bucket,
            "Key": key,
            "ContentType": CONTENT_TYPE,
            **encryption(self.settings),
        }
        if self._conditional and not overwrite:
            arguments["IfNoneMatch"] = "*"
        refused = self.client.exceptions.ClientError
        with self._translating(f"put {key}", OSError), Upload(file) as body:
            begun(lambda: body.taken)
            try:
                self.client.put_object(Body=body, **arguments)
            except refused as error:
                status = status_of(error) if "IfNoneMatch" in arguments else None
                if status == ALREADY_EXISTS:
                    return False
                if status != NOT_IMPLEMENTED:
                    raise
            else:
                return True
        log.warning("the store has no conditional puts: objects are put without a condition")
        self._conditional = False
        return self.put(key, file, begun=begun)

    def objects(self, below: str = "") -> Iterator[StoredObject]:
        """List the objects whose keys begin with the prefix, a slash and `below`, in key order."""
        for page in self._pages(Prefix=f"{self.settings.prefix}/{below}"):
            for found in page.get("Contents", []):
                yield StoredObject(found["Key"], found["Size"])

    def _pages(self, **arguments: Any) -> Iterator[Any]:
        with self._translating("list the lake"):
            yield from self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.settings.bucket, **arguments
            )

    def read(self, key: str) -> bytes:
        """Read a whole object."""
        with self._translating(f"read {key}"):
            return self.client.get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()

    def delete(self, key: str) -> None:
        """Delete an object: for `replay --prune` alone, with a right that no worker needs."""
        with self._translating(f"delete {key}"):
            self.client.delete_object(Bucket=self.settings.bucket, Key=key)

    def _translating(self, what: str, *also: type[Exception]) -> AbstractContextManager[None]:
        return translating(f"{what} in s3://{self.settings.bucket}", self.ADVICE, *also)
