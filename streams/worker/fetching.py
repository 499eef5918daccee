"""Fetching: how long Kafka gathers records for a fetch, and how many are taken of it at once.

A fetch and a commit cost as much for one record as for a hundred, so Kafka waits for `LINGER_BYTES`
before it answers, `LINGER_MS` at most. It answers what comes on one connection in order, so while
partitions are taken over it waits for `HASTE_MS`: questions come behind fetches.

A batch of a few kilobytes may inflate to hundreds of megabytes: aiokafka inflates it when its first
record is read and keeps it until its last one is. So a thread does that, while heartbeats go on,
and records are taken by bytes, all of one fetched partition before any of the next: in memory are
one inflated batch and a few times `TAKEN_BYTES`.

aiokafka does not tell in which leader epoch the log has a record: `tell_epochs` adds that.

This uses internals of aiokafka 0.14, see `transport`.
"""

import asyncio
import struct
from collections.abc import Set
from typing import Any, NamedTuple

from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.windows.batch import PIECE_BYTES, size_of
from streams.windows.seal import NO_EPOCH

#: Milliseconds that Kafka waits for more records at most, usually and in haste, and the bytes that
#: it waits for.
LINGER_MS = 350
HASTE_MS = 20
LINGER_BYTES = 1 << 20

#: Bytes of records to take at once, unless one record has more.
TAKEN_BYTES = PIECE_BYTES

#: How a batch begins: its first offset, the length of what follows, leader epoch and format.
_HEAD = struct.Struct(">qiib")
_LENGTH_ENDS = 12
_WITH_EPOCHS = 2


class Taken(NamedTuple):
    """The records taken of one partition; the last batch that was read has `leader_epoch`."""

    records: list[Any]
    leader_epoch: int


def linger(consumer: Any) -> None:
    """Let Kafka gather records for the next fetches of this consumer, started or not."""
    _gather(consumer, LINGER_MS)


def hasten(consumer: Any) -> None:
    """Let Kafka gather records for a moment only, until `linger` is called."""
    _gather(consumer, HASTE_MS)


def _gather(consumer: Any, milliseconds: int) -> None:
    for each in filter(None, (consumer, consumer._fetcher)):  # a fetcher comes with the start
        each._fetch_min_bytes, each._fetch_max_wait_ms = LINGER_BYTES, milliseconds


class _Batches:
    """aiokafka's `MemoryRecords`, with the leader epoch of the batch that was read last."""

    def __init__(self, data: Any) -> None:
        self._data, self._at = data, 0
        self._batches = MemoryRecords(data)
        self.leader_epoch = NO_EPOCH
        self.has_next, self.size_in_bytes = self._batches.has_next, self._batches.size_in_bytes

    def next_batch(self) -> Any:
        batch = self._batches.next_batch()
        if batch is not None:
            _, length, leader_epoch, magic = _HEAD.unpack_from(self._data, self._at)
            self._at += _LENGTH_ENDS + length
            if magic >= _WITH_EPOCHS:
                self.leader_epoch = leader_epoch
        return batch


def tell_epochs() -> None:
    """Let every consumer of this process tell the leader epochs of its records."""
    aiokafka_fetcher.MemoryRecords = _Batches


async def take(
    fetcher: Any, partitions: Set[TopicPartition], wait: float, max_records: int
) -> dict[TopicPartition, Taken]:
    """Return fetched records of these partitions, by partition; wait so long for any.

    At most so many records, of `TAKEN_BYTES` unless the last one has more. Without records a
    partition is in it if only markers or aborted records came. Raises what a fetch failed with.
    """
    await _arrival(fetcher, partitions, wait)
    taken: dict[TopicPartition, Taken] = {}
    count = size = 0
    for tp, result in list(fetcher._records.items()):
        if count >= max_records or size >= TAKEN_BYTES:
            break
        if tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                fetcher._records.pop(tp, None)
            continue
        if isinstance(result, FetchResult):
            found = await _read(fetcher, tp, result, max_records - count, TAKEN_BYTES - size)
            if found is not None:
                taken[tp] = found
                count += len(found.records)
                size += sum(map(size_of, found.records))
            if not result.has_more():
                _forget(fetcher, tp, result)
        elif taken:
            break  # an error, which the next call raises
        else:
            _forget(fetcher, tp, result)
            result.check_raise()
    return taken


async def _arrival(fetcher: Any, partitions: Set[TopicPartition], wait: float) -> None:
    """Wait until something of these partitions is fetched, or the time is up."""
    if fetcher._subscriptions.reassignment_in_progress:
        await fetcher._subscriptions.wait_for_assignment()
    if partitions.isdisjoint(fetcher._records):
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=wait)
        if waiter.done():
            waiter.result()  # raises errors of the group
        else:
            waiter.cancel()


async def _read(
    fetcher: Any, tp: TopicPartition, result: FetchResult, max_records: int, max_bytes: int
) -> Taken | None:
    """Return the next records of a fetched partition; None if a seek or rebalance came between.

    A thread reads them: to inflate a batch can take seconds, and heartbeats must not wait for it.
    """
    if not result.check_assignment(tp):
        return None
    state = result._assignment.state_value(tp)
    source, position = result._partition_records, state.position
    loop = asyncio.get_running_loop()
    try:
        records, is_over, leader_epoch = await loop.run_in_executor(
            None, _next, source, max_records, max_bytes
        )
    except BaseException:
        # What was read before a damaged batch is fetched again, and not skipped. After a
        # cancellation the thread still reads.
        _forget(fetcher, tp, result)
        raise
    if (
        fetcher._records.get(tp) is not result
        or not result._assignment.active
        or not state.has_valid_position
        or state.position != position
    ):
        return None
    result._update_position()
    if is_over:
        result._partition_records = None
    return Taken(records, leader_epoch)


def _next(source: Any, max_records: int, max_bytes: int) -> tuple[list[Any], bool, int]:
    """Return the next records, whether they are the last ones, and their leader epoch."""
    records: list[Any] = []
    size = 0
    for record in source:
        records.append(record)
        size += size_of(record)
        if len(records) >= max_records or size >= max_bytes:
            return records, False, source._records.leader_epoch
    return records, True, source._records.leader_epoch


def _forget(fetcher: Any, tp: TopicPartition, result: Any) -> None:
    """Let the partition be fetched again, unless it has been already."""
    if fetcher._records.get(tp) is result:
        del fetcher._records[tp]
        fetcher._notify(fetcher._wait_consume_future)
