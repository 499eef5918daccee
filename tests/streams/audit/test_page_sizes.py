"""Pages: their sizes as the headers have them, and pages that are too large."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams.audit.page_sizes import pages
from streams.audit.verify import run
from streams.errors import Corrupt
from streams.settings.settings import Settings
from tests.streams.audit.conftest import broken, faults
from tests.streams.falco_records import alert
from tests.streams.lake_writer import LakeWriter


def test_large_records_break_no_rule(settings: Settings, place: str, writer: LakeWriter) -> None:
    writer.window(0, 0, 60, lambda n: alert(n, output=f"{n}" * 20_000))
    assert faults(run(settings, place, sample=2)) == []


def test_a_page_too_large_because_of_unmapped_is_found(
    settings: Settings, place: str, writer: LakeWriter
) -> None:
    """Not promised: DuckDB does not bound the pages of maps by their size."""
    fields = {"custom.field": "y" * 2_000_000}
    writer.window(0, 0, 3, lambda n: alert(n, output_fields=fields))
    assert broken(run(settings, place, sample=1)) == {"page"}


def test_the_pages_of_a_column_chunk_hold_all_its_values(good: Path) -> None:
    metadata = pq.read_metadata(good)
    found = list(pages(good, metadata))
    chunks = [metadata.row_group(0).column(number) for number in range(metadata.num_columns)]
    assert list(dict.fromkeys(page.column for page in found)) == [
        chunk.path_in_schema for chunk in chunks
    ]
    for chunk in chunks:
        own = [page for page in found if page.column == chunk.path_in_schema]
        assert {page.kind for page in own} <= {"data", "dictionary"}
        # The chunk's own total includes the page headers.
        assert 0 < sum(page.size for page in own) < chunk.total_uncompressed_size


def test_a_torn_page_header_is_corrupt(good: Path) -> None:
    metadata = pq.read_metadata(good)
    body = bytearray(good.read_bytes())
    body[4:12] = b"\xff" * 8
    good.write_bytes(body)
    with pytest.raises(Corrupt, match="no page header at byte 4"):
        list(pages(good, metadata))
