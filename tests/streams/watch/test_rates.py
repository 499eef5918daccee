"""Rates over a sliding window: exact where they fit, and bounded where they do not."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.watch.alerts import Seen
from streams.watch.rates import LONGEST, MOST_NAMES, SLOTS, Rates, Row, Tally

NOW = 1_767_323_045_000


def alert(rule: str = "shell", namespace: str = "shop", host: str = "node-1") -> Seen:
    return Seen(NOW, 2, "Low", rule, "syscall", host, namespace, "web", "text")


def test_the_window_is_exact_where_it_begins() -> None:
    rates = Rates(60, NOW)
    for at in (NOW - 60_001, NOW - 60_000, NOW - 1, NOW, NOW + 5000):
        rates.add(at, alert())
    assert rates.totals() == {"alerts": 4, "rejects": 0, "filtered": 0}
    assert rates.seconds == 60
    assert rates.table("rule", 10).rows == [Row("shell", 4, 4 / 60)]


def test_what_is_older_than_the_window_leaves_it() -> None:
    rates = Rates(60, NOW)
    for second in range(120):
        rates.tick(NOW + second * 1000)
        rates.add(NOW + second * 1000, alert("early" if second < 58 else "late"))
        rates.count(NOW + second * 1000, "rejects")
    assert rates.seconds == 61, "up to a slot longer"
    (row,) = rates.table("rule", 10).rows
    assert (row.name, row.alerts, round(row.per_second, 1)) == ("late", 62, 1.0)
    assert rates.totals()["rejects"] == 62
    rates.tick(NOW + 10**9)
    assert rates.totals() == {"alerts": 0, "rejects": 0, "filtered": 0}
    assert rates.table("rule", 10).rows == []


def test_a_clock_that_steps_back_forgets_nothing() -> None:
    rates = Rates(60, NOW)
    rates.add(NOW, alert())
    rates.tick(NOW - 10**6)
    assert rates.totals()["alerts"] == 1


def test_tables_have_the_most_frequent_first_and_the_others_together() -> None:
    rates = Rates(60, NOW)
    for name, count in (("a", 1), ("b", 3), ("c", 2), ("d", 1)):
        for _ in range(count):
            rates.add(NOW, alert(host=name, namespace=""))
    rows, others = rates.table("host", 2)
    assert ([row[:2] for row in rows], others) == ([("b", 3), ("c", 2)], 2)
    plain = rates.plain(2)
    assert plain["hosts"][0] == {"name": "b", "alerts": 3, "per_second": 0.05}
    assert (plain["other_hosts"], plain["namespaces"][0]["name"]) == (2, None)


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from("abcdef"))))
def test_counts_are_those_of_the_window(events: Sequence[tuple[int, str]]) -> None:
    tally = Tally()
    for slot, name in sorted(events):
        tally.forget(slot - SLOTS)
        tally.add(slot, name)
    last = max((slot for slot, _ in events), default=0)
    counts = Counter(name for slot, name in events if slot >= last - SLOTS)
    assert dict(tally.most_common(10)[0]) == counts


def test_a_million_names_neither_fill_a_table_nor_hide_the_frequent_one() -> None:
    tally = Tally()
    for number in range(100_000):
        tally.add(number % SLOTS, f"stranger {number}")
        if number % 100 == 50:
            tally.add(number % SLOTS, "frequent")
        assert len(tally) < 2 * MOST_NAMES
    rows, others = tally.most_common(1)
    assert rows == [("frequent", 1000)]
    assert others == 100_000
    tally.forget(SLOTS)
    assert (len(tally), tally.most_common(1)) == (0, ([], 0))


def test_long_names_are_cut() -> None:
    tally = Tally()
    tally.add(0, "x" * 10**6)
    (((name, _),), _) = tally.most_common(1)
    assert (len(name), name[-2:]) == (LONGEST, "x…")
