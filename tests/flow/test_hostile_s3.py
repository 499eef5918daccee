"""A lake that refuses, breaks off, loses answers, is slow or away: windows are held, then shipped.

A real worker, a real S3 server, and a proxy between them. Each time: the worker says what is wrong
and what to try, commits nothing that the lake does not have, and recovers afterwards.
"""

import io
import random
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.embedded.stack import EmbeddedStack
from streams.lake.errors import PRECONDITION_FAILED, WHO_ANSWERS, WRITER
from streams.lake.store import DECIDE
from tests.flow import proxies
from tests.flow.hostility import (
    assert_nothing_committed_that_is_not_there,
    covered,
    disk,
    events,
    holds,
    memory,
    seconds_ago,
)
from tests.flow.proxies import ERRORS, Exchange, Fault, S3Proxy
from tests.flow.worlds import GARBAGE, World, alert, assert_exactly_once
from tests.waiting import wait_until

slow = pytest.mark.faults


def refused(code: str) -> tuple[Fault, str, str]:
    return proxies.answer(ERRORS[code], code), code, WRITER.reconfigure.get(code, WRITER.waiting)


@pytest.mark.parametrize(
    ("fault", "reason", "hint"),
    [
        pytest.param(*refused("SlowDown"), id="503 SlowDown", marks=slow),
        pytest.param(*refused("AccessDenied"), id="403 AccessDenied", marks=slow),
        pytest.param(*refused("InternalError"), id="500", marks=slow),
        pytest.param(*refused("ServiceUnavailable"), id="503", marks=slow),
        pytest.param(*refused("ExpiredToken"), id="400 ExpiredToken", marks=slow),
        pytest.param(*refused("NoSuchBucket"), id="404 NoSuchBucket", marks=slow),
        pytest.param(
            proxies.reset_mid_body,
            "Connection",
            WRITER.unreachable,
            id="reset mid-body",
            marks=slow,
        ),
        pytest.param(proxies.lose_answer, "Connection", WRITER.unreachable, id="answer lost"),
        pytest.param(None, "Could not connect", WRITER.unreachable, id="away", marks=slow),
    ],
)
def test_a_hostile_lake_holds_the_windows_and_then_takes_them(
    world: World, s3: S3Proxy, fault: Fault | None, reason: str, hint: str
) -> None:
    rejects = [GARBAGE] * 5
    world.publish([alert(n) for n in range(300)])
    worker = world.worker(WINDOW__MAX_ROWS=100).start()
    world.wait_until_shipped()
    before = world.committed()
    s3.fault = fault
    if fault is None:
        s3.away()
    world.publish([alert(n) for n in range(300, 600)] + rejects)
    held = wait_until(lambda: holds(worker), 60, "held in /readyz")
    assert all(reason in each["reason"] and each["try"] == hint for each in held), held
    assert not worker.readiness()["ready"]
    if fault is proxies.lose_answer:
        # The second try finds what the first one put; it continues once that is answered.
        wait_until(lambda: covered(world) != {n: end for n, (end, _) in before.items()}, 30)
    else:
        assert {n: end for n, (end, _) in before.items()} == covered(world)
    world.publish([alert(n) for n in range(600, 900)])
    assert_nothing_committed_that_is_not_there(world)
    if fault is not None:
        wait_until(lambda: s3.hits["PUT"] > 1, 60, "the fault is met again")
    s3.heal()
    world.wait_until_shipped(90)
    wait_until(lambda: worker.readiness()["ready"], 30)
    assert_exactly_once(world, range(900), rejects=5)
    assert worker.starts() == 1
    if fault is proxies.lose_answer:
        assert worker.said("was in the lake already")


@slow
def test_an_answer_that_comes_after_the_client_gave_up_doubles_nothing(
    world: World, s3: S3Proxy
) -> None:
    s3.methods, s3.fault = {"PUT"}, proxies.answer_too_late
    world.publish([alert(n) for n in range(300)])
    worker = world.worker().start()
    wait_until(lambda: s3.hits["PUT"] >= 3, 60, "a put of each partition that waits for its answer")
    wait_until(lambda: len(covered(world)) == 3, 30, "they happened all the same")
    assert {offset for offset, _ in world.committed().values()} <= {0}
    # The client's second try, a minute later, finds the object.
    met = s3.hits["PUT"]
    wait_until(lambda: s3.hits["PUT"] > met, 90, "the client gave up and tries again")
    s3.heal()
    world.wait_until_shipped(150)
    assert worker.said("was in the lake already")
    assert_exactly_once(world, range(300))


@slow
def test_a_crawling_lake_takes_everything_and_disturbs_nobody(world: World, s3: S3Proxy) -> None:
    s3.methods, s3.fault = {"PUT"}, proxies.throttle(45_000)
    world.publish([alert(n) for n in range(8000)])
    worker = world.worker(WINDOW__MAX_ROWS=2000).start()
    wait_until(lambda: s3.hits["PUT"] >= 3, 60)
    assert_nothing_committed_that_is_not_there(world)
    world.wait_until_shipped(200)
    assert not worker.said("held"), worker.tail()
    assert worker.readiness()["ready"]
    assert_exactly_once(world, range(8000))


