"""Fetching: how long Kafka gathers records for a fetch, and how many are taken of it at once.

A fetch and a commit cost as much for one record as for a hundred, so Kafka waits for `LINGER_BYTES`
before it answers, `LINGER_MS` at most. And a batch of a few kilobytes may inflate to hundreds of
megabytes: aiokafka inflates it when its first record is read and keeps it until its last one is.
So a thread does that, while heartbeats go on, and records are taken by bytes, all of one fetched
partition before any of the next: in memory are one inflated batch and a few times `TAKEN_BYTES`.

This uses internals of aiokafka 0.14, see `transport`.
"""

import asyncio
from collections.abc import Iterator, Set
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.structs import TopicPartition

from streams.windows.batch import PIECE_BYTES, size_of

#: Milliseconds that Kafka waits for more records at most, and the bytes that it waits for.
LINGER_MS = 300
LINGER_BYTES = 256 << 10

#: Bytes of records to take at once, unless one record has more.
TAKEN_BYTES = PIECE_BYTES

Taken = dict[TopicPartition, list[Any]]


def linger(consumer: Any) -> None:
    """Let Kafka gather records for this consumer, before it is started."""
    consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = LINGER_BYTES, LINGER_MS


async def take(
    fetcher: Any, partitions: Set[TopicPartition], wait: float, max_records: int
) -> Taken:
    """Return fetched records of these partitions, by partition; wait so long for any.

    At most so many records, of `TAKEN_BYTES` unless the last one has more. Raises what a fetch
    failed with.
    """
    await _arrival(fetcher, partitions, wait)
    taken: Taken = {}
    count = size = 0
    for tp, result in list(fetcher._records.items()):
        if count >= max_records or size >= TAKEN_BYTES:
            break
        if tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                fetcher._records.pop(tp, None)
            continue
        if isinstance(result, FetchResult):
            records = await _read(fetcher, tp, result, max_records - count, TAKEN_BYTES - size)
            if records:
                taken[tp] = records
                count, size = count + len(records), size + sum(map(size_of, records))
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
) -> list[Any]:
    """Return the next records of a fetched partition: none if a seek or rebalance came between.

    A thread reads them: to inflate a batch can take seconds, and heartbeats must not wait for it.
    """
    if not result.check_assignment(tp):
        return []
    state = result._assignment.state_value(tp)
    source, position = result._partition_records, state.position
    loop = asyncio.get_running_loop()
    try:
        records, is_over = await loop.run_in_executor(None, _next, source, max_records, max_bytes)
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
        return []
    result._update_position()
    if is_over:
        result._partition_records = None
    return records


def _next(source: Iterator[Any], max_records: int, max_bytes: int) -> tuple[list[Any], bool]:
    """Return the next records, and whether they are the last ones."""
    records: list[Any] = []
    size = 0
    for record in source:
        records.append(record)
        size += size_of(record)
        if len(records) >= max_records or size >= max_bytes:
            return records, False
    return records, True


def _forget(fetcher: Any, tp: TopicPartition, result: Any) -> None:
    """Let the partition be fetched again, unless it has been already."""
    if fetcher._records.get(tp) is result:
        del fetcher._records[tp]
        fetcher._notify(fetcher._wait_consume_future)
