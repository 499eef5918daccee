"""Shipping: the order of its effects, and what each failure leaves behind."""

import asyncio
import io
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemas.mapping import Mapping, Options
from streams import clock
from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured, Unavailable
from streams.lake.keys import parse_key
from streams.settings.sections import LakeSettings
from streams.windows.batch import Lost
from streams.windows.seal import Seal
from streams.worker import ledger
from streams.worker.shipping import SHORTEST_HOLD
from tests.streams.falco_records import ACCOUNT, DAY, MAPPING, OTHER_MAPPING, alert, mixed, rows
from tests.streams.worker_parts import TOPIC, Worker, in_loop


@pytest.fixture
def make(tmp_path: Path, settings: LakeSettings) -> Callable[..., Worker]:
    """Workers one after the other, on the same staging directory, Kafka and bucket."""
    made: list[Worker] = []

    def make_worker(**options: Any) -> Worker:
        kafka = made[-1].kafka if made else None
        options.setdefault("settings", settings)
        made.append(Worker(tmp_path / "staging", kafka=kafka, **options))
        return made[-1]

    return make_worker


def stored(worker: Worker) -> dict[tuple[int, int, int, str], pq.ParquetFile]:
    """The objects in the lake by partition, first, end and day."""
    found = {}
    for entry in worker.lake.objects():
        key = parse_key(entry.key, worker.lake.settings.prefix)
        file = pq.ParquetFile(io.BytesIO(worker.lake.read(entry.key)))
        found[key.partition, key.first, key.end, key.event_day] = file
    return found


def footer(file: pq.ParquetFile) -> dict[str, str]:
    metadata = file.metadata.metadata
    found = {name.decode(): value.decode() for name, value in metadata.items()}
    return {
        name.removeprefix("falcolake."): value
        for name, value in found.items()
        if name.startswith("falcolake.")
    }


def leftovers(worker: Worker) -> list[str]:
    return sorted(p.name for p in worker.staging.path.iterdir() if p.suffix)


async def sealed(
    worker: Worker, first: int = 0, end: int = 20, value: Callable[[int], bytes | None] = mixed
) -> None:
    """One sealed window of partition 0."""
    if not worker.ledger.partitions:
        await worker.assign(0)
    await worker.take(0, first, end, value)
    await worker.seal()


WHOLE = [
    "seal 0 [20]",
    "put 0: 0-20",
    "put 0: 0-20",
    "letter 3",
    "letter 10",
    "letter 17",
    "commit 0 20",
]


@in_loop
async def test_seal_then_every_object_then_every_reject_then_the_commit_then_forget(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker)
        await worker.ship()
        assert worker.effects == WHOLE
        assert worker.kafka.committed[0] == (20, "")
        assert leftovers(worker) == []
        assert worker.shipper.held == {}
        assert worker.metric("shipped_windows_total") == 1
        assert worker.metric("shipped_records_total", outcome="finding") == 17
        assert worker.metric("shipped_records_total", outcome="reject") == 3


@in_loop
async def test_the_footers_say_the_same_of_the_window_and_add_up(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker)
        await worker.ship()
        found = stored(worker)
        assert sorted(day for *_, day in found) == [DAY, "20260103"]
        expected = {
            "topic": TOPIC,
            "partition": "0",
            "first": "0",
            "end": "20",
            "records": "20",
            "findings": "17",
            "rejects": "3",
            "filtered": "0",
            "repeated": "0",
            "mapping_version": MAPPING.version,
        }
        assert [footer(file) for file in found.values()] == [expected, expected]
        assert sum(file.metadata.num_rows for file in found.values()) == 17


