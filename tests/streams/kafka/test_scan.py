"""Scans: every codec that the worker reads, and ranges one after the other."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka import client, scan
from streams.settings.load import load
from streams.settings.settings import Settings

#: More than a megabyte a batch, which some decoders stop at.
VALUES = [b'{"n":%d,"text":"%s"}' % (n, b"x" * 3000) for n in range(600)]


@pytest.fixture
def settings(kafka_bootstrap: str, make_topic: Callable[..., str]) -> Settings:
    return load(
        environment={
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
            "FALCOLAKE_KAFKA__TOPIC": make_topic(partitions=2),
        }
    )


def publish(settings: Settings, codec: str | None = None) -> str:
    """Publish the values to partition 1, as large batches of a codec."""

    async def send() -> None:
        options = client.aiokafka_options(settings)
        async with AIOKafkaProducer(
            **options, compression_type=codec, max_batch_size=4 << 20, max_request_size=8 << 20
        ) as producer:
            batch = producer.create_batch()
            for value in VALUES:
                assert batch.append(key=None, value=value, timestamp=1) is not None
            batch.close()
            await (await producer.send_batch(batch, settings.kafka.topic, partition=1))

    asyncio.run(send())
    return settings.kafka.topic


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_that_the_worker_reads_is_read(settings: Settings, codec: str) -> None:
    topic = publish(settings, codec)
    with scan.open_consumer(settings) as client:
        found = [record.value for record in scan.scan(client, topic, {1: (0, len(VALUES))})]
    assert found == VALUES


def test_ranges_of_a_partition_are_read_one_after_the_other(settings: Settings) -> None:
    topic = publish(settings, "zstd")
    with scan.open_consumer(settings) as client:
        for first, end in ((0, 600), (10, 20), (0, 5), (590, 600)):
            found = [record.offset for record in scan.scan(client, topic, {1: (first, end)})]
            assert found == list(range(first, end))
        assert scan.first_records(client, topic, {1: (7, 9)})[1].offset == 7
        assert scan.first_records(client, topic, {1: (7, 7)}) == {}
