"""What windows of many days or places, and of repeated records, become, however staged."""

import io
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mapping import Mapping, Options
from streams.staging.filing import ACCOUNT_NOTE, DAY_NOTE, MOST_DAYS, MOST_OBJECTS, REGION_NOTE
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows.batch import tabulate
from streams.windows.window import Window
from tests.schemas.kinds import KINDS
from tests.streams.falco_records import (
    ACCOUNT,
    MAPPING,
    NOW,
    OTHER_MAPPING,
    REGION,
    Message,
    alert,
    mixed,
)

DAY_MS = 86_400_000
Value = Callable[[int], bytes | None]


def of_its_own_day(number: int) -> bytes:
    """An alert of a day that no other has."""
    return alert(number, day=f"{date(2031, 4, 5) + timedelta(days=number)}")


def of_some_days(number: int) -> bytes:
    """Alerts of 40 days, the first days more often, and a reject or two."""
    return b"no alert" if number % 41 == 7 else of_its_own_day(min(number % 60, 39 - number % 13))


def midnight(number: int) -> int:
    """Timestamps before and after midnight."""
    return NOW - NOW % DAY_MS + (number % 5 - 1) * 3_600_000


def staged(
    staging: Staging,
    bounds: Iterable[int],
    value: Value,
    mapping: Mapping = MAPPING,
    timestamp: Callable[[int], int] = midnight,
    rolls: Iterable[int] = (),
) -> Window:
    """One window of partition 0, appended between these bounds."""
    runs = []
    for number, (first, end) in enumerate(itertools.pairwise(bounds)):
        records = [Message(n, value(n), timestamp(n)) for n in range(first, end)]
        runs.append(staging.append(tabulate(mapping, 0, first, end, records)))
        if number in rolls:
            staging.roll()
    return Window(0, runs[0].first, runs[-1].end, tuple(runs))


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    with Staging(tmp_path / "staging", "topic", MAPPING.version, (REGION, ACCOUNT)) as made:
        made.open()
        yield made


def objects_of(staging: Staging, window: Window, mapping: Mapping = MAPPING) -> dict[str, bytes]:
    """The bytes of a window's objects, by day."""
    objects = Objects(staging, mapping, "topic")
    file = staging.path / "1.parquet"
    found = {}
    for group, count in objects.groups(window):
        objects.export(window, group, file)
        assert pq.read_metadata(file).num_rows == count
        found[group.event_day] = file.read_bytes()
    return found


def footer_of(content: bytes) -> dict[str, str]:
    metadata = pq.read_metadata(io.BytesIO(content)).metadata
    said = {name.decode(): value.decode() for name, value in metadata.items()}
    return {k.removeprefix("falcolake."): v for k, v in said.items() if k.startswith("falcolake.")}


def rows_of(objects: dict[str, bytes]) -> list[tuple[str, str, int, str | None]]:
    """Each row's day in its key, its own day, its alert's number, and the note in it."""
    found = []
    for day, content in objects.items():
        table = pq.read_table(io.BytesIO(content), columns=["time_dt", "raw_data", "unmapped"])
        for row in table.to_pylist(maps_as_pydicts="strict"):
            number = json.loads(row["raw_data"])["output_fields"]["evt.num"]
            note = (row["unmapped"] or {}).get(DAY_NOTE)
            found.append((day, f"{row['time_dt']:%Y%m%d}", number, note))
    return found


# ---- many days


@pytest.mark.parametrize("step", [3000, pytest.param(30, marks=pytest.mark.faults)])
def test_a_window_of_3000_days_makes_32_objects_in_seconds(staging: Staging, step: int) -> None:
    window = staged(staging, [*range(0, 3000, step), 3000], of_its_own_day)
    began = time.process_time()
    objects = objects_of(staging, window)
    assert time.process_time() - began < 30  # 3,000 objects take minutes
    assert len(objects) == MOST_DAYS
    found = rows_of(objects)
    assert sorted(number for _, _, number, _ in found) == list(range(3000))
    moved = [(day, own, number, note) for day, own, number, note in found if day != own]
    assert all(note == own for _, own, _, note in moved)
    assert all(note is None for day, own, _, note in found if day == own)
    arrived = {
        number: f"{datetime.fromtimestamp(midnight(number) / 1000, UTC):%Y%m%d}"
        for number in range(5)
    }
    assert all(day == arrived[number % 5] for day, _, number, _ in moved)
    assert {footer_of(each)["other_days"] for each in objects.values()} == {f"{len(moved)}"}
    assert len(moved) == 3000 - (MOST_DAYS - 2)


