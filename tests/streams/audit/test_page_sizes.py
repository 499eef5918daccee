"""Pages: their sizes as the headers have them, and pages that are too large."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.audit.page_sizes import Page, pages
from streams.audit.verify import run
from streams.errors import Corrupt
from streams.settings.settings import Settings
from tests.streams.audit.conftest import broken, faults
from tests.streams.falco_records import alert
from tests.streams.lake_writer import LakeWriter

#: pyarrow looks at a page's size once in so many values.
ROWS = 1024
SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False)])


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


def written(tmp_path: Path, rows: int, **options: object) -> Path:
    """A file of one column of 8-byte numbers."""
    file = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"n": range(rows)}, SCHEMA), file, **options)
    return file


def read(file: Path) -> list[Page]:
    return list(pages(file, pq.read_metadata(file)))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_page_s_size_is_that_of_its_values_before_compression(
    tmp_path: Path, version: str, compression: str
) -> None:
    file = written(
        tmp_path,
        4 * ROWS,
        use_dictionary=False,
        compression=compression,
        data_page_size=8 * ROWS,
        data_page_version=version,
        write_batch_size=ROWS,
    )
    assert read(file) == [Page(0, "n", "data", 8 * ROWS)] * 4


def test_row_groups_and_dictionaries_are_told_apart(tmp_path: Path) -> None:
    found = read(written(tmp_path, 20, row_group_size=10))
    assert [(page.row_group, page.kind) for page in found] == [
        (0, "dictionary"),
        (0, "data"),
        (1, "dictionary"),
        (1, "data"),
    ]
    assert [page.size for page in found if page.kind == "dictionary"] == [80, 80]


def test_statistics_in_a_header_are_skipped(tmp_path: Path) -> None:
    file = written(tmp_path, 10, use_dictionary=False, write_statistics=True)
    assert read(file) == [Page(0, "n", "data", 80)]


@pytest.mark.parametrize("junk", [b"\x00", b"\xff", b"\x15", b"\x1c"])
def test_headers_that_make_no_sense_are_corrupt(tmp_path: Path, junk: bytes) -> None:
    file = written(tmp_path, 10, use_dictionary=False)
    metadata = pq.read_metadata(file)
    content = file.read_bytes()
    file.write_bytes(content[:4] + junk * 20 + content[24:])
    with pytest.raises(Corrupt) as caught:
        list(pages(file, metadata))
    assert caught.value.hint
