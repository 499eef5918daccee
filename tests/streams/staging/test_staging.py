"""Staging on real DuckDB: acknowledged appends survive whatever happens to process and disk."""

import contextlib
import itertools
import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.audit.page_sizes import pages
from streams.errors import Misconfigured, Unavailable
from streams.staging.contents import source
from streams.staging.directory import (
    EXPORT,
    LOCK,
    MARK,
    TEMPORARY,
    TEMPORARY_COPY,
    export_name,
    not_ours,
)
from streams.staging.parquet import SIZES, Group, Sizes
from streams.staging.segments import HEADERS_BYTES
from streams.staging.staging import SEGMENT_BYTES, Staging
from streams.windows.batch import Batch, Rejected, Rows, size_of, split, tabulate
from streams.windows.room import Usage
from streams.windows.window import Run, Window, resume
from tests.streams.falco_records import (
    ACCOUNT,
    DAY,
    MAPPING,
    OTHER_MAPPING,
    REGION,
    Message,
    alert,
    mixed,
    rows,
)
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
HERE = Group(REGION, ACCOUNT, DAY)


def opened(
    path: Path, topic: str = "topic", version: str = MAPPING.version, **sizes: Any
) -> Staging:
    return Staging(path, topic, version, (REGION, ACCOUNT), **sizes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "staging"


@pytest.fixture
def staging(path: Path) -> Iterator[Staging]:
    with opened(path) as made:
        assert made.open() == []
        yield made


def window(runs: Sequence[Run], end: int | None = None) -> Window:
    runs = tuple(runs)
    return Window(runs[0].partition, runs[0].first, end or runs[-1].end, runs)


def appended(
    staging: Staging,
    bounds: Iterable[int],
    partition: int = 0,
    value: Callable[[int], bytes | None] = alert,
) -> list[Run]:
    return [
        staging.append(rows(partition, first, end, value))
        for first, end in itertools.pairwise(bounds)
    ]


def all_rejects(staging: Staging, made: Window) -> list[Rejected]:
    """Return the rejects of a window, of all portions."""
    found: list[Rejected] = []
    while portion := staging.rejects(made, found[-1].offset + 1 if found else 0):
        found += portion
    return found


def exported(staging: Staging, made: Window, group: Group = HERE, target: str = "o") -> Path:
    file = staging.path / f"{target}.parquet"
    staging.export(made, group, MAPPING, {"falcolake.first": str(made.first)}, file)
    return file


def numbers(file: Path) -> list[int]:
    """The alerts' own numbers, in the order of the file."""
    table = pq.read_table(file, columns=["raw_data"])
    raw = table.column("raw_data").to_pylist()
    return [json.loads(value)["output_fields"]["evt.num"] for value in raw]


def names(path: Path) -> list[str]:
    """Return what is in a staging directory, but for what is always there."""
    found = {entry.name for entry in path.iterdir()}
    assert found >= {LOCK, MARK, TEMPORARY, TEMPORARY_COPY}
    return sorted(found - {LOCK, MARK, TEMPORARY, TEMPORARY_COPY})


# ---- append, and what a restart finds


def test_a_run_says_what_was_appended(staging: Staging) -> None:
    run = staging.append(rows(3, 10, 24, mixed))
    expected = rows(3, 10, 24, mixed)
    assert run == Run(
        1, 3, 10, 24, 14, len(expected.findings), len(expected.rejects), 0, expected.bytes, 0
    )._replace(oldest=expected.oldest)
    assert run.records == run.findings + run.rejects == 14
    assert run.rejects == 2


def test_a_restart_finds_every_run_as_it_was(path: Path) -> None:
    with opened(path) as first:
        first.open()
        runs = appended(first, [0, 5, 9], 0) + appended(first, [7, 30], 2, mixed)
        first.roll()
        runs += appended(first, [9, 12], 0)
        before = [staging_rows(first, each) for each in runs]
    with opened(path) as second:
        assert sorted(second.open()) == sorted(runs)
        assert [staging_rows(second, each) for each in runs] == before
    assert {run.segment for run in runs} == {1, 2}


def test_runs_that_are_appended_together_are_as_if_each_were_alone(path: Path) -> None:
    together = [rows(0, 0, 20, mixed), rows(3, 7, 9), rows(1, 5, 6, lambda _: b"garbage")]
    with opened(path / "a") as staging:
        staging.open()
        runs = staging.append_all(together)
        found = [staging_rows(staging, each) for each in runs]
    with opened(path / "b") as staging:
        staging.open()
        alone = [staging.append(each) for each in together]
        assert [staging_rows(staging, each) for each in alone] == found
    assert runs == alone
    with opened(path / "a") as again:
        assert again.open() == runs


def staging_rows(staging: Staging, run: Run) -> tuple[Any, Any]:
    made = window([run])
    return staging.groups(made), staging.rejects(made)


def test_a_new_run_of_the_worker_never_appends_to_an_old_segment(path: Path) -> None:
    for expected in (1, 2, 3):
        with opened(path) as staging:
            staging.open()
            assert staging.append(rows(0, 0, 3)).segment == expected


def test_segments_are_written_through_their_wal_only(path: Path) -> None:
    """A checkpoint would delay inserts, stops and starts for seconds."""
    with opened(path) as staging:
        staging.open()
        staging.append(rows(0, 0, 500))
        main = path / "segment-00000001.duckdb"
        wal = main.with_suffix(".duckdb.wal")
        empty, begun = main.stat().st_size, wal.stat().st_size
        for first in range(500, 4000, 500):
            staging.append(rows(0, first, first + 500))
        full = wal.stat().st_size
    assert full > 6 * begun
    assert (main.stat().st_size, wal.stat().st_size) == (empty, full)
    with opened(path) as staging:
        assert len(staging.open()) == 8
    assert (main.stat().st_size, wal.stat().st_size) == (empty, full)


def test_rejects_come_back_as_they_came(staging: Staging) -> None:
    values = [b"not json", None, b"", b"\xff\x00", b"[" * 10_000]
    made = rows(0, 0, 5, lambda offset: values[offset])
    made.rejects[0] = made.rejects[0]._replace(key=b"key\x00")
    run = staging.append(made)
    found = staging.rejects(window([run]))
    assert [reject.value for reject in found] == values
    assert [reject.key for reject in found] == [b"key\x00", None, None, None, None]
    assert [reject.offset for reject in found] == [0, 1, 2, 3, 4]
    assert all(reject.reason for reject in found)


def test_rejects_come_in_portions_that_leave_none_out(path: Path) -> None:
    runs = []
    with opened(path, portion_bytes=5000) as staging:
        staging.open()
        for first in range(0, 100, 10):
            runs.append(staging.append(rows(0, first, first + 10, lambda _: b"x" * 1000)))
            staging.roll()
        found, portions, first = [], [], 0
        while portion := staging.rejects(window(runs), first):
            portions.append(len(portion))
            found += [reject.offset for reject in portion]
            first = found[-1] + 1
    assert found == list(range(100))
    assert set(portions) == {10}, "those of one append stay together"


def garbage(size: int) -> bytes:
    """Bytes that cannot be compressed, as an attacker would send them."""
    return random.Random(size).randbytes(size)


def message(offset: int, value: bytes | None, key: bytes | None = None) -> Message:
    return Message(offset, value, key=key)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(
            [message(n, garbage(1_000_000) if n % 10 == 0 else alert(n)) for n in range(1000)],
            id="garbage of 1 MB among alerts",
        ),
        pytest.param(
            [message(n, garbage(1_000_000)) for n in range(300)],
            id="300 times 1 MB",
            marks=pytest.mark.faults,
        ),
        pytest.param([message(0, garbage(57_000_000))], id="57 MB"),
        pytest.param([message(0, garbage(150_000_000))], id="150 MB", marks=pytest.mark.faults),
        pytest.param(
            [message(n, None, garbage(900_000)) for n in range(200)], id="keys without a value"
        ),
    ],
)
def test_rejects_of_any_size_and_number_come_back_whole(
    staging: Staging, records: list[Message]
) -> None:
    batch = Batch(0, 0, len(records), records, 1, len(records))
    runs = [
        staging.append(tabulate(MAPPING, 0, first, end, piece))
        for first, end, piece in split(batch, (), 10_000, 10_000)
    ]
    staged = window(runs)
    expected = [each for each in records if each.key or not (each.value or b"").startswith(b"{")]
    assert staged.counts.rejects == len(expected)
    first, left = 0, iter(expected)
    while portion := staging.rejects(staged, first):
        assert sum(map(size_of, portion)) <= 12_000_000 or len(portion) == 1
        for reject in portion:
            record = next(left)
            assert (reject.offset, reject.key) == (record.offset, record.key)
            assert reject.value == record.value
        first = portion[-1].offset + 1
    assert next(left, None) is None