@in_loop
async def test_the_footers_have_the_id_of_the_topic_if_there_is_one(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        worker.kafka.topic_id_now = "an-id"
        await sealed(worker)
        await worker.ship()
        assert {footer(file)["topic_id"] for file in stored(worker).values()} == {"an-id"}


@in_loop
async def test_repeated_records_are_seen_everywhere(
    make: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streams.worker.shipping")
    async with make() as worker:
        await sealed(worker, value=lambda number: mixed(number % 12))
        await worker.ship()
        assert {footer(file)["repeated"] for file in stored(worker).values()} == {"8"}
        assert worker.metric("repeated_records_total") == 8
        assert worker.metric("shipped_records_total", outcome="finding") == 17
        assert " filtered; 8 repeated; " in caplog.text
        windows = worker.metrics.journal.plain(clock.now_ms())["windows"]
        (row,) = windows["rows"]
        assert row[windows["names"].index("repeated")] == 8


@in_loop
async def test_an_all_rejected_window_puts_one_empty_object_of_its_oldest_records_day(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker, value=lambda _: b"not json")
        await worker.ship()
        ((key, file),) = stored(worker).items()
        assert key == (0, 0, 20, DAY)
        assert file.metadata.num_rows == 0
        assert (footer(file)["records"], footer(file)["rejects"]) == ("20", "20")
        assert len(worker.letters.sent) == 20
        full = rows(0, 0, 1)
        assert full.findings
        await sealed(worker, 20, 30, alert)
        await worker.ship()
        other = stored(worker)[0, 20, 30, DAY]
        assert file.schema_arrow.equals(other.schema_arrow)


@in_loop
async def test_an_all_filtered_window_puts_one_empty_object(make: Callable[..., Worker]) -> None:
    async with make(mapping=OTHER_MAPPING) as worker:
        await sealed(worker, value=alert)
        await worker.ship()
        ((_, file),) = stored(worker).items()
        assert footer(file)["filtered"] == "20"
        assert worker.effects[-1] == "commit 0 20"


@in_loop
@pytest.mark.parametrize("timestamp", [-1, 0, 2**63 - 1, 1_767_323_045_000_000_000])
async def test_no_timestamp_is_too_strange_for_an_empty_object(
    make: Callable[..., Worker], timestamp: int
) -> None:
    async with make() as worker:
        await worker.assign(0)
        made = rows(0, 0, 3, lambda _: b"x")
        made.oldest = timestamp
        worker.ledger.partitions[0].runs.append(worker.staging.append(made))
        await worker.seal()
        await worker.ship()
        assert worker.shipper.held == {}
        assert worker.effects[-1] == "commit 0 3"


@in_loop
async def test_windows_of_a_partition_ship_in_order_and_partitions_in_parallel(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await worker.assign(0, 1)
        for end in (5, 9, 30):
            await worker.take(0, worker.ledger.partitions[0].position, end)
            await worker.seal()
        await worker.take(1, 0, 40)
        await worker.seal()
        await worker.ship()
        mine = [effect for effect in worker.effects if effect.split()[1].startswith("0")]
        assert mine[3:] == [
            "put 0: 0-5",
            "commit 0 5",
            "put 0: 5-9",
            "commit 0 9",
            "put 0: 9-30",
            "commit 0 30",
        ]
        assert "commit 1 40" in worker.effects
        assert leftovers(worker) == []


# ---- failures at every step


@in_loop
async def test_a_missing_bucket_holds_and_a_new_one_releases(
    make: Callable[..., Worker],
    settings: LakeSettings,
    stack: EmbeddedStack,
    make_name: Callable[[], str],
) -> None:
    settings = settings.model_copy(update={"bucket": make_name()})
    async with make(settings=settings) as worker:
        await sealed(worker)
        await worker.ship()
        hold = worker.shipper.held[0]
        assert "NoSuchBucket" in hold.reason
        assert "LAKE__BUCKET" in hold.hint
        assert "commit 0 20" not in worker.effects
        assert worker.letters.sent == []
        assert worker.metric("retries_total", kind="Misconfigured") == 1
        assert worker.metric("held_since_seconds", partition="0") > 0
        await sealed(worker, 20, 25)
        await worker.ship()
        assert worker.metric("retries_total", kind="Misconfigured") == 2
        assert worker.shipper.held[0].since == hold.since

        stack.s3.create_bucket(settings.bucket)
        await worker.ship()
        assert worker.shipper.held == {}
        assert worker.metric("held_since_seconds", partition="0") == 0
        assert [e for e in worker.effects if e.startswith("commit")] == [
            "commit 0 20",
            "commit 0 25",
        ]
        assert {key[:3] for key in stored(worker)} == {(0, 0, 20), (0, 20, 25)}


@in_loop
async def test_rejects_that_cannot_be_sent_hold_the_window_and_nothing_is_lost(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker)
        worker.letters.errors.append(Misconfigured("no right to write", "grant it"))
        await worker.ship()
        assert worker.shipper.held[0].reason == "no right to write"
        assert worker.effects == WHOLE[:3]
        await worker.ship()
        assert worker.effects == [*WHOLE[:3], *WHOLE[1:]]
        assert worker.metric("put_objects_total", result="put") == 2
        assert worker.metric("put_objects_total", result="existed") == 2


@in_loop
async def test_a_commit_without_an_answer_is_done_again_with_the_same_keys(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker)
        worker.kafka.errors.append(("after", Unavailable("no answer", "wait")))
        await worker.ship()
        assert worker.shipper.held[0].reason == "no answer"
        assert leftovers(worker) != []
        before = {key: file.metadata.serialized_size for key, file in stored(worker).items()}
        await worker.ship()
        assert worker.kafka.committed[0] == (20, "")
        assert {key: f.metadata.serialized_size for key, f in stored(worker).items()} == before
        assert leftovers(worker) == []


@in_loop
async def test_a_disk_without_room_for_the_export_holds(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make() as worker:
        await sealed(worker)
        with monkeypatch.context() as patch:
            patch.setattr(worker.staging, "path", worker.staging.path / "gone")
            await worker.ship()
        assert worker.shipper.held[0].hint
        assert worker.effects == WHOLE[:1]
        await worker.ship()
        assert worker.effects == WHOLE


@in_loop
async def test_a_bug_holds_too_and_says_so(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with make() as worker:
        await sealed(worker)
        with monkeypatch.context() as patch:
            patch.setattr(worker.staging, "groups", lambda _: 1 / 0)
            await worker.ship()
        assert "please report this" in worker.shipper.held[0].hint
        assert "ZeroDivisionError" in caplog.text
        await worker.ship()
        assert worker.effects == WHOLE


@in_loop
async def test_a_partition_that_is_lost_is_abandoned_and_not_held(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker)
        worker.kafka.errors.append(Lost())
        await worker.ship()
        assert worker.shipper.held == {}
        assert worker.effects == WHOLE[:-1]
        assert worker.ledger.waiting()


@in_loop
async def test_rows_that_went_with_their_partition_do_not_hold_it(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make() as worker:
        await sealed(worker)
        export = worker.staging.export

        def too_late(*arguments: Any) -> None:
            worker.ledger.partitions.clear()
            worker.staging.keep_only([])
            export(*arguments)

        monkeypatch.setattr(worker.staging, "export", too_late)
        await worker.ship()
        assert worker.shipper.held == {}
        assert worker.effects == WHOLE[:1]


@in_loop
async def test_after_a_rebalance_in_the_middle_nothing_more_is_put_or_committed(
    make: Callable[..., Worker],
) -> None:
    async with make() as worker:
        await sealed(worker)
        shipment = worker.ledger.waiting()[0]
        await worker.assign(0)
        with pytest.raises(Lost):
            await worker.shipper.ship(shipment)
        assert worker.effects == WHOLE[:1]
        await worker.ship()
        assert worker.effects == WHOLE


@in_loop
async def test_a_partition_that_went_away_is_no_longer_held(make: Callable[..., Worker]) -> None:
    async with make() as worker:
        await sealed(worker)
        worker.letters.errors.append(Unavailable("away", "wait"))
        await worker.ship()
        assert list(worker.shipper.held) == [0]
        await worker.assign(1)
        await worker.ship()
        assert worker.shipper.held == {}
        assert worker.metric("held_since_seconds", partition="0") == 0


@in_loop
async def test_tries_of_a_held_window_become_rarer_and_are_at_most_a_minute_apart(
    make: Callable[..., Worker],
) -> None:
    async with make(hold=SHORTEST_HOLD) as worker:
        await worker.assign(0)
        for number in range(12):
            before = time.monotonic()
            worker.shipper._hold(0, Unavailable("away", "wait"))
            longest = min(60.0, 0.5 * 2**number)
            until = worker.shipper.held[0].until
            assert before + longest / 2 <= until <= time.monotonic() + longest


@in_loop
async def test_a_window_is_held_since_the_step_that_failed_began(
    make: Callable[..., Worker],
) -> None:
    began: list[float] = []

    async def fail_late(*_: object) -> None:
        began.append(time.monotonic())
        await asyncio.sleep(0.2)
        raise Unavailable("away", "wait")

    async with make() as worker:
        await sealed(worker)
        worker.letters.send = fail_late  # type: ignore[assignment,method-assign]
        before = time.monotonic()
        await worker.ship()
        assert before <= worker.shipper.held[0].since <= began[0]
        worker.shipper._release(0)
        told = worker.metrics.journal.plain(0)["events"][0]["text"]
        assert told == "partition 0: no longer held, after 0 s"


@in_loop
async def test_a_held_window_is_not_tried_before_its_time(make: Callable[..., Worker]) -> None:
    async with make(hold=1000.0) as worker:
        await sealed(worker)
        worker.letters.errors.append(Unavailable("away", "wait"))
        await worker.ship()
        await worker.ship()
        assert worker.effects == WHOLE[:3]


# ---- crashes


@in_loop
@pytest.mark.parametrize("step", ["put", "letters", "commit"])
async def test_a_crash_after_any_step_ends_with_the_same_lake(
    make: Callable[..., Worker], step: str
) -> None:
    async with make() as worker:
        await sealed(worker)
        if step == "commit":
            worker.kafka.errors.append(("after", Unavailable("killed", "wait")))
        elif step == "letters":
            worker.kafka.errors.append(Unavailable("killed", "wait"))
        else:
            worker.letters.errors.append(Unavailable("killed", "wait"))
        await worker.ship()
        first = {entry.key: worker.lake.read(entry.key) for entry in worker.lake.objects()}
    async with make() as again:
        await again.assign(0)
        await again.ship()
        assert {e.key: again.lake.read(e.key) for e in again.lake.objects()} == first
        assert again.kafka.committed[0] == (20, "")
        assert leftovers(again) == []


async def put_and_killed(make: Callable[..., Worker]) -> None:
    """Seal a window of 20 records and put it, and be killed before its dead letters are sent."""
    async with make() as worker:
        await sealed(worker, value=alert)
        worker.letters.errors.append(Unavailable("killed", "wait"))
        worker.kafka.errors.append(Unavailable("killed", "wait"))
        await worker.ship()


async def taken_over(worker: Worker) -> None:
    """Take the partition and its 20 records; forget the effects of that."""
    await worker.assign(0)
    await worker.take(0, 0, 20)
    del worker.effects[:]


@in_loop
async def test_a_window_that_another_mapping_sealed_is_claimed_then_overwritten(
    make: Callable[..., Worker],
) -> None:
    await put_and_killed(make)
    async with make(mapping=OTHER_MAPPING) as other:
        await taken_over(other)
        await other.ship()
        assert other.effects == ["seal 0 [20]", "overwrite 0: 0-20", "commit 0 20"]
        ((_, file),) = stored(other).items()
        assert footer(file)["mapping_version"] == OTHER_MAPPING.version
        assert footer(file)["filtered"] == "20"


@in_loop
async def test_a_worker_that_stood_still_after_its_claim_overwrites_nothing_before_another(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have lost the window meanwhile, and the next owner has put and committed it."""
    await put_and_killed(make)
    async with make(mapping=OTHER_MAPPING) as other:
        await taken_over(other)
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "CLAIM_HOLDS", 0.0)
            await other.ship()
        assert other.effects == ["seal 0 [20]"]
        assert "this worker stood still" in other.shipper.reasons()[0]
        other.shipper.try_now()
        await other.ship()
        assert other.effects == ["seal 0 [20]", "overwrite 0: 0-20", "commit 0 20"]


@in_loop
async def test_another_region_while_a_window_waits_files_it_twice(
    make: Callable[..., Worker],
) -> None:
    """This is not promised: see `docs/how-it-works.md`."""
    async with make() as worker:
        await sealed(worker, value=alert)
        worker.kafka.errors.append(Unavailable("killed", "wait"))
        await worker.ship()
    moved = Mapping(Options(region="eu-west-1", account_id=ACCOUNT))
    async with make(mapping=moved) as other:
        await other.assign(0)
        await other.take(0, 0, 20)
        await other.ship()
        keys = [parse_key(each.key, other.lake.settings.prefix) for each in other.lake.objects()]
        assert [(key.region, key.first, key.end) for key in keys if key] == [
            ("eu-central-1", 0, 20),
            ("eu-west-1", 0, 20),
        ]


@in_loop
async def test_an_inherited_window_has_the_same_bytes_as_its_sealers(
    make: Callable[..., Worker], tmp_path: Path, settings: LakeSettings
) -> None:
    """However the batches are cut and whatever else is staged."""
    async with make() as worker:
        await sealed(worker, 0, 50)
        await worker.ship()
        first = {entry.key: worker.lake.read(entry.key) for entry in worker.lake.objects()}
    other = Worker(tmp_path / "other", settings)
    other.kafka.committed[0] = (0, Seal(MAPPING.version, (50,)).encode())
    async with other:
        await other.assign(0, 1)
        for begin, end in ((0, 7), (7, 31), (31, 70)):
            await other.take(1, begin, end)
            await other.take(0, begin, end, mixed)
        for entry in first:
            other.lake.client.delete_object(Bucket=settings.bucket, Key=entry)
        await other.ship()
        assert {e.key: other.lake.read(e.key) for e in other.lake.objects()} == first


@in_loop
async def test_stopping_abandons_what_is_under_way_and_a_new_run_ends_it(
    make: Callable[..., Worker],
) -> None:
    worker = make()
    async with worker:
        await sealed(worker)
        worker.shipper.start()
        await worker.shipper.stop()
        assert "commit 0 20" not in worker.effects
    async with make() as again:
        await again.assign(0)
        await again.ship()
        assert again.kafka.committed[0] == (20, "")
        assert sum(f.metadata.num_rows for f in stored(again).values()) == 17


@in_loop
async def test_stopping_finishes_a_commit_that_kafka_has_taken(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its window is in the log, in the counts and out of staging; the next one is left."""
    caplog.set_level(logging.INFO, "streams.worker.shipping")
    taken, answer = asyncio.Event(), asyncio.Event()
    async with make() as worker:
        await sealed(worker)
        await sealed(worker, 20, 30)
        commit = worker.kafka.commit_offsets

        async def slow(*arguments: Any) -> None:
            await commit(*arguments)
            taken.set()
            await answer.wait()

        monkeypatch.setattr(worker.kafka, "commit_offsets", slow)
        worker.shipper.start()
        await taken.wait()
        stopping = asyncio.create_task(worker.shipper.stop())
        await asyncio.wait(worker.shipper._tasks)
        answer.set()
        await stopping
        assert worker.metric("shipped_windows_total") == 1
        assert f"shipped {TOPIC}-0 [0, 20)" in caplog.text
        assert worker.kafka.committed[0][0] == worker.ledger.waiting()[0].window.first == 20


@in_loop
async def test_stopping_waits_only_so_long_for_an_answer_to_a_commit(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = asyncio.Event()
    async with make(stop_patience=0.05) as worker:
        await sealed(worker)

        async def unanswered(*_: Any) -> None:
            taken.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(worker.kafka, "commit_offsets", unanswered)
        worker.shipper.start()
        await taken.wait()
        await asyncio.wait_for(worker.shipper.stop(), 10)
        assert worker.metric("shipped_windows_total") == 0