@slow
def test_a_frozen_lake_is_reported_at_once_and_remembered(world: World, s3: S3Proxy) -> None:
    world.publish([alert(n) for n in range(300)])
    worker = world.worker(WINDOW__MAX_ROWS=100).start()
    world.wait_until_shipped()
    assert worker.readiness()["waiting"] == []
    s3.fault = proxies.swallow
    began = time.monotonic()
    world.publish([alert(n) for n in range(300, 600)])
    wait_until(lambda: not worker.readiness()["ready"], 15, "not ready")
    found = worker.readiness()
    waiting = found["waiting"][0]
    assert waiting["overdue"]
    assert waiting["what"].startswith("put ext/falco/")
    assert waiting["partition"] in (0, 1, 2)
    assert waiting["sent"] == waiting["bytes"] > 1000
    assert any("the lake does not answer: put ext/falco/" in each for each in found["reasons"])
    wait_until(lambda: worker.said("the lake has not answered for"), 3)
    assert worker.said("Try: check the way from here to S3: security group, VPC endpoint")
    wait_until(lambda: worker.metric('away_since_seconds{peer="lake"}'), 3)
    (told,) = wait_until(lambda: events(worker, "away"), 3)
    assert "the lake is away since" in told
    assert seconds_ago(waiting["since"]) <= time.monotonic() - began + 1
    s3.heal()
    world.wait_until_shipped(90)
    (back,) = wait_until(lambda: events(worker, "back"), 10)
    assert re.fullmatch(r"the lake is back after (\d+ min )?\d+ s", back)
    wait_until(lambda: worker.metric('away_since_seconds{peer="lake"}') == 0, 5)
    wait_until(lambda: worker.readiness()["ready"], 30)
    assert_exactly_once(world, range(600))


@slow
def test_memory_and_disk_stay_bounded_while_the_lake_is_away(world: World, s3: S3Proxy) -> None:
    world.publish([alert(n) for n in range(10_000)])
    limits: dict[str, Any] = {"STAGING__MAX_BYTES": 2_000_000, "WINDOW__MAX_BYTES": 2_000_000}
    worker = world.worker(**limits).start()
    world.wait_until_shipped()
    usual = memory(worker)
    s3.away()
    world.publish([alert(n) for n in range(10_000, 120_000)])
    wait_until(lambda: worker.readiness().get("paused"), 120, "paused in /readyz")
    taken = disk(world)
    # A fetch of four megabytes may still be on its way to each of three partitions.
    assert taken < 4 * limits["STAGING__MAX_BYTES"], taken
    assert memory(worker) < usual + 400
    s3.heal()
    world.wait_until_shipped(200)
    wait_until(lambda: disk(world) < 1_000_000, 30, "staging is empty")
    assert_exactly_once(world, range(120_000))


@slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_of_all_errors_at_once_is_survived(world: World, s3: S3Proxy, seed: int) -> None:
    s3.fault = proxies.storm(random.Random(seed), share=0.6)
    world.publish([alert(n) for n in range(10_000)] + [GARBAGE] * 20)
    worker = world.worker(WINDOW__MAX_ROWS=500).start()
    wait_until(lambda: s3.hits["PUT"] > 20, 90)
    assert_nothing_committed_that_is_not_there(world)
    s3.fault = proxies.storm(random.Random(seed), share=0.2)
    world.wait_until_shipped(250)
    assert_exactly_once(world, range(10_000), rejects=20)
    assert worker.starts() == 1


@slow
def test_a_worker_stops_in_time_while_the_lake_does_not_answer(world: World, s3: S3Proxy) -> None:
    s3.methods, s3.fault = {"PUT"}, proxies.swallow
    world.publish([alert(n) for n in range(300)])
    worker = world.worker().start()
    wait_until(lambda: s3.hits["PUT"], 60)
    assert worker.stop() == 0
    s3.heal()
    world.worker().start()
    world.wait_until_shipped()
    assert_exactly_once(world, range(300))


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        pytest.param(proxies.claim(200, b"<p>Sign in<br>", Content_Type="text/html"), "HTML"),
        pytest.param(proxies.claim(204), "HTTP 204", marks=slow),
        pytest.param(proxies.claim(200), "without an ETag", marks=slow),
        pytest.param(proxies.claim(200, ETag=f'"{"0" * 32}"'), "the ETag 000", marks=slow),
        pytest.param(
            proxies.claim(200, ETag=f'"{"0" * 32}"', x_amz_checksum_crc32="AAAAAA=="),
            "the checksum AAAAAA==",
            marks=slow,
        ),
        pytest.param(proxies.claim(412, b"<p>no", Content_Type="text/html"), "HTML", marks=slow),
        pytest.param(proxies.answer(412, "PreconditionFailed"), "nothing is there", marks=slow),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lake_that_lies_holds_the_window_and_loses_nothing(
    world: World, s3: S3Proxy, lie: Fault, reason: str
) -> None:
    s3.methods, s3.fault = {"PUT"}, lie
    world.publish([alert(n) for n in range(300)])
    worker = world.worker().start()
    held = wait_until(lambda: holds(worker), 60, "held in /readyz")
    assert all(reason in each["reason"] and each["try"] == WHO_ANSWERS for each in held), held
    met = s3.hits["PUT"]
    wait_until(lambda: s3.hits["PUT"] > met + 6, 60, "the lie is told again")
    assert world.objects() == []
    assert {offset for offset, _ in world.committed().values()} <= {0}
    s3.heal()
    world.wait_until_shipped(90)
    assert_exactly_once(world, range(300))
    assert worker.starts() == 1