# ---- kill -9


class Child:
    """The process that is killed: see `staging_child`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.streams.staging_child", str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def kill_after(self, growth: int) -> int:
        """Let it stage until its files have grown by so many bytes, then kill -9 it.

        Returns the last offset that it said was durable, -1 if none.
        """
        before = self._size()
        self.zygote.stdin.write("\n")
        pid = int(self.zygote.stdout.readline())
        acknowledged = -1
        while self._size() - before < growth:
            pass
        subprocess.run(["kill", "-9", str(pid)], check=True)
        while (line := self.zygote.stdout.readline()) != "ended\n":
            acknowledged = acknowledged if line == "ready\n" else int(line)
        return acknowledged

    def _size(self) -> int:
        total = 0
        for entry in self.path.glob("segment-*"):
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
        return total

    def close(self) -> None:
        self.zygote.stdin.close()
        self.zygote.wait(20)
        self.zygote.stdout.close()


def killed_many_times(path: Path, kills: int, seed: int) -> None:
    moments = random.Random(seed)
    child = Child(path)
    durable = 0
    try:
        for _ in range(kills):
            durable = max(durable, child.kill_after(moments.randrange(1, 80_000)))
            with opened(path) as staging:
                runs = staging.open()
                kept = resume(0, 0, [], runs)
                assert (kept[-1].end if kept else 0) >= durable
                for run in runs:
                    expected = rows(0, run.first, run.end, mixed)
                    assert run.records == run.end - run.first
                    held = sum(count for _, count in staging.groups(window([run])))
                    assert held == len(expected.findings)
                    assert len(staging.rejects(window([run]))) == len(expected.rejects)
        with opened(path) as staging:
            kept = resume(0, 0, [], staging.open())
            found = []
            for group, _ in staging.groups(window(kept)):
                found += numbers(exported(staging, window(kept), group))
            found += [reject.offset for reject in all_rejects(staging, window(kept))]
            assert sorted(found) == list(range(kept[-1].end))
    finally:
        child.close()
    assert not list(path.glob("*.damaged"))


def test_what_was_acknowledged_survives_kill_9_and_nothing_is_half_there(path: Path) -> None:
    path.mkdir()
    killed_many_times(path, kills=4, seed=1)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_more_kills(path: Path, seed: int) -> None:
    path.mkdir()
    killed_many_times(path, kills=15, seed=seed)


# ---- damaged files


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 16


def cut(content: bytearray) -> None:
    del content[len(content) * 2 // 3 :]


def grow(content: bytearray) -> None:
    content += random.Random(1).randbytes(3000)


def zeros(content: bytearray) -> None:
    content += bytes(5000)


def clear(content: bytearray) -> None:
    content.clear()


def scramble(content: bytearray) -> None:
    content[:] = random.Random(2).randbytes(len(content))


MAIN, WAL = "segment-00000001.duckdb", "segment-00000001.duckdb.wal"


@pytest.mark.parametrize("file", [MAIN, WAL])
@pytest.mark.parametrize(
    "harm",
    [flip, cut, grow, zeros, clear, scramble, None],
    ids=lambda harm: harm.__name__ if harm else "remove",
)
def test_a_damaged_segment_never_stops_the_worker_and_is_never_half_used(
    path: Path, file: str, harm: Callable[[bytearray], None] | None
) -> None:
    with opened(path) as staging:
        staging.open()
        bounds = list(range(0, 101, 10))
        runs = appended(staging, bounds, value=mixed)
        staging.roll()
        whole = staging.append(rows(1, 0, 20))
    content = bytearray((path / file).read_bytes())
    if harm is None:
        (path / file).unlink()
    else:
        harm(content)
        (path / file).write_bytes(content)
    with opened(path) as staging:
        found = staging.open()
        assert found[-1] == whole
        kept = found[:-1]
        assert kept == runs[: len(kept)]
        for run in kept:
            expected = rows(0, run.first, run.end, mixed)
            assert sum(count for _, count in staging.groups(window([run]))) == len(
                expected.findings
            )
        assert numbers(exported(staging, window([whole]))) == [*range(20)]
        assert staging.append(rows(0, 0, 5)).segment == 3
    if not kept and harm not in {None, clear}:
        assert (path / f"{file}.damaged").read_bytes() == content


def test_what_was_moved_aside_is_never_overwritten_later(path: Path) -> None:
    for time in range(1, 4):
        with opened(path) as staging:
            staging.open()
            staging.append(rows(0, 0, 5))
        for main in path.glob("segment-*.duckdb"):
            main.write_bytes(b"damaged %d" % time)
    with opened(path) as staging:
        assert staging.open() == []
    aside = [entry.read_bytes() for entry in sorted(path.glob("*.duckdb.damaged"))]
    assert aside == [b"damaged 1", b"damaged 2", b"damaged 3"]


def test_a_segment_of_another_mapping_or_topic_is_dropped(path: Path) -> None:
    with opened(path) as staging:
        staging.open()
        staging.append(rows(0, 0, 5))
    with opened(path, version=OTHER_MAPPING.version) as staging:
        assert staging.open() == []
        staging.append(rows(0, 0, 5, mapping=OTHER_MAPPING))
    with opened(path, topic="other", version=OTHER_MAPPING.version) as staging:
        assert staging.open() == []
    assert names(path) == []


def test_a_segment_of_another_layout_is_dropped(path: Path) -> None:
    """As an upgrade finds it: its records are read again."""
    with opened(path) as staging:
        staging.open()
        staging.append(rows(0, 0, 5))
    with duckdb.connect() as database:
        database.execute(f"ATTACH '{path / MAIN}' AS one; UPDATE one.segment SET layout = 1")
    with opened(path) as staging:
        assert staging.open() == []
    assert names(path) == []


@pytest.mark.parametrize("written", [0, 1, 4096, 8192, None])
def test_a_segment_that_was_only_begun_is_dropped(path: Path, written: int | None) -> None:
    """Killed while DuckDB wrote the first bytes of the file, or after all of them."""
    path.mkdir()
    with duckdb.connect() as database:
        database.execute(f"ATTACH '{path / MAIN}' AS segment_1")
    content = (path / MAIN).read_bytes()
    assert len(content) == HEADERS_BYTES
    (path / MAIN).write_bytes(content[:written])
    with opened(path) as staging:
        assert staging.open() == []
    assert names(path) == []


# ---- one worker a directory


def test_a_second_worker_on_the_directory_is_refused(staging: Staging, path: Path) -> None:
    second = opened(path)
    with pytest.raises(Misconfigured, match="another worker uses the staging directory") as caught:
        second.open()
    assert "FALCOLAKE_STAGING__PATH" in caught.value.hint
    second.close()
    staging.append(rows(0, 0, 1))


def test_the_directory_is_free_again_after_close(path: Path) -> None:
    with opened(path) as first:
        first.open()
    with opened(path) as second:
        second.open()


def test_an_open_that_failed_leaves_the_directory_free(path: Path) -> None:
    path.mkdir()
    (path / MARK).mkdir()
    with pytest.raises(Misconfigured, match="Is a directory"):
        opened(path).open()
    (path / MARK).rmdir()
    with opened(path) as staging:
        staging.open()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_path_that_is_not_a_directory_is_a_wrong_setting(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot open staging") as caught:
        opened(tmp_path / place).open()
    assert "STAGING__PATH" in caught.value.hint


def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    with opened(tmp_path / 'it\'s a "path"; é') as staging:
        staging.open()
        run = staging.append(rows(0, 0, 5))
        assert numbers(exported(staging, window([run]))) == [0, 1, 2, 3, 4]
    with opened(staging.path) as again:
        assert again.open() == [run]


def tree(path: Path) -> dict[str, bytes]:
    """Return all files below a directory, with their contents."""
    return {
        f"{file.relative_to(path)}": file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


#: Files of others, each close to a name of ours.
STRANGERS = (
    *(
        "report.parquet",
        "1.parquet",
        "export-1.parquet.bak",
        "my-export-1.parquet",
        "temporary.txt",
    ),
    *("temporary-notes/a.txt", "temporaries/b", "segment-1.duckdb", "segment-00000001.duckdb.old"),
    *("data/lock", "lock.txt", ".falcolake-staging.old", "lost+found.txt", ".bashrc"),
)


def put(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"somebody's {name}")
    return tree(path)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_directory_with_others_files_is_refused_and_left_as_it_is(
    path: Path, stranger: str
) -> None:
    before = put(path, [stranger])
    mode = path.stat().st_mode
    with pytest.raises(Misconfigured, match="is not a staging directory") as caught:
        opened(path).open()
    assert stranger.split("/")[0] in str(caught.value)
    assert "FALCOLAKE_STAGING__PATH" in caught.value.hint
    assert tree(path) == before
    assert path.stat().st_mode == mode


def test_others_files_in_a_marked_directory_stay_and_do_not_count(path: Path) -> None:
    with opened(path) as first:
        first.open()
    spilled = ("temporary/notes.txt", "temporary-copy/deep/er.parquet")
    before = put(path, [*STRANGERS, *spilled])
    with opened(path) as again:
        again.open()
        put(path, ["big"])
        (path / "big").write_bytes(bytes(1_000_000))
        assert again.usage().staged < 100_000
    assert {name: tree(path)[name] for name in before} == before


def test_leftovers_of_exports_are_removed_at_the_start(path: Path) -> None:
    with opened(path) as staging:
        staging.open()
    left = [export_name(1), export_name(12_345), "temporary/duckdb_temp_314_0_owner"]
    put(path, [*left, "temporary-copy/duckdb_temp_314_0_storage_S32K-0.tmp"])
    with opened(path) as staging:
        staging.open()
        assert names(path) == []
        assert [*(path / TEMPORARY).iterdir(), *(path / TEMPORARY_COPY).iterdir()] == []


def test_a_directory_from_before_there_were_marks_is_taken_over(path: Path) -> None:
    with opened(path) as first:
        first.open()
        runs = appended(first, [0, 5, 9])
    (path / MARK).unlink()
    put(path, ["17.parquet", "temporary/duckdb_temp_storage-0.tmp"])
    with opened(path) as second:
        assert sorted(second.open()) == sorted(runs)
    assert (path / MARK).is_file()
    assert not any(name.endswith(".parquet") for name in names(path))


def test_a_new_volume_with_lost_and_found_is_taken(path: Path) -> None:
    (path / "lost+found").mkdir(parents=True)
    with opened(path) as staging:
        staging.open()
    assert names(path) == ["lost+found"]


def test_a_link_is_never_followed_to_what_is_not_ours(tmp_path: Path, path: Path) -> None:
    before = put(tmp_path / "else", ["duckdb_temp_0.tmp"])
    with opened(path) as first:
        first.open()
    (path / TEMPORARY_COPY).rmdir()
    (path / TEMPORARY_COPY).symlink_to(tmp_path / "else")
    (path / export_name(1)).symlink_to(tmp_path / "else" / "duckdb_temp_0.tmp")
    with opened(path) as again:
        again.open()
    assert tree(tmp_path / "else") == before


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1))
def test_without_a_mark_no_name_is_ours_by_accident(found: list[str]) -> None:
    ours = {LOCK, MARK, TEMPORARY, TEMPORARY_COPY, "lost+found"}
    if ours.isdisjoint(found) and not any(map(EXPORT.fullmatch, found)):
        assert not_ours(found) == sorted(set(found))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_staging_is_for_its_user_alone_whatever_the_umask(path: Path, umask: int) -> None:
    if umask != 0o077:  # an upgrade: a directory that all may read
        with opened(path) as earlier:
            earlier.open()
            earlier.append(rows(0, 0, 5))
        for each in (path, *path.rglob("*")):
            each.chmod(0o777 if each.is_dir() else 0o666)
    before = os.umask(umask)
    try:
        with opened(path) as staging:
            staging.open()
            run = staging.append(rows(0, 5, 9))
            exported(staging, window([run]), target="export-1")
            modes = {each: stat.S_IMODE(each.stat().st_mode) for each in (path, *path.rglob("*"))}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o700, 0o600}
    assert all((mode == 0o700) == each.is_dir() for each, mode in modes.items())


def test_a_directory_that_turned_unwritable_is_a_wrong_setting(small_disk: Path) -> None:
    path = small_disk / "staging"
    with opened(path) as staging:
        staging.open()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Misconfigured, match="Read-only file system") as caught:
        opened(path).open()
    assert "STAGING__PATH" in caught.value.hint


@pytest.mark.parametrize("place", ["/proc/falcolake/staging", "/dev/null/staging", "a" * 300])
def test_a_path_that_can_never_exist_is_a_wrong_setting(tmp_path: Path, place: str) -> None:
    with pytest.raises(Misconfigured, match="cannot open staging") as caught:
        opened(tmp_path / place).open()
    assert "STAGING__PATH" in caught.value.hint


def test_nothing_is_left_but_the_lock_once_all_is_forgotten(path: Path) -> None:
    with opened(path) as staging:
        staging.open()
        runs = appended(staging, [0, 5, 9])
        exported(staging, window(runs)).unlink()
        staging.roll()
        staging.keep_only([])
    assert names(path) == []


# ---- export


def test_a_window_is_exported_from_all_its_segments_and_from_nothing_else(staging: Staging) -> None:
    runs = appended(staging, [0, 5, 9])
    appended(staging, [0, 50], partition=1)
    staging.roll()
    runs += appended(staging, [9, 30])
    staging.roll()
    runs += appended(staging, [30, 31, 40])
    part = window(runs[1:-1])
    assert staging.groups(part) == [(HERE, 26)]
    assert sorted(numbers(exported(staging, part))) == list(range(5, 31))


def test_only_the_chosen_one_of_a_run_staged_twice_is_exported(staging: Staging) -> None:
    """A run whose commit was not acknowledged is in its segment, and again in the next."""
    staging.append(rows(0, 0, 10))
    staging.append(rows(0, 10, 20))
    staging.roll()
    again = staging.append(rows(0, 10, 25))
    made = window([Run(1, 0, 0, 10, 10, 10, 0, 0, 0, 0), again])
    assert sorted(numbers(exported(staging, made))) == list(range(25))


def test_groups_are_the_days_and_places_of_the_findings_in_order(staging: Staging) -> None:
    run = staging.append(rows(0, 0, 30, mixed))
    found = staging.groups(window([run]))
    days = Counter(finding.event_day for finding in rows(0, 0, 30, mixed).findings)
    assert found == [(Group(REGION, ACCOUNT, day), days[day]) for day in ("20260102", "20260103")]
    first, second = (numbers(exported(staging, window([run]), group)) for group, _ in found)
    assert not set(first) & set(second)
    assert len(first + second) == run.findings


def test_an_all_rejected_window_has_no_groups_and_exports_an_empty_object(staging: Staging) -> None:
    run = staging.append(rows(0, 0, 3, lambda _: b"x"))
    assert staging.groups(window([run])) == []
    full = staging.append(rows(0, 3, 5))
    empty = pq.read_schema(exported(staging, window([run]), target="empty"))
    assert empty.equals(pq.read_schema(exported(staging, window([full]), target="full")))
    assert numbers(staging.path / "empty.parquet") == []


def shuffled(number: int) -> bytes:
    """Alerts of many rules whose times are not in the order of their offsets; many share a time."""
    return alert(number * 37 % 500 // 2, output=f"{number}", rule=f"Rule {number % 23}")


def ordered(number: int, output: str = "") -> bytes:
    """Alerts of many rules in the order of their offsets; many share a time."""
    return alert(
        number,
        output=output or f"{number}",
        rule=f"Rule {number % 23}",
        time=f"2026-01-02T03:{number // 600:02d}:{number // 10 % 60:02d}Z",
    )


def other_rules(number: int) -> bytes:
    """Alerts of one scene and of more rules than the tests' windows have rows."""
    return alert(number, rule=f"Other rule {number}", output_fields={"user.name": "root"})


