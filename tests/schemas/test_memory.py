"""A cache stays within its bytes, and clearing it changes no result."""

import msgspec

from schemas.memory import Remembered, Store, weigh


def test_a_weight_counts_texts_tuples_and_raw_json() -> None:
    text = "é" * 1000
    assert weigh(text) >= 1000
    assert weigh((text, text)) >= 2 * weigh(text) - 300
    assert weigh(msgspec.Raw(b"x" * 5000)) >= 5000


def test_a_function_is_cached_until_its_results_take_too_many_bytes() -> None:
    asked: list[str] = []
    remembered = Remembered(most_bytes=10_000)

    @remembered
    def double(text: str) -> str:
        asked.append(text)
        return text * 2

    assert [double("a"), double("a"), double("b")] == ["aa", "aa", "bb"]
    remembered.trim()
    assert double("a") == "aa"
    assert asked == ["a", "b"]
    double("c" * 10_000)
    remembered.trim()
    assert double("a") == "aa"
    assert asked[-1] == "a"


def test_a_full_store_is_cleared_and_a_huge_value_is_not_cached() -> None:
    store = Store[str, int](8_000)
    store.add("huge", 1, 1_001)
    assert store.get("huge") is None
    for number in range(8):
        store.add(f"{number}", number, 1_000)
    assert [store.get(f"{number}") for number in range(8)] == list(range(8))
    store.add("8", 8, 1_000)
    assert store.get("0") is None
    assert store.get("8") == 8
