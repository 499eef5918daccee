"""Reads the dead-letter topic: which records it holds, by the headers that say where they stood."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from streams.kafka.dead_letter_writer import RESOLVED
from streams.kafka.errors import unknown_topic
from streams.kafka.scan import bounds, open_consumer, scan
from streams.settings.settings import Settings
from streams.windows.letters import Letters

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from streams.kafka.client import Consumer

T = TypeVar("T")

#: Partition and offset of the record that a dead letter is about.
Source = tuple[int, int]
#: The source, the dead letter's headers, and the dead letter.
Found = tuple[Source, Mapping[str, bytes], "ConsumerRecord"]


class Letter(NamedTuple):
    """One dead letter: where the record stood, why it was refused, and the record itself.

    `timestamp` is the record's, epoch ms. `truncated_from` is the value's full size if the letter
    has only its beginning.
    """

    partition: int
    offset: int
    reason: str
    timestamp: int
    key: bytes | None
    value: bytes | None
    truncated_from: int | None


def read(settings: Settings) -> Letters:
    """Read which offsets have a letter.

    Letters of other topics, records that falcolake did not write, and letters that have been
    resolved are left out.

    Raises:
        Unavailable: Kafka does not answer, or the topic cannot be read to its end.
        Misconfigured: Kafka refuses the settings.
    """
    seen: dict[int, Counter[int]] = defaultdict(Counter)
    with open_consumer(settings) as client:
        begins, records = _records(client, settings)
        for (partition, offset), headers, _ in records:
            if RESOLVED in headers:
                seen[partition].pop(offset, None)
            else:
                seen[partition][offset] += 1
    return Letters(
        {number: sorted(offsets) for number, offsets in seen.items()},
        sum(offsets.total() - len(offsets) for offsets in seen.values()),
        any(begins),
    )


def standing(settings: Settings, keep: Callable[[Letter], T]) -> dict[tuple[int, int], T]:
    """Read the unresolved letters, by partition and offset; `keep` chooses what to keep of each.

    Raises as `read` does; and Misconfigured if there is no dead-letter topic.
    """
    found: dict[tuple[int, int], T] = {}
    with open_consumer(settings) as client:
        begins, records = _records(client, settings)
        if not begins:
            raise unknown_topic(settings, "dead_letter_topic")
        for source, headers, record in records:
            if RESOLVED in headers:
                found.pop(source, None)
            else:
                found[source] = keep(_letter(source, headers, record))
    return dict(sorted(found.items()))


def _records(client: "Consumer", settings: Settings) -> tuple[list[int], "Iterator[Found]"]:
    """Return where the topic begins, and its letters with what resolves them, up to its end now.

    Letters about the same record come in order.
    """
    topic = settings.kafka.dead_letter_topic
    ranges = bounds(client, topic)

    def records() -> "Iterator[Found]":
        for record in scan(client, topic, ranges):
            headers: Mapping[str, bytes] = dict(record.headers)
            source = _source(headers, settings.kafka.topic)
            if source is not None:
                yield source, headers, record

    return [begin for begin, _ in ranges.values()], records()


def _letter(source: Source, headers: Mapping[str, bytes], record: "ConsumerRecord") -> Letter:
    size = headers.get("falcolake.truncated_from", b"")
    # Before there was this header the letter had the record's own timestamp.
    timestamp = headers.get("falcolake.timestamp", b"")
    return Letter(
        *source,
        headers.get("falcolake.reason", b"").decode(errors="replace"),
        int(timestamp) if timestamp.removeprefix(b"-").isdigit() else record.timestamp,
        None if "falcolake.null_key" in headers else record.key,
        record.value,
        int(size) if size.isdigit() else None,
    )


def _source(headers: Mapping[str, bytes], topic: str) -> Source | None:
    """Return partition and offset of the record that a dead letter is about."""
    if headers.get("falcolake.topic") != topic.encode():
        return None
    try:
        return int(headers["falcolake.partition"]), int(headers["falcolake.offset"])
    except (KeyError, ValueError):
        return None
