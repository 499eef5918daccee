"""The floor: the least that anyone could do to bring these alerts from Kafka to the lake.

Fetches the records with aiokafka, decodes each with msgspec, has DuckDB write rows that are ready
(the columns and the content of a run of ours, in order, in its memory before the clock starts) as
zstd Parquet with our row groups and pages, and puts the files. No mapping, no staging, no sorting,
no offsets, no promise.

`python -m tests.bench.floor LAKE_RUN` takes the rows from the objects of that run.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import boto3
import duckdb
import msgspec
import pyarrow.parquet as pq
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from schemas.falco.alert import Alert
from schemas.mapping import Mapping, Options
from streams.app import FETCH_BYTES, FETCH_RECORDS
from streams.staging.parquet import PAGE_BYTES
from tests.bench.cost import Meter
from tests.bench.ground import MIX
from tests.buckets import keys


async def fetch(meter: Meter) -> dict[int, list[Any]]:
    """Read all records in fetches as large as the worker's; start the clock before the first."""
    topic, count = os.environ["BENCH_TOPIC"], int(os.environ["BENCH_COUNT"])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["BENCH_BOOTSTRAP"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, n) for n in range(int(os.environ["BENCH_PARTITIONS"]))]
        meter.begin()
        consumer.assign(tps)
        found: dict[int, list[Any]] = {tp.partition: [] for tp in tps}
        while sum(map(len, found.values())) < count:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=FETCH_RECORDS)
            for tp, records in fetched.items():
                found[tp.partition] += records
        return found
    finally:
        await consumer.stop()


class Ready:
    """Rows that are ready: the content of objects as tables in DuckDB's memory. Use `with`."""

    def __init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute("SET threads=1; SET TimeZone='UTC'")
        self._sizes: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def add(self, file: Path) -> None:
        """Load an object, in the types that the mapping has for it."""
        columns = Mapping(Options()).columns.items()
        typed = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in columns)
        table = f"ready_{len(self._sizes)}"
        self._database.execute(
            f"CREATE TABLE {table} AS SELECT {typed} FROM read_parquet('{file}')"
        )
        self._sizes.append(pq.read_metadata(file).row_group(0).num_rows)

    def write(self, file: Path) -> Iterator[Path]:
        """Write one object after the other to the same file, as the worker's were written."""
        for number, rows in enumerate(self._sizes):
            self._database.execute(
                f"COPY ready_{number} TO '{file}' (FORMAT parquet, COMPRESSION zstd,"
                f" COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {rows},"
                f" DATA_PAGE_SIZE_LIMIT {PAGE_BYTES}, TIMESTAMP_IS_ADJUSTED_TO_UTC true)"
            )
            yield file


def main(ours: str) -> None:
    """Print the cost."""
    bucket, run = os.environ["BENCH_BUCKET"], os.environ["BENCH_RUN"]
    client = boto3.client("s3", endpoint_url=os.environ["BENCH_ENDPOINT"])
    # Of the mix some alerts are wrapped: those have no type.
    kind = Any if os.environ["BENCH_KIND"] == MIX else Alert
    decode, meter = msgspec.json.Decoder(kind).decode, Meter()
    with tempfile.TemporaryDirectory() as name, Ready() as ready:
        file = Path(name) / "object.parquet"
        for key in keys(client, bucket, f"{ours}/"):
            client.download_file(bucket, key, str(file))
            ready.add(file)
        for records in asyncio.run(fetch(meter)).values():
            for record in records:
                decode(record.value)
        for number, written in enumerate(ready.write(file)):
            with written.open("rb") as body:
                client.put_object(Bucket=bucket, Key=f"{run}/{number:08d}.parquet", Body=body)
    meter.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
