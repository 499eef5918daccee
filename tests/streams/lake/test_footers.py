"""What a footer says, and what does not count as one; on files that pyarrow writes."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import Corrupt
from streams.lake.contents import PREFIX
from streams.lake.footers import interpret, parse, times
from streams.lake.keys import Footer, Unread
from streams.windows.window import Counts

ACCOUNT = {
    "topic": "alerts",
    "partition": "3",
    "first": "5",
    "end": "9",
    "mapping_version": "1",
    **dict.fromkeys(Counts._fields, "4"),
}


def written(
    tmp_path: Path,
    account: dict[str, str],
    moments: Sequence[int | None] = (10, 30, 20),
    **options: object,
) -> Path:
    metadata = {f"{PREFIX}{name}": value for name, value in account.items()}
    table = pa.table({"time": pa.array(moments, pa.int64())}).replace_schema_metadata(metadata)
    file = tmp_path / "object.parquet"
    pq.write_table(table, file, **options)
    return file


def footer(tmp_path: Path, account: dict[str, str]) -> Footer | Unread:
    return interpret(pq.read_metadata(written(tmp_path, account)))


def test_a_footer_is_read_from_the_end_of_the_file_alone(tmp_path: Path) -> None:
    content = written(tmp_path, ACCOUNT).read_bytes()
    length = int.from_bytes(content[-8:-4], "little") + 8
    counts = Counts(*[4] * len(Counts._fields))
    found = parse(content[-length:])
    assert found == Footer("alerts", 3, 5, 9, counts, "1", 3, (10, 30))


def test_a_footer_may_have_the_id_of_the_topic(tmp_path: Path) -> None:
    found = footer(tmp_path, ACCOUNT | {"topic_id": "abc"})
    older = footer(tmp_path, ACCOUNT)
    assert isinstance(found, Footer)
    assert found.topic_id == "abc"
    assert isinstance(older, Footer)
    assert older.topic_id == ""


def test_an_older_object_does_not_count_repeats(tmp_path: Path) -> None:
    old, new = footer(tmp_path, ACCOUNT), footer(tmp_path, ACCOUNT | {"repeated": "3"})
    assert isinstance(old, Footer)
    assert isinstance(new, Footer)
    assert (old.repeated, old.other_days) == (None, 0)
    assert new == old._replace(repeated=3)
    moved = footer(tmp_path, ACCOUNT | {"other_days": "2"})
    assert moved == old._replace(other_days=2)


@pytest.mark.parametrize("tail", [b"", b"PAR1", b"\xff" * 40 + b"\x20\x00\x00\x00PAR1"])
def test_bytes_that_are_not_a_footer_are_corrupt(tail: bytes) -> None:
    with pytest.raises(Corrupt, match="footer cannot be read") as caught:
        parse(tail)
    assert "replay" in caught.value.hint


def test_a_file_of_another_program_is_foreign(tmp_path: Path) -> None:
    found = footer(tmp_path, {})
    assert isinstance(found, Unread)
    assert found.foreign


@pytest.mark.parametrize("name", ACCOUNT)
def test_each_part_is_needed_and_named(tmp_path: Path, name: str) -> None:
    found = footer(tmp_path, {key: value for key, value in ACCOUNT.items() if key != name})
    assert isinstance(found, Unread)
    assert f"{PREFIX}{name}" in found.reason


@pytest.mark.parametrize("name", ["partition", "first", "end", *Counts._fields])
def test_text_where_a_number_belongs_is_not_a_footer(tmp_path: Path, name: str) -> None:
    assert isinstance(footer(tmp_path, ACCOUNT | {name: "many"}), Unread)


def test_times_cover_all_row_groups_or_are_unknown(tmp_path: Path) -> None:
    def of(moments: Sequence[int | None], **options: object) -> tuple[int, int] | None:
        return times(pq.read_metadata(written(tmp_path, ACCOUNT, moments, **options)))

    assert of([10, 30, 5, 20], row_group_size=2) == (5, 30)
    assert of([10, 30, None, None], row_group_size=2) is None
    assert of([10, 30], write_statistics=False) is None
    assert of([]) is None
