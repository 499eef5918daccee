"""The journal keeps what belongs together, or nothing of it, and says what to do about errors."""

from pathlib import Path

import pytest

from streams.errors import Misconfigured, Unavailable
from streams.imports.journal import Batch, Journal, Progress, Record, Refused


def batch(first: int, size: int = 10) -> Batch:
    return Batch(first, [Record(b"x" * size, "file", 1), Record(b"\xff\x00", "file", 2)])


def test_what_is_written_is_there_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal")
    assert (journal.outbox(), journal.progress("a")) == ([], Progress())
    sent = Batch(0, batch(0).records, partition=3, sequence=7)
    journal.state.sequences, journal.state.number = {3: 9}, 4
    journal.refuse([Refused("a", 5, 99)])
    journal.write([sent, batch(2)], {"a": Progress("tag", 10, 2, "digest", 4, whole=True)})
    journal.close()
    again = Journal(tmp_path / "deep" / "journal")
    assert again.outbox() == [sent, batch(2)]
    assert again.progress("a") == Progress("tag", 10, 2, "digest", 4, whole=True)
    assert again.state == journal.state
    assert again.refused(10) == (1, [Refused("a", 5, 99)])
    again.write()
    assert again.outbox() == []
    again.close()


def test_a_full_disk_keeps_what_was_there_and_the_journal_usable(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write([batch(0)], {"a": Progress(position=1)})
    journal._database.execute("PRAGMA max_page_count = 20")
    with pytest.raises(Unavailable, match="is full") as refused:
        journal.write([batch(2, 1_000_000)], {"a": Progress(position=2)})
    assert refused.value.hint.startswith("make room")
    assert (journal.outbox(), journal.progress("a").position) == ([batch(0)], 1)
    journal.write([batch(2)], {"a": Progress(position=2)})
    assert (journal.outbox(), journal.progress("a").position) == ([batch(2)], 2)
    journal.close()


def test_a_place_where_no_journal_can_be_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "journal", tmp_path):
        with pytest.raises(Misconfigured, match="cannot open the journal") as refused:
            Journal(path)
        assert "Errno" not in f"{refused.value}"
