"""Each rule that an object breaks is named, and only that one."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from streams.audit import rules
from streams.audit.verify import run
from streams.settings.settings import Settings
from tests.streams.audit.conftest import (
    PLACE,
    broken,
    faults,
    first_of,
    rewrite,
    with_column,
)
from tests.streams.falco_records import ACCOUNT, REGION
from tests.streams.lake_writer import LakeWriter


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
    "no footer": ("footer", "no falcolake metadata", lambda f: pq.write_table(bare(f), f)),
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
    "no id outside AWS": (
        "path",
        "'external_' is not an account id",
        lambda f: move(f, ACCOUNT, "external_"),
    ),
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


@pytest.mark.parametrize("account", ["external", "external_gcp-project.1"])
def test_an_account_may_be_outside_aws(settings: Settings, good: Path, account: str) -> None:
    top = good.parents[5]
    move(good, ACCOUNT, account)
    (checked,) = run(settings, str(top)).objects
    assert [str(fault) for fault in checked.faults if fault.rule == "path"] == []


@pytest.mark.parametrize("bad", BAD)
def test_an_object_that_breaks_a_rule_is_named(settings: Settings, good: Path, bad: str) -> None:
    rule, said, spoil = BAD[bad]
    top = good.parents[5]
    spoil(good)
    found = run(settings, str(top))
    assert [message for broken_rule, message in faults(found) if broken_rule == rule], faults(found)
    assert any(said in message for each, message in faults(found) if each == rule), faults(found)
    assert bool(found.faults) == (rule != "codec")


@pytest.mark.parametrize(("version", "is_beyond"), [("1.3.0", False), ("1.8.0", True)])
def test_a_version_that_security_lake_does_not_take_is_a_warning(
    settings: Settings, good: Path, version: str, is_beyond: bool
) -> None:
    rewrite(good, with_version(version))
    (checked,) = run(settings, str(good)).objects
    said = [each for each in checked.faults if "outside what Amazon Security Lake" in each.message]
    assert [each.warning for each in said] == [True] * is_beyond


def test_only_the_rule_that_is_broken_is_named(settings: Settings, good: Path) -> None:
    rewrite(good)
    assert faults(run(settings, str(good))) == []
    rewrite(good, lambda table: table.take(list(range(39, -1, -1))))
    assert broken(run(settings, str(good))) == {"order"}
    rewrite(good, lambda table: table.take(list(range(39, -1, -1))), footer={"filtered": 1})
    assert broken(run(settings, str(good))) == {"footer"}


def test_a_row_group_that_is_too_large_is_named(good: Path) -> None:
    _, (fault,) = rules.check(good, str(good), placed=False, row_group_bytes=2000)
    assert fault.rule == "row group"
    assert fault.message.startswith("row group 0 has ")


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