@pytest.mark.parametrize(
    ("value", "slice_bytes"),
    [
        pytest.param(shuffled, SIZES.slice_bytes, id="sorted"),
        pytest.param(shuffled, 500_000, id="sorted in slices", marks=pytest.mark.faults),
        pytest.param(ordered, 500_000, id="in order", marks=pytest.mark.faults),
    ],
)
def test_an_object_has_the_same_bytes_however_its_rows_were_staged(
    tmp_path: Path, value: Callable[[int], bytes | None], slice_bytes: int
) -> None:
    sizes = Sizes(slice_bytes=slice_bytes, row_group_bytes=400_000)
    end = 5000
    with opened(tmp_path / "reference", sizes=sizes) as staging:
        staging.open()
        reference = exported(staging, window(appended(staging, [0, end], value=value)))
        assert pq.read_metadata(reference).num_row_groups > 1
        expected = reference.read_bytes()
    directories = iter(range(1000))

    @settings(max_examples=5, derandomize=True)
    @given(
        cuts=st.lists(st.integers(1, end - 1), max_size=12, unique=True).map(sorted),
        rolls=st.sets(st.integers(0, 12)),
        others=st.sets(st.integers(0, 12)),
    )
    def check(cuts: list[int], rolls: set[int], others: set[int]) -> None:
        with opened(tmp_path / str(next(directories)), sizes=sizes) as staging:
            staging.open()
            runs = []
            bounds = [0, *cuts, end]
            for number, (first, until) in enumerate(itertools.pairwise(bounds)):
                if number in others:
                    staging.append(rows(7, first, until, other_rules))
                runs.append(staging.append(rows(0, first, until, value)))
                if number in rolls:
                    staging.roll()
            assert exported(staging, window(runs)).read_bytes() == expected

    check()


