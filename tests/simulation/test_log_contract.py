"""The contract of a partition's log, over the model and over a real broker.

With `--broker apache` the real one is Apache Kafka; its transactions have a file of their own.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from streams.embedded.stack import BrokerName, EmbeddedStack
from tests.flow.cut_logs import cut_log
from tests.simulation.contracts import KINDS, either
from tests.simulation.logs import Log, Model, Real


@pytest.fixture(params=KINDS)
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    yield from either(request, Model, Real)


@pytest.fixture(params=KINDS)
def own_log(request: pytest.FixtureRequest, tmp_path: Path, broker: BrokerName) -> Iterator[Log]:
    """A log on a broker that the test may stop."""
    if request.param == "the model":
        yield Model()
        return
    with EmbeddedStack(tmp_path / "stack", partitions=1, broker=broker) as stack:
        real = Real(stack.kafka_bootstrap, stack.topic, partial(cut_log, stack, 0))
        yield real
        real.close()


def test_records_have_dense_offsets_and_are_read_from_any_of_them(log: Log) -> None:
    assert log.bounds() == (0, 0, 0)
    log.write(b"a", b"b")
    log.write(b"c")
    assert log.bounds() == (0, 3, 3)
    assert log.read(0) == ([(0, b"a"), (1, b"b"), (2, b"c")], 3)
    assert log.read(1) == ([(1, b"b"), (2, b"c")], 3)
    assert log.read(3) == ([], 3)
    assert log.read(4) is None


def test_retention_moves_the_start_also_within_a_batch(log: Log) -> None:
    log.write(b"a", b"b", b"c")
    log.retain(2)
    assert log.bounds() == (2, 3, 3)
    assert log.read(1) is None
    assert log.read(2) == ([(2, b"c")], 3)
    log.retain(1)
    assert log.bounds() == (2, 3, 3)
    log.retain(3)
    assert log.bounds() == (3, 3, 3)
    log.write(b"d")
    assert log.read(3) == ([(3, b"d")], 4)


def test_a_recreated_topic_is_empty_and_has_another_id(log: Log) -> None:
    log.write(b"a")
    before = log.topic_id()
    assert before == log.topic_id()
    log.recreate()
    assert log.topic_id() != before
    assert log.bounds() == (0, 0, 0)
    log.write(b"b")
    assert log.read(0) == ([(0, b"b")], 1)


def test_an_epoch_that_the_log_has_ends_where_the_log_does_and_another_at_0(log: Log) -> None:
    log.write(b"a", b"b")
    now = log.epoch_at(1)
    assert log.epoch_at(0) == now
    assert log.epoch_end(now) == 2
    assert log.epoch_end(now + 7) == 0


def test_a_cut_log_ends_earlier_in_its_epoch_however_long_it_is_later(own_log: Log) -> None:
    log = own_log
    log.write(b"a", b"b")
    log.write(b"c")
    first = log.epoch_at(2)
    log.cut(2)
    assert log.bounds() == (0, 2, 2)
    assert log.read(3) is None
    log.write(b"x", b"y", b"z")
    assert log.read(1) == ([(1, b"b"), (2, b"x"), (3, b"y"), (4, b"z")], 5)
    second = log.epoch_at(2)
    assert second > first == log.epoch_at(1)
    assert (log.epoch_end(first), log.epoch_end(second)) == (2, 5)
    log.cut(0)
    assert log.bounds() == (0, 0, 0)
    log.write(b"1")
    assert log.read(0) == ([(0, b"1")], 1)
    assert log.epoch_at(0) > second
    assert (log.epoch_end(first), log.epoch_end(second)) == (0, 0)
