"""A finding's uid when the alert has no uuid.

Falco sends none, and falcosidekick makes a new one for each request. The uid is a UUIDv5, so an
alert that is delivered again gets the same one.
"""

from __future__ import annotations

import hashlib
import uuid

_NAMESPACE = hashlib.sha1(
    uuid.uuid5(uuid.NAMESPACE_URL, "https://falco.org/alert").bytes, usedforsecurity=False
)
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def uuid5_of(*parts: str) -> str:
    """Return the UUIDv5 of `parts`, joined by NUL, in falcolake's own namespace."""
    hash_ = _NAMESPACE.copy()
    hash_.update("\0".join(parts).encode())
    digest = hash_.hexdigest()
    variant = _VARIANTS[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
