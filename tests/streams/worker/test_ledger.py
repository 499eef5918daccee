"""The ledger: what it takes, seals, pauses for, and remembers after a crash."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.s3 import ACCOUNT_ID
from streams.errors import Misconfigured, Unavailable
from streams.settings.sections import LakeSettings
from streams.windows.batch import Batch, Lost, Rows
from streams.windows.progress import Bounds
from streams.windows.room import BATCH_BYTES, Room, Usage
from streams.windows.seal import METADATA_BYTES, MIXED, NO_EPOCH, Seal, read_seal
from streams.windows.window import Limits, Run
from streams.worker import ledger
from streams.worker.ledger import CLAIM_HOLDS, SHORTEST_PAUSE
from streams.worker.pause import Pause
from tests.streams.falco_records import MAPPING, OTHER_MAPPING, alert, messages, mixed
from tests.streams.worker_parts import LIMITS, ROOM, RecordedKafka, Worker, in_loop

#: Nothing here is put: the lake is not there.
NOWHERE = LakeSettings(bucket="lake", region="us-east-1", account_id=ACCOUNT_ID)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Worker]:
    """Workers one after the other, on the same staging directory and the same Kafka."""
    made: list[Worker] = []

    def make_worker(**options: Any) -> Worker:
        kafka = made[-1].kafka if made else None
        made.append(Worker(tmp_path / "staging", NOWHERE, kafka, **options))
        return made[-1]

    return make_worker


def bounds(worker: Worker) -> dict[int, tuple[int, int]]:
    return {n: (each.window.first, each.window.end) for n, each in worker.ledger.waiting().items()}


def seal_of(worker: Worker, partition: int = 0) -> Seal:
    offset, metadata = worker.kafka.committed[partition]
    return read_seal(metadata, offset)


# ---- assignment


@in_loop
async def test_a_new_group_begins_at_the_first_offset_kafka_has(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        worker.kafka.starts[1] = 40
        assert await worker.assign(0, 1) == {0: 0, 1: 40}
        assert worker.metric("lost_records_total", partition="1") == 0


@in_loop
async def test_what_retention_deleted_is_counted_once(make: Callable[..., Worker]) -> None:
    async with make() as worker:
        worker.kafka.committed[0] = (10, "")
        worker.kafka.starts[0] = 40
        await worker.assign(0)
        await worker.assign(0)
        assert worker.metric("lost_records_total", partition="0") == 30
        worker.kafka.starts[0] = 45
        await worker.assign(0)
        assert worker.metric("lost_records_total", partition="0") == 35


@in_loop
async def test_after_a_crash_reading_resumes_where_staging_ends(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 30, mixed)
        await worker.take(1, 0, 7)
        await worker.take(0, 30, 41)
    async with make() as again:
        assert await again.assign(0, 1) == {0: 41, 1: 7}
        await again.seal()
        assert bounds(again) == {0: (0, 41), 1: (0, 7)}
        counts = again.ledger.waiting()[0].window.counts
        assert counts.records == 41 == counts.findings + counts.rejects


@in_loop
async def test_after_the_disk_is_lost_reading_starts_at_the_commit_and_keeps_the_seals(
    make: Callable[..., Worker], tmp_path: Path
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 30)
        await worker.seal()
        await worker.take(0, 30, 40)
    shutil.rmtree(tmp_path / "staging")
    async with make() as again:
        assert await again.assign(0) == {0: 0}
        await again.take(0, 0, 35)
        assert bounds(again) == {0: (0, 30)}
        assert [run.end for run in again.ledger.partitions[0].runs] == [30, 35]


@in_loop
async def test_where_kafka_keeps_no_metadata_the_seals_live_as_long_as_the_worker(
    make: Callable[..., Worker],
) -> None:
    """Not promised: the next worker cuts the window elsewhere."""
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 30)
        await worker.seal()
        assert bounds(worker) == {0: (0, 30)}
        worker.kafka.committed[0] = (0, "")
    async with make() as again:
        assert await again.assign(0) == {0: 30}
        await again.take(0, 30, 40)
        await again.seal()
        assert bounds(again) == {0: (0, 40)}


@in_loop
async def test_what_another_worker_committed_meanwhile_is_dropped(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 30)
        await worker.take(0, 30, 60)
        worker.kafka.committed[0] = (30, "")
    async with make() as again:
        assert await again.assign(0) == {0: 60}
        assert [run.first for run in again.ledger.partitions[0].runs] == [30]
    again.kafka.committed[0] = (45, "")
    async with make() as third:
        assert await third.assign(0) == {0: 45}


@in_loop
async def test_a_partition_that_is_taken_away_is_forgotten_and_one_that_stays_is_kept(
    make: Callable[..., Worker], tmp_path: Path
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        await worker.assign(0, 1)
        await worker.take(1, 0, 10)
        assert await worker.assign(1) == {1: 10}
        files = sorted(path.name for path in (tmp_path / "staging").glob("segment-*.duckdb"))
        assert files == ["segment-00000002.duckdb"]
        assert await worker.assign(0, 1) == {0: 0, 1: 10}


@in_loop
async def test_staging_of_a_deleted_topic_is_not_taken_for_that_of_the_recreated_one(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 30)
        worker.kafka.ends[0] = 3
    async with make() as again:
        assert await again.assign(0) == {0: 0}


@in_loop
async def test_a_batch_of_an_earlier_epoch_is_dropped(make: Callable[..., Worker]) -> None:
    async with make() as worker:
        await worker.assign(0)
        before = worker.ledger.epoch
        await worker.assign(0)
        await worker.take(0, 0, 5, epoch=before)
        assert worker.ledger.partitions[0].position == 0
        await worker.take(0, 0, 3)
        assert worker.ledger.partitions[0].position == 3


@in_loop
async def test_metadata_of_a_newer_falcolake_stops_the_worker(make: Callable[..., Worker]) -> None:
    async with make() as worker:
        worker.kafka.committed[0] = (5, '{"v":2}')
        with pytest.raises(Misconfigured, match="newer falcolake"):
            await worker.assign(0)


@in_loop
async def test_retention_that_was_faster_is_counted_and_logged(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    async with make() as worker:
        worker.kafka.committed[0] = (10, "")
        worker.kafka.starts[0] = 50
        assert await worker.assign(0) == {0: 50}
        assert worker.metric("lost_records_total", partition="0") == 40
        assert "deleted offsets 10 to 49" in caplog.text
        await worker.take(0, 50, 60)
        await worker.seal()
        assert bounds(worker) == {0: (10, 60)}
        assert worker.ledger.waiting()[0].window.counts.records == 10


@in_loop
async def test_retention_that_overtakes_a_running_worker_is_counted_and_survived(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        worker.kafka.starts[0] = 50
        await worker.take(0, 10, 60, offsets=range(50, 60))
        assert worker.metric("lost_records_total", partition="0") == 40
        assert not worker.ledger.paused
        assert worker.ledger.partitions[0].position == 60


@in_loop
async def test_a_gap_that_kafka_still_has_is_not_a_loss(make: Callable[..., Worker]) -> None:
    """Transactions and compaction leave offsets without a record."""
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 60, offsets=[50, 59])
        assert worker.metric("lost_records_total", partition="0") == 0
        assert worker.ledger.partitions[0].position == 60


# ---- blocked partitions


@in_loop
async def test_a_blocked_partition_rests_and_the_others_go_on(
    make: Callable[..., Worker], tmp_path: Path
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 10)
        await worker.seal()
        await worker.take(0, 10, 20)
        (shipment,) = worker.ledger.waiting().values()
        await worker.block(0)
        assert worker.ledger.wanted == {1}
        assert not worker.ledger.holds(shipment)
        await worker.take(0, 20, 30)
        await worker.take(1, 0, 5)
        await worker.seal()
        assert worker.effects == ["seal 0 [10]", "seal 1 [5]"]
        assert bounds(worker) == {1: (0, 5)}
        files = sorted(path.name for path in (tmp_path / "staging").glob("segment-*.duckdb"))
        assert files == ["segment-00000002.duckdb"]
        with pytest.raises(Lost):
            await worker.ledger.commit(shipment)


# ---- a log that lost its end


async def shipped(worker: Worker, end: int) -> None:
    """Partition 0 is committed up to an offset, and 1 is there."""
    worker.kafka.committed[0] = (end, "")
    await worker.assign(0, 1)


@in_loop
async def test_a_log_cut_below_the_commit_blocks_and_every_later_owner_knows(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    async with make() as worker:
        await shipped(worker, 100)
        await worker.take(0, 100, 120)
        worker.kafka.ends[0] = 40
        await worker.ledger.ask_bounds()
        assert worker.ledger.blocked()[0].kind == "truncated"
        assert "cut to offset 40" in caplog.text
        await worker.ledger.note_cuts()
        assert worker.kafka.committed[0] == (100, Seal(MAPPING.version, (), 40).encode())
        worker.kafka.effects.clear()
        await worker.ledger.note_cuts()
        worker.kafka.ends[0] = 120
        await worker.ledger.ask_bounds()
        await worker.take(0, 100, 120)
        await worker.take(1, 0, 5)
        await worker.seal()
        assert worker.effects == ["seal 1 [5]"]
    async with make() as again:
        assert await again.assign(0, 1) == {0: 100, 1: 5}
        assert again.ledger.blocked().keys() == {0}
        assert again.ledger.wanted == {1}
        assert worker.kafka.committed[0][0] == 100


@in_loop
async def test_a_cut_that_kafka_did_not_note_is_noted_later(make: Callable[..., Worker]) -> None:
    async with make() as worker:
        worker.kafka.ends[0] = 40
        await shipped(worker, 100)
        for error in (Lost(), Unavailable("away", "wait")):
            worker.kafka.errors = [error]
            await worker.ledger.note_cuts()
            assert worker.kafka.committed[0] == (100, "")
        await worker.ledger.note_cuts()
        assert seal_of(worker).cut == 40


@in_loop
@pytest.mark.parametrize(("end", "cut"), [(40, 40), (150, 0)])
async def test_a_batch_from_before_the_position_means_that_the_log_was_cut(
    make: Callable[..., Worker], end: int, cut: int
) -> None:
    """The consumer begins again at the log's start, and the log may be longer again by then."""
    async with make() as worker:
        await shipped(worker, 100)
        worker.kafka.ends[0] = end
        await worker.take(0, 100, 160, offsets=range(40))
        assert worker.ledger.partitions[0].cut == cut
        assert worker.ledger.blocked().keys() == {0}
        assert not worker.ledger.paused
        assert worker.metric("staged_records_total", outcome="finding") == 0


