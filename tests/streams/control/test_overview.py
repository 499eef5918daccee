"""What the overview says of a status, of answers and of the newest object."""

import pytest

from streams.control.messages import State
from streams.control.overview import Overview, span
from streams.kafka.status import PartitionStatus, Status
from streams.lake.reader import Newest

NOW = 1_760_000_000_000


def overview(dead_letters: int | None = 0) -> Overview:
    partitions = tuple(PartitionStatus(n, 0, 5, 10, (), "w at h") for n in range(2))
    return Overview(Status("alerts", "g", "stable", partitions, dead_letters), NOW)


def answer(worker: str, paused: str = "", **held: str) -> State:
    partitions = {int(name[1:]): why for name, why in held.items()}
    return State(v=1, group="g", request=1, worker=worker, paused=paused, partitions=partitions)


def test_a_partition_without_an_unshipped_record_is_not_behind() -> None:
    found = overview()
    found.oldest = {0: NOW - 1500, 1: NOW + 10}
    assert found.behind(0) == 1.5
    assert found.behind(1) == 0.0  # a producer's clock may be ahead
    assert found.behind(2) is None


def test_each_held_partition_and_each_paused_worker_is_a_problem_once() -> None:
    found = overview()
    both = answer("w", paused="the disk is full", p0="no bucket", p1="")
    found.states = {0: both, 1: both}
    assert found.problems() == [
        "partition 0: cannot ship: no bucket",
        "w does not read: the disk is full",
    ]


def test_the_sentence_tells_the_age_of_what_waits_and_of_the_last_object() -> None:
    found = overview()
    assert f"{found}" == (
        "topic alerts, group g (stable): 10 records not in the lake yet, 0 dead letters"
    )
    found.oldest = {0: NOW - 61_000}
    found.newest = Newest("k", NOW - 3_600_000)
    assert f"{found}".endswith("the oldest 1m 1s old; last object 1h 0m ago")
    assert ", no dead letters" in f"{overview(None)}"


def test_the_plain_form_joins_what_kafka_and_the_workers_say() -> None:
    found = overview()
    found.oldest = {0: NOW}
    found.states = {0: answer("w", p0="no bucket")}
    first, second = found.plain()["partitions"]
    assert (first["worker"], first["held"], first["paused"]) == ("w", "no bucket", None)
    assert first["oldest_unshipped"] == "2025-10-09T08:53:20.000+00:00"
    assert (second["worker"], second["held"], second["behind_seconds"]) == (None, None, None)
    assert found.plain()["last_object"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (61, "1m 1s"), (3661, "1h 1m"), (90_000, "1d 1h")],
)
def test_a_span_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
