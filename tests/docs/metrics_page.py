"""Writes the reference page of all metrics from the registry itself: `make docs`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from streams.worker.metrics import PREFIX, Metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
HEAD = """# Metrics

What a worker tells Prometheus on `http://WEB__HOST:WEB__PORT/metrics`. Written by `make docs`; a
test keeps it in step. Offsets, records and windows are of this worker alone: add them up over
workers, `sum by (partition) (…)`. Counters begin at nought with each process. Every count is made
once a batch or once a window, never once an alert. `process_…` are Prometheus's own: memory, CPU,
files.

**records = findings + rejects + filtered**, when they are staged and when they are shipped. What a
worker takes from Kafka and drops, because its partitions moved or staging was full, it or another
reads again: `consumed` may be more than `staged`, `staged` more than `shipped`. In the lake each
record is once.

| metric | type | labels | |
|---|---|---|---|
"""
QUERIES = {
    "alerts a second into the lake": "sum(rate(falcolake_shipped_records_total[5m]))",
    "how old is what is not in the lake yet": "max(falcolake_lag_seconds)",
    "for how long is shipping held": "time() - min(falcolake_held_since_seconds)",
    "nine of ten batches are in the lake within": (
        "histogram_quantile(0.9, sum by (le) (rate(falcolake_event_to_lake_seconds_bucket[1h])))"
    ),
    "how long until retention deletes what waits": "min(falcolake_retention_spare_seconds)",
    "how many partitions have a worker": "count(count by (partition) (falcolake_lag_records))",
    "share of rejects": (
        "sum(rate(falcolake_staged_rejects_total[15m])) "
        "/ sum(rate(falcolake_staged_records_total[15m]))"
    ),
    "share of a core that mapping takes": "rate(falcolake_mapping_seconds_total[5m])",
}
TAIL = """
`falcolake_lag_seconds` is the age of the oldest record that waits, by its time in Kafka; where it
has not been read yet, the time since it was first seen. While all is well it swings between nought
and `WINDOW__INTERVAL` plus the time to ship a window.

`falcolake_retention_spare_…` are there only while something waits and Kafka has begun to delete
(`falcolake_start_offset` above nought), so that a comparison with a number is an alert rule.
Kafka is asked every 15 seconds; while it does not answer the last answer holds.

`outcome` is `finding`, `reject` or `filtered`. `reason` is the dead letter's, without what is of
one record alone. `kind` of a retry says what a person has to do: `Unavailable` wait,
`Misconfigured` reconfigure, `Corrupt` repair; of a control message: `flush`, `ask`, `state`,
`other-group`, `ignored`. `result` is `put`, or `existed` where the lake had the object already.
"""


class Row(NamedTuple):
    """One metric as the page has it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def rows() -> Iterator[Row]:
    """Every metric of a worker's registry, as Prometheus names it."""
    for collector in Metrics().registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name.startswith(f"{PREFIX}_")
            yield Row(name, family.type, tuple(collector._labelnames), family.documentation)


def page() -> str:
    """The whole page."""
    lines = [
        f"| `{row.name}` | {row.kind} | {', '.join(f'`{each}`' for each in row.labels)} "
        f"| {row.text} |"
        for row in rows()
    ]
    asked = [f"| {question} | `{query}` |" for question, query in QUERIES.items()]
    head = ["", "## Good to ask", "", "| question | PromQL |", "|---|---|"]
    return HEAD + "\n".join([*lines, *head, *asked]) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
