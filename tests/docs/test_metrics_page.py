"""`docs/metrics.md` has every metric of the registry and no other; its queries use no other."""

import re

from tests.docs import metrics_page


def test_the_page_is_in_step_with_the_registry() -> None:
    """If this fails, run `make docs` and commit what it wrote."""
    assert metrics_page.PAGE.read_text(encoding="utf-8") == metrics_page.page()


def test_every_metric_says_what_it_is_and_is_named_by_prometheus_conventions() -> None:
    rows = list(metrics_page.rows())
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"falcolake_[a-z]+(_[a-z]+)*", row.name), row.name
        assert (row.kind == "counter") == row.name.endswith("_total"), row.name
        assert row.kind != "histogram" or row.name.endswith("_seconds"), row.name
        assert row.text, row.name


def test_every_query_is_of_metrics_that_exist() -> None:
    known = {row.name for row in metrics_page.rows()}
    known |= {f"{row.name}_bucket" for row in metrics_page.rows() if row.kind == "histogram"}
    for query in metrics_page.QUERIES.values():
        named = set(re.findall(r"falcolake_\w+", query))
        assert named, query
        assert named <= known, query
