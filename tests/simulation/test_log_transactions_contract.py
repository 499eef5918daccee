"""The contract of transactions in a partition's log, over the model and over Apache Kafka.

For `pytest --broker apache` only: the project's own broker has no transactions.
"""

from tests.simulation.logs import Log
from tests.simulation.test_log_contract import log

__all__ = ["log"]


def test_a_committed_transaction_is_read_and_leaves_a_hole(log: Log) -> None:
    log.begin(1, b"a", b"b")
    log.finish(1, commit=True)
    log.write(b"c")
    assert log.bounds() == (0, 4, 4)
    assert log.read(0) == ([(0, b"a"), (1, b"b"), (3, b"c")], 4)
    assert log.read(2) == ([(3, b"c")], 4)


def test_an_aborted_transaction_is_passed_over(log: Log) -> None:
    log.write(b"a")
    log.begin(1, b"b", b"c")
    log.finish(1, commit=False)
    assert log.bounds() == (0, 4, 4)
    assert log.read(0) == ([(0, b"a")], 4)
    assert log.read(2) == ([], 4)


def test_an_open_transaction_holds_up_what_is_after_it(log: Log) -> None:
    log.write(b"a")
    log.begin(1, b"b")
    log.write(b"c")
    log.begin(2, b"d")
    log.begin(1, b"e")
    assert log.bounds() == (0, 1, 5)
    assert log.read(0) == ([(0, b"a")], 1)
    log.finish(1, commit=True)
    assert log.bounds() == (0, 3, 6)
    assert log.read(0) == ([(0, b"a"), (1, b"b"), (2, b"c")], 3)
    log.finish(2, commit=False)
    assert log.bounds() == (0, 7, 7)
    assert log.read(2) == ([(2, b"c"), (4, b"e")], 7)