@in_loop
async def test_what_one_fetch_has_of_others_is_kept_when_a_log_was_cut(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 100)
        await worker.seal()
        worker.kafka.ends[0] = 40
        epoch = worker.ledger.epoch
        await worker.ledger.append(
            Batch(0, 100, 160, messages(range(40)), epoch, 160, NO_EPOCH),
            Batch(1, 0, 5, messages(range(5)), epoch, 5, NO_EPOCH),
        )
        assert worker.ledger.blocked().keys() == {0}
        assert not worker.ledger.paused
        assert worker.ledger.partitions[1].position == 5


@in_loop
@pytest.mark.parametrize("staged", [0, 10])
async def test_a_log_that_was_cut_and_is_just_as_long_again_is_noticed_without_a_new_record(
    make: Callable[..., Worker], staged: int
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 100, leader_epoch=3)
        await worker.seal()
        await worker.ledger.commit(worker.ledger.waiting()[0])
        if staged:
            await worker.take(0, 100, 100 + staged, leader_epoch=3)
        worker.kafka.ends[0] = 100 + staged
        worker.kafka.epoch_ends[0, 3] = 100
        await worker.ledger.ask_bounds()
        assert worker.ledger.blocked() == {}
        assert worker.ledger.partitions[0].position == 100
        worker.kafka.epoch_ends[0, 3] = 60
        await worker.ledger.ask_bounds()
        assert worker.ledger.blocked()[0].kind == "truncated"
        assert worker.ledger.partitions[0].cut == 60


