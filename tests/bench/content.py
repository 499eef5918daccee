"""What a run has put: objects, bytes, columns, and how much of it is what the mapping says.

Of one object a thousand rows are compared, value by value, with the findings of the same alerts,
found by `metadata.uid`. Attributes that end in `_dt` repeat others and are left out: not everyone
can write timestamps.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tests.bench.ground import Ground, Topic
from tests.bench.peers.parquet import MAPPING, row

ROWS = 1_000


class Content(NamedTuple):
    """The objects of a run, their bytes, and the leaf columns of one.

    `values` is how many values the compared findings have, `other` how many differ or are missing.
    """

    name: str
    objects: int
    bytes: int
    columns: int
    values: int
    other: int


def describe(ground: Ground, topic: Topic, run: str, name: str) -> Content:
    """Look at a run's objects."""
    files, objects = ground.files(), ground.objects(run)
    size = sum(each.size for each in files.get_file_info(objects))
    with pq.ParquetFile(objects[0], filesystem=files) as file:
        columns = file.metadata.num_columns
        batch = next(file.iter_batches(ROWS))
    found = {each["metadata"]["uid"]: each for each in batch.to_pylist()}
    return Content(name, len(objects), size, columns, *compare(found, ground.values(topic)))


def compare(found: dict[str, dict[str, Any]], alerts: Iterator[bytes]) -> tuple[int, int]:
    """Return how many values the findings of these rows have, and how many the rows have not.

    Rows that no alert has count with each of their values.
    """
    values, other, left = 0, 0, dict(found)
    for alert in alerts:
        if not left:
            break
        finding = MAPPING.finding(alert, -1)
        theirs = left.pop(finding["metadata"]["uid"], None) if isinstance(finding, dict) else None
        if theirs is None or not isinstance(finding, dict):
            continue
        # Kafka's own time, which is not in the alert.
        stamp = theirs["metadata"]["logged_time"] or -1
        finding = MAPPING.finding(alert, stamp)
        assert isinstance(finding, dict), finding
        one, two = (dict(leaves("", each)) for each in (row(finding), theirs))
        values += len(one)
        other += sum(one.get(path) != two.get(path) for path in one.keys() | two.keys())
    strangers = sum(len(dict(leaves("", each))) for each in left.values())
    return values, other + strangers


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of everything in a row that is there."""
    if isinstance(value, dict):
        for name, each in value.items():
            if not name.endswith("_dt"):
                yield from leaves(f"{path}.{name}", each)
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from leaves(f"{path}[{number}]", each)
    elif value is not None:
        yield path, value
