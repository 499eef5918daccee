"""An S3 bucket, and a client of it that fails as networks, proxies and S3 itself do.

The real `Lake` puts through `Client`. Objects are the JSON text of `staging.Content`. One put, with
what it looks up, happens at one moment: other requests come before or after it.
"""

import base64
import hashlib
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Literal

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from streams.errors import Unavailable
from streams.lake.keys import Footer, Unread
from streams.lake.store import StoredObject
from streams.settings.sections import LakeSettings
from streams.windows.window import Counts
from tests.simulation.loop import SimulatedLoop
from tests.simulation.staging import Content

URL = "https://lake.example"

#: What may happen to a put: S3 refuses it, or takes it and answers that it did not; the answer is
#: lost; the put arrives when its sender has given up; something else answers in S3's place.
Trouble = Literal[
    "503", "503 after it", "unanswered", "late", "403", "409", "200 of a portal",
    "200 of other bytes", "412 of nothing", "412 of a proxy", "a page in HTML",
]  # fmt: skip


def md5(content: bytes) -> str:
    """Return the MD5 of an object, in hexadecimal."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def crc32(content: bytes) -> str:
    """Return the CRC32 of an object, as S3 writes it."""
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


@dataclass
class Bucket:
    """The objects, and the rows in them. Without `conditional` it knows no conditional puts."""

    conditional: bool = True
    objects: dict[str, bytes] = field(default_factory=dict)
    #: How many rows of each record there are.
    rows: Counter[str] = field(default_factory=Counter)
    #: Keys under which something else was put.
    foreign: set[str] = field(default_factory=set)
    #: Whether something else is put under the next key, before its own object comes.
    occupy: bool = False
    #: Sees each object that is put.
    watch: Callable[[str, bytes], None] = lambda key, content: None

    def write(self, key: str, content: bytes) -> None:
        """Put an object, over whatever is there."""
        self.watch(key, content)
        self._count(key, -1)
        self.foreign.discard(key)
        self.objects[key] = content
        self._count(key, 1)

    def take_place(self, key: str) -> None:
        """Put something else under a key, if it is wanted and nothing is there."""
        if self.occupy and key not in self.objects:
            self.occupy = False
            self.foreign.add(key)
            self.objects[key] = b"something else"

    def remove_foreign(self, key: str) -> None:
        """Take away what someone else put."""
        self.foreign.discard(key)
        del self.objects[key]

    def _count(self, key: str, by: int) -> None:
        if key in self.objects and key not in self.foreign:
            for row in Content.decode(self.objects[key]).rows:
                self.rows[row.value] += by


def refusal(
    status: int, code: str, operation: str = "PutObject", html: bool = False
) -> ClientError:
    """Return the error of a refused request."""
    headers = {"content-type": "text/html"} if html else {}
    answer: Any = {
        "Error": {"Code": code, "Message": "simulated"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return ClientError(answer, operation)


class Client:
    """What `Lake` uses of boto3's client."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(
        self, bucket: Bucket, loop: SimulatedLoop, note: Callable[[str, str], None]
    ) -> None:
        self.away = False
        #: Puts that will arrive late.
        self.on_the_way = 0
        #: What happens to the next puts, in order.
        self.troubles: deque[Trouble] = deque()
        self._bucket = bucket
        self._loop = loop
        self._note = note

    def put_object(self, **sent: Any) -> dict[str, Any]:
        """Put an object."""
        key, condition = sent["Key"], "IfNoneMatch" in sent
        who, content = self._loop.current().name, sent["Body"].read()
        self._reach()
        trouble = self.troubles.popleft() if self.troubles else None
        told = f"{who}'s {'put' if condition else 'plain put'} of {short(key)}"
        if trouble:
            self._note("s3", f"{told} meets: {trouble}")
        if trouble in {"503", "403", "409", "412 of a proxy", "412 of nothing", "a page in HTML"}:
            raise _refusals(trouble)
        if trouble == "200 of a portal":
            return {"ResponseMetadata": {"HTTPStatusCode": 200}}
        if trouble == "200 of other bytes":
            return _answer(b"other bytes")
        if trouble == "late":
            self._loop.spend(60.0)
            self.on_the_way += 1
            self._loop.run_in(
                self._loop.world,
                60.0 + self._loop.draw(0.1, 60.0),
                lambda: self._arrive_late(told, key, content, condition),
            )
            raise ReadTimeoutError(endpoint_url=URL)
        self._bucket.take_place(key)
        if condition and not self._bucket.conditional:
            raise refusal(501, "NotImplemented")
        if condition and key in self._bucket.objects:
            raise refusal(412, "PreconditionFailed")
        self._bucket.write(key, content)
        self._note("s3", f"has {short(key)}, by {told.partition(' of ')[0]}")
        if trouble == "503 after it":
            raise refusal(503, "SlowDown")
        if trouble == "unanswered":
            self._loop.spend(60.0)
            raise ReadTimeoutError(endpoint_url=URL)
        return _answer(content)

    def _arrive_late(self, told: str, key: str, content: bytes, condition: bool) -> None:
        self.on_the_way -= 1
        if not (condition and key in self._bucket.objects):
            self._bucket.write(key, content)
            self._note("s3", f"takes {told} only now")

    def head_object(self, **sent: Any) -> dict[str, Any]:
        """Return what is known of an object."""
        self._reach()
        content = self._bucket.objects.get(sent["Key"])
        if content is None:
            raise refusal(404, "404", "HeadObject")
        return _answer(content) | {"ContentLength": len(content)}

    def get_object(self, **sent: Any) -> dict[str, Any]:
        """Return an object."""
        self._reach()
        content = self._bucket.objects.get(sent["Key"])
        if content is None:
            raise refusal(404, "NoSuchKey", "GetObject")
        return {"Body": SimpleNamespace(iter_chunks=lambda size: [content])}

    def _reach(self) -> None:
        if self.away:
            self._loop.spend(self._loop.draw(0.5, 10.0))
            raise ConnectTimeoutError(endpoint_url=URL)