def in_order(made: Rows) -> list[tuple[int, int]]:
    """The time and offset of each finding, as an object has them."""
    times = [finding.time for finding in made.findings]
    return sorted(zip(times, made.offsets, strict=True))


@pytest.mark.parametrize("shared_bytes", [0, 50_000])
def test_an_object_has_the_same_bytes_whether_it_shares_few_texts_or_many(
    path: Path, shared_bytes: int
) -> None:
    """Its rules have 19 KB, its scenes 164: neither, or the rules alone, are parsed once."""
    with opened(path) as staging:
        staging.open()
        runs = appended(staging, [0, 2400, 4800], value=shuffled)
        expected = exported(staging, window(runs)).read_bytes()
    with opened(path, sizes=Sizes(shared_bytes=shared_bytes, slice_bytes=500_000)) as staging:
        staging.open()
        assert exported(staging, window(runs)).read_bytes() == expected


@pytest.mark.parametrize("slice_bytes", [SIZES.slice_bytes, 50_000, 1])
def test_rows_are_in_the_order_of_time_then_offset(path: Path, slice_bytes: int) -> None:
    """However many sorts it takes: the last case makes one slice of every row."""
    count = 60 if slice_bytes == 1 else 500
    made = rows(0, 0, count, shuffled)
    with opened(path, sizes=Sizes(slice_bytes=slice_bytes)) as staging:
        staging.open()
        file = exported(staging, window([staging.append(made)]))
        table = pq.read_table(file, columns=["time", "message"])
    expected = in_order(made)
    found = zip(*(table.column(name).to_pylist() for name in ("time", "message")), strict=True)
    assert [(time, int(message)) for time, message in found] == expected
    assert len({time for time, _ in expected}) < len(expected)


