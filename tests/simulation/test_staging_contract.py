"""The contract of staging, over the model and over the real one, so that the model cannot drift."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streams.errors import FalcolakeError, Misconfigured
from streams.staging.parquet import Group
from streams.staging.staging import Staging
from streams.windows.batch import Rows, tabulate
from streams.windows.window import Run, Window
from tests.simulation import staging as model
from tests.streams.falco_records import ACCOUNT, MAPPING, NOW, OTHER_MAPPING, REGION, Message, mixed

DAYS = [Group(REGION, ACCOUNT, day) for day in ("20260102", "20260103")]


def modelled(offset: int) -> bytes:
    """What the model's mapping makes of an offset as the real one does of `mixed`."""
    if offset % 7 == 3:
        return f"reject:{offset}".encode()
    return f"{'day1' if offset % 3 else 'day2'}:{offset}".encode()


class Kind(NamedTuple):
    """A staging of one kind: its directory, and its disk if that is a model."""

    path: Path
    disk: model.Disk | None

    def opened(self, *, other: bool = False) -> tuple[Any, list[Run]]:
        """A worker's staging, of this mapping or the other one, and the runs that it found."""
        made: Any
        if self.disk is None:
            version = (OTHER_MAPPING if other else MAPPING).version
            made = Staging(self.path, "topic", version, (REGION, ACCOUNT))
        else:
            made = model.ModelStaging(self.disk, self.path, "m2" if other else "m1")
        return made, made.open()

    def rows(self, first: int, end: int, partition: int = 0) -> Rows:
        """Mapped records."""
        value, mapping = (mixed, MAPPING) if self.disk is None else (modelled, model.Mapping("m1"))
        records = [Message(n, value(n), NOW + n) for n in range(first, end)]
        made: Any = mapping
        return tabulate(made, partition, first, end, records, "id")


@pytest.fixture(params=["the model", "the real one"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    yield Kind(tmp_path / "staging", model.Disk() if request.param == "the model" else None)


def window(runs: list[Run]) -> Window:
    return Window(runs[0].partition, runs[0].first, runs[-1].end, tuple(runs))


def offsets(staging: Any, made: Window) -> list[int]:
    """The offsets of a window's rejects, in portions."""
    found: list[int] = []
    while portion := staging.rejects(made, found[-1] + 1 if found else 0):
        found += [reject.offset for reject in portion]
    return found


def test_a_window_has_its_groups_in_order_and_its_rejects_in_portions(kind: Kind) -> None:
    staging, found = kind.opened()
    assert found == []
    runs = staging.append_all([kind.rows(0, 10), kind.rows(0, 5, partition=1)])
    runs += staging.append_all([kind.rows(10, 42)])
    made = window([run for run in runs if run.partition == 0])
    days = [n % 3 for n in range(42) if n % 7 != 3]
    assert staging.groups(made) == [(DAYS[0], len(days) - days.count(0)), (DAYS[1], days.count(0))]
    assert offsets(staging, made) == [3, 10, 17, 24, 31, 38]
    assert tuple(made.counts) == (42, 36, 6, 0)
    assert {run.topic_id for run in runs} == {"id"}
    staging.close()


def test_what_was_appended_is_there_for_the_next_worker_of_the_same_mapping(kind: Kind) -> None:
    staging, _ = kind.opened()
    runs = staging.append_all([kind.rows(0, 10)])
    staging.roll()
    runs += staging.append_all([kind.rows(10, 20)])
    assert runs[0].segment < runs[1].segment
    staging.close()
    staging, found = kind.opened()
    assert found == runs
    assert offsets(staging, window(found)) == [3, 10, 17]
    after = staging.append_all([kind.rows(20, 30)])
    assert after[0].segment > runs[1].segment
    staging.close()
    staging, found = kind.opened(other=True)
    assert found == []
    staging.close()


def test_only_segments_that_no_run_needs_are_forgotten(kind: Kind) -> None:
    staging, _ = kind.opened()
    runs = []
    for first in (0, 10, 20):
        staging.roll()
        runs += staging.append_all([kind.rows(first, first + 10)])
    staging.keep_only(runs[1:2])
    assert offsets(staging, window(runs[1:])) == [10, 17, 24]  # the current one stays, too
    with pytest.raises(FalcolakeError):
        offsets(staging, window(runs[:1]))
    staging.roll()
    staging.keep_only([])
    staging.close()
    staging, found = kind.opened()
    assert found == []
    staging.close()


def test_a_directory_has_one_worker_and_a_closed_one_takes_nothing(kind: Kind) -> None:
    staging, _ = kind.opened()
    with pytest.raises(Misconfigured):
        kind.opened()
    staging.close()
    with pytest.raises(FalcolakeError):
        staging.append_all([kind.rows(0, 10)])