def _refusals(trouble: str) -> ClientError:
    return {
        "503": refusal(503, "SlowDown"),
        "403": refusal(403, "AccessDenied"),
        "409": refusal(409, "ConditionalRequestConflict"),
        "412 of a proxy": refusal(412, ""),
        "412 of nothing": refusal(412, "PreconditionFailed"),
        "a page in HTML": refusal(502, "", html=True),
    }[trouble]


def _answer(content: bytes) -> dict[str, Any]:
    return {
        "ResponseMetadata": {"HTTPStatusCode": 200},
        "ETag": f'"{md5(content)}"',
        "ChecksumCRC32": crc32(content),
    }


def short(key: str) -> str:
    """Return a key for the history: day, partition and window."""
    day = key.partition("eventDay=")[2][:8]
    *_, partition, first, end = key.removesuffix(".parquet").split("-")
    return f"{int(partition)}: [{int(first)}, {int(end)}) of {day}"


def difference(made: Path, there: BinaryIO) -> str | None:
    """Compare objects, in place of `streams.lake.contents.difference`."""
    there.seek(0)
    try:
        found = Content.decode(there.read())
    except ValueError:
        return "it is not a Parquet file"
    own = Content.decode(made.read_bytes())
    if found.metadata != own.metadata:
        return "its footer says something else"
    return None if found.rows == own.rows else "it has other rows"


class Reader:
    """What `tails.find` uses of `LakeReader`."""

    def __init__(self, settings: LakeSettings, bucket: Bucket, client: Client) -> None:
        self.settings = settings
        self.requests = SimpleNamespace(total=lambda: 0)
        self.bucket = bucket
        self._client = client

    def between(self, after: str, before: str | None) -> Iterator[StoredObject]:
        """Yield the objects of a range of keys."""
        if self._client.away:
            raise Unavailable("cannot list the lake", "wait")
        for key in sorted(self.bucket.objects):
            if key > after and (before is None or key < before):
                yield StoredObject(key, len(self.bucket.objects[key]))

    def folders(self, start: str) -> list[str]:
        """Return the folders whose names begin so."""
        found = (key for key in self.bucket.objects if key.startswith(start))
        return sorted({f"{start}{key[len(start) :].partition('/')[0]}/" for key in found})


def footer(reader: Reader, stored: StoredObject) -> Footer | Unread:
    """Read a footer, in place of `streams.lake.footers.read`."""
    try:
        content = Content.decode(reader.bucket.objects[stored.key])
    except (ValueError, KeyError):
        return Unread("not a Parquet file")
    said = content.metadata
    counts = Counts(*(int(said[f"falcolake.{name}"]) for name in Counts._fields))
    return Footer(
        said["falcolake.topic"],
        int(said["falcolake.partition"]),
        int(said["falcolake.first"]),
        int(said["falcolake.end"]),
        counts,
        said["falcolake.mapping_version"],
        len(content.rows),
        None,
        said.get("falcolake.topic_id", ""),
    )
