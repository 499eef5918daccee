"""Pathway: a topic through the mapping into Parquet, with what its free edition has.

Its outputs that write Parquet, `pw.io.deltalake` and `pw.io.iceberg`, ask for a paid license. So
the records are read as its documentation sets up Kafka (`pw.io.kafka.read`, raw, its default
commits every 1.5 seconds, and `max_backlog_size`, which it asks for where there is a backlog) and
arrive in `pw.io.subscribe`, which maps them in its callback, so that no finding crosses into the
engine and back, and puts an object of the rows it has at the end of a commit, if these are
`ROWS` or more. It commits no offsets: that would need its persistence.

`python -m tests.bench.peers.pathway {dicts,parts}` chooses between the two of
`tests.bench.peers.parquet`. It reads BENCH_* from the environment, and prints its cost.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import boto3
import pathway as pw

from tests.bench.cost import Meter
from tests.bench.peers.parquet import MAPPING, from_dicts, from_parts

MAKERS: dict[str, tuple[Callable[..., Any], Callable[..., bytes]]] = {
    "dicts": (MAPPING.finding, from_dicts),
    "parts": (MAPPING.map, from_parts),
}
ROWS = 10_000
BACKLOG = 50_000


class Output:
    """Maps rows and puts objects; ends the process once it has put all."""

    def __init__(self, way: str, meter: Meter) -> None:
        self._map, self._make = MAKERS[way]
        self._meter = meter
        self._left = int(os.environ["BENCH_COUNT"])
        self._rows: list[Any] = []
        self._objects = 0
        self._client = boto3.client("s3", endpoint_url=os.environ["BENCH_ENDPOINT"])

    def add(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        """Map a record."""
        self._rows.append(self._map(row["data"], -1))

    def end(self, time: int) -> None:
        """Put the collected rows if they are enough or the last."""
        if len(self._rows) < min(ROWS, self._left):
            return
        self._objects += 1
        self._client.put_object(
            Bucket=os.environ["BENCH_BUCKET"],
            Key=f"{os.environ['BENCH_RUN']}/{self._objects:08d}.parquet",
            Body=self._make(self._rows),
        )
        self._left -= len(self._rows)
        self._rows = []
        if not self._left:
            self._meter.end()
            os._exit(0)  # a stream never ends by itself


def main(way: str) -> None:
    """Run the pipeline until all records are in the lake."""
    table = pw.io.kafka.read(
        {
            "bootstrap.servers": os.environ["BENCH_BOOTSTRAP"],
            "group.id": os.environ["BENCH_RUN"],
            "auto.offset.reset": "earliest",
        },
        topic=os.environ["BENCH_TOPIC"],
        format="raw",
        autogenerate_key=True,
        max_backlog_size=BACKLOG,
    )
    meter = Meter()
    output = Output(way, meter)
    pw.io.subscribe(table, on_change=output.add, on_time_end=output.end)
    meter.begin()  # the engine starts reading long before it calls back
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main(*sys.argv[1:])
