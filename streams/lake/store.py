"""The lake: put, list and read its objects.

`put` creates an object completely or not at all, with one PutObject: no multipart, no ACL, no tags,
no delete. It returns once it is proved that the lake has the object: by the answer to the put, or
else by a look at what is there. Every failure is a `FalcolakeError` that says what to try; the
caller keeps what it has and tries again.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NamedTuple

from streams.errors import Misconfigured, Occupied, Unproved
from streams.lake import proof
from streams.lake.contents import difference
from streams.lake.errors import (
    EXISTS,
    NOT_IMPLEMENTED,
    WHO_ANSWERS,
    WRITER,
    Advice,
    code_of,
    is_brief,
    status_of,
    translating,
)
from streams.lake.keys import ObjectKey
from streams.lake.proof import Made
from streams.lake.session import patience, patient
from streams.lake.upload import Upload
from streams.settings import sections

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/vnd.apache.parquet"
#: The last part of the key that `doctor` puts; it belongs to no window. Athena and other readers
#: ignore names that begin with an underscore.
PROBE = "_falcolake_doctor"
FORBIDDEN = 403
NOT_FOUND = 404

#: Seconds between a put that failed and its second try.
MOMENT = 0.3

#: How much larger an object may be and still have the same rows, written by another version.
MOST_TIMES, MOST_MORE = 4, 16 << 20

READ_BACK = (
    "allow s3:GetObject on the prefix to the worker's role, and kms:Decrypt on the key of the lake "
    "if it has one: a worker compares what is there with what it made, and overwrites nothing"
)
DECIDE = (
    "find out what wrote it; then move it out of the prefix, or delete it. The window is put at "
    "the next try. If its topic was deleted and created again, or the group's offsets were reset, "
    "set another LAKE__PREFIX instead"
)


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
    #: When it was put, epoch ms; 0 where nobody asks.
    written_ms: int = 0


@dataclass(slots=True)
class Lake:
    """The bucket and prefix. Safe to call from several threads."""

    ADVICE: ClassVar[Advice] = WRITER

    settings: sections.LakeSettings
    client: "S3Client"
    _conditional: bool = True
    _putters: "dict[int, S3Client]" = field(default_factory=dict)
    _building: threading.Lock = field(default_factory=threading.Lock)

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

        Returns whether it was written; False means that it was there already, proved to be the
        same. Raises Occupied if something else is there, Unproved if no answer proves anything. A
        store that does not know conditional puts gets plain ones, after a look at what is there.
        `begun` is called with a function that counts the bytes handed to the network.
        """
        conditional = self._conditional and not overwrite
        with self._translating(f"put {key}", OSError), Upload(file) as body:
            begun(lambda: body.taken)
            made = proof.measure(body)
            if not (conditional or overwrite) and (found := self._head(key)) is not None:
                self._compare(key, file, made, found)
                return False
            try:
                answer = self._send(key, body, made, {"IfNoneMatch": "*"} if conditional else {})
            except self.client.exceptions.ClientError as error:
                if conditional and code_of(error) == EXISTS:
                    self._compare(key, file, made, self._head(key))
                    return False
                if not conditional or status_of(error) != NOT_IMPLEMENTED:
                    raise
            else:
                self._prove(key, file, made, answer)
                return True
        log.warning("the store has no conditional puts: objects are put without a condition")
        self._conditional = False
        return self.put(key, file, begun=begun)

    def _send(self, key: str, body: BinaryIO, made: Made, condition: dict[str, Any]) -> Any:
        """Send one PutObject; send it once more if what went wrong passes in a moment."""
        client = self._putter(made.size)
        again = False
        while True:
            try:
                return client.put_object(
                    Bucket=self.settings.bucket,
                    Key=key,
                    Body=body,
                    ContentType=CONTENT_TYPE,
                    ChecksumCRC32=made.crc32,
                    **condition,
                    **encryption(self.settings),
                )
            except Exception as error:
                if again or not is_brief(error):
                    raise
            again = True
            time.sleep(MOMENT)
            body.seek(0)

    def _putter(self, size: int) -> "S3Client":
        """Return a client that waits as long as a put of this size may take."""
        seconds = patience(size)
        with self._building:
            if seconds not in self._putters:
                self._putters[seconds] = patient(self.client, self.settings, seconds)
            return self._putters[seconds]

    def _prove(self, key: str, file: Path, made: Made, answer: Mapping[str, Any]) -> None:
        """Raise unless it is proved that what was put is in the lake."""
        wrong = proof.refute(made, answer)
        if wrong is not None:
            raise Unproved(f"nothing proves that {self._url(key)} was put: {wrong}", WHO_ANSWERS)
        if not proof.proves(made, answer):
            self._compare(key, file, made, self._head(key))

    def _head(self, key: str) -> Mapping[str, Any] | None:
        """Return what the store says of an object; None if there is none."""
        try:
            with self._reading_back(key):
                return self.client.head_object(
                    Bucket=self.settings.bucket, Key=key, ChecksumMode="ENABLED"
                )
        except self.client.exceptions.ClientError as error:
            if status_of(error) != NOT_FOUND:
                raise
            return None

    def _compare(self, key: str, file: Path, made: Made, found: Mapping[str, Any] | None) -> None:
        """Raise unless an object has the bytes of a file, or at least its rows and account."""
        if found is None or not found.get("ETag"):
            says = "nothing is there" if found is None else "what is there has no ETag"
            raise Unproved(
                f"nothing proves that {self._url(key)} is in the lake: the store said so, but now "
                f"that {says}",
                WHO_ANSWERS,
            )
        if proof.same(made, found):
            return
        size = found["ContentLength"]
        if not 0 < size <= MOST_TIMES * made.size + MOST_MORE:
            other: str | None = f"it has {size:,} bytes, not {made.size:,}"
        else:
            with tempfile.TemporaryFile(dir=file.parent) as copy:
                self._copy(key, copy, size)
                same = proof.measure(copy) == made
                other = None if same else difference(file, copy)
        if other is not None:
            raise Occupied(f"{self._url(key)} has something else: {other}", DECIDE)

    def _copy(self, key: str, target: BinaryIO, most: int) -> None:
        with self._reading_back(key):
            found = self.client.get_object(Bucket=self.settings.bucket, Key=key)
        for piece in found["Body"].iter_chunks(proof.PIECE):
            target.write(piece)
            if target.tell() > most:
                raise Unproved(
                    f"nothing proves what {self._url(key)} is: it is longer than the store said",
                    WHO_ANSWERS,
                )

    @contextmanager
    def _reading_back(self, key: str) -> Iterator[None]:
        """Name the right that is missing; the answer to HEAD does not."""
        try:
            yield
        except self.client.exceptions.ClientError as error:
            if status_of(error) != FORBIDDEN:
                raise
            raise Misconfigured(
                f"the store does not show {self._url(key)} to this worker (403), so nothing proves "
                "what is there",
                READ_BACK,
            ) from error

    def _url(self, key: str) -> str:
        return f"s3://{self.settings.bucket}/{key}"

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
