"""The audit of a real lake on a real S3 server, with and without a real broker."""

import io
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.audit import verify
from streams.audit.audit import Audit, Days, run
from streams.embedded.stack import EmbeddedStack
from streams.errors import Misconfigured, Unavailable
from streams.settings.load import load
from streams.settings.settings import Settings
from streams.windows.window import Counts
from tests.conftest import LakeEnvironment
from tests.flow.proxies import Exchange, S3Proxy, answer, forward
from tests.streams.falco_records import alert, mixed
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def settings(lake_environment: LakeEnvironment, make_name: Callable[[], str]) -> Settings:
    """A topic of four partitions and a bucket."""
    return load(environment=lake_environment(KAFKA__GROUP_ID=make_name()))


def kinds(found: Audit) -> list[tuple[str, int | None, int | None]]:
    return [(problem.kind, problem.first, problem.end) for problem in found.problems]


def ship(writer: LakeWriter) -> list[str]:
    """Two windows of partition 0, over two days and with rejects, one of partition 2."""
    values = [mixed(offset) for offset in range(30)]
    writer.publish(0, values)
    writer.publish(2, [alert(1)] * 4)
    keys = writer.window(0, 0, 20, mixed) + writer.window(0, 20, 30, mixed)
    keys += writer.window(2, 0, 4)
    writer.refuse(0, range(3, 30, 7))
    writer.commit({0: 30, 2: 4})
    return keys


def test_a_whole_lake_is_proved(settings: Settings, writer: LakeWriter) -> None:
    keys = ship(writer)
    found = run(settings)
    assert found.problems == ()
    assert found.notes == ()
    assert found.counts == Counts(34, 30, 4, 0)
    assert (found.windows, found.objects) == (3, len(keys))
    assert found.requests == {"ListObjectsV2": 1, "GetObject": len(keys)}
    assert [partition.bounds for partition in found.partitions] == [(0, 30), None, (0, 4), None]
    assert found.partitions[0].letters == 4


def of_many_days(offset: int) -> bytes | None:
    """An alert of a day of its own, or a reject; the second half repeats the first."""
    offset %= 60
    return b"no alert" if offset == 7 else alert(offset, day=f"{2031 + offset}-04-05")


@pytest.mark.faults
def test_a_window_of_many_days_is_proved_and_verified(
    settings: Settings, writer: LakeWriter
) -> None:
    writer.publish(0, [of_many_days(offset) for offset in range(120)])
    keys = writer.window(0, 0, 120, of_many_days)
    writer.refuse(0, [7, 67])
    writer.commit({0: 120})
    assert len(keys) == 32
    found = run(settings)
    assert (found.problems, found.counts) == ((), Counts(120, 118, 2, 0))
    assert (found.repeated, found.plain()["repeated"]) == (60, 60)
    assert "; repeated: 60; problems: none" in f"{found}"
    assert [note for note in found.notes if "repeated records: " in note and note.endswith(" 60")]
    verified = verify.run(settings, found.place)
    assert [each.faults for each in verified.objects if each.faults] == []


def test_a_row_of_another_day_that_does_not_say_so_is_a_fault(
    settings: Settings, writer: LakeWriter
) -> None:
    keys = writer.window(0, 0, 120, of_many_days)
    sizes = {key: pq.read_metadata(io.BytesIO(writer.lake.read(key))).num_rows for key in keys}
    key = max(sizes, key=sizes.__getitem__)
    body = writer.lake.read(key)
    place = f"s3://{settings.lake.bucket}/{key}"
    assert verify.run(settings, place).faults == 0
    writer.rewrite(key, other_days=1)
    faults = verify.run(settings, place).objects[0].faults
    (fault,) = (each for each in faults if each.rule == "footer")
    assert "rows of other days, but 1 in" in fault.message
    table = pq.read_table(io.BytesIO(body))
    nothing = pa.array([None] * len(table), table["unmapped"].type)
    place_of = table.column_names.index("unmapped")
    writer.put(key, parquet(table.set_column(place_of, "unmapped", nothing)))
    assert "day" in {fault.rule for fault in verify.run(settings, place).objects[0].faults}


def test_the_lake_alone_is_enough(settings: Settings, writer: LakeWriter) -> None:
    keys = ship(writer)
    nowhere = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    alone = settings.model_copy(update={"kafka": nowhere})
    found = run(alone, kafka=False)
    assert found.problems == ()
    assert found.group is None
    assert [partition.partition for partition in found.partitions] == [0, 2]
    writer.delete(next(key for key in keys if "-00000-" in key))
    assert [problem.kind for problem in run(alone, kafka=False).problems] == ["short"]


