"""Quix Streams: a topic through the mapping into its own S3 sink.

As its documentation sets up a sink of files: `Application`, `sdf.apply`, and `sdf.sink` of an
`S3FileSink` with a `Format`; the offsets are committed once a checkpoint's files are put, every
5 seconds (`commit_interval`, the default). Its own `ParquetFormat` takes the columns from the
values it happens to see, so formats of our columns stand in its place, by the extension point that
is there for that.

`python -m tests.bench.peers.quix {dicts,parts}` chooses between the two of
`tests.bench.peers.parquet`. It reads BENCH_* from the environment, and prints its cost.
"""

import os
import sys
from typing import Any

from quixstreams import Application
from quixstreams.sinks.base import SinkBatch
from quixstreams.sinks.community.file.formats.base import Format
from quixstreams.sinks.community.file.s3 import S3FileSink

from tests.bench.cost import Meter
from tests.bench.peers.parquet import MAPPING, from_dicts, from_parts

MAKERS = {"dicts": (MAPPING.finding, from_dicts), "parts": (MAPPING.map, from_parts)}


class Findings(Format):
    """A batch of findings as Parquet."""

    supports_append = False
    file_extension = ".parquet"

    def __init__(self, make: Any) -> None:
        self._make = make

    def serialize(self, batch: SinkBatch) -> bytes:
        return self._make([item.value for item in batch])


def main(way: str) -> None:
    """Run the application until it has processed all records."""
    one, make = MAKERS[way]
    meter = Meter()
    app = Application(
        broker_address=os.environ["BENCH_BOOTSTRAP"],
        consumer_group=os.environ["BENCH_RUN"],
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="WARNING",
    )
    topic = app.topic(os.environ["BENCH_TOPIC"], value_deserializer="bytes")

    def mapped(value: bytes, key: Any, timestamp: int, headers: Any) -> Any:
        meter.begin()
        return one(value, timestamp)

    sink = S3FileSink(
        bucket=os.environ["BENCH_BUCKET"],
        directory=os.environ["BENCH_RUN"],
        endpoint_url=os.environ["BENCH_ENDPOINT"],
        format=Findings(make),
    )
    app.dataframe(topic).apply(mapped, metadata=True).sink(sink)
    app.run(count=int(os.environ["BENCH_COUNT"]), collect=False)
    meter.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
