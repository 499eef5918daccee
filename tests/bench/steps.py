"""A worker's steps, one after the other, each measured separately.

`python -m tests.bench.steps` does with the code of the worker what it does to a backlog: fetch,
decode, map, stage, COPY, put. It prints a line of JSON: CPU seconds per step, all threads. Mapping
decodes, so `map` is what it took longer than `decode` alone.
"""

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.falco.alert import decode
from streams.app import FETCH_RECORDS
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings.load import load
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows import batch
from streams.windows.window import Run, Window
from tests.bench.cost import Meter
from tests.bench.floor import fetch

STEPS = ("fetch", "decode", "map", "stage", "COPY", "put")


class Clock:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time inside the block as this step."""
        began = time.process_time()
        yield
        self.spent[name] += time.process_time() - began


def tabulated(
    clock: Clock, settings: Settings, records: dict[int, list[Any]]
) -> Iterator[batch.Rows]:
    """Decode and map the records, a fetch of one partition at a time."""
    mapping = build_mapping(settings)
    for partition, found in records.items():
        for start in range(0, len(found), FETCH_RECORDS):
            values = found[start : start + FETCH_RECORDS]
            with clock.step("decode"):
                for record in values:
                    decode(record.value.decode())
            first, end = values[0].offset, values[-1].offset + 1
            with clock.step("map"):
                rows = batch.tabulate(mapping, partition, first, end, values)
            yield rows


def ship(clock: Clock, settings: Settings, staging: Staging, runs: dict[int, list[Run]]) -> None:
    """Export and put a window of each partition."""
    mapping, bucket = build_mapping(settings), Lake(settings.lake, connect(settings.lake))
    objects = Objects(staging, mapping, settings.kafka.topic)
    file = staging.path / "object.parquet"
    for partition, found in runs.items():
        window = Window(partition, found[0].first, found[-1].end, tuple(found))
        with clock.step("COPY"):
            groups = objects.groups(window)
        for group, _ in groups:
            with clock.step("COPY"):
                objects.export(window, group, file)
            with clock.step("put"):
                bucket.put(bucket.key(objects.key(window, group)), file)


def main() -> None:
    """Print CPU seconds by step."""
    settings, clock = load(environment=os.environ), Clock()
    gc.set_threshold(100_000, 20, 50)  # as the worker does
    with clock.step("fetch"):
        records = asyncio.run(fetch(Meter()))
    home = (settings.lake.region, settings.lake.account_id)
    version, runs = build_mapping(settings).version, dict[int, list[Run]]()
    with (
        tempfile.TemporaryDirectory() as name,
        Staging(Path(name), settings.kafka.topic, version, home) as staging,
    ):
        staging.open()
        for rows in tabulated(clock, settings, records):
            with clock.step("stage"):
                runs.setdefault(rows.partition, []).append(staging.append(rows))
        ship(clock, settings, staging, runs)
    clock.spent["map"] -= clock.spent["decode"]
    json.dump(clock.spent, sys.stdout)


if __name__ == "__main__":
    main()