def test_an_append_of_3000_days_costs_no_more_than_one_of_one_day(staging: Staging) -> None:
    def seconds(value: Value) -> float:
        began = time.process_time()
        staged(staging, [0, 3000], value)
        return time.process_time() - began

    seconds(alert)
    assert min(seconds(of_its_own_day) for _ in range(3)) < 4 * min(
        seconds(alert) for _ in range(3)
    )


@pytest.mark.faults
def test_objects_of_many_days_have_the_same_bytes_however_they_were_staged(
    tmp_path: Path,
) -> None:
    end, directories = 300, iter(range(100))

    def made(bounds: Sequence[int], rolls: Iterable[int] = ()) -> dict[str, bytes]:
        with Staging(
            tmp_path / f"{next(directories)}", "topic", MAPPING.version, (REGION, ACCOUNT)
        ) as staging:
            staging.open()
            window = staged(staging, bounds, of_some_days, rolls=rolls)
            if rolls:
                staging.close()
                staging.open()
            return objects_of(staging, window)

    expected = made([0, end])
    assert len(expected) == MOST_DAYS
    assert len({own for _, own, _, _ in rows_of(expected)}) == 40

    @settings(max_examples=3, derandomize=True)
    @given(st.sets(st.integers(1, end - 1), max_size=30), st.sets(st.integers(0, 20)))
    def check(cuts: set[int], rolls: set[int]) -> None:
        assert made([0, *sorted(cuts), end], rolls) == expected

    check()
    assert made([*range(end), end]) == expected


def test_a_window_of_32_days_is_filed_by_its_alerts_own_days(staging: Staging) -> None:
    window = staged(staging, [0, 10, 200], lambda number: of_its_own_day(number % MOST_DAYS))
    objects = objects_of(staging, window)
    assert len(objects) == MOST_DAYS
    assert all((day, note) == (own, None) for day, own, _, note in rows_of(objects))
    assert "other_days" not in footer_of(next(iter(objects.values())))


@pytest.mark.parametrize(
    ("event_class", "version"),
    [
        KINDS[0],
        *(pytest.param(*kind, marks=pytest.mark.faults) for kind in KINDS[1:]),
    ],
)
def test_each_place_and_class_has_its_days(tmp_path: Path, event_class: str, version: str) -> None:
    mapping = Mapping(
        Options(REGION, ACCOUNT, event_class=event_class, ocsf_version=version, location="alert")
    )

    def of_two_regions(number: int) -> bytes:
        fields = {"ct.region": f"us-east-{number % 2 + 1}", "evt.num": number}
        return alert(number, day=f"{date(2031, 4, 5) + timedelta(number)}", output_fields=fields)

    with Staging(tmp_path / "staging", "topic", mapping.version, (REGION, ACCOUNT)) as staging:
        staging.open()
        window = staged(staging, [0, 5, 80], of_two_regions, mapping)
        groups = Objects(staging, mapping, "topic").groups(window)
        assert {group.region for group, _ in groups} == {"us-east-1", "us-east-2"}
        assert len({group.event_day for group, _ in groups}) == MOST_DAYS
        assert sum(count for _, count in groups) == 80
        file = staging.path / "1.parquet"
        for group, count in groups:
            staging.export(window, group, mapping, {}, file)
            assert pq.read_metadata(file).num_rows == count


# ---- many places


LOCATED = Mapping(Options(REGION, ACCOUNT, location="alert"))


def of_its_own_account(number: int) -> bytes:
    """An alert of an account that no other has; every third is of the settings' place."""
    account = ACCOUNT if number % 3 == 0 else f"{number:012d}"
    fields = {"ct.region": "eu-west-1", "ct.recipientaccountid": account, "evt.num": number}
    if number % 3 == 0:
        fields["ct.region"] = REGION
    return alert(number, output_fields=fields)


def placed_rows(
    staging: Staging, window: Window, accounts: set[str], file: Path
) -> list[tuple[tuple[str, str], tuple[str, str], dict[str, str]]]:
    """Return each row's place in its key, its own, and its unmapped fields, of some accounts."""
    objects = Objects(staging, LOCATED, "topic")
    found = []
    for group, count in objects.groups(window):
        if group.account_id not in accounts:
            continue
        objects.export(window, group, file)
        rows = pq.read_table(file, columns=["raw_data", "unmapped"])
        assert rows.num_rows == count
        for row in rows.to_pylist(maps_as_pydicts="strict"):
            fields = json.loads(row["raw_data"])["output_fields"]
            own = fields["ct.region"], fields["ct.recipientaccountid"]
            found.append(((group.region, group.account_id), own, row["unmapped"] or {}))
    return found


