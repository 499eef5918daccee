"""A few thousand hostile records; `make hostile` takes a million."""

from pathlib import Path

import pytest

from schemas.mapping import Options
from tests.hostile import run as hostile


@pytest.mark.parametrize("options", hostile.FORMS)
def test_hostile_records_become_findings_or_rejects(tmp_path: Path, options: Options) -> None:
    report = hostile.run(tmp_path, 3_000, 7, options)
    assert report.faults == []
    assert report.records == report.findings + report.rejects + report.filtered == 3_000
    assert min(report.findings, report.rejects) > 500


def test_a_step_that_takes_too_long_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECONDS", "MAPPING", "STAGING", "OBJECT"):
        monkeypatch.setattr(hostile, name, 0.0)
    faults = hostile.run(tmp_path, 20, 7, Options()).faults
    for step in ("mapping", "staging", "COPY"):
        assert any(step in fault for fault in faults), step
