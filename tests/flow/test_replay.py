"""Replaying what a real worker shipped: whatever is broken in the lake gets repaired."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from streams.audit import audit
from streams.clock import now_ms
from streams.kafka import dead_letter_reader
from streams.lake.store import Lake
from streams.replay import replay
from streams.replay.replay import LAST, Options, Replay, Selection
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.buckets import bodies, entries
from tests.flow.worlds import GARBAGE, World, alert, assert_exactly_once

#: 2026-11-23T00:00:00Z, when the alerts were raised; their records are of today.
EVENTS = 1_795_392_000_000
ALL = Selection(ranges=((None, 0, LAST),))


def late(number: int) -> bytes:
    return alert(number).replace(b"-11-23T", b"-11-24T")


@pytest.fixture
def settings(world: World) -> Settings:
    return load(environment=world.environment)


@pytest.fixture
def shipped(world: World) -> World:
    """1,040 shipped records of two days, 40 of them rejects, in windows of 100; no worker."""
    values = [alert(n) for n in range(500)] + [GARBAGE] * 40 + [late(n) for n in range(500, 1000)]
    world.publish(values)
    worker = world.worker(WINDOW__MAX_ROWS=100).start()
    world.wait_until_shipped()
    assert worker.stop() == 0
    return world


def lake(world: World, bucket: str = "", prefix: str = "ext/falco/") -> dict[str, bytes]:
    """Return all objects by the end of their keys."""
    found = bodies(world.s3, bucket or world.bucket, prefix)
    return {key.removeprefix(prefix): body for key, body in found.items()}


def written(world: World) -> dict[str, object]:
    """Return when each object was written."""
    return {each["Key"]: each["LastModified"] for each in entries(world.s3, world.bucket)}


def outcomes(found: Replay) -> dict[str, int]:
    names = [each.outcome for each in found.windows]
    return {name: names.count(name) for name in sorted(set(names))}


def asked(found: audit.Audit) -> Selection:
    """Return the problems of an audit as a selection, as the command makes it."""
    return Selection(ranges=tuple((p.partition, p.first, p.end) for p in found.problems))


def damage(world: World, stored: dict[str, bytes]) -> None:
    """Delete a window, cut an object short, swap one for another, keep half of a window."""
    keys = sorted(stored)
    windows: dict[str, list[str]] = {}
    for key in keys:
        windows.setdefault(key.rpartition("/")[2], []).append(key)
    single = [each[0] for each in windows.values() if len(each) == 1]
    (double, *_) = [each for each in windows.values() if len(each) == 2]
    put, cut, swapped = single[1], single[3], single[5]
    world.s3.delete_object(Bucket=world.bucket, Key=f"ext/falco/{put}")
    world.s3.delete_object(Bucket=world.bucket, Key=f"ext/falco/{double[0]}")
    for key, body in ((cut, stored[cut][:-100]), (swapped, stored[single[7]])):
        world.s3.put_object(Bucket=world.bucket, Key=f"ext/falco/{key}", Body=body)


@pytest.mark.faults
def test_what_an_audit_finds_is_healed_byte_for_byte(shipped: World, settings: Settings) -> None:
    stored, offsets = lake(shipped), shipped.committed()
    damage(shipped, stored)
    before = audit.run(settings)
    assert {each.kind for each in before.problems} >= {"gap", "unreadable", "foreign", "short"}
    damaged = lake(shipped)
    planned = replay.run(settings, asked(before), Options(dry_run=True))
    assert lake(shipped) == damaged, "a dry run wrote"
    found = replay.run(settings, asked(before), Options(parallel=3))
    assert [each.plain() for each in found.windows] == [each.plain() for each in planned.windows]
    assert outcomes(found) == {"changed": 3, "made": 1}
    assert lake(shipped) == stored
    assert audit.run(settings).problems == ()
    assert shipped.committed() == offsets
    assert_exactly_once(shipped, range(1000), rejects=40)


@pytest.mark.faults
def test_a_replay_of_what_is_whole_writes_nothing(shipped: World, settings: Settings) -> None:
    before = written(shipped)
    found = replay.run(settings, ALL, Options())
    assert set(outcomes(found)) == {"same"}
    assert sum(each.after.records for each in found.windows if each.after) == 1040
    assert written(shipped) == before
    assert set(shipped.dead_letters().values()) == {1}, "a dead letter was sent again"
    again = replay.run(settings, ALL, Options(resume=True))
    assert set(outcomes(again)) == {"skipped"}


@pytest.mark.faults
def test_a_lost_lake_is_rebuilt_and_a_stopped_replay_resumes(
    shipped: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in lake(shipped):
        shipped.s3.delete_object(Bucket=shipped.bucket, Key=f"ext/falco/{key}")
    small = settings.model_copy(
        update={"window": settings.window.model_copy(update={"max_rows": 100})}
    )
    put, left = Lake.put, [3]

    def put_thrice(self: Lake, *arguments: object, **named: object) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return put(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "put", put_thrice)
    with pytest.raises(KeyboardInterrupt):
        replay.run(small, ALL, Options(parallel=1))
    monkeypatch.undo()
    assert len(lake(shipped)) == 3
    found = replay.run(small, ALL, Options(resume=True))
    assert found.problems == []
    whole = lake(shipped)
    assert max(int(each.footer["records"]) for each in shipped.objects()) == 100
    assert_exactly_once(shipped, range(1000), rejects=40)
    assert audit.run(settings).problems == ()
    for key in whole:
        shipped.s3.delete_object(Bucket=shipped.bucket, Key=f"ext/falco/{key}")
    replay.run(small, ALL, Options())
    assert lake(shipped) == whole, "a gap's windows depend on more than its records"


@pytest.mark.faults
def test_what_kafka_no_longer_has_is_refused_and_stays(shipped: World, settings: Settings) -> None:
    stored = lake(shipped)
    with KafkaAdminClient(bootstrap_servers=shipped.bootstrap) as admin:
        admin.delete_records({TopicPartition(shipped.topic, 1): 150})
    other = settings.model_copy(
        update={"ocsf": settings.ocsf.model_copy(update={"version": "1.8.0"})}
    )
    found = replay.run(other, Selection(frozenset({1}), ranges=((None, 0, LAST),)), Options())
    refused = [each for each in found.windows if each.outcome == "refused"]
    assert (refused[0].first, refused[-1].first < 150) == (0, True)
    assert max(each.end for each in refused) >= 150
    assert all("Kafka has deleted its records" in each.reason for each in refused)
    assert found.problems == refused
    after = lake(shipped)
    assert after.keys() == stored.keys()
    changed = {key for key in stored if stored[key] != after[key]}
    refused_names = [f"-00001-{each.first:020d}-{each.end:020d}." for each in refused]
    assert changed == {
        key for key in stored if "-00001-" in key and not any(name in key for name in refused_names)
    }
    # By time too: Kafka has no times of deleted records, but the lake's rows do.
    day = Selection(since=EVENTS, until=EVENTS + 2 * 86_400_000)
    by_time = replay.run(other, day, Options(dry_run=True))
    assert [each.first for each in by_time.problems] == [
        each.first for each in refused if each.end <= 150
    ]


@pytest.mark.faults
def test_a_lost_range_is_named_and_the_rest_of_its_gap_is_made(
    shipped: World, settings: Settings
) -> None:
    for key in lake(shipped):
        if "-00002-" in key:
            shipped.s3.delete_object(Bucket=shipped.bucket, Key=f"ext/falco/{key}")
    with KafkaAdminClient(bootstrap_servers=shipped.bootstrap) as admin:
        admin.delete_records({TopicPartition(shipped.topic, 2): 20})
    found = replay.run(settings, Selection(ranges=((2, 0, LAST),)), Options())
    end = shipped.committed()[2][0]
    assert [(each.first, each.end, each.outcome) for each in found.windows] == [(20, end, "made")]
    assert [each.kind for each in audit.run(settings).problems] == []


@pytest.mark.faults
def test_beyond_the_committed_offset_nothing_is_touched(shipped: World, settings: Settings) -> None:
    stored, offsets = lake(shipped), shipped.committed()
    shipped.publish([alert(n) for n in range(1000, 1300)])
    found = replay.run(settings, Selection(ranges=((None, 0, 10**6),)), Options())
    assert set(outcomes(found)) == {"same"}
    assert len(found.notes) == 3
    assert "are left to the workers" in found.notes[0]
    assert (lake(shipped), shipped.committed()) == (stored, offsets)
    shipped.worker("second").start()
    shipped.wait_until_shipped()
    assert_exactly_once(shipped, range(1300), rejects=40)


@pytest.mark.faults
def test_another_mapping_overwrites_and_prune_deletes_what_it_no_longer_makes(
    shipped: World, settings: Settings
) -> None:
    lake_settings = settings.lake.model_copy(update={"account_id": "999999999999"})
    moved = settings.model_copy(update={"lake": lake_settings})
    before = lake(shipped)
    found = replay.run(moved, ALL, Options())
    assert all(each.outcome == "changed" and each.stale for each in found.windows)
    assert found.problems == found.windows
    assert len(lake(shipped)) == 2 * len(before)
    again = replay.run(moved, ALL, Options(prune=True))
    assert again.problems == []
    after = lake(shipped)
    assert len(after) == len(before)
    assert all("accountId=999999999999" in key for key in after)
    assert_exactly_once(shipped, range(1000), rejects=40)
    assert audit.run(moved).problems == ()
    assert set(outcomes(replay.run(moved, ALL, Options()))) == {"same"}


@pytest.mark.faults
def test_a_copy_elsewhere_leaves_the_lake_and_the_letters_alone(
    shipped: World, settings: Settings, make_bucket: Callable[[], str]
) -> None:
    other, before, damaged = make_bucket(), written(shipped), lake(shipped)
    options = Options(to=(other, "copy/here"))
    found = replay.run(settings, ALL, options)
    assert set(outcomes(found)) == {"made"}
    assert {each.state for window in found.windows for each in window.objects} == {"new"}
    assert lake(shipped, other, "copy/here/") == damaged
    assert written(shipped) == before
    assert set(outcomes(replay.run(settings, ALL, options))) == {"same"}
    resumed = Options(to=(other, "copy/here"), resume=True)
    assert set(outcomes(replay.run(settings, ALL, resumed))) == {"skipped"}
    assert set(shipped.dead_letters().values()) == {1}


@pytest.mark.faults
def test_dead_letters_that_are_missing_are_sent_and_wrong_ones_resolved(
    shipped: World, settings: Settings
) -> None:
    there = dead_letter_reader.read(settings)
    accepted = next(n for n in range(20) if n not in there.offsets[0])
    origin = {"topic": shipped.topic, "partition": 0, "offset": accepted}
    with KafkaProducer(bootstrap_servers=shipped.bootstrap) as producer:
        headers = [(f"falcolake.{name}", f"{item}".encode()) for name, item in origin.items()]
        producer.send(settings.kafka.dead_letter_topic, b"x", headers=headers, partition=0)
    assert [each.kind for each in audit.run(settings).problems] == ["dead-letters"]
    found = replay.run(settings, ALL, Options())
    assert sum(each.resolved for each in found.windows) == 1
    assert audit.run(settings).problems == ()
    assert dead_letter_reader.read(settings) == there

    bare = settings.kafka.model_copy(update={"dead_letter_topic": f"{shipped.topic}.control"})
    empty = settings.model_copy(update={"kafka": bare})
    found = replay.run(empty, ALL, Options(parallel=1))
    assert sum(each.letters for each in found.windows) == 40
    assert dead_letter_reader.read(empty).offsets == there.offsets
    again = replay.run(empty, ALL, Options())
    assert sum(each.letters for each in again.windows) == 0


@pytest.mark.faults
def test_times_select_the_windows_of_their_records(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    world.publish([alert(n) for n in range(300)])
    world.worker().start()
    world.wait_until_shipped()
    middle = now_ms()
    world.publish([alert(n) for n in range(300, 600)])
    world.wait_until_shipped()
    windows = {(each.window[1], each.window[2]) for each in world.objects()}
    earlier = replay.run(settings, Selection(until=middle), Options(dry_run=True))
    later = replay.run(settings, Selection(since=middle), Options(dry_run=True))
    assert sum(each.after.records for each in earlier.windows if each.after) == 300
    assert sum(each.after.records for each in later.windows if each.after) == 300
    assert {(each.first, each.end) for each in (*earlier.windows, *later.windows)} == windows
    one = Selection(frozenset({1}), since=middle)
    assert {each.partition for each in replay.run(settings, one, Options()).windows} == {1}
    assert json.dumps(later.plain())
