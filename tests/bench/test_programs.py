"""The programs of others: where they are named, how they are set up, what they have put."""

import itertools
import json
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.bench import bento, content, intake, programs
from tests.bench.ground import STOCK, SYSCALL, alerts
from tests.bench.peers.parquet import MAPPING, SCHEMA, from_parts

TIMESTAMP = 1_795_392_000_123


@pytest.mark.parametrize("variable", [bento.VARIABLE, intake.VARIABLE])
def test_a_program_is_measured_only_where_it_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(RuntimeError, match=f"set {variable} to the path"):
        programs.named(variable)
    monkeypatch.setenv(variable, "/nowhere/program")
    with pytest.raises(RuntimeError, match=f"{variable} names no program: /nowhere/program"):
        programs.named(variable)


def test_bento_gets_our_columns_and_every_rule(tmp_path: Path) -> None:
    made = yaml.safe_load(bento.configure(tmp_path).read_text())
    batching = made["output"]["aws_s3"]["batching"]["processors"]
    (columns,) = (each["parquet_encode"]["schema"] for each in batching if "parquet_encode" in each)
    assert [column["name"] for column in columns] == list(MAPPING.columns)
    assert sum(map(_leaves, columns)) == pq.ParquetFile(BytesIO(_parquet(1))).metadata.num_columns

    text = (tmp_path / "bento.blobl").read_text()
    rules, _ = json.JSONDecoder().raw_decode(text.removeprefix("let rules = "))
    for kind in (SYSCALL, STOCK):
        for value in itertools.islice(alerts(kind), 100):
            finding = MAPPING.finding(value, -1)
            assert isinstance(finding, dict)
            rule = rules[finding["finding_info"]["title"]]
            assert rule["attacks"] == finding["finding_info"].get("attacks")
            assert rule["confidence_id"] == finding.get("confidence_id")


def _leaves(column: dict[str, object]) -> int:
    fields = column.get("fields")
    return sum(map(_leaves, fields)) if isinstance(fields, list) else 1


def _parquet(count: int) -> bytes:
    values = itertools.islice(alerts(SYSCALL), count)
    return from_parts([MAPPING.map(value, TIMESTAMP) for value in values])


def test_what_was_put_is_compared_value_by_value() -> None:
    table = pq.read_table(BytesIO(_parquet(20)))
    assert table.schema.names == SCHEMA.names
    found = {each["metadata"]["uid"]: each for each in table.to_pylist()}
    values, other = content.compare(found, alerts(SYSCALL))
    assert values > 20 * 100
    assert other == 0

    one, two, three, *_ = found.values()
    one["severity"], two["time"] = "Fatal", None
    three["time_dt"] = None
    assert content.compare(found, alerts(SYSCALL)) == (values, 2)


def test_a_row_of_no_alert_is_other_in_each_of_its_values() -> None:
    (row,) = pq.read_table(BytesIO(_parquet(1))).to_pylist()
    size = len(dict(content.leaves("", row)))
    assert content.compare({"unknown": row}, itertools.islice(alerts(SYSCALL), 5)) == (0, size)
