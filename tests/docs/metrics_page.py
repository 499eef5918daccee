"""Writes the reference page of all metrics from the registry itself: `make docs`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from streams.receive import metrics as receive
from streams.worker.metrics import PREFIX, Metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
HEAD = """# Metrics

What a worker exposes to Prometheus on `http://WEB__HOST:WEB__PORT/metrics`. Written by `make
docs`; a test keeps it up to date. Each worker counts its own offsets, records and windows: add
them up over workers with `sum by (topic, group, partition) (…)`. Counters start at zero with each
process. They are updated once per batch or window, never per alert. `process_…` are Prometheus's
standard metrics: memory, CPU, files.

**Every series has the labels `topic` and `group`**, the deployment's `KAFKA__TOPIC` and
`KAFKA__GROUP_ID`, and those of the table. Alert rules and dashboard use these two, with the
`namespace` that the Prometheus Operator adds and a `cluster` where there is one, to tell
deployments apart: each has its own alerts. Two deployments with the same of all four need
different group ids.

**records = findings + rejects + filtered**, both when staged and when shipped. If a worker drops
records because its partitions moved or staging was full, it or another worker reads them again.
So `consumed` may exceed `staged`, and `staged` may exceed `shipped`. In the lake each record is
there once.

| metric | type | labels | |
|---|---|---|---|
"""
QUERIES = {
    "alerts per second into the lake": (
        "sum by (topic, group) (rate(falcolake_shipped_records_total[5m]))"
    ),
    "age of the oldest record not in the lake": "max by (topic, group) (falcolake_lag_seconds)",
    "how long Kafka or the lake has not answered": (
        "max by (topic, group, peer) (time() - falcolake_away_since_seconds)"
    ),
    "how long shipping has been held": (
        "max by (topic, group) (time() - falcolake_held_since_seconds)"
    ),
    "90th percentile of the time from event to lake": (
        "histogram_quantile(0.9, sum by (topic, group, le) "
        "(rate(falcolake_event_to_lake_seconds_bucket[1h])))"
    ),
    "time until retention deletes waiting records": (
        "min by (topic, group) (falcolake_retention_spare_seconds)"
    ),
    "number of partitions with a worker": (
        "count by (topic, group) (max by (topic, group, partition) (falcolake_lag_records))"
    ),
    "share of rejects": (
        "sum by (topic, group) (rate(falcolake_staged_rejects_total[15m])) "
        "/ sum by (topic, group) (rate(falcolake_staged_records_total[15m]))"
    ),
    "share of a core used by mapping": "rate(falcolake_mapping_seconds_total[5m])",
}
RECEIVE = """
## `falcolake receive`

What a receiver exposes on `http://RECEIVE__HOST:RECEIVE__PORT/metrics`. It says nothing of alerts
and needs no token. The labels `topic` and `group` are those of its settings; it joins no group, but
belongs to the workers that have the same. [Receive](receive.md) says what each result means.

| metric | type | labels | |
|---|---|---|---|
"""
TAIL = """
`falcolake_lag_seconds` is the age of the oldest waiting record, by its time in Kafka; if that
record has not been read yet, the time since it was first seen. Normally it swings between zero
and `WINDOW__INTERVAL` plus the time to ship a window.

`falcolake_retention_spare_…` exist only while records wait and Kafka has begun to delete
(`falcolake_start_offset` above zero), so an alert rule can simply compare them with a number. The
worker asks Kafka every 15 seconds and keeps the last answer while Kafka does not respond.

`outcome` is `finding`, `reject` or `filtered`. `reason` is the dead letter's, without the parts
that differ per record. `kind` of a retry says what a person does next: `Unavailable` wait,
`Misconfigured` reconfigure, `Corrupt` repair, `Unproved` find out what answers in the lake's
place, `Occupied` decide what becomes of an object. `kind` of a control message is `flush`, `ask`,
`state`, `other-group` or `ignored`. `peer` is `kafka` or `lake`. `result` is `put`, or `existed` if
the lake already had the object.
"""


class Row(NamedTuple):
    """One metric as the page has it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def rows() -> Iterator[Row]:
    """Every metric of a worker's registry and of a receiver's, as Prometheus names it."""
    yield from _rows(Metrics().registry)
    yield from _rows(receive.Metrics().registry)


def _rows(registry: CollectorRegistry) -> Iterator[Row]:
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name.startswith(f"{PREFIX}_")
            yield Row(name, family.type, tuple(collector._labelnames), family.documentation)


def page() -> str:
    """The whole page."""
    asked = [f"| {question} | `{query}` |" for question, query in QUERIES.items()]
    head = ["", "## Useful queries", "", "| question | PromQL |", "|---|---|"]
    worker = HEAD + "\n".join([*_lines(Metrics().registry), *head, *asked]) + "\n" + TAIL
    return worker + RECEIVE + "\n".join(_lines(receive.Metrics().registry)) + "\n"


def _lines(registry: CollectorRegistry) -> list[str]:
    return [
        f"| `{row.name}` | {row.kind} | {', '.join(f'`{each}`' for each in row.labels)} "
        f"| {row.text} |"
        for row in _rows(registry)
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
