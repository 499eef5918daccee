"""A plain Faust agent with `stream.take()` and bytes, as documented: the cost of Faust alone.

`python -m tests.bench.take_agent` reads BENCH_* from the environment, does nothing with the
records, and prints its cost from the first batch to the last. Nothing reaches the lake.
"""

import asyncio
import os
import tempfile

import faust

from tests.bench.cost import Meter


def main() -> None:
    """Run the agent until it has seen all records."""
    topic, count = os.environ["BENCH_TOPIC"], int(os.environ["BENCH_COUNT"])
    app = faust.App(
        os.environ["BENCH_RUN"],
        broker=f"kafka://{os.environ['BENCH_BOOTSTRAP']}",
        value_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        datadir=tempfile.mkdtemp(dir="."),
        store="memory://",
    )
    meter, done = Meter(), asyncio.Event()

    @app.agent(app.topic(topic, value_type=bytes, value_serializer="raw"))
    async def ingest(stream: faust.StreamT[bytes]) -> None:
        seen = 0
        async for batch in stream.take(2000, within=1):
            meter.begin()
            seen += len(batch)
            if seen >= count and not done.is_set():
                meter.end()
                done.set()

    async def run() -> None:
        await app.start()
        await done.wait()
        os._exit(0)

    asyncio.run(run())


if __name__ == "__main__":
    main()
