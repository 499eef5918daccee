"""The peers get the same task: their Parquet has our columns and our content."""

import itertools
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streams import samples
from streams.embedded.stack import EmbeddedStack
from tests.bench import contest
from tests.bench.ground import MIX, START_NS, SYSCALL, Ground, Topic, alerts
from tests.bench.peers.parquet import MAPPING, from_dicts, from_parts

TIMESTAMP = 1_795_392_000_123


def rows(parquet: bytes) -> dict[str, Any]:
    return {row["metadata"]["uid"]: row for row in pq.read_table(BytesIO(parquet)).to_pylist()}


@pytest.mark.parametrize("kind", [SYSCALL, MIX])
def test_both_ways_of_a_peer_write_what_the_mapping_says(kind: str) -> None:
    values = list(itertools.islice(alerts(kind), 300))
    one = rows(from_dicts([MAPPING.finding(value, TIMESTAMP) for value in values]))
    other = rows(from_parts([MAPPING.map(value, TIMESTAMP) for value in values]))
    assert len(one) == 300
    assert one == other


def test_a_run_that_lost_or_doubled_a_row_or_has_other_columns_has_no_figure(
    stack: EmbeddedStack, make_name: Callable[[], str]
) -> None:
    ground, run, client = Ground(), make_name(), stack.s3.client()
    ground.stack = stack
    values = list(samples.alerts(1, 20, START_NS))
    whole = from_parts([MAPPING.map(value, TIMESTAMP) for value in values])

    def check(count: int) -> int:
        return ground.check(Topic("topic", MIX, 1, count, 0), run)

    client.put_object(Bucket=stack.bucket, Key=f"{run}/1.parquet", Body=whole)
    assert check(20) == 1
    for wrong in (19, 21):
        with pytest.raises(ValueError, match=f"wrote 20 rows of {wrong} alerts"):
            check(wrong)
    with BytesIO() as file:
        pq.write_table(pq.read_table(BytesIO(whole)).drop_columns(["actor"]), file)
        client.put_object(Bucket=stack.bucket, Key=f"{run}/1.parquet", Body=file.getvalue())
    with pytest.raises(ValueError, match=r"other columns: \{'actor'\}"):
        check(20)
    client.put_object(Bucket=stack.bucket, Key=f"{run}/1.parquet", Body=whole)
    with BytesIO() as file:
        pq.write_table(pq.read_table(BytesIO(whole)), file, compression="snappy")
        client.put_object(Bucket=stack.bucket, Key=f"{run}/1.parquet", Body=file.getvalue())
    with pytest.raises(ValueError, match="compressed with SNAPPY"):
        check(20)


def test_the_versions_of_the_peers_are_pinned() -> None:
    for module, package in contest.MODULES.items():
        assert any(line.startswith(f"{package}==") for line in contest.versions(module))
        text = (contest.REQUIREMENTS / f"{module}.txt").read_text()
        assert all("==" in line for line in text.splitlines())


def test_a_peer_that_cannot_be_installed_says_why(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("./no-such-directory\n")
    with pytest.raises(RuntimeError, match=r"cannot be installed here: .*no-such-directory"):
        contest.python("none", tmp_path, tmp_path / "cache")
