"""What the status page shows of the last hours, in bounded memory."""

from collections.abc import Callable

import pytest

from schemas.mapping import Mapping, Options
from streams.windows.batch import tabulate
from streams.windows.progress import Progress
from streams.windows.window import Run, Window
from streams.worker.journal import (
    BUCKET_MS,
    EVENTS,
    MOST_RULES,
    OTHER_RULES,
    REJECTS,
    SAMPLE_MS,
    SAMPLES,
    WINDOWS,
    WINDOWS_MS,
    Journal,
)
from streams.worker.tally import Tallier
from tests.streams.falco_records import alert, messages

NOW = 1_767_323_100_000
HOUR = 3_600_000
MAPPING = Mapping(Options())
#: A tallier for each journal would decode each rule again.
TALLIER = Tallier()


def stage(
    journal: Journal, count: int, now: int = NOW, value: Callable[[int], bytes] = alert
) -> None:
    rows = tabulate(MAPPING, 0, 0, count, messages(range(count), value))
    journal.staged(rows, TALLIER.count(rows), now)


def ship(journal: Journal, number: int = 0, now: int = NOW, records: int = 10) -> None:
    run = Run(1, 0, number, number + records, records, records - 1, 1, 0, 500, now - 20_000)
    window = Window(0, number, number + records, (run,))
    journal.shipped(window, {"one": 100, "other": 20}, 3, 1.5, now)


def progress(lag: int, behind: float) -> Progress:
    return Progress(0, 0, 0, lag, 0, None, 0, 0, behind, None, None)


def test_samples_are_rates_since_the_one_before() -> None:
    journal = Journal()
    journal.sample([progress(0, 0)], NOW)
    stage(journal, 50)
    ship(journal)
    journal.sample([], NOW + SAMPLE_MS - 1)
    assert journal.plain(NOW)["samples"]["rows"] == []
    journal.sample([progress(7, 3), progress(8, 9)], NOW + SAMPLE_MS)
    (sample,) = journal.plain(NOW + SAMPLE_MS)["samples"]["rows"]
    assert sample == (NOW + SAMPLE_MS, 5.0, 1.0, 15, 9)


def test_a_window_has_its_counts_objects_and_age() -> None:
    journal = Journal()
    ship(journal, 30)
    told = journal.plain(NOW)["windows"]
    (row,) = told["rows"]
    assert dict(zip(told["names"], row, strict=True)) == {
        "partition": 0,
        "first": 30,
        "end": 40,
        "records": 10,
        "findings": 9,
        "rejects": 1,
        "filtered": 0,
        "repeated": 3,
        "bytes": 120,
        "objects": 2,
        "oldest": NOW - 20_000,
        "at": NOW,
        "seconds": 1.5,
    }


def test_the_hour_is_the_last_hour_and_no_more() -> None:
    journal = Journal()
    stage(journal, 5, NOW)
    stage(journal, 7, NOW + HOUR - BUCKET_MS)
    assert journal.plain(NOW + HOUR - BUCKET_MS)["hour"]["findings"] == 12
    assert journal.plain(NOW + HOUR)["hour"]["findings"] == 7
    later = journal.plain(NOW + 3 * HOUR)["hour"]
    assert (later["findings"], later["rules"], later["severities"]["Low"]) == (0, [], 0)


def test_windows_and_samples_that_are_too_old_are_not_reported() -> None:
    journal = Journal()
    ship(journal)
    journal.sample([], NOW)
    journal.sample([], NOW + SAMPLE_MS)
    assert journal.plain(NOW + WINDOWS_MS)["windows"]["rows"]
    told = journal.plain(NOW + WINDOWS_MS + SAMPLE_MS + 1)
    assert (told["windows"]["rows"], told["samples"]["rows"]) == ([], [])


def test_memory_is_bounded_whatever_happens() -> None:
    journal = Journal()
    for number in range(max(WINDOWS, SAMPLES) + 50):
        ship(journal, number)
        journal.sample([], NOW + number * SAMPLE_MS)
        journal.note("held", f"event {number}", NOW)
    stage(journal, 2 * MOST_RULES, value=lambda n: alert(n, rule=f"Rule {n}"))
    stage(journal, 50, value=lambda n: b"garbage")
    told = journal.plain(NOW)
    assert len(told["windows"]["rows"]) == WINDOWS
    assert len(journal.plain(NOW + (SAMPLES + 50) * SAMPLE_MS)["samples"]["rows"]) <= SAMPLES
    assert len(told["events"]) == EVENTS
    assert len(told["rejects"]) == REJECTS
    assert told["events"][0]["text"] == f"event {max(WINDOWS, SAMPLES) + 49}"
    assert told["hour"]["rules"][0] == (OTHER_RULES, MOST_RULES)
    assert told["hour"]["reasons"] == [("The value is not JSON", 50)]


@pytest.mark.parametrize("contents", [False, True])
def test_contents_are_kept_only_if_that_is_switched_on(contents: bool) -> None:
    journal = Journal(contents=contents)
    stage(journal, 1, value=lambda n: b"\xffmy secret" + 5000 * b"x")
    (reject,) = journal.plain(NOW)["rejects"]
    assert (reject["excerpt"] != "") == contents
    assert reject["excerpt"] == "" or reject["excerpt"].startswith("\ufffdmy secret")
    assert len(reject["excerpt"]) <= 300
