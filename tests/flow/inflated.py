"""Batches that are small in Kafka and large once inflated, and the memory they cost a worker."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from tests.bench.cost import peak_memory
from tests.flow.worlds import Worker, World


def publish(world: World, values: Sequence[bytes], partition: int, compression: str) -> None:
    """Send values as one batch."""

    async def send() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=world.bootstrap,
            compression_type=compression,
            max_batch_size=2 * sum(map(len, values)),
            max_request_size=2 * sum(map(len, values)),
            linger_ms=5_000,
            request_timeout_ms=300_000,
        ) as producer:
            sent = [
                await producer.send(world.topic, value, partition=partition) for value in values
            ]
            await asyncio.gather(*sent)

    asyncio.run(send())


def peak(worker: Worker) -> float:
    """Return the peak of a worker's resident memory in MB."""
    assert worker.process is not None
    return peak_memory(worker.process.pid)
