"""The capacity model is that of the figures, and predicts a run that it has not seen."""

from pathlib import Path

import pytest

from tests.bench import capacity
from tests.bench.capacity import BEGIN, END, Load, Model, Prices
from tests.bench.report import Report, read

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def report() -> Report:
    return read((DOCS / "benchmarks.json").read_text())


def test_the_page_has_the_model_of_the_figures(report: Report) -> None:
    text = (DOCS / "sizing.md").read_text()
    assert text == capacity.inserted(text, capacity.section(report))


def test_the_model_predicts_a_run_that_it_has_not_seen(report: Report) -> None:
    model = Model(report)
    run, (objects, size, staging) = model.unseen, model.predicted()
    assert run.load not in capacity.SEEN
    # A window more or less for each partition: they end where the run does not.
    assert objects == pytest.approx(run.objects, abs=run.load.partitions)
    assert size == pytest.approx(run.bytes, rel=0.15)
    assert staging == pytest.approx(run.staging, rel=0.35)
    assert model.cores(run.load.rate) == pytest.approx(run.cores, rel=0.5)


def test_a_plan_follows_the_load_and_the_prices(report: Report) -> None:
    model = Model(report)
    small, large = (model.plan(Load(rate, 6, 300)) for rate in (100, 1_000))
    assert small.objects == large.objects == 6 * 288
    assert small.object_bytes < large.object_bytes < 10 * small.object_bytes
    assert small.staging < large.staging
    assert small.cores < large.cores < 10 * small.cores
    assert model.plan(Load(100_000, 12, 300)).workers > 10

    dear = model.plan(Load(100, 6, 300), Prices(puts=1, storage=0.5))
    assert dear.puts == pytest.approx(30 * 1_728 / 1_000)
    assert dear.storage == pytest.approx(30 * small.stored / 1e9 / 2)
    # No more objects than alerts.
    assert model.plan(Load(0.001, 6, 300)).objects == pytest.approx(86.4)


def test_a_value_between_two_points_follows_a_power_law() -> None:
    points = [(1.0, 10.0), (100.0, 1_000.0)]
    assert [capacity.scaled(points, x) for x in (1, 10, 100, 1_000)] == pytest.approx(
        [10, 100, 1_000, 10_000]
    )


def test_a_page_without_a_place_for_the_model_is_an_error() -> None:
    assert capacity.inserted(f"a {BEGIN}old{END} b", "new") == f"a {BEGIN}\n\nnew\n\n{END} b"
    with pytest.raises(ValueError, match="there is no"):
        capacity.inserted(f"a {BEGIN} b", "new")