def reversed_rows(body: bytes) -> bytes:
    """The object of the same window, as a topic of the same name would have made it."""
    table = pq.read_table(io.BytesIO(body))
    return parquet_of(table.take(list(reversed(range(len(table))))))


def parquet_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=7)
    return sink.getvalue().to_pybytes()


def another_partitions(body: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(body))
    other = {**table.schema.metadata, b"falcolake.topic": b"another"}
    return parquet_of(table.replace_schema_metadata(other))


def occupying(world: World, make: Callable[[bytes], bytes], taken: set[str]) -> Fault:
    """Put something else under each key just before the worker does."""

    def fault(exchange: Exchange) -> None:
        body = exchange.body()
        key = unquote(exchange.path).removeprefix(f"/{world.bucket}/")
        if key not in taken:
            taken.add(key)
            world.s3.put_object(Bucket=world.bucket, Key=key, Body=make(body))
        exchange.reply(*exchange.ask(body))

    return fault


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda _: b"", "0 bytes", marks=slow),
        pytest.param(lambda _: b"a text", "not a Parquet file", marks=slow),
        pytest.param(another_partitions, "another window: topic another", marks=slow),
        pytest.param(reversed_rows, "other rows"),
    ],
    ids=["zero bytes", "a text", "another topic's", "other rows"],
)
def test_something_else_under_a_window_s_key_holds_it_until_it_is_gone(
    world: World, s3: S3Proxy, make: Callable[[bytes], bytes], reason: str
) -> None:
    taken: set[str] = set()
    s3.methods, s3.fault = {"PUT"}, occupying(world, make, taken)
    world.publish([alert(n) for n in range(300)])
    worker = world.worker().start()
    held = wait_until(lambda: len(holds(worker)) == 3 and holds(worker), 60, "all are held")
    assert all(reason in each["reason"] and each["try"] == DECIDE for each in held), held
    met = s3.hits["PUT"]
    wait_until(lambda: s3.hits["PUT"] > met + 6, 60, "they are tried again")
    assert {offset for offset, _ in world.committed().values()} <= {0}
    for key in taken:
        world.s3.delete_object(Bucket=world.bucket, Key=key)
    world.wait_until_shipped(90)
    assert_exactly_once(world, range(300))


@pytest.mark.faults
def test_the_same_rows_of_another_writer_are_not_put_again(world: World, s3: S3Proxy) -> None:
    taken: set[str] = set()

    def again(body: bytes) -> bytes:
        return parquet_of(pq.read_table(io.BytesIO(body)))

    s3.methods, s3.fault = {"PUT"}, occupying(world, again, taken)
    world.publish([alert(n) for n in range(300)])
    worker = world.worker().start()
    world.wait_until_shipped()
    assert taken
    assert worker.said("was in the lake already")
    assert not worker.said("held")
    assert_exactly_once(world, range(300))


def test_the_proxy_passes_everything_on_and_signatures_hold(
    stack: EmbeddedStack, make_bucket: Callable[[], str]
) -> None:
    bucket, body = make_bucket(), bytes(range(256)) * 300
    with S3Proxy(stack.s3.port) as proxy:
        through = boto3.client("s3", endpoint_url=proxy.endpoint_url)
        through.put_object(Bucket=bucket, Key="a b/ü=1", Body=body, IfNoneMatch="*")
        with pytest.raises(through.exceptions.ClientError) as caught:
            through.put_object(Bucket=bucket, Key="a b/ü=1", Body=b"", IfNoneMatch="*")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == PRECONDITION_FAILED
        assert through.head_object(Bucket=bucket, Key="a b/ü=1")["ContentLength"] == len(body)
        found = through.get_object(Bucket=bucket, Key="a b/ü=1", Range="bytes=-100")
        assert found["Body"].read() == body[-100:]
    assert stack.s3.client().list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "a b/ü=1"
