"""What a bucket holds, over all pages of the listing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef


def entries(client: "S3Client", bucket: str, prefix: str = "") -> "Iterator[ObjectTypeDef]":
    """Yield what S3 lists of each object under a prefix, in key order."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        yield from page.get("Contents", [])


def keys(client: "S3Client", bucket: str, prefix: str = "") -> list[str]:
    """Return the keys under a prefix, in order."""
    return [entry["Key"] for entry in entries(client, bucket, prefix)]


def bodies(client: "S3Client", bucket: str, prefix: str = "") -> dict[str, bytes]:
    """Return the bytes of every object under a prefix by its key."""
    return {
        key: client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys(client, bucket, prefix)
    }
