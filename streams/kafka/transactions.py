"""Transactions that are open: what they hold back, and whose they are.

A reader of committed records gets nothing past the start of the first open transaction, the
partition's *last stable offset*. Kafka ends a transaction that its producer does not end, after the
producer's timeout: a minute by default, at most 15.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from streams.kafka.errors import is_kafkas
from streams.windows.progress import LONG_OPEN

if TYPE_CHECKING:
    from kafka import TopicPartition

    from streams.kafka.client import Admin


class OpenTransaction(NamedTuple):
    """The first open transaction of a partition, which begins at offset `first`.

    `offsets` counts its own and all that follow. `seconds` is how long it has been open, at least.
    Whoever may not ask Kafka for that, or for the producer, gets None.
    """

    first: int
    offsets: int
    producer: int | None = None
    transactional_id: str | None = None
    seconds: float | None = None

    @property
    def is_long(self) -> bool:
        """Whether it has been open for long, as far as is known."""
        return self.seconds is None or self.seconds >= LONG_OPEN

    def __str__(self) -> str:
        whose = "" if self.producer is None else f" of producer {self.producer}"
        if self.transactional_id is not None:
            whose += f" ({self.transactional_id!r})"
        age = "" if self.seconds is None else f" for {self.seconds:,.0f} s"
        return (
            f"a transaction{whose} has been open{age} and holds back {self.offsets:,} offsets "
            f"from {self.first} on; its producer must commit or abort it"
        )


def open_transactions(
    admin: "Admin",
    stable: "Mapping[TopicPartition, int]",
    ends: "Mapping[TopicPartition, int]",
    now_ms: int,
) -> "dict[TopicPartition, OpenTransaction]":
    """Return the first open transaction of the partitions whose log goes on after `stable`."""
    found = {
        place: OpenTransaction(first, ends[place] - first)
        for place, first in stable.items()
        if first < ends[place]
    }
    try:
        producers = admin.describe_producers(list(found)) if found else {}
    except Exception as error:
        if not is_kafkas(error):
            raise
        return found  # without the right to ask, or from a broker that cannot be asked
    for place, described in producers.items():
        for producer in described.active_producers:
            if producer.current_transaction_start_offset == found[place].first:
                name, began = _transaction(admin, producer.producer_id)
                since = producer.last_timestamp if began is None else began
                found[place] = found[place]._replace(
                    producer=producer.producer_id,
                    transactional_id=name,
                    seconds=max(0.0, (now_ms - since) / 1000),
                )
    return found


def _transaction(admin: "Admin", producer: int) -> tuple[str | None, int | None]:
    """Return the id of a producer's transaction and when it began, in epoch ms."""
    try:
        listed = admin.list_transactions(producer_id_filters=[producer])
        for each in (each for some in listed.values() for each in some):
            began = admin.describe_transactions([each.transactional_id])[
                each.transactional_id
            ].transaction_start_time_ms
            return each.transactional_id, began if began > 0 else None
    except Exception as error:
        if not is_kafkas(error):
            raise
    return None, None
