"""The control topic's messages: what an admin asks of the workers, and what they answer.

JSON, one message per record, all in partition 0: so they have one order, and a record's offset
names a request. A request is for every worker of its group, also for one that starts later (see
`listener`). For anything else than a message of this version `decode` returns None, and the worker
counts it. Write access to the topic allows asking for a flush, and nothing more: `within` drops
ends that Kafka does not have, which no worker could ever reach. Pure.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

#: The one partition of the control topic that is used.
PARTITION = 0

#: How long a request is valid for a worker that was not running when it was written, ms.
HOLDS_MS = 3_600_000

#: Bytes of the largest message: what Kafka takes by default, and more than any that we write.
LARGEST = 1 << 20

Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Flush(Struct, frozen=True, kw_only=True, tag_field="kind", tag="flush"):
    """Seal and ship at least up to these ends, by partition."""

    v: Literal[1]
    group: str
    ends: dict[Number, Offset]


class Ask(Struct, frozen=True, kw_only=True, tag_field="kind", tag="ask"):
    """A question about the worker's state: every worker answers once."""

    v: Literal[1]
    group: str


class State(Struct, frozen=True, kw_only=True, tag_field="kind", tag="state"):
    """A worker's answer: what prevents it from shipping.

    `request` is the offset of the newest request it has read, `partitions` its own, each with why
    its windows are held, `paused` why it does not read; empty texts if nothing is wrong. Workers of
    earlier versions answer without the rest: `lag`, what is in Kafka and not in the lake of all its
    partitions, `version`, and `address`, the page's if it has one for people elsewhere.
    """

    v: Literal[1]
    group: str
    request: Offset
    worker: str
    paused: str
    partitions: dict[Number, str]
    lag: Offset | None = None
    version: str = ""
    address: str = ""


Message = Flush | Ask | State
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Encode a message as a record's value."""
    return msgspec.json.encode(message)


def decode(value: bytes | None) -> Message | None:
    """Decode a record's value; None if it is not a message of this version, or is too large."""
    if value is None or len(value) > LARGEST:
        return None
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def within(ends: Mapping[int, int], last: Mapping[int, int]) -> dict[int, int]:
    """Return the ends that are not beyond `last`, the partitions' ends in Kafka."""
    return {number: end for number, end in ends.items() if end <= last.get(number, -1)}
