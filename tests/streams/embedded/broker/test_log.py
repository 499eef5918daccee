"""The partition log and the journal on their own, without a broker."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.embedded.broker.catalog import Catalog
from streams.embedded.broker.configs import TopicConfig
from streams.embedded.broker.errors import ErrorCode, Refusal, StartError
from streams.embedded.broker.journal import Committed, Entry, Journal, OffsetsCommitted, TopicSet
from streams.embedded.broker.log import PartitionLog
from tests.streams.embedded.raw_kafka import build_batch


def open_log(directory: Path, leader_epoch: int = 0, **config: str) -> PartitionLog:
    overrides = {name.replace("_", "."): value for name, value in config.items()}
    return PartitionLog(directory, TopicConfig(overrides), leader_epoch)


def test_a_log_cut_anywhere_keeps_every_complete_batch_before_the_cut(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    ends = [0]
    for number in range(4):
        log.append(build_batch(*[b"v"] * (number + 1)))
        ends.append(log.size)
    log.close()
    (path,) = (tmp_path / "log").iterdir()
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        log = open_log(tmp_path / "log")
        kept = max(end for end in ends if end <= cut)
        assert log.size == path.stat().st_size == kept
        assert log.end == sum(range(ends.index(kept) + 1))
        log.close()


def test_where_a_log_ends_in_each_leader_epoch(tmp_path: Path) -> None:
    def reopened(leader_epoch: int, records: int) -> PartitionLog:
        log = open_log(tmp_path / "log", leader_epoch, segment_bytes="14")
        for number in range(records):
            log.append(build_batch(b"%d" % number))
        return log

    def ends(log: PartitionLog) -> list[tuple[int, int]]:
        return [log.end_of(epoch) for epoch in range(-1, 7)]

    nothing, future = (-1, -1), (-1, -1)
    log = reopened(1, 3)
    assert ends(log) == [nothing, (0, 0), (1, 3), *[future] * 5]
    log.close()
    log = reopened(2, 0)
    assert ends(log)[2:5] == [(1, 3), (2, 3), future]
    log.close()
    log = reopened(3, 2)
    assert ends(log)[2:6] == [(1, 3), (1, 3), (3, 5), future]
    log.close()
    for segment in sorted((tmp_path / "log").iterdir())[2:]:
        segment.unlink()
    log = reopened(5, 9)
    assert ends(log) == [nothing, (0, 0), *[(1, 2)] * 4, (5, 11), future]
    log.delete_before(4)
    assert ends(log) == [nothing, (0, 4), *[(1, 4)] * 4, (5, 11), future]
    log.close()


def test_a_damaged_segment_ends_the_log(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", segment_bytes="14")
    for number in range(5):
        log.append(build_batch(b"%d" % number))
    log.close()
    third = sorted((tmp_path / "log").iterdir())[2]
    third.write_bytes(third.read_bytes()[:-1] + b"\xff")
    log = open_log(tmp_path / "log", segment_bytes="14")
    assert log.end == 2
    assert log.append(build_batch(b"again")) == 2
    log.close()
    assert open_log(tmp_path / "log").end == 3


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 400), max_size=12),
    segment_bytes=st.integers(14, 1500),
    limit=st.integers(0, 2000),
    reopen=st.booleans(),
)
def test_reading_in_any_steps_gives_every_batch_once(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    segment_bytes: int,
    limit: int,
    reopen: bool,
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = open_log(directory, segment_bytes=str(segment_bytes))
    for number, size in enumerate(sizes):
        assert log.append(build_batch(b"x" * size, b"y")) == 2 * number
    if reopen:
        log.close()
        log = open_log(directory, segment_bytes=str(segment_bytes))
    assert log.end == 2 * len(sizes)
    offset, bases = 0, []
    while offset < log.end:
        data = log.read(offset, limit, first_always=True)
        assert len(data) <= log.bytes_from(offset)
        while data:
            bases.append(int.from_bytes(data[:8], "big"))
            data = data[int.from_bytes(data[8:12], "big") + 12 :]
        offset = bases[-1] + 2
    assert bases == list(range(0, 2 * len(sizes), 2))
    log.close()


def test_deleting_records_removes_only_whole_segments_before_them(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", segment_bytes="14")
    for _ in range(5):
        log.append(build_batch(b"a", b"b"))
    log.delete_before(5)
    assert (log.start, log.end) == (5, 10)
    assert len(list((tmp_path / "log").iterdir())) == 3
    log.delete_before(10)
    assert (log.start, log.end, log.size) == (10, 10, 0)
    log.close()
    log = open_log(tmp_path / "log")
    assert (log.start, log.end) == (10, 10)


def test_retention_deletes_whole_segments_oldest_first(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", segment_bytes="14", retention_ms="100")
    for time in (1000, 2000, 1500, 3000):
        log.append(build_batch(b"v", timestamps=[time]))
    assert log.expired_before(now_ms=1050) == 0
    assert log.expired_before(now_ms=1650) == 1
    assert log.expired_before(now_ms=2200) == 3
    assert log.expired_before(now_ms=9999) == 4


def test_a_compacted_topic_loses_nothing_to_retention(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", cleanup_policy="compact", retention_ms="1")
    log.append(build_batch(b"v", timestamps=[1]))
    assert log.expired_before(now_ms=9999) == 0


def test_a_full_disk_refuses_the_batch_and_keeps_the_log_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path / "log")
    log.append(build_batch(b"first"))
    before = log.read(0, 1 << 20, first_always=True)
    write = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda file, data, at: write(file, data[:20], at))
    with pytest.raises(Refusal) as refused:
        log.append(build_batch(b"second"))
    assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    monkeypatch.undo()
    assert (log.end, log.read(0, 1 << 20, first_always=True)) == (1, before)
    assert log.append(build_batch(b"second")) == 1
    log.close()
    assert open_log(tmp_path / "log").end == 2


def test_a_full_disk_refuses_a_commit_and_keeps_the_journal_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(tmp_path / "journal")
    catalog.record(OffsetsCommitted("g", [Committed("t", 0, 1, -1, "")]))
    write = os.write
    monkeypatch.setattr("os.write", lambda file, data: write(file, data[:20]))
    with pytest.raises(Refusal):
        catalog.record(OffsetsCommitted("g", [Committed("t", 0, 2, -1, "")]))
    monkeypatch.undo()
    assert catalog.positions("g")["t", 0].offset == 1
    catalog.record(OffsetsCommitted("g", [Committed("t", 0, 3, -1, "")]))
    assert Catalog(tmp_path / "journal").positions("g")["t", 0].offset == 3


def test_a_journal_cut_anywhere_keeps_every_complete_entry_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    entries: list[Entry] = [
        TopicSet("t", "id", 1, {}),
        OffsetsCommitted("g", [Committed("t", 0, 7, -1, "metadata\nin two lines ü")]),
        OffsetsCommitted("g", []),
    ]
    journal = Journal(path)
    for entry in entries:
        journal.write(entry)
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = Journal(path)
        assert list(journal.replay()) == entries[: whole[:cut].count(b"\n")]
        journal.write(entries[0])
        assert list(journal.replay())[-1] == entries[0]
        journal.close()


def test_compaction_changes_the_journal_and_not_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    catalog = Catalog(path)
    catalog.record(TopicSet("t", "id", 3, {"retention.ms": "1"}))
    for number in range(100):
        catalog.record(OffsetsCommitted("g", [Committed("t", 0, number, -1, "m")]))
    before = (catalog.cluster_id, catalog.topics, catalog.groups, catalog.next_producer_id())
    long = path.stat().st_size
    catalog.close()
    assert path.stat().st_size < long / 10
    catalog = Catalog(path)
    assert (
        catalog.cluster_id,
        catalog.topics,
        catalog.groups,
        catalog.producer_id,
    ) == before


def test_an_unknown_kind_of_entry_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b'{"type":"from the future"}\n')
    with pytest.raises(StartError, match="line 1"):
        Catalog(tmp_path / "journal")
