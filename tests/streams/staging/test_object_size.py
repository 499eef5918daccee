"""`WINDOW__MAX_BYTES` is about the size of an object in the lake."""

from pathlib import Path

from streams import samples
from streams.settings.load import load
from streams.staging.staging import Staging
from streams.windows.window import Limits, Partition, Window, is_full
from tests.streams.falco_records import ACCOUNT, MAPPING, REGION, rows

#: 2026-11-23T00:00Z: the alerts are of one day.
START = 1_795_392_000_000_000_000
FETCH = 2_500
HOME = (REGION, ACCOUNT)


def test_a_window_that_is_full_makes_an_object_of_about_max_bytes(tmp_path: Path) -> None:
    window = load(environment={"FALCOLAKE_WINDOW__MAX_BYTES": "5MB"}).window
    limits = Limits(window.interval, window.record_bytes, window.max_rows)
    values = list(samples.alerts(1, 20_000, START, "falcosidekick", interval_ns=1_000_000))
    partition = Partition(0, committed=0, start=0, version=MAPPING.version)
    with Staging(tmp_path / "staging", "falco-events", MAPPING.version, HOME) as staging:
        staging.open()
        while not is_full(partition, limits):
            first = partition.position
            fetched = rows(0, first, first + FETCH, values.__getitem__, MAPPING)
            partition.runs.append(staging.append(fetched))
        sealed = Window(0, 0, partition.position, tuple(partition.runs))
        ((group, _),) = staging.groups(sealed)
        staging.export(sealed, group, MAPPING, {}, tmp_path / "object")

    size = (tmp_path / "object").stat().st_size
    assert 0.7 * window.max_bytes < size < 1.5 * window.max_bytes
