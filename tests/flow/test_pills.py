"""Records made to stop a worker: each becomes a dead letter, and the alerts around them arrive."""

import random

import pytest
from kafka import KafkaProducer

from tests.flow.worlds import World, alert, assert_exactly_once

ALERTS = 5_000


def garbage(number: int, size: int) -> bytes:
    """Bytes that are not UTF-8 and cannot be compressed."""
    return b"\xff" + random.Random(number).randbytes(size - 1)


def pills() -> list[tuple[bytes | None, bytes | None, int | None]]:
    """Values, keys and timestamps (epoch ms) of records that are not alerts.

    None of the future: a topic with Kafka's defaults does not take them.
    """
    return [
        *((garbage(n, 900_000), None, None) for n in range(60)),
        *((None, garbage(n, 900_000), None) for n in range(60)),
        (None, b"k" * 1_048_000, None),
        (b"v" * 500_000, b"k" * 500_000, None),
        (b"[" * 101 + b'"' + b'\\"' * 250_000, None, None),
        (b"[" * 500_000, None, None),
        (b'{"rule":' * 100_000, None, None),
        (b"from the past", None, 1_000),
        (b"", b"", None),
        (b"\0" * 900_000, None, None),
    ]


@pytest.mark.faults
def test_no_record_stops_a_worker(world: World) -> None:
    hostile = pills()
    values: list[tuple[bytes | None, bytes | None, int | None]] = [
        (alert(number), None, None) for number in range(ALERTS)
    ]
    step = ALERTS // len(hostile)
    for place, pill in enumerate(hostile):
        values.insert(place * (step + 1), pill)
    producer = KafkaProducer(
        bootstrap_servers=world.bootstrap, acks="all", linger_ms=20, max_request_size=2_000_000
    )
    try:
        sent = [
            producer.send(
                world.topic, value, key, headers=[("trace", b"1")], timestamp_ms=timestamp
            )
            for value, key, timestamp in values
        ]
        producer.flush(120)
        assert not [future.exception for future in sent if not future.succeeded()]
    finally:
        producer.close(10)
    workers = [world.worker(name).start() for name in ("one", "two")]
    world.wait_until_shipped(120)
    assert_exactly_once(world, range(ALERTS), rejects=len(hostile))
    assert len(world.dead_letters()) == len(hostile)
    assert [worker.starts() for worker in workers] == [1, 1], "none started again"
