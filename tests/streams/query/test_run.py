"""A query over the lake: what it reads, what it never mixes, what it does not wait for."""

import os
import signal
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.mapping import Mapping, Options
from streams.errors import Unavailable
from streams.lake.store import StoredObject
from streams.query.engine import Engine
from streams.query.objects import LakeSource, Objects
from streams.query.period import ALWAYS, Period
from streams.query.run import run
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.falco_records import ACCOUNT, REGION, mixed
from tests.streams.lake_writer import LakeWriter

#: 2026-01-03T00:00Z.
SECOND_DAY = 1_767_398_400_000


@pytest.fixture
def settings(lake_environment: LakeEnvironment) -> Settings:
    return load(environment=lake_environment("alerts"))


@pytest.fixture
def writer(settings: Settings, tmp_path: Path) -> LakeWriter:
    """A lake with a window of two days."""
    made = LakeWriter(settings, tmp_path / "writer")
    made.window(0, 0, 20, mixed)
    return made


class Recorded(LakeSource):
    """Remembers which pieces of which objects were read."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.pieces: list[tuple[str, int]] = []

    def read(self, stored: StoredObject, begin: int, size: int) -> bytes:
        self.pieces.append((stored.key, size))
        return super().read(stored, begin, size)


def ask(settings: Settings, sql: str, period: Period = ALWAYS) -> list[dict[str, object]]:
    with run(settings, sql, period=period) as answer:
        return [row for batch in answer.batches for row in batch.to_pylist()]


def read_by(settings: Settings, sql: str, temporary: Path) -> tuple[set[str], int]:
    """Return the days of the objects that a query reads, and the bytes beyond the footers."""
    source = Recorded(settings)
    objects = Objects(source)
    objects.find(ALWAYS)
    engine = Engine(temporary)
    engine.show(objects.dataset(lambda: pa.schema([])), "true")
    source.pieces.clear()
    list(engine.ask(sql)[1])
    engine.close()
    days = {key.partition("eventDay=")[2][:8] for key, _ in source.pieces}
    return days, sum(size for _, size in source.pieces)


@pytest.mark.usefixtures("writer")
def test_a_query_reads_the_objects_and_columns_that_it_names(
    settings: Settings, tmp_path: Path
) -> None:
    names = "SELECT severity FROM findings"
    days, few = read_by(settings, f"{names} WHERE eventDay = '20260103'", tmp_path)
    assert days == {"20260103"}
    assert read_by(settings, names, tmp_path)[0] == {"20260102", "20260103"}
    _, all_of_it = read_by(settings, "FROM findings WHERE eventDay = '20260103'", tmp_path)
    assert 0 < few < all_of_it / 5


@pytest.mark.usefixtures("writer")
def test_days_outside_the_period_are_not_listed_and_rows_not_there(settings: Settings) -> None:
    source = Recorded(settings)
    objects = Objects(source)
    objects.find(Period(SECOND_DAY, None))
    assert [each.key.event_day for each in objects.objects] == ["20260103"]
    assert source.pieces == []
    count = "SELECT count(*) AS n, min(time) AS least FROM findings"
    (every,) = ask(settings, count)
    assert every["n"] == 17
    least = int(f"{every['least']}")
    assert ask(settings, count, Period(least + 1, None))[0]["n"] < every["n"]  # type: ignore[operator]
    assert ask(settings, count, Period(least, least + 1))[0]["least"] == least


def test_objects_of_all_classes_and_versions_have_the_columns_of_all(
    settings: Settings, writer: LakeWriter, tmp_path: Path
) -> None:
    options = Options(
        region=REGION, account_id=ACCOUNT, event_class="security_finding", ocsf_version="1.1.0"
    )
    LakeWriter(settings, tmp_path / "other", Mapping(options)).window(0, 20, 30)
    rows = ask(settings, "SELECT class_uid, count(*) AS n FROM findings GROUP BY ALL ORDER BY ALL")
    assert rows == [{"class_uid": 2001, "n": 10}, {"class_uid": 2004, "n": 17}]
    assert {"finding", "finding_info"} <= ask(settings, "FROM findings LIMIT 1")[0].keys()


def test_an_object_that_contradicts_the_others_is_left_out_and_named(
    settings: Settings, writer: LakeWriter, tmp_path: Path
) -> None:
    (key,) = writer.window(0, 20, 25)
    file = tmp_path / "other.parquet"
    pq.write_table(pa.table({"time": ["yesterday"]}), file)
    writer.lake.put(key, file, overwrite=True)
    writer.put(f"{settings.lake.prefix}/report.parquet", b"somebody's")
    with run(settings, "SELECT count(*) AS n FROM findings") as answer:
        assert [batch.to_pylist() for batch in answer.batches] == [[{"n": 17}]]
        assert answer.notes == [
            f"left out {settings.lake.prefix}/report.parquet, whose keys are not falcolake's",
            f"left out {key}, whose columns contradict the others'",
        ]


def test_an_object_that_is_deleted_meanwhile_ends_the_query(
    settings: Settings, writer: LakeWriter
) -> None:
    objects = Objects(LakeSource(settings))
    objects.find(ALWAYS)
    writer.delete(objects.objects[0].stored.key)
    with pytest.raises(Unavailable, match="NoSuchKey") as refused:
        objects.dataset(lambda: pa.schema([]))
    assert refused.value.hint.startswith("try again")


def test_rows_of_two_versions_of_an_object_never_mix(
    settings: Settings, writer: LakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object is overwritten once its footer is read."""
    show = Engine.show

    def overwrite(engine: Engine, objects: object, condition: str) -> None:
        (key, *_) = [each.key for each in writer.lake.objects()]
        writer.rewrite(key, rows=1)
        show(engine, objects, condition)

    monkeypatch.setattr(Engine, "show", overwrite)
    with pytest.raises(Unavailable, match="PreconditionFailed") as refused:
        ask(settings, "SELECT DISTINCT raw_data FROM findings")
    assert refused.value.hint.startswith("try again")


def test_an_answer_is_there_before_its_last_row(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    _, batches = engine.ask("SELECT * FROM range(1_000_000_000_000)")
    assert next(batches).num_rows > 0
    engine.close()


def test_ctrl_c_ends_a_query_at_once(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    endless = "FROM range(3000) a, range(3000) b, range(3000) c WHERE a.range <> b.range + c.range"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        engine.ask(f"SELECT count(*) {endless}")
    engine.close()
    timer.join()
