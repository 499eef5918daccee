"""What proves that the lake has an object: the answer to a put, or the object itself. Pure.

A status says little: captive portals, wrong ingresses and proxies answer 200, too. Proof is the
checksum that was sent, or an ETag that is the MD5 of the bytes. S3 answers with both, unless a KMS
key encrypts the object: then its ETag is no MD5. Some stores know no checksums; some have an ETag
of their own, so that only reading the object back proves it.
"""

import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

PIECE = 1 << 20
OK = 200
MD5 = re.compile(r"[0-9a-f]{32}")


class Made(NamedTuple):
    """What is to be in the lake: its bytes, its CRC32 as S3 writes it, its MD5 in hexadecimal."""

    size: int
    crc32: str
    md5: str


def measure(file: BinaryIO) -> Made:
    """Read a file from its start; leave it there."""
    file.seek(0)
    size, crc32, md5 = 0, 0, hashlib.md5(usedforsecurity=False)
    while piece := file.read(PIECE):
        size += len(piece)
        crc32 = zlib.crc32(piece, crc32)
        md5.update(piece)
    file.seek(0)
    return Made(size, b64encode(crc32.to_bytes(4, "big")).decode(), md5.hexdigest())


def refute(made: Made, answer: Mapping[str, Any]) -> str | None:
    """Return what in the answer to a put shows that it is not S3's or not of these bytes."""
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status != OK:
        return f"HTTP {status} where S3 answers {OK}"
    etag, checksum = _etag(answer), answer.get("ChecksumCRC32")
    if not etag:
        return "an answer without an ETag, which S3 always sends"
    if checksum not in {None, made.crc32}:
        return f"the checksum {checksum} for bytes that have {made.crc32}"
    if checksum is None and etag != made.md5 and MD5.fullmatch(etag) and not _hides_md5(answer):
        return f"the ETag {etag} for bytes whose MD5 is {made.md5}"
    return None


def proves(made: Made, answer: Mapping[str, Any]) -> bool:
    """Return whether the answer to a put, which nothing refutes, is enough."""
    etag = _etag(answer)
    return etag == made.md5 or (answer.get("ChecksumCRC32") == made.crc32 and _hides_md5(answer))


def same(made: Made, found: Mapping[str, Any]) -> bool:
    """Return whether an object's head, of an answer to HEAD, is that of these bytes."""
    return found.get("ContentLength") == made.size and (
        _etag(found) == made.md5 or found.get("ChecksumCRC32") == made.crc32
    )


def _etag(answer: Mapping[str, Any]) -> str:
    """Return the ETag without quotes, and without the mark of a proxy that compresses."""
    return str(answer.get("ETag", "")).removeprefix("W/").strip('"').lower()


def _hides_md5(answer: Mapping[str, Any]) -> bool:
    """Return whether the object's encryption makes its ETag something other than its MD5."""
    return str(answer.get("ServerSideEncryption", "")).startswith("aws:kms")