@pytest.mark.parametrize("kafka", [True, False])
def test_damage_to_objects_is_found(settings: Settings, writer: LakeWriter, kafka: bool) -> None:
    keys = ship(writer)
    first, last = keys[0], keys[-1]
    whole = {key: writer.lake.read(key) for key in keys}

    def damaged(by: Callable[[], None]) -> set[str]:
        by()
        found: set[str] = {problem.kind for problem in run(settings, kafka=kafka).problems}
        for key, body in whole.items():
            writer.put(key, body)
        return found

    assert damaged(lambda: None) == set()
    assert damaged(lambda: writer.rewrite(first, rows=3)) == {"short"}
    assert damaged(lambda: writer.rewrite(first, findings=1)) == {"counts", "disagreement"}
    assert damaged(lambda: writer.rewrite(first, first=1)) == {"foreign"}
    assert damaged(lambda: writer.rewrite(first, mapping_version="x")) == {"disagreement"}
    assert damaged(lambda: writer.put(first, whole[last])) == {"foreign"}
    assert damaged(lambda: writer.put(first, whole[first][:-9])) == {"unreadable"}
    assert damaged(lambda: writer.put(first, b"")) == {"unreadable"}
    torn = bytearray(whole[first])
    torn[-2000:-1500] = bytes(500)
    assert damaged(lambda: writer.put(first, bytes(torn))) <= {"unreadable", "foreign", "short"}
    plain = pa.table({"time": pa.array([1])})
    assert damaged(lambda: writer.put(first, parquet(plain))) == {"foreign"}


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        "ext/falco/hello.txt",
        "ext/falco/region=r/accountId=1/eventDay=20261399/t-00000-{0:020d}-{1:020d}.parquet",
        "ext/falco/region=r/accountId=1/eventDay=20261123/t-000000-{0:020d}-{1:020d}.parquet",
        "ext/falco/region=r/accountId=1/eventDay=20261123/t-00000-{1:020d}-{1:020d}.parquet",
    ],
)
def test_a_key_that_is_not_ours_is_foreign(
    settings: Settings, writer: LakeWriter, key: str
) -> None:
    writer.put(key.format(0, 9), b"not ours")
    writer.put("ext/falco/region=r/", b"")
    writer.put("ext/falcon/not-under-the-prefix", b"")
    (problem,) = run(settings, kafka=False).problems
    assert (problem.kind, problem.key) == ("foreign", key.format(0, 9))


def test_an_object_filed_twice_is_found(settings: Settings, writer: LakeWriter) -> None:
    keys = ship(writer)
    writer.put(keys[0].replace("region=", "region=x-"), writer.lake.read(keys[0]))
    assert kinds(run(settings)) == [("excess", 0, 20)]


def test_an_object_under_another_day_is_found(settings: Settings, writer: LakeWriter) -> None:
    keys = ship(writer)
    writer.put(keys[-1].replace("=20260102", "=20260105"), writer.lake.read(keys[-1]))
    writer.delete(keys[-1])
    (problem,) = run(settings).problems
    assert (problem.kind, problem.key) == ("misplaced", keys[-1].replace("=20260102", "=20260105"))


def test_gaps_and_overlaps_are_found(settings: Settings, writer: LakeWriter) -> None:
    ship(writer)
    writer.window(2, 3, 4)
    for key in writer.window(1, 5, 9):
        writer.delete(key)
    writer.publish(1, [alert(1)] * 9)
    writer.window(1, 0, 5)
    writer.commit({1: 9})
    assert kinds(run(settings)) == [("gap", 5, 9), ("overlap", 3, 4)]


def test_what_kafka_no_longer_has_is_lost(settings: Settings, writer: LakeWriter) -> None:
    writer.publish(0, [alert(1)] * 20)
    writer.window(0, 0, 5)
    writer.window(0, 15, 20)
    writer.commit({0: 20})
    assert kinds(run(settings)) == [("gap", 5, 15)]
    writer.expire(0, 10)
    assert kinds(run(settings)) == [("lost", 5, 10), ("gap", 10, 15)]


def test_sealed_windows_may_be_there_already(settings: Settings, writer: LakeWriter) -> None:
    writer.publish(0, [alert(1)] * 12)
    writer.window(0, 0, 5)
    writer.window(0, 5, 9)
    writer.commit({0: 5}, p0=(9, 12))
    assert kinds(run(settings)) == []
    writer.commit({0: 5})
    assert kinds(run(settings)) == [("beyond", 5, 9)]


def test_dead_letters_must_add_up(settings: Settings, writer: LakeWriter) -> None:
    ship(writer)
    writer.refuse(0, [3])
    writer.refuse(0, [4], topic="another")
    writer.publish(0, [b"no headers"], topic=settings.kafka.dead_letter_topic)
    found = run(settings)
    assert found.problems == ()
    assert found.notes == ("duplicates: 1 dead letter, as expected after a crash",)
    writer.refuse(0, [21])
    assert kinds(run(settings)) == [("dead-letters", 20, 30)]


def test_dead_letters_that_are_missing_are_found(settings: Settings, writer: LakeWriter) -> None:
    writer.publish(0, [mixed(offset) for offset in range(9)])
    writer.window(0, 0, 9, mixed)
    writer.commit({0: 9})
    assert kinds(run(settings)) == [("dead-letters", 0, 9)]
    writer.refuse(0, [3])
    assert kinds(run(settings)) == []
    writer.expire(0, 1, settings.kafka.dead_letter_topic)
    found = run(settings)
    assert found.problems == ()
    assert "no longer has its oldest letters" in found.notes[0]


