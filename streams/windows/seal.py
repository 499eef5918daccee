"""The seal: what the group's commit metadata says of a partition. Pure.

After a crash the next owner, here or on another machine, cuts the same windows from it.
"""

import json
from types import NoneType
from typing import NamedTuple

from streams.errors import Misconfigured

#: Kafka's default for `offset.metadata.max.bytes`.
METADATA_BYTES = 4096

#: The largest offset.
LARGEST = 2**63 - 1

#: In place of a version: several mappings may have put these windows, so every worker overwrites.
MIXED = "*"


class Seal(NamedTuple):
    """The commit metadata: the ends of the sealed windows not yet committed, oldest first.

    `version` is the mapping version that sealed them. `cut` is the lowest end of the log that was
    seen below what was committed or sealed: from there on Kafka has other records, or none.
    `topic_id` is the id of the topic that they are offsets of; empty if Kafka has no ids.
    """

    version: str
    ends: tuple[int, ...]
    cut: int | None = None
    topic_id: str = ""

    def encode(self) -> str:
        """Return the metadata text; empty if there is nothing to say."""
        if not self.ends and self.cut is None and not self.topic_id:
            return ""
        found: dict[str, object] = {"v": 1, "m": self.version, "ends": list(self.ends)}
        if self.cut is not None:
            found["cut"] = self.cut
        if self.topic_id:
            found["t"] = self.topic_id
        return json.dumps(found, separators=(",", ":"))

    @property
    def fits(self) -> bool:
        """Whether Kafka accepts metadata of this length, even if the log is cut later."""
        return len(self._replace(cut=LARGEST).encode()) <= METADATA_BYTES


UNSEALED = Seal("", ())


def read_seal(metadata: str, committed: int) -> Seal:
    """Return the seal in commit metadata; metadata of another tool seals nothing.

    Raises Misconfigured for metadata of a newer falcolake: guessing could duplicate findings.
    """
    try:
        found = json.loads(metadata or "{}")
    except (ValueError, RecursionError):
        return UNSEALED
    if not isinstance(found, dict) or "v" not in found:
        return UNSEALED
    ends, version, cut = found.get("ends"), found.get("m"), found.get("cut")
    topic_id = found.get("t", "")
    if (
        found["v"] != 1
        or not isinstance(version, str)
        or not isinstance(ends, list)
        or not all(type(end) is int for end in ends)
        or type(cut) not in (int, NoneType)
        or not isinstance(topic_id, str)
    ):
        raise Misconfigured(
            f"a newer falcolake wrote the group's commit metadata: {metadata[:100]}",
            "upgrade this worker; do not run an older version next to a newer one",
        )
    return Seal(version, tuple(sorted(end for end in set(ends) if end > committed)), cut, topic_id)
