"""What a worker writes breaks no rule, and each rule that is broken on purpose is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from schemas.mapping import Mapping, Options
from streams import samples
from streams.audit import rows as ocsf_rows
from streams.audit import rules
from streams.audit.verify import Verification, run
from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.conftest import LakeEnvironment
from tests.streams.falco_records import ACCOUNT, REGION, alert
from tests.streams.lake_writer import LakeWriter

START = 1_795_442_607_123_456_789
KINDS = [
    ("detection_finding", "1.1.0"),
    ("detection_finding", "1.8.0"),
    ("security_finding", "1.1.0"),
]
PLACE = f"region={REGION}/accountId={ACCOUNT}/eventDay=20260102"


@pytest.fixture
def settings(lake_environment: LakeEnvironment) -> Settings:
    return load(environment=lake_environment("alerts"))


@pytest.fixture
def writer(settings: Settings, tmp_path: Path) -> LakeWriter:
    return LakeWriter(settings, tmp_path / "writer")


@pytest.fixture
def place(settings: Settings) -> str:
    """The lake of the settings."""
    return f"s3://{settings.lake.bucket}/{settings.lake.prefix}"


@pytest.fixture
def good(writer: LakeWriter, tmp_path: Path) -> Path:
    """A local copy of an object as a worker writes it, under its own key."""
    (key,) = writer.window(0, 0, 40)
    file = tmp_path / "copy" / key
    file.parent.mkdir(parents=True)
    file.write_bytes(writer.lake.read(key))
    return file


def faults(found: Verification) -> list[tuple[str, str]]:
    return [(fault.rule, fault.message) for each in found.objects for fault in each.faults]


def broken(found: Verification) -> set[str]:
    return {rule for rule, _ in faults(found)}


# ---- what a worker writes


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_samples_of_every_source_break_no_rule(
    settings: Settings, place: str, tmp_path: Path, kind: tuple[str, str]
) -> None:
    options = Options(REGION, ACCOUNT, *kind)
    writer = LakeWriter(settings, tmp_path / "writer", Mapping(options))
    values = list(samples.alerts(1, 600, START, garbage=0.01))
    keys = writer.window(3, 100, 700, lambda offset: values[offset - 100])
    found = run(settings, place)
    assert faults(found) == []
    assert [each.name for each in found.objects] == sorted(keys)
    rows = sum(each.rows for each in found.objects)
    assert sum(each.validated for each in found.objects) == rows > 500


def test_an_object_without_rows_breaks_no_rule(
    settings: Settings, place: str, writer: LakeWriter
) -> None:
    writer.window(0, 0, 5, lambda _: None)
    found = run(settings, place)
    assert (faults(found), found.objects[0].rows) == ([], 0)


def test_large_records_break_no_rule(settings: Settings, place: str, writer: LakeWriter) -> None:
    writer.window(0, 0, 60, lambda n: alert(n, output=f"{n}" * 20_000))
    assert faults(run(settings, place, sample=2)) == []


def test_a_page_too_large_because_of_unmapped_is_found(
    settings: Settings, place: str, writer: LakeWriter
) -> None:
    """Not promised: DuckDB does not bound the pages of maps by their size."""
    fields = {"custom.field": "y" * 2_000_000}
    writer.window(0, 0, 3, lambda n: alert(n, output_fields=fields))
    assert broken(run(settings, place, sample=1)) == {"page"}


def test_rows_are_the_findings_they_were_made_from(good: Path) -> None:
    mapping = Mapping(Options(region=REGION, account_id=ACCOUNT))
    values = {finding["raw_data"]: finding for _, finding in ocsf_rows.findings(good)}
    assert len(values) == 40
    for raw, finding in values.items():
        logged = finding["metadata"]["logged_time"]
        assert finding == mapping.finding(raw.encode(), logged)


def test_a_file_a_directory_an_object_and_a_prefix_can_be_named(
    settings: Settings, place: str, good: Path, writer: LakeWriter, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.parquet"
    bare.write_bytes(good.read_bytes())
    assert faults(run(settings, str(bare))) == []
    assert faults(run(settings, str(good))) == []
    assert len(run(settings, str(tmp_path / "copy")).objects) == 1
    (key,) = writer.window(0, 40, 45)
    bucket = place.removesuffix("/ext/falco")
    assert [each.name for each in run(settings, f"{bucket}/{key}").objects] == [key]
    assert len(run(settings, f"{place}/").objects) == 2
    assert len(run(settings, bucket).objects) == 2
    for nothing in (str(tmp_path / "none"), f"{place}/region=none", f"{place}c", "s3://"):
        with pytest.raises(Misconfigured):
            run(settings, nothing)


def test_a_sample_is_spread_over_the_rows(settings: Settings, good: Path) -> None:
    found = run(settings, str(good), sample=7)
    assert (found.objects[0].rows, found.objects[0].validated) == (40, 7)
    numbers = [number for number, _ in ocsf_rows.findings(good, 7)]
    assert numbers == [0, 5, 11, 17, 22, 28, 34]


def test_without_the_schema_the_rest_is_checked(
    settings: Settings, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocsf_rows, "available", lambda: False)
    found = run(settings, str(good))
    assert (faults(found), found.objects[0].validated) == ([], 0)
    assert "pip install 'falcolake[verify]'" in found.notes()[0]


# ---- each rule broken


def rewrite(
    file: Path,
    change: Callable[[pa.Table], pa.Table] = lambda table: table,
    footer: dict[str, object] | None = None,
    **options: Any,
) -> None:
    """Write a file anew, changed."""
    with pq.ParquetFile(file) as source:
        table = source.read()
    said = {
        **{name: value for name, value in table.schema.metadata.items() if b"falcolake" in name},
        **{f"falcolake.{name}".encode(): f"{value}" for name, value in (footer or {}).items()},
    }
    changed = change(table).replace_schema_metadata(said)
    pq.write_table(changed, file, **{"compression": "zstd", **options})


def with_column(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = values(table[name]) if callable(values) else values
        return table.set_column(table.schema.get_field_index(name), name, column)

    return change


def first_of(column: pa.ChunkedArray, value: Any) -> pa.Array:
    """A column with another first value."""
    return pa.array([value, *column.to_pylist()[1:]], column.type)


def widen(table: pa.Table) -> pa.Table:
    """A process id of 64 bits, deep in the evidences."""

    def wide(kind: pa.DataType, name: str) -> pa.DataType:
        if pa.types.is_struct(kind):
            return pa.struct([each.with_type(wide(each.type, each.name)) for each in kind])
        if pa.types.is_list(kind):
            return pa.list_(wide(kind.value_type, name))
        return pa.int64() if name == "pid" else kind

    column = table["evidences"]
    return with_column("evidences", column.cast(wide(column.type, "")))(table)


def with_version(version: str) -> Callable[[pa.Table], pa.Table]:
    """Another OCSF version in the first row."""

    def change(table: pa.Table) -> pa.Table:
        rows = table["metadata"].to_pylist()
        rows[0]["version"] = version
        return with_column("metadata", pa.array(rows, table["metadata"].type))(table)

    return change


BAD: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "torn": ("parquet", "cannot be read", lambda f: f.write_bytes(f.read_bytes()[:-20])),
    "empty": ("parquet", "cannot be read", lambda f: f.write_bytes(b"")),
    "page header": ("parquet", "no page header", lambda f: overwrite(f, 4, b"\xff" * 8)),
    "no footer": ("footer", "nothing of falcolake", lambda f: pq.write_table(bare(f), f)),
    "another window": (
        "footer",
        "its key says end 40; its footer says 41",
        lambda f: rewrite(f, footer={"end": 41}),
    ),
    "counts": ("footer", "not the sum", lambda f: rewrite(f, footer={"rejects": 3})),
    "too many rows": (
        "footer",
        "40 rows, but the window has 39 findings",
        lambda f: rewrite(f, footer={"findings": 39, "rejects": 1}),
    ),
    "another day": (
        "day",
        "rows of 20251231 to 20260102 under eventDay=20260102",
        lambda f: rewrite(f, with_column("time", lambda c: first_of(c, 1_767_139_200_000))),
    ),
    "order": (
        "order",
        "row 1 is earlier",
        lambda f: rewrite(f, lambda t: t.take(list(range(39, -1, -1)))),
    ),
    "one row out of order": (
        "order",
        "row 31 is earlier",
        lambda f: rewrite(f, lambda t: t.take([*range(30), 31, 30, *range(32, 40)])),
    ),
    "two classes": (
        "class",
        "more than one event class: class 2001 of version 1.1.0, class 2004 of version 1.1.0",
        lambda f: rewrite(f, with_column("class_uid", lambda c: first_of(c, 2001))),
    ),
    "another class": (
        "class",
        "class 1001 of version 1.1.0 is not one that falcolake writes",
        lambda f: rewrite(f, with_column("class_uid", pa.array([1001] * 40, pa.int32()))),
    ),
    "two versions": (
        "class",
        "more than one event class: class 2004 of version 1.1.0, class 2004 of version 1.8.0",
        lambda f: rewrite(f, with_version("1.8.0")),
    ),
    "missing column": (
        "columns",
        "status_id is missing",
        lambda f: rewrite(f, lambda t: t.drop(["status_id"])),
    ),
    "no time": (
        "parquet",
        "there is no column time",
        lambda f: rewrite(f, lambda t: t.drop(["time"])),
    ),
    "another column": (
        "columns",
        "partition is not a column of this class",
        lambda f: rewrite(f, lambda t: t.append_column("partition", pa.array([1] * 40))),
    ),
    "type": (
        "columns",
        "severity_id is BIGINT, not INTEGER",
        lambda f: rewrite(f, with_column("severity_id", lambda c: c.cast(pa.int64()))),
    ),
    "nested type": ("columns", 'evidences is "pid" BIGINT', lambda f: rewrite(f, widen)),
    "time without zone": (
        "columns",
        "time_dt is timestamp[ms], not TIMESTAMP_MS",
        lambda f: rewrite(f, with_column("time_dt", lambda c: c.cast(pa.timestamp("ms")))),
    ),
    "column order": (
        "columns",
        "they are in another order",
        lambda f: rewrite(f, lambda t: t.select(t.column_names[::-1])),
    ),
    "page": (
        "page",
        "raw_data has a data page of 3,0",
        lambda f: rewrite(
            f,
            with_column("raw_data", lambda c: pc.binary_repeat(pa.array(["x" * 75_000] * 40), 1)),
            use_dictionary=False,
            data_page_size=1 << 30,
        ),
    ),
    "codec": ("codec", "compressed with snappy", lambda f: rewrite(f, compression="snappy")),
    "schema": (
        "schema",
        "severity_id: ",
        lambda f: rewrite(f, with_column("severity_id", pa.array([77] * 40, pa.int32()))),
    ),
    "required attribute": (
        "schema",
        '"activity_id" is a required property (row 0)',
        lambda f: rewrite(f, with_column("activity_id", lambda c: first_of(c, None))),
    ),
    "no such region": (
        "path",
        "'nowhere' is not an AWS region",
        lambda f: move(f, f"region={REGION}", "region=nowhere"),
    ),
    "no such account": ("path", "'12' is not an account id", lambda f: move(f, ACCOUNT, "12")),
    "no day": (
        "path",
        "not region=",
        lambda f: move(f, "eventDay=20260102", "eventDay=2026-01-02"),
    ),
    "name": ("path", "not region=", lambda f: move(f, "alerts-00000", "alerts-0")),
}


def bare(file: Path) -> pa.Table:
    with pq.ParquetFile(file) as source:
        return source.read().replace_schema_metadata(None)


def overwrite(file: Path, at: int, content: bytes) -> None:
    body = bytearray(file.read_bytes())
    body[at : at + len(content)] = content
    file.write_bytes(body)


def move(file: Path, part: str, other: str) -> None:
    target = Path(str(file).replace(part, other))
    target.parent.mkdir(parents=True, exist_ok=True)
    file.rename(target)


def test_every_rule_has_an_object_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BAD.values()} | {"row group"} == set(get_args(rules.Rule))


@pytest.mark.parametrize("bad", BAD)
def test_an_object_that_breaks_a_rule_is_named(settings: Settings, good: Path, bad: str) -> None:
    rule, said, spoil = BAD[bad]
    top = good.parents[5]
    spoil(good)
    found = run(settings, str(top))
    assert [message for broken_rule, message in faults(found) if broken_rule == rule], faults(found)
    assert any(said in message for each, message in faults(found) if each == rule), faults(found)
    assert bool(found.faults) == (rule != "codec")


def test_only_the_rule_that_is_broken_is_named(settings: Settings, good: Path) -> None:
    rewrite(good)
    assert faults(run(settings, str(good))) == []
    rewrite(good, lambda table: table.take(list(range(39, -1, -1))))
    assert broken(run(settings, str(good))) == {"order"}
    rewrite(good, lambda table: table.take(list(range(39, -1, -1))), footer={"filtered": 1})
    assert broken(run(settings, str(good))) == {"footer"}


def test_a_row_group_that_is_too_large_is_named(
    settings: Settings, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ROW_GROUP_BYTES", 2000)
    ((rule, message),) = faults(run(settings, str(good)))
    assert rule == "row group"
    assert message.startswith("row group 0 has ")


@pytest.mark.faults
@pytest.mark.parametrize(("length", "too_large"), [(6_500_000, False), (6_900_000, True)])
def test_a_row_group_of_more_than_256_mib_is_named(
    settings: Settings, good: Path, length: int, too_large: bool
) -> None:
    column = with_column("raw_data", pa.array(["x" * length] * 40))
    rewrite(good, column, compression="none", use_dictionary=False)
    found = [said for rule, said in faults(run(settings, str(good), sample=1)) if "group" in rule]
    assert len(found) == too_large
    assert all(said.startswith("row group 0 has 276,0") for said in found)


def test_the_same_fault_in_many_rows_is_told_once(settings: Settings, good: Path) -> None:
    rewrite(good, with_column("activity_id", pa.array([None] * 40, pa.int32())))
    ((rule, message),) = faults(run(settings, str(good)))
    assert rule == "schema"
    assert message == '"activity_id" is a required property (row 0, and 39 more)' or (
        message == 'finding: "activity_id" is a required property (row 0, and 39 more)'
    )


def test_an_object_in_the_wrong_place_of_a_bucket_is_named(
    settings: Settings, writer: LakeWriter, good: Path
) -> None:
    name = f"{PLACE}/{good.name}"
    bucket = f"s3://{settings.lake.bucket}"
    for key, rule, said in (
        ("ext/falco/somewhere.parquet", "path", "not region="),
        (f"ext/a-name-of-a-source-that-is-too-long/{name}", "path", "at most 20 characters"),
        (f"falco/{name}", "path", "not 'falco'"),
        (name, "path", "not ''"),
        (f"ext/falco/{name.replace('-00000', '-00001')}", "footer", "says partition 1, first 1"),
    ):
        writer.put(key, good.read_bytes())
        found = run(settings, f"{bucket}/{key}", sample=1)
        assert [each for each in faults(found) if each[0] == rule and said in each[1]], key


def test_a_key_that_begins_with_a_slash_is_named(good: Path) -> None:
    """As falcosidekick's own output writes them; S3 clients differ in what they make of one."""
    _, found = rules.check(good, f"/ext/falco/{PLACE}/{good.name}", placed=True)
    assert [fault.message for fault in found if fault.rule == "path"] == [
        "the key begins with a slash, so it is not under a source's prefix"
    ]
    _, found = rules.check(good, f"ext/falco/{PLACE}/{good.name}", placed=True)
    assert found == []
