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

#: The largest leader epoch, and what Kafka has for none.
LARGEST_EPOCH = 2**31 - 1
NO_EPOCH = -1

#: In place of a version: several mappings may have put these windows, so every worker overwrites.
MIXED = "*"


class Seal(NamedTuple):
    """The commit metadata: the ends of the sealed windows not yet committed, oldest first.

    `version` is the mapping version that sealed them. `cut` is the lowest end of the log that was
    seen below what was committed or sealed: from there on Kafka has other records, or none.
    `topic_id` is the id of the topic that they are offsets of; empty if Kafka has no ids.
    `leader_epoch` is one in which the log had everything that is committed or sealed: a log that
    ends before that in this epoch has other records there.
    """

    version: str
    ends: tuple[int, ...]
    cut: int | None = None
    topic_id: str = ""
    leader_epoch: int = NO_EPOCH

    def encode(self) -> str:
        """Return the metadata text; empty if there is nothing to say."""
        if self._replace(version="") == UNSEALED:
            return ""
        found: dict[str, object] = {"v": 1, "m": self.version, "ends": list(self.ends)}
        if self.cut is not None:
            found["cut"] = self.cut
        if self.topic_id:
            found["t"] = self.topic_id
        if self.leader_epoch != NO_EPOCH:
            found["e"] = self.leader_epoch
        return json.dumps(found, separators=(",", ":"))

    @property
    def fits(self) -> bool:
        """Whether Kafka accepts metadata of this length, even if the log is cut later."""
        longest = self._replace(cut=LARGEST, leader_epoch=LARGEST_EPOCH)
        return len(longest.encode()) <= METADATA_BYTES

    def cut_at(self, committed: int, epoch_end: int | None) -> int | None:
        """Return where the log was cut below what is committed or sealed; None if it was not.

        `epoch_end` is where the log ends in the seal's leader epoch; None if that is not known.
        """
        if epoch_end is None or epoch_end >= max((committed, *self.ends)):
            return self.cut
        return epoch_end if self.cut is None else min(self.cut, epoch_end)


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
    topic_id, leader_epoch = found.get("t", ""), found.get("e", NO_EPOCH)
    if (
        found["v"] != 1
        or not isinstance(version, str)
        or not isinstance(ends, list)
        or not all(type(end) is int for end in ends)
        or type(cut) not in (int, NoneType)
        or not isinstance(topic_id, str)
        or type(leader_epoch) is not int
    ):
        raise Misconfigured(
            f"a newer falcolake wrote the group's commit metadata: {metadata[:100]}",
            "upgrade this worker; do not run an older version next to a newer one",
        )
    rest = tuple(sorted(end for end in set(ends) if end > committed))
    return Seal(version, rest, cut, topic_id, leader_epoch)