def test_days_select_the_windows_that_have_them(settings: Settings, writer: LakeWriter) -> None:
    keys = ship(writer)
    writer.window(0, 40, 50, lambda n: alert(n, day="2026-02-01"))
    alone = run(settings, days=Days(date(2026, 1, 3), date(2026, 1, 3)), kafka=False)
    assert alone.counts == Counts(30, 26, 4, 0)
    assert (alone.windows, alone.objects) == (2, len(keys) - 1)
    assert alone.requests["GetObject"] == len(keys) - 1
    assert kinds(alone) == [("gap", 30, 40)]
    assert kinds(run(settings, days=Days(last=date(2026, 1, 1)), kafka=False)) == []
    assert kinds(run(settings, days=Days(first=date(2026, 2, 1)))) == [("beyond", 40, 50)]


def test_a_partition_that_kafka_does_not_have_is_beyond(
    settings: Settings, writer: LakeWriter
) -> None:
    writer.window(7, 0, 3)
    found = run(settings)
    assert kinds(found) == [("beyond", 0, 3)]
    assert found.problems[0].message == "Kafka has no such partition"


def test_another_topic_under_the_prefix_is_proved_from_the_lake_alone(
    settings: Settings, tmp_path: Path
) -> None:
    other = settings.kafka.model_copy(update={"topic": "earlier"})
    elsewhere = LakeWriter(settings.model_copy(update={"kafka": other}), tmp_path / "other")
    elsewhere.window(0, 10, 13)
    elsewhere.window(0, 14, 15)
    found = run(settings)
    assert kinds(found) == [("gap", 13, 14)]
    assert found.notes == ("earlier-0: another topic; not compared with Kafka",)


def through(settings: Settings, proxy: S3Proxy) -> Settings:
    """The same lake, reached through a proxy, and no Kafka."""
    lake = settings.lake.model_copy(update={"endpoint_url": proxy.endpoint_url})
    nowhere = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    return settings.model_copy(update={"lake": lake, "kafka": nowhere})


def test_without_kafka_it_only_lists_and_gets(
    settings: Settings, writer: LakeWriter, stack: EmbeddedStack
) -> None:
    keys = ship(writer)
    with S3Proxy(stack.s3.port) as proxy:
        proxy.methods, proxy.fault = {"HEAD", "PUT", "POST", "DELETE"}, answer(403, "AccessDenied")
        found = run(through(settings, proxy), kafka=False)
    assert (found.problems, proxy.hits) == ((), Counter())
    assert found.requests == {"ListObjectsV2": 1, "GetObject": len(keys)}


def test_where_presigned_requests_are_refused_it_signs_the_headers(
    settings: Settings, writer: LakeWriter, stack: EmbeddedStack
) -> None:
    keys = ship(writer)
    presigned = []

    def fault(exchange: Exchange) -> None:
        if "X-Amz-Signature" in exchange.path:
            presigned.append(exchange.path)
            answer(403, "AccessDenied")(exchange)
        else:
            forward(exchange)

    with S3Proxy(stack.s3.port) as proxy:
        proxy.fault = fault
        found = run(through(settings, proxy), kafka=False)
    assert (found.problems, found.counts) == ((), Counts(34, 30, 4, 0))
    assert presigned
    assert found.requests == {"ListObjectsV2": 1, "GetObject": len(keys) + len(presigned)}


def test_a_read_that_fails_once_is_repeated_and_one_that_always_fails_is_said(
    settings: Settings, writer: LakeWriter, stack: EmbeddedStack
) -> None:
    ship(writer)
    failed = set()

    def fault(exchange: Exchange) -> None:
        place = exchange.path.partition("?")[0]
        if place.endswith(".parquet") and place not in failed:
            failed.add(place)
            answer(503, "SlowDown")(exchange)
        else:
            forward(exchange)

    with S3Proxy(stack.s3.port) as proxy:
        proxy.fault = fault
        assert run(through(settings, proxy), kafka=False).problems == ()
        assert failed
        proxy.fault = answer(503, "SlowDown")
        with pytest.raises(Unavailable, match="SlowDown"):
            run(through(settings, proxy), kafka=False)


def test_an_empty_lake_is_said(settings: Settings) -> None:
    found = run(settings)
    assert (found.problems, found.notes) == ((), ("the lake has no objects yet",))


def test_a_lake_that_cannot_be_read_is_named(settings: Settings) -> None:
    wrong = settings.lake.model_copy(update={"bucket": "there-is-none"})
    with pytest.raises(Misconfigured) as caught:
        run(settings.model_copy(update={"lake": wrong}), kafka=False)
    assert "there-is-none" in caught.value.message
    away = settings.lake.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    with pytest.raises(Unavailable) as refused:
        run(settings.model_copy(update={"lake": away}), kafka=False)
    assert refused.value.hint.endswith("DNS, and try again; nothing was changed")
