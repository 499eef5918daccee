"""A partition's memory of idempotent producers, so that a retried batch is stored once.

It is rebuilt from the batch headers when the log is opened. A producer whose batches have all been
deleted is forgotten, and may then continue with any sequence number, as in Kafka.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.embedded.broker.batch import BatchHeader
from streams.embedded.broker.errors import ErrorCode, Refusal

REMEMBERED_BATCHES = 5
"""Clients keep at most five batches in flight, so no older one can be retried."""


class _Written(NamedTuple):
    first_sequence: int
    last_sequence: int
    base_offset: int


@dataclass
class _Producer:
    epoch: int
    batches: deque[_Written] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES))


class Producers:
    """The idempotent producers of one partition."""

    def __init__(self) -> None:
        self._producers: dict[int, _Producer] = {}

    def find_duplicate(self, batch: BatchHeader) -> int | None:
        """Return the base offset that `batch` already has, or None if the batch is new."""
        known = self._producers.get(batch.producer_id)
        if batch.producer_id < 0 or known is None:
            return None
        if batch.producer_epoch < known.epoch:
            raise Refusal(ErrorCode.INVALID_PRODUCER_EPOCH)
        if batch.producer_epoch > known.epoch:
            expected = 0
        else:
            sequences = (batch.base_sequence, batch.last_sequence)
            for written in known.batches:
                if sequences == (written.first_sequence, written.last_sequence):
                    return written.base_offset
            expected = (known.batches[-1].last_sequence + 1) % 2**31
        if batch.base_sequence != expected:
            raise Refusal(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {batch.producer_id} sent sequence number {batch.base_sequence}, "
                f"not {expected}",
            )
        return None

    def remember(self, batch: BatchHeader) -> None:
        """Remember a stored batch, whose base offset is final."""
        if batch.producer_id < 0:
            return
        known = self._producers.get(batch.producer_id)
        if known is None or known.epoch != batch.producer_epoch:
            known = self._producers[batch.producer_id] = _Producer(batch.producer_epoch)
        known.batches.append(_Written(batch.base_sequence, batch.last_sequence, batch.base_offset))