@pytest.mark.parametrize("count", [1, 7, 60])
def test_the_order_holds_in_a_small_window_next_to_many_rules(staging: Staging, count: int) -> None:
    staging.append(rows(1, 0, 1000, other_rules))
    made = rows(0, 0, count, shuffled)
    file = exported(staging, window([staging.append(made)]))
    expected = [offset for _, offset in in_order(made)]
    table = pq.read_table(file, columns=["message", "finding_info"]).to_pylist()
    assert [int(row["message"]) for row in table] == expected
    titles = [row["finding_info"]["title"] for row in table]
    assert titles == [f"Rule {number % 23}" for number in expected]


def test_texts_that_findings_share_are_told_apart_across_restarts(path: Path) -> None:
    """A window may have runs of an earlier process, and each run numbers its own texts."""
    with opened(path) as staging:
        staging.open()
        runs = appended(staging, [0, 40, 80])
    with opened(path) as staging:
        runs = staging.open()
        runs.append(staging.append(rows(0, 80, 120, other_rules)))
        table = pq.read_table(exported(staging, window(runs)), columns=["message", "finding_info"])
    titles = {row["message"]: row["finding_info"]["title"] for row in table.to_pylist()}
    assert titles == {
        f"shell {n}": f"Other rule {n}" if n >= 80 else "Terminal shell in container"
        for n in range(120)
    }


