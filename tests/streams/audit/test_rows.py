"""Rows become the findings they were made from, and are checked against the OCSF schema."""

from pathlib import Path

import pyarrow as pa

from schemas.mapping import Mapping, Options
from streams.audit import rows as ocsf_rows
from streams.audit.verify import run
from streams.settings.settings import Settings
from tests.streams.audit.conftest import (
    faults,
    rewrite,
    with_column,
)
from tests.streams.falco_records import ACCOUNT, REGION
from tests.streams.lake_writer import LakeWriter


def test_rows_are_the_findings_they_were_made_from(good: Path) -> None:
    mapping = Mapping(Options(region=REGION, account_id=ACCOUNT))
    values = {finding["raw_data"]: finding for _, finding in ocsf_rows.findings(good)}
    assert len(values) == 40
    for raw, finding in values.items():
        logged = finding["metadata"]["logged_time"]
        assert finding == mapping.finding(raw.encode(), logged)


def test_a_sample_is_spread_over_the_rows(settings: Settings, good: Path) -> None:
    found = run(settings, str(good), sample=7)
    assert (found.objects[0].rows, found.objects[0].validated) == (40, 7)
    numbers = [number for number, _ in ocsf_rows.findings(good, 7)]
    assert numbers == [0, 5, 11, 17, 22, 28, 34]


def test_a_sample_may_leave_out_whole_batches(writer: LakeWriter, tmp_path: Path) -> None:
    (key,) = writer.window(1, 0, 2500)
    file = tmp_path / "large.parquet"
    file.write_bytes(writer.lake.read(key))
    numbers = [number for number, _ in ocsf_rows.findings(file, 2)]
    assert numbers == [0, numbers[-1]]
    assert numbers[-1] > 1000


def test_the_same_fault_in_many_rows_is_told_once(settings: Settings, good: Path) -> None:
    rewrite(good, with_column("activity_id", pa.array([None] * 40, pa.int32())))
    ((rule, message),) = faults(run(settings, str(good)))
    assert rule == "schema"
    assert message == '"activity_id" is a required property (row 0, and 39 more)' or (
        message == 'finding: "activity_id" is a required property (row 0, and 39 more)'
    )
