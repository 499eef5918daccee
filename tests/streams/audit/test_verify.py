"""What a worker writes breaks no rule, wherever it is read from."""

from pathlib import Path

import pytest

from schemas.mapping import Mapping, Options
from schemas.ocsf.releases import beyond_security_lake
from streams import samples
from streams.audit.verify import run
from streams.errors import Misconfigured
from streams.settings.settings import Settings
from tests.schemas.kinds import KINDS
from tests.streams.audit.conftest import START, faults
from tests.streams.falco_records import ACCOUNT, REGION
from tests.streams.lake_writer import LakeWriter


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_samples_of_every_source_break_no_rule(
    settings: Settings, place: str, tmp_path: Path, kind: tuple[str, str]
) -> None:
    options = Options(REGION, ACCOUNT, *kind)
    writer = LakeWriter(settings, tmp_path / "writer", Mapping(options))
    values = list(samples.alerts(1, 600, START, garbage=0.01))
    keys = writer.window(3, 100, 700, lambda offset: values[offset - 100])
    found = run(settings, place)
    beyond = beyond_security_lake(kind[1])
    assert {message for _, message in faults(found)} == ({beyond} if beyond else set())
    assert [each.name for each in found.objects] == sorted(keys)
    rows = sum(each.rows for each in found.objects)
    assert sum(each.validated for each in found.objects) == rows > 500


def test_objects_that_were_put_in_quick_succession_are_noted(
    settings: Settings, place: str, writer: LakeWriter
) -> None:
    writer.window(0, 0, 5)
    writer.window(1, 0, 5)
    assert run(settings, place, schema=False).often == 0
    writer.window(0, 5, 9)
    found = run(settings, place, sample=1)
    assert (found.often, found.faults, found.warnings) == (1, 0, 0)
    assert found.notes()[0].startswith("1 of 3 objects were put less than 5 minutes after another")
    assert found.plain()["too_often"] == 1


def test_an_object_without_rows_breaks_no_rule(
    settings: Settings, place: str, writer: LakeWriter
) -> None:
    writer.window(0, 0, 5, lambda _: None)
    found = run(settings, place)
    assert (faults(found), found.objects[0].rows) == ([], 0)


def test_a_file_a_directory_an_object_and_a_prefix_can_be_named(
    settings: Settings, place: str, good: Path, writer: LakeWriter, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.parquet"
    bare.write_bytes(good.read_bytes())
    assert faults(run(settings, str(bare))) == []
    assert faults(run(settings, str(good))) == []
    assert len(run(settings, str(tmp_path / "copy")).objects) == 1
    writer.window(0, 0, 40)
    (key,) = writer.window(0, 40, 45)
    bucket = place.removesuffix("/ext/falco")
    assert [each.name for each in run(settings, f"{bucket}/{key}").objects] == [key]
    assert len(run(settings, f"{place}/").objects) == 2
    assert len(run(settings, bucket).objects) == 2
    for nothing in (str(tmp_path / "none"), f"{place}/region=none", f"{place}c", "s3://"):
        with pytest.raises(Misconfigured):
            run(settings, nothing)


def test_without_the_schema_the_rest_is_checked(settings: Settings, good: Path) -> None:
    found = run(settings, str(good), schema=False)
    assert (faults(found), found.objects[0].validated) == ([], 0)
    assert "pip install 'falcolake[verify]'" in found.notes()[0]