def test_an_object_keeps_the_rules_for_its_file(staging: Staging) -> None:
    run = staging.append(rows(0, 0, 3000, shuffled))
    staging.export(
        window([run]),
        HERE,
        MAPPING,
        {"falcolake.topic": "it's", "é": ""},
        staging.path / "o",
    )
    file = pq.ParquetFile(staging.path / "o")
    chunks = [
        file.metadata.row_group(group).column(column)
        for group in range(file.metadata.num_row_groups)
        for column in range(file.metadata.num_columns)
    ]
    assert {chunk.compression for chunk in chunks} == {"ZSTD"}
    footer = file.metadata.metadata
    assert footer[b"falcolake.topic"] == b"it's"
    assert footer["é".encode()] == b""
    schema = file.schema_arrow
    assert schema.field("time").type == pa.int64()
    assert schema.field("type_uid").type == pa.int64()
    assert schema.field("severity_id").type == pa.int32()
    assert schema.field("unmapped").type == pa.map_(pa.string(), pa.string())
    assert pa.types.is_struct(schema.field("metadata").type)
    moments = [each for each in leaves(schema) if each[0].endswith("_dt")]
    assert ("time_dt", pa.timestamp("ms", tz="UTC")) in moments
    assert {kind for _, kind in moments} == {pa.timestamp("ms", tz="UTC")}
    assert {k for n, k in leaves(schema) if n.endswith("_id") and k != pa.string()} == {pa.int32()}


def leaves(fields: Iterable[Any]) -> list[tuple[str, pa.DataType]]:
    found = []
    for field in fields:
        kind = field.type
        while pa.types.is_list(kind):
            kind = kind.value_type
        if pa.types.is_struct(kind):
            found += leaves([kind.field(i) for i in range(kind.num_fields)])
        else:
            found.append((field.name, kind))
    return found