def test_alerts_of_a_thousand_accounts_make_at_most_512_objects_and_none_is_lost(
    tmp_path: Path,
) -> None:
    count, file = 1200, tmp_path / "object.parquet"
    seen = []
    some = {f"{number:012d}" for number in (1, 500, 700)} | {ACCOUNT}
    for number, bounds in enumerate(([0, count], [*range(0, count, 100), count])):
        with Staging(
            tmp_path / f"{number}", "topic", LOCATED.version, (REGION, ACCOUNT)
        ) as staging:
            staging.open()
            window = staged(staging, bounds, of_its_own_account, LOCATED)
            summary = staging.summary(window)
            found = placed_rows(staging, window, some, file)
            footer = footer_of(file.read_bytes())
        assert sum(rows for _, rows in summary.groups) == count
        assert len(summary.groups) == MOST_OBJECTS
        assert len(found) == count - (MOST_OBJECTS - 1 - 3)
        moved = [(own, unmapped) for key, own, unmapped in found if key != own]
        assert len(moved) == summary.other_places == int(footer["other_places"])
        assert len(moved) == 800 - (MOST_OBJECTS - 1)
        assert {key for key, own, _ in found if key != own} == {(REGION, ACCOUNT)}
        for own, unmapped in moved:
            assert (unmapped[REGION_NOTE], unmapped[ACCOUNT_NOTE]) == own
        assert not any(ACCOUNT_NOTE in unmapped for key, own, unmapped in found if key == own)
        seen.append(sorted((key, own, sorted(fields.items())) for key, own, fields in found))
    assert seen[0] == seen[1]


def test_a_window_of_many_accounts_below_the_limit_is_filed_by_them(staging: Staging) -> None:
    window = staged(staging, [0, 200, 300], of_its_own_account, LOCATED)
    assert len(staging.groups(window)) == 201
    found = placed_rows(staging, window, {ACCOUNT, f"{200:012d}"}, staging.path / "1.parquet")
    assert all(key == own for key, own, _ in found)
    assert len(found) == 101


# ---- repeated records


def doubled(number: int) -> bytes | None:
    """Every record stands twice, 100 offsets apart; some are rejects, some tombstones."""
    return mixed(number % 100 + number // 200 * 1000)


@pytest.mark.parametrize("mapping", [MAPPING, OTHER_MAPPING], ids=["all", "filtered"])
def test_repeats_are_counted_whatever_they_become_and_however_they_were_staged(
    tmp_path: Path, mapping: Mapping
) -> None:
    values = [doubled(number) for number in range(1000)]
    expected = len(values) - len(set(values))
    assert expected > 500
    for number, bounds in enumerate(([0, 1000], range(0, 1001, 8), [0, 1, 150, 151, 1000])):
        with Staging(
            tmp_path / f"{number}", "topic", mapping.version, (REGION, ACCOUNT)
        ) as staging:
            staging.open()
            window = staged(staging, bounds, doubled, mapping, rolls=range(0, 1000, 2))
            other = [Message(n, doubled(n)) for n in range(1000, 1010)]
            staging.append(tabulate(mapping, 0, 1000, 1010, other))
            staging.append(tabulate(mapping, 1, 0, 10, other))
        with Staging(
            tmp_path / f"{number}", "topic", mapping.version, (REGION, ACCOUNT)
        ) as staging:
            staging.open()
            objects = Objects(staging, mapping, "topic")
            assert objects.repeated(window) == expected
            if window.counts.findings:
                assert {
                    footer_of(each)["repeated"]
                    for each in objects_of(staging, window, mapping).values()
                } == {f"{expected}"}


def test_only_the_value_of_a_record_makes_it_a_repeat(staging: Staging) -> None:
    records = [
        Message(0, alert(1), NOW, b"key"),
        Message(1, alert(1), NOW + 5, b"other", (("name", b"value"),)),
        Message(2, alert(1) + b" ", NOW, b"key"),
        Message(3, None, NOW, b"key"),
        Message(4, b"", NOW, b"key"),
        Message(5, None, NOW, b"other"),
    ]
    run = staging.append(tabulate(MAPPING, 0, 0, 6, records))
    assert staging.summary(Window(0, 0, 6, (run,))).repeated == 2
    again = staging.append(tabulate(MAPPING, 0, 6, 7, [Message(6, alert(1))]))
    assert staging.summary(Window(0, 6, 7, (again,))).repeated == 0
    assert staging.summary(Window(0, 0, 7, (run, again))).repeated == 3
    assert staging.summary(Window(0, 7, 9, ())).repeated == 0
