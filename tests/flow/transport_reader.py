"""A Faust worker that prints what it receives, with Faust's own consumer or with ours.

`python -m tests.flow.transport_reader {own,batch} BOOTSTRAP TOPIC GROUP` prints JSON lines:
`{"assigned": [partitions]}` for every assignment, and a list for every record: partition, offset,
timestamp in ms, key and value. It commits what it has printed: Faust's own consumer does so itself,
ours after every batch. SIGTERM stops it like any Faust worker.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import faust

from streams.windows.batch import Batch, Found, Lost
from streams.worker.transport import BatchTransport

#: Long enough that a test sees whether a worker that stops has left the group.
SESSION = 30.0


def say(what: Any) -> None:
    """Print a line."""
    print(json.dumps(what), flush=True)


def record(partition: int, offset: int, timestamp: int, key: Any, value: Any) -> None:
    """Print a record."""
    say([partition, offset, timestamp, key and key.decode(), value and value.decode()])


class Intake:
    """Reads from the committed offsets; counts epochs."""

    paused = False
    wanted: frozenset[int] | None = None

    def __init__(self) -> None:
        self.epoch = 0

    def staged_epochs(self) -> dict[int, set[int]]:
        """Return nothing: nothing is staged."""
        return {}

    async def assign(self, found: Mapping[int, Found]) -> tuple[int, dict[int, int]]:
        """Take over partitions."""
        self.epoch += 1
        say({"assigned": sorted(found)})
        return self.epoch, {
            number: each.start if each.committed is None else each.committed
            for number, each in found.items()
        }


def build(kind: str, bootstrap: str, topic: str, group: str) -> faust.App:
    """Return the app; its two kinds differ only in the consumer."""
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        broker_session_timeout=SESSION,
        broker_heartbeat_interval=0.5,
        broker_rebalance_timeout=SESSION,
        broker_commit_interval=0.2,
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
        key_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=tempfile.mkdtemp(dir="."),
        store="memory://",
    )
    (_declare_batches if kind == "batch" else _declare_events)(app, topic)
    return app


def _declare_events(app: faust.App, name: str) -> None:
    @app.agent(app.topic(name, value_type=bytes, value_serializer="raw"))
    async def read(stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            found = event.message
            timestamp = round(found.timestamp * 1000)
            record(found.partition, found.offset, timestamp, found.key, found.value)

    @app.on_partitions_assigned.connect
    async def assigned(sender: faust.App, assigned: Any, **_: Any) -> None:
        say({"assigned": sorted(tp.partition for tp in assigned if tp.topic == name)})


def _declare_batches(app: faust.App, name: str) -> None:
    intake = Intake()
    app.transport = BatchTransport(app.conf.broker_consumer, app, topic=name, intake=intake)

    @app.agent(app.topic(name, value_type=bytes, value_serializer="raw", acks=False))
    async def read(stream: faust.StreamT[list[Batch]]) -> None:
        async for batches in stream:
            for batch in batches:
                if batch.epoch != intake.epoch:
                    continue
                for found in batch.records:
                    record(batch.partition, found.offset, found.timestamp, found.key, found.value)
                with contextlib.suppress(Lost):
                    await app.consumer.commit_offsets(
                        batch.epoch, {batch.partition: (batch.end, "")}
                    )


async def run(app: faust.App) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await app.start()
    await stop.wait()
    await app.stop()


if __name__ == "__main__":
    asyncio.run(run(build(*sys.argv[1:])))