def test_no_data_page_is_over_one_mebibyte_and_row_groups_stay_small(path: Path) -> None:
    text = random.Random(3)
    with opened(path, sizes=Sizes(row_group_bytes=4_000_000)) as staging:
        staging.open()
        runs = appended(
            staging,
            range(0, 8001, 1000),
            value=lambda number: alert(number, output=text.randbytes(500).hex()),
        )
        file = exported(staging, window(runs))
    metadata = pq.read_metadata(file)
    data = [page for page in pages(file, metadata) if page.kind == "data"]
    assert max(page.size for page in data) <= 1 << 20
    assert sum(page.column == "raw_data" for page in data) > 8
    assert metadata.num_row_groups >= 3
    assert (
        max(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)) < 2**25
    )


NASTY = st.one_of(
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["\x00", "\ud800", "'", '"', "\\", "{}", "null", "\u2028", "é" * 3, "NaN"]),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), NASTY),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NASTY, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = st.sampled_from(["proc.name", "proc.pid", "fd.sip", "fd.sport", "ka.req.pod.name", "x.y"])


def test_whatever_an_alert_says_its_window_can_be_staged_and_exported(path: Path) -> None:
    directories = iter(range(1000))

    @settings(
        max_examples=20,
        derandomize=True,
    )
    @given(
        changes=st.lists(
            st.tuples(
                st.dictionaries(st.sampled_from(["rule", "tags", "hostname", "output"]), ANYTHING),
                st.dictionaries(st.one_of(FIELDS, NASTY), ANYTHING, max_size=4),
            ),
            min_size=1,
            max_size=20,
        )
    )
    def check(changes: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        values = [
            alert(number, output_fields={"evt.num": number, **fields}, **top)
            for number, (top, fields) in enumerate(changes)
        ]
        made = rows(0, 0, len(values), lambda offset: values[offset])
        with opened(path / str(next(directories))) as staging:
            staging.open()
            run = staging.append(made)
            assert run.records == len(values)
            found = 0
            for group, count in staging.groups(window([run])):
                file = exported(staging, window([run]), group)
                assert pq.read_metadata(file).num_rows == count
                found += count
            assert found == run.findings
            assert len(staging.rejects(window([run]))) == run.rejects

    check()


# ---- memory


@pytest.mark.faults
def test_a_window_much_larger_than_memory_is_exported(path: Path) -> None:
    """Its alerts come in any order: one sort would need all rows in memory."""
    sizes = Sizes(memory="160MB", slice_bytes=4_000_000, row_group_bytes=4_000_000)
    noise = random.Random(5)

    def wide(number: int) -> bytes:
        return alert(number * 7919 % 6500, output=noise.randbytes(8000).hex())

    with opened(path, sizes=sizes, segment_bytes=4_000_000) as staging:
        staging.open()
        runs = appended(staging, range(0, 6501, 325), value=wide)
        assert staging.usage().staged > 96_000_000
        assert pq.read_metadata(exported(staging, window(runs))).num_rows == 6500


@pytest.mark.faults
def test_alerts_of_a_megabyte_are_staged_and_exported(path: Path) -> None:
    sizes = Sizes(memory="256MB", slice_bytes=8_000_000)
    with opened(path, sizes=sizes) as staging:
        staging.open()
        noise = random.Random(6)
        runs = appended(
            staging,
            range(0, 261, 4),
            value=lambda number: ordered(number, output=noise.randbytes(500_000).hex()),
        )
        assert len({run.segment for run in runs}) > 1
        assert staging.usage().staged > 256_000_000
        assert pq.read_metadata(exported(staging, window(runs))).num_rows == 260


def test_a_segment_takes_no_more_than_its_bytes(staging: Staging) -> None:
    small = appended(staging, range(0, 3000, 500))
    assert {run.segment for run in small} == {1}
    large = appended(staging, range(3000, 3041, 4), value=lambda _: garbage(1_000_000))
    per_segment = Counter(run.segment for run in large)
    assert len(per_segment) > 1
    assert max(per_segment.values()) * 4_000_000 <= SEGMENT_BYTES
    assert staging.rejects(window(large))[0].value == garbage(1_000_000)


# ---- the disk is full


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may become larger: further writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def fill(staging: Staging, position: int, runs: list[Run]) -> int:
    """Append until there is no room; return how far staging got."""
    with pytest.raises(Unavailable) as caught:
        while True:
            runs.append(staging.append(rows(0, position, position + 200)))
            position += 200
    assert "make room" in caught.value.hint
    return position


def survives_a_full_disk(
    path: Path, full: Callable[[], AbstractContextManager[object]], make_room: Callable[[], None]
) -> None:
    runs: list[Run] = []
    with opened(path) as staging:
        staging.open()
        with full():
            position = fill(staging, 0, runs)
            assert position > 0
            assert sorted(numbers_of(staging, runs)) == list(range(position))
            make_room()
        runs.append(staging.append(rows(0, position, position + 200)))
        position += 200
        found = numbers(exported(staging, window(runs)))
        assert sorted(found) == list(range(position))
    with opened(path) as staging:
        kept = resume(0, 0, [], staging.open())
        assert kept[-1].end == position
        found = numbers(exported(staging, window(kept)))
        assert sorted(found) == list(range(position))
    assert not list(path.glob("*.damaged"))


def numbers_of(staging: Staging, runs: list[Run]) -> list[int]:
    """What is staged, without writing a file."""
    made = window(runs)
    with staging._segments.cursor() as cursor:
        batches = list(source(cursor, made, HERE, staging.summary(made))(["offset"]))
    return [offset for each in batches for offset in each["offset"].to_pylist()]


def test_appends_of_few_findings_are_read_together_and_large_ones_alone(staging: Staging) -> None:
    bounds = [*range(0, 101, 10), 500, *range(510, 531, 10)]
    runs = appended(staging, bounds)
    made = window(runs)
    with staging._segments.cursor() as cursor:
        read = source(cursor, made, HERE, staging.summary(made))
        batches = [each["offset"].to_pylist() for each in read(["offset"])]
        assert batches == [list(range(*each)) for each in ((0, 100), (100, 500), (500, 530))]
        assert [len(each) for each in read(["offset"], 1, 3)] == [400, 30]


def test_no_room_for_the_wal_is_survived_and_nothing_is_duplicated(path: Path) -> None:
    survives_a_full_disk(path, lambda: largest_file(300_000), lambda: None)


def test_no_room_for_an_export_is_survived(staging: Staging) -> None:
    runs = appended(staging, range(0, 3001, 1000))
    with largest_file(20_000), pytest.raises(Unavailable, match="cannot export a window"):
        exported(staging, window(runs))
    assert sorted(numbers(exported(staging, window(runs)))) == list(range(3000))
    assert staging.append(rows(0, 3000, 3005)).records == 5


def test_no_room_for_a_new_segment_is_survived_and_leaves_nothing(
    staging: Staging, path: Path
) -> None:
    with largest_file(2000), pytest.raises(Unavailable):
        staging.append(rows(0, 0, 5))
    assert names(path) == []
    assert staging.append(rows(0, 0, 5)).records == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full_is_survived(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(5_300_000))
    survives_a_full_disk(small_disk / "staging", contextlib.nullcontext, ballast.unlink)


# ---- forget, and usage


def test_keep_only_unlinks_the_segments_that_no_run_needs(staging: Staging, path: Path) -> None:
    first = staging.append(rows(0, 0, 5))
    staging.roll()
    second = staging.append(rows(0, 5, 9))
    staging.keep_only([second])
    assert names(path) == ["segment-00000002.duckdb", "segment-00000002.duckdb.wal"]
    staging.keep_only([second])
    assert numbers(exported(staging, window([second]))) == [5, 6, 7, 8]
    assert first.segment == 1


def test_the_segment_that_takes_appends_is_kept_even_without_runs(staging: Staging) -> None:
    staging.append(rows(0, 0, 5))
    staging.keep_only([])
    assert staging.append(rows(0, 5, 9)).segment == 1


def test_a_segment_is_forgotten_only_once_its_export_is_done(staging: Staging, path: Path) -> None:
    run = staging.append(rows(0, 0, 2000))
    staging.roll()
    reached, forgotten = threading.Event(), threading.Event()

    class Slow:
        parsed = staticmethod(MAPPING.parsed)

        def select(self, rows: str, *, more: bool) -> str:
            reached.set()
            assert forgotten.wait(20)
            return MAPPING.select(rows, more=more)

    target = path / "o"
    export = threading.Thread(
        target=staging.export, args=(window([run]), HERE, Slow(), {}, target), daemon=True
    )
    export.start()
    assert reached.wait(20)
    staging.keep_only([])
    assert (path / MAIN).exists()
    forgotten.set()
    export.join(60)
    assert len(numbers(target)) == 2000
    assert names(path) == ["o"]


def test_exports_and_appends_run_side_by_side(staging: Staging) -> None:
    run = staging.append(rows(0, 0, 5000))
    staging.roll()
    sizes = []
    export = threading.Thread(
        target=lambda: sizes.append(len(numbers(exported(staging, window([run]))))), daemon=True
    )
    export.start()
    position = 5000
    while export.is_alive():
        staging.append(rows(0, position, position + 10))
        position += 10
    assert sizes == [5000]
    assert position > 5000


def test_usage_counts_what_staging_takes_and_not_what_was_moved_aside(
    staging: Staging, path: Path
) -> None:
    nothing = staging.usage()
    staging.append(rows(0, 0, 500))
    (path / "segment-00000009.duckdb.damaged").write_bytes(bytes(10_000_000))
    found = staging.usage()
    files = [path / MAIN, path / WAL]
    assert found.staged - nothing.staged == sum(file.stat().st_size for file in files) > 20_000
    assert found.free > 0


def test_usage_is_measured_while_files_come_and_go(staging: Staging, path: Path) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                (path / f"{number}.parquet").write_bytes(b"x")
            for number in range(20):
                (path / f"{number}.parquet").unlink()

    busy = threading.Thread(target=churn, daemon=True)
    busy.start()
    try:
        assert all(isinstance(staging.usage(), Usage) for _ in range(300))
    finally:
        stop.set()
        busy.join()


def test_after_close_staging_says_so(path: Path) -> None:
    staging = opened(path)
    staging.open()
    staging.close()
    with pytest.raises(Unavailable, match="staging is closed"):
        staging.append(rows(0, 0, 1))
    wait_until(lambda: names(path) == [], 1)