@in_loop
async def test_staged_records_that_kafka_lost_are_not_shipped_and_those_of_now_are(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    async with make() as worker:
        await shipped(worker, 100)
        await worker.take(0, 100, 120)
        await worker.take(0, 120, 150)
        worker.kafka.ends[0] = 130
        await worker.ledger.ask_bounds()
        assert worker.ledger.blocked() == {}
        assert "Kafka lost offsets 130 to 149" in caplog.text
        assert worker.metric("lost_records_total", partition="0") == 20
        await worker.seal()
        assert bounds(worker) == {0: (100, 120)}
        await worker.ledger.resume_if_room()
        assert worker.kafka.seeks == [{0: 120, 1: 0}]
        await worker.take(0, 120, 160)
        await worker.seal()
        windows = [(w.first, w.end) for w in worker.ledger.partitions[0].sealed_windows()]
        assert windows == [(100, 120), (120, 160)]


@in_loop
@pytest.mark.parametrize(
    ("epoch_end", "cut", "position"),
    [(40, 40, 100), (99, 99, 100), (100, None, 100), (119, None, 100), (120, None, 130)],
)
async def test_the_first_record_of_another_leader_shows_where_the_log_was_cut(
    make: Callable[..., Worker], epoch_end: int, cut: int | None, position: int
) -> None:
    """The log is longer again than what was read; nobody has seen its end."""
    async with make() as worker:
        await shipped(worker, 100)
        await worker.take(0, 100, 120, leader_epoch=5)
        await worker.take(1, 0, 5, leader_epoch=9)
        worker.kafka.epoch_ends[0, 5] = epoch_end
        await worker.take(0, 120, 130, leader_epoch=7)
        partition = worker.ledger.partitions[0]
        assert (partition.cut, partition.position) == (cut, position)
        assert worker.ledger.blocked().keys() == ({0} if cut is not None else set())
        assert worker.ledger.paused == (cut is None and position < 130)
        lost = 120 - epoch_end if worker.ledger.paused else 0
        assert worker.metric("lost_records_total", partition="0") == lost
        assert worker.kafka.asked == [(0, 5)]
        await worker.ledger.note_cuts()
        if cut is not None:
            assert seal_of(worker).cut == cut


@in_loop
@pytest.mark.parametrize("epoch_end", [100, 104, 105])
async def test_what_retention_deleted_before_it_was_read_is_not_what_the_log_lost(
    make: Callable[..., Worker], epoch_end: int
) -> None:
    """The last leader's log ended between the commit and the log's start of now."""
    async with make() as worker:
        seal = Seal("", (), leader_epoch=5).encode()
        worker.kafka.committed[0] = 100, seal
        worker.kafka.starts[0] = 105
        worker.kafka.epoch_ends[0, 5] = epoch_end
        assert await worker.assign(0) == {0: 105}
        assert worker.metric("lost_records_total", partition="0") == 5
        await worker.ledger.ask_bounds()
        await worker.take(0, 105, 110, leader_epoch=7)
        partition = worker.ledger.partitions[0]
        assert (partition.position, partition.leader_epoch) == (110, 7)
        assert not worker.ledger.paused
        assert worker.ledger.blocked() == {}
        assert worker.metric("lost_records_total", partition="0") == 5


@in_loop
async def test_a_position_that_retention_moved_on_does_not_show_where_the_log_was_cut(
    make: Callable[..., Worker],
) -> None:
    """The consumer began again beyond the last leader's end, before it had a record."""
    async with make() as worker:
        worker.kafka.committed[0] = 100, Seal("", (), leader_epoch=5).encode()
        worker.kafka.epoch_ends[0, 5] = 105
        await worker.assign(0)
        await worker.take(0, 100, 105, leader_epoch=5)
        worker.kafka.starts[0] = 108
        await worker.take(0, 105, 108, offsets=())
        assert worker.metric("lost_records_total", partition="0") == 3
    for end in (110, 112):
        async with make() as again:
            await again.assign(0)
            if end == 110:
                assert again.ledger.partitions[0].leader_epoch == NO_EPOCH
            await again.take(0, end - 2, end, leader_epoch=7)
            partition = again.ledger.partitions[0]
            assert (partition.position, partition.leader_epoch) == (end, 7)
            assert not again.ledger.paused
            assert again.ledger.blocked() == {}


@in_loop
async def test_the_leader_epoch_is_asked_for_only_when_the_leader_changes(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        for first, leader_epoch in [(0, 3), (10, 3), (20, 4), (30, 4), (40, NO_EPOCH), (50, 4)]:
            await worker.take(0, first, first + 10, leader_epoch=leader_epoch)
        assert worker.kafka.asked == [(0, 3)], "no answer: this Kafka has no epochs"
        assert worker.ledger.partitions[0].position == 60


@in_loop
async def test_without_an_answer_records_of_another_leader_are_read_again(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10, leader_epoch=3)
        worker.kafka.errors = [Unavailable("away", "wait")]
        await worker.take(0, 10, 20, leader_epoch=4)
        assert worker.ledger.paused
        await worker.ledger.resume_if_room()
        await worker.take(0, 10, 20, leader_epoch=4)
        assert worker.ledger.partitions[0].position == 20


@in_loop
async def test_the_leader_epoch_is_noted_with_each_commit_and_kept_in_staging(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10, leader_epoch=3)
        await worker.seal()
        assert seal_of(worker).leader_epoch == 3
        await worker.take(0, 10, 20, leader_epoch=4)
        await worker.ledger.commit(worker.ledger.waiting()[0])
        assert worker.kafka.committed[0] == (10, Seal("", (), leader_epoch=4).encode())
    worker.kafka.epoch_ends |= {(0, 3): 10, (0, 4): 20}
    async with make() as again:
        assert again.ledger.staged_epochs() == {0: {4}}
        assert await again.assign(0) == {0: 20}
        assert again.ledger.staged_epochs() == {0: {4}}
        again.kafka.epoch_ends[0, 4] = 15
        await again.assign(0)
        assert again.ledger.blocked() == {}
        assert again.ledger.partitions[0].position == 10, "its records may be others now"


@in_loop
async def test_what_is_read_while_kafka_is_asked_for_the_end_is_no_loss(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await shipped(worker, 100)
        worker.kafka.ends[0] = 110
        asked = worker.kafka.bounds

        async def slowly(epochs: Mapping[int, int]) -> dict[int, Bounds]:
            found = await asked(epochs)
            await worker.take(0, 100, 150)
            return found

        worker.kafka.bounds = slowly  # type: ignore[method-assign]
        await worker.ledger.ask_bounds()
        assert worker.ledger.partitions[0].position == 150
        assert not worker.ledger.paused


# ---- pauses


@in_loop
async def test_a_batch_out_of_sequence_pauses_and_stages_nothing(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 10)
        await worker.take(0, 12, 20)
        assert worker.ledger.paused
        assert "offset 12 where 10 was expected" in worker.ledger.pause_reason
        assert worker.ledger.partitions[0].position == 10
        assert worker.metric("paused") == 1
        await worker.take(1, 0, 5)
        assert worker.ledger.partitions[1].position == 0


@in_loop
async def test_a_pause_for_a_strange_offset_seals_nothing(make: Callable[..., Worker]) -> None:
    """It recurs until a person acts: a window each time would be an object a second."""
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        await worker.take(0, 5, 20)
        await worker.ledger.seal_due()
        assert worker.effects == []


@in_loop
async def test_after_a_pause_reading_resumes_where_staging_really_ends(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 10)
        await worker.take(0, 12, 20)
        epoch = worker.ledger.epoch
        await worker.ledger.resume_if_room()
        assert not worker.ledger.paused
        assert worker.kafka.seeks == [{0: 10, 1: 0}]
        assert worker.ledger.epoch > epoch
        await worker.take(0, 10, 20)
        assert worker.ledger.partitions[0].position == 20


async def strange(worker: Worker) -> Pause:
    """Pause the worker with a batch out of sequence."""
    await worker.take(0, 500, 501)
    assert worker.ledger.pause is not None
    return worker.ledger.pause


@in_loop
async def test_a_pause_lasts_its_time_and_longer_if_the_one_before_did_not_help(
    make: Callable[..., Worker],
) -> None:
    async with make(pause=SHORTEST_PAUSE) as worker:
        await worker.assign(0)
        for number in range(8):
            pause = await strange(worker)
            longest = min(30, 2**number)
            assert longest / 2 <= pause.until - pause.since <= longest
            await worker.ledger.resume_if_room()
            assert worker.ledger.paused
            worker.ledger.pause = pause._replace(until=0)
            await worker.ledger.resume_if_room()
            assert not worker.ledger.paused
        await worker.take(0, 0, 5)
        pause = await strange(worker)
        assert pause.until - pause.since <= 1


@in_loop
async def test_full_staging_pauses_seals_what_is_open_and_waits_for_room(
    make: Callable[..., Worker],
) -> None:
    async with make(room=Room(25_000, 0)) as worker:
        await worker.assign(0, 1)
        await worker.take(1, 0, 2)
        await worker.take(0, 0, 200)
        assert worker.ledger.paused
        assert "STAGING__MAX_BYTES" in worker.ledger.pause_reason
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [200]", "seal 1 [2]"]
        await worker.ledger.resume_if_room()
        assert worker.ledger.paused
        for shipment in worker.ledger.waiting().values():
            await worker.ledger.commit(shipment)
        await worker.ledger.resume_if_room()
        assert not worker.ledger.paused
        assert worker.kafka.seeks == [{0: 200, 1: 2}]


@in_loop
async def test_a_disk_with_little_room_left_pauses(make: Callable[..., Worker]) -> None:
    async with make(room=Room(10**9, 2**62)) as worker:
        await worker.assign(0)
        await worker.take(0, 0, 5)
        assert "STAGING__MIN_FREE_BYTES" in worker.ledger.pause_reason
        assert worker.ledger.partitions[0].position == 5


@pytest.mark.parametrize("max_bytes", [10**9, 1_000_000])
@in_loop
async def test_a_batch_leaves_room_for_the_object_that_will_make_room(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, max_bytes: int
) -> None:
    limits = LIMITS._replace(max_bytes=max_bytes)
    async with make(room=Room(10**9, 1), limits=limits) as worker:
        needed = BATCH_BYTES + sum(len(alert(number)) for number in range(20))

        def disk(free: int) -> None:
            monkeypatch.setattr(worker.staging, "usage", lambda: Usage(staged=5000, free=free))

        await worker.assign(0)
        disk(needed)
        await worker.take(0, 0, 10)
        assert not worker.ledger.paused
        disk(needed - 1)
        await worker.take(0, 10, 20)
        assert "too few for another batch and then an object" in worker.ledger.pause_reason
        assert worker.ledger.partitions[0].position == 20
        for free, paused in ((needed - 1, True), (needed, False)):
            disk(free)
            await worker.ledger.resume_if_room()
            assert worker.ledger.paused is paused


def refused(rows: list[Rows]) -> None:
    raise Unavailable("no space", "make room")


@in_loop
async def test_an_append_that_fails_pauses_and_the_batch_is_read_again(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        with monkeypatch.context() as patch:
            patch.setattr(worker.staging, "append_all", refused)
            await worker.take(0, 10, 20)
        assert worker.ledger.paused
        assert worker.ledger.pause_reason == "no space. make room"
        assert worker.ledger.partitions[0].position == 10
        await worker.ledger.resume_if_room()
        assert worker.kafka.seeks == [{0: 10}]


@in_loop
async def test_what_one_fetch_has_of_several_partitions_is_one_commit(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make() as worker:
        await worker.assign(0, 1, 2)
        appended: list[list[int]] = []
        append_all = worker.staging.append_all

        def counted(rows: list[Rows]) -> list[Run]:
            appended.append([each.partition for each in rows])
            return append_all(rows)

        monkeypatch.setattr(worker.staging, "append_all", counted)
        epoch = worker.ledger.epoch
        for first in range(0, 30, 10):
            batches = [
                Batch(n, first, first + 10, messages(range(first, first + 10), mixed), epoch, 30)
                for n in range(3)
            ]
            await worker.ledger.append(*batches)
        assert appended == [[0, 1, 2]] * 3
        await worker.seal()
        assert bounds(worker) == dict.fromkeys(range(3), (0, 30))
    async with make() as again:
        assert again.ledger.undrained() == 90


@in_loop
async def test_a_batch_out_of_sequence_does_not_undo_those_before_it(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        epoch = worker.ledger.epoch
        good = Batch(0, 0, 10, messages(range(10)), epoch, 10)
        bad = Batch(1, 5, 10, messages(range(5, 10)), epoch, 10)
        await worker.ledger.append(good, bad)
        assert worker.ledger.paused
        assert [worker.ledger.partitions[n].position for n in (0, 1)] == [10, 0]


@in_loop
@pytest.mark.parametrize("part", ["usage", "log_start"])
async def test_no_answer_while_a_batch_is_taken_pauses_and_does_not_crash(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    async with make() as worker:
        await worker.assign(0)

        def fail() -> None:
            raise Unavailable("gone", "wait")

        if part == "usage":
            monkeypatch.setattr(worker.staging, "usage", fail)
        else:
            worker.kafka.errors.append(Unavailable("gone", "wait"))
        await worker.take(0, 0, 10, offsets=[5, 9])
        assert worker.ledger.paused
        await worker.ledger.resume_if_room()


@in_loop
async def test_a_resume_that_comes_too_late_leaves_it_to_the_next_assignment(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 5, 6)
        worker.kafka.errors.append(Lost())
        await worker.ledger.resume_if_room()
        assert worker.ledger.paused
        await worker.assign(0)
        await worker.ledger.resume_if_room()
        assert not worker.ledger.paused


# ---- seals


@in_loop
async def test_all_open_windows_are_sealed_together_and_the_segment_is_closed(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=LIMITS._replace(interval=1)) as worker:
        await worker.assign(0, 1, 2)
        await worker.take(0, 0, 10)
        await worker.take(1, 0, 20)
        worker.ledger.partitions[0].highwater = 10**6
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [10]", "seal 1 [20]"]
        assert seal_of(worker) == Seal(MAPPING.version, (10,))
        assert bounds(worker) == {0: (0, 10), 1: (0, 20)}
        await worker.take(0, 10, 15)
        assert {run.segment for run in worker.ledger.partitions[0].runs} == {1, 2}
        assert worker.metric("sealed_windows_total") == 2


@in_loop
async def test_a_window_is_cut_and_sealed_at_max_rows(make: Callable[..., Worker]) -> None:
    async with make(limits=LIMITS._replace(max_rows=100)) as worker:
        await worker.assign(0)
        await worker.take(0, 0, 250)
        assert worker.effects == ["seal 0 [100]", "seal 0 [100, 200]"]
        assert [w.end for w in worker.ledger.partitions[0].sealed_windows()] == [100, 200]
        assert worker.ledger.partitions[0].open_records == 50


@in_loop
async def test_a_window_that_was_full_at_a_crash_is_sealed_before_more_joins_it(
    make: Callable[..., Worker],
) -> None:
    limits = LIMITS._replace(max_rows=100)
    async with make(limits=limits) as worker:
        await worker.assign(0)
        worker.kafka.errors.append(Unavailable("killed", "wait"))
        await worker.take(0, 0, 100)
        assert worker.effects == []
    async with make(limits=limits) as again:
        await again.assign(0)
        await again.take(0, 100, 250)
        assert again.effects == ["seal 0 [100]", "seal 0 [100, 200]"]


@in_loop
async def test_a_window_is_sealed_when_its_bytes_are_reached(make: Callable[..., Worker]) -> None:
    async with make(limits=LIMITS._replace(max_bytes=10_000)) as worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        assert worker.effects == []
        await worker.take(0, 20, 60)
        assert worker.effects == ["seal 0 [60]"]


@in_loop
async def test_while_windows_wait_age_seals_no_further_ones_but_size_does(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=Limits(1, 10**9, 100)) as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        await worker.ledger.seal_due()
        await worker.take(0, 10, 20)
        worker.ledger.partitions[0].sealed_at = None
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [10]"]
        await worker.take(0, 20, 110)
        assert worker.effects == ["seal 0 [10]", "seal 0 [10, 110]"]


@in_loop
@pytest.mark.parametrize(
    "error", [Lost(), Unavailable("no answer", "wait"), ("after", Unavailable("?", "wait"))]
)
async def test_a_seal_that_kafka_did_not_take_or_did_not_confirm_seals_nothing_here(
    make: Callable[..., Worker], error: Any
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 10)
        worker.kafka.errors.append(error)
        await worker.seal()
        assert bounds(worker) == {}
        await worker.take(0, 10, 20)
        await worker.seal()
        assert seal_of(worker).ends == (20,)
        assert bounds(worker) == {0: (0, 20)}


@in_loop
async def test_offsets_without_a_record_alone_are_not_sealed(make: Callable[..., Worker]) -> None:
    async with make(limits=LIMITS._replace(interval=1)) as worker:
        worker.kafka.committed[0] = (0, Seal(MAPPING.version, (5,)).encode())
        await worker.assign(0)
        await worker.take(0, 0, 10, offsets=[2])
        await worker.ledger.seal_due()
        assert worker.effects == []
        assert bounds(worker) == {0: (0, 5)}


def many_ends(count: int = 250) -> tuple[int, ...]:
    return tuple(range(10**15, 10**15 + count))


@in_loop
async def test_a_full_list_of_seals_makes_the_open_window_grow_and_disturbs_no_other(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=Limits(10**9, 10**9, 10)) as worker:
        ends = many_ends(235)
        assert Seal(MAPPING.version, ends).fits
        assert not Seal(MAPPING.version, (*ends, 10**15 + 300)).fits
        worker.kafka.committed[0] = (ends[0] - 1, Seal(MAPPING.version, ends).encode())
        worker.kafka.ends[0] = 2**60
        await worker.assign(0, 1)
        await worker.take(0, ends[0] - 1, ends[-1])
        await worker.take(1, 0, 5)
        for first in range(ends[-1], ends[-1] + 60, 20):
            await worker.take(0, first, first + 20)
            await worker.ledger.seal_due()
        assert worker.ledger.partitions[0].open_records == 60
        assert worker.effects == [], "a window of the other partition at every look"
        assert len(worker.kafka.committed[0][1]) <= METADATA_BYTES


# ---- inherited seals


@in_loop
async def test_inherited_windows_are_read_one_partition_after_the_other(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        for number in (0, 1):
            worker.kafka.committed[number] = (0, Seal(MAPPING.version, (10,)).encode())
        await worker.assign(0, 1, 2)
        assert worker.ledger.wanted == {0}
        await worker.take(0, 0, 10)
        assert worker.ledger.wanted == {1}
        await worker.take(1, 0, 10)
        assert worker.ledger.wanted is None
        assert bounds(worker) == {0: (0, 10), 1: (0, 10)}


@in_loop
async def test_a_sealed_end_past_transaction_markers_is_reached_without_a_record(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        worker.kafka.committed[0] = (0, Seal(MAPPING.version, (10,)).encode())
        await worker.assign(0)
        await worker.take(0, 0, 9)
        assert bounds(worker) == {}
        await worker.ledger.append(Batch(0, 9, 10, [], worker.ledger.epoch, 10))
        assert bounds(worker) == {0: (0, 10)}


@in_loop
async def test_sealed_ends_of_the_owner_before_cut_the_same_windows(
    make: Callable[..., Worker], tmp_path: Path
) -> None:
    kafka = RecordedKafka([], tmp_path / "staging")
    kafka.committed[0] = (10, Seal(MAPPING.version, (25, 40)).encode())
    worker = Worker(tmp_path / "staging", NOWHERE, kafka)
    async with worker:
        assert await worker.assign(0) == {0: 10}
        await worker.take(0, 10, 33)
        assert bounds(worker) == {0: (10, 25)}
        await worker.take(0, 33, 60)
        found = [
            (w.first, w.end, w.overwrite) for w in worker.ledger.partitions[0].sealed_windows()
        ]
        assert found == [(10, 25, False), (25, 40, False)]
        assert worker.ledger.partitions[0].open_records == 20


@in_loop
async def test_windows_that_another_mapping_sealed_are_claimed_before_they_are_overwritten(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        await worker.seal()
    async with make(mapping=OTHER_MAPPING) as other:
        assert await other.assign(0) == {0: 0}, "staged by the other mapping"
        await other.take(0, 0, 20)
        shipment = other.ledger.waiting()[0]
        assert shipment.window.overwrite
        await other.ledger.claim(shipment)
        await other.ledger.claim(shipment)
        assert other.effects == ["seal 0 [20]", "seal 0 [20]"]
        assert seal_of(other) == Seal(MIXED, (20,))
    async with make() as back:
        await back.assign(0)
        await back.take(0, 0, 20)
        assert back.ledger.waiting()[0].window.overwrite


@in_loop
async def test_a_claim_is_asked_for_again_once_it_is_not_fresh(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the owner before had claimed the windows: that says nothing of this one."""
    async with make() as worker:
        worker.kafka.committed[0] = (0, Seal(MIXED, (20,)).encode())
        await worker.assign(0)
        await worker.take(0, 0, 20)
        shipment = worker.ledger.waiting()[0]
        began = time.monotonic()
        until = await worker.ledger.claim(shipment)
        assert until >= began + CLAIM_HOLDS
        assert await worker.ledger.claim(shipment) == until
        assert worker.effects == ["seal 0 [20]"]
        monkeypatch.setattr(ledger, "CLAIM_IS_FRESH", 0.0)
        assert await worker.ledger.claim(shipment) > until
        assert worker.effects == ["seal 0 [20]"] * 2
        await worker.assign()
        with pytest.raises(Lost):
            await worker.ledger.claim(shipment)


# ---- commits


@in_loop
async def test_a_commit_forgets_the_rows_and_keeps_the_seals_that_wait(
    make: Callable[..., Worker], tmp_path: Path
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        await worker.seal()
        await worker.take(0, 20, 30)
        await worker.seal()
        await worker.ledger.commit(worker.ledger.waiting()[0])
        assert worker.kafka.committed[0] == (20, Seal(MAPPING.version, (30,)).encode())
        assert bounds(worker) == {0: (20, 30)}
        assert [p.name for p in (tmp_path / "staging").glob("*.duckdb")] == [
            "segment-00000002.duckdb"
        ]
        await worker.ledger.commit(worker.ledger.waiting()[0])
        assert worker.kafka.committed[0] == (30, "")
        assert not list((tmp_path / "staging").glob("segment-*"))


@in_loop
@pytest.mark.parametrize("error", [Lost(), Unavailable("no answer", "wait")])
async def test_a_commit_that_kafka_refused_keeps_everything(
    make: Callable[..., Worker], error: Any
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        await worker.seal()
        shipment = worker.ledger.waiting()[0]
        worker.kafka.errors.append(error)
        with pytest.raises(type(error)):
            await worker.ledger.commit(shipment)
        assert bounds(worker) == {0: (0, 20)}
        await worker.ledger.commit(shipment)
        assert worker.effects == ["seal 0 [20]", "commit 0 20"]


@in_loop
async def test_a_window_of_an_earlier_assignment_is_not_committed(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0)
        await worker.take(0, 0, 20)
        await worker.seal()
        shipment = worker.ledger.waiting()[0]
        await worker.assign(0)
        with pytest.raises(Lost):
            await worker.ledger.commit(shipment)
        assert worker.effects == ["seal 0 [20]"]


@in_loop
async def test_what_is_staged_is_counted_by_outcome(make: Callable[..., Worker]) -> None:
    async with make(mapping=OTHER_MAPPING) as worker:
        await worker.assign(0)
        await worker.take(0, 0, 28, mixed)
        outcomes = {
            outcome: worker.metric("staged_records_total", outcome=outcome)
            for outcome in ("finding", "reject", "filtered")
        }
        assert outcomes == {"finding": 0, "reject": 4, "filtered": 24}
        worker.ledger.show()
        assert worker.metric("staged_offset", partition="0") == 28
        assert worker.metric("committed_offset", partition="0") == 0


@in_loop
async def test_a_closed_ledger_takes_nothing_more(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    worker = make(room=ROOM)
    async with worker:
        await worker.assign(0)
    await worker.take(0, 0, 5)
    assert worker.ledger.waiting() == {}
    assert caplog.text == ""


# ---- flush

AGELESS = LIMITS._replace(interval=10**12)


@in_loop
async def test_a_flush_seals_once_and_only_when_all_it_asks_for_is_staged(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=AGELESS) as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 30)
        await worker.take(1, 0, 10, highwater=20)
        worker.ledger.flush({0: 30, 1: 20})
        await worker.ledger.seal_due()
        assert worker.effects == [], "partition 1 has records to read yet"
        await worker.take(1, 10, 25)
        await worker.take(0, 30, 33)
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [33]", "seal 1 [25]"]
        await worker.take(0, 33, 50)
        await worker.ledger.seal_due()
        assert len(worker.effects) == 2, "what came later is not part of the flush"


@in_loop
async def test_an_older_flush_takes_nothing_back_and_one_beyond_the_end_asks_for_nothing(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=AGELESS) as worker:
        await worker.assign(0, 1)
        await worker.take(0, 0, 30)
        await worker.take(1, 0, 10)
        worker.ledger.flush({0: 30, 1: 2**62})
        worker.ledger.flush({0: 5, 9: 5})
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [30]", "seal 1 [10]"]
        await worker.take(1, 10, 20)
        await worker.ledger.seal_due()
        assert len(worker.effects) == 2
        assert worker.ledger.flushing()


@in_loop
async def test_a_flush_beyond_where_the_log_was_cut_does_not_hold_up_the_next_one(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=AGELESS) as worker:
        await worker.assign(0)
        worker.ledger.flush({0: 30})
        await worker.take(0, 0, 20)
        worker.ledger.flush({0: 20})
        await worker.ledger.seal_due()
        assert worker.effects == []
        worker.kafka.ends[0] = 20
        await worker.ledger.ask_bounds()
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [20]"]


@in_loop
async def test_flushes_during_an_outage_seal_two_windows_and_no_more(
    make: Callable[..., Worker],
) -> None:
    async with make(limits=AGELESS) as worker:
        await worker.assign(0)
        for end in range(10, 60, 10):
            await worker.take(0, end - 10, end)
            worker.ledger.flush({0: end})
            await worker.ledger.seal_due()
        assert worker.effects == ["seal 0 [10]", "seal 0 [10, 20]"]
        await worker.ledger.commit(worker.ledger.waiting()[0])
        await worker.ledger.seal_due()
        assert worker.effects[2:] == ["commit 0 10", "seal 0 [20, 50]"]


@in_loop
async def test_a_flush_holds_for_partitions_that_come_later(make: Callable[..., Worker]) -> None:
    async with make(limits=AGELESS) as worker:
        await worker.assign(0)
        worker.ledger.flush({1: 10})
        assert not worker.ledger.flushing()
        await worker.assign(0, 1)
        assert worker.ledger.flushing()
        await worker.take(1, 0, 10)
        await worker.ledger.seal_due()
        assert worker.effects == ["seal 1 [10]"]
