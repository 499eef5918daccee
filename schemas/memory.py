"""What pure functions and the mapping remember, bounded by bytes.

An alert may hold 16 KB of text that no other alert has, so a bound on entries alone bounds nothing.
Remembering never changes an answer; forgetting costs time only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

_Answer = TypeVar("_Answer")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

#: Bytes that all functions together may remember, about.
MOST_BYTES = 24 << 20

#: Bytes of an entry apart from its texts: the dictionary's slot and the objects' own heads.
ENTRY_BYTES = 300


def weigh(*values: Any) -> int:
    """Return about how many bytes values take; tuples count with their items."""
    total = ENTRY_BYTES
    for value in values:
        if value.__class__ is tuple:
            total += weigh(*value)
        elif value.__class__ is msgspec.Raw:
            total += len(bytes(value))
        else:
            total += int(value.__sizeof__())
    return total


class Remembered:
    """Functions that remember their answers, and how many bytes these answers take together."""

    def __init__(self, most_bytes: int = MOST_BYTES, entries: int = 4096) -> None:
        self._most_bytes = most_bytes
        self._entries = entries
        self._caches: list[Any] = []
        self._bytes = 0

    def __call__(self, function: Callable[..., _Answer]) -> Callable[..., _Answer]:
        """Remember the last answers of a pure function of strings and small values."""

        def answer(*arguments: Any) -> _Answer:
            found = function(*arguments)
            self._bytes += weigh(arguments, found)
            return found

        kept = lru_cache(self._entries)(answer)
        self._caches.append(kept)
        return kept

    def trim(self) -> None:
        """Forget every answer once they take too many bytes; call it between alerts."""
        if self._bytes > self._most_bytes:
            self.clear()

    def clear(self) -> None:
        """Forget every answer."""
        for kept in self._caches:
            kept.cache_clear()
        self._bytes = 0


remembered = Remembered()
"""What the functions of `schemas` remember."""


class Store(Generic[_Key, _Value]):
    """Values by key that are all forgotten once they take more than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._values: dict[_Key, _Value] = {}
        self.get = self._values.get
        """The value of a key, or None."""

    def add(self, key: _Key, value: _Value, size: int) -> bool:
        """Keep a value of about `size` bytes, unless it is an eighth of what may be kept or more.

        Returns whether everything else was forgotten to make room.
        """
        if size > self._most_bytes // 8:
            return False
        full = self._bytes + size > self._most_bytes
        if full:
            self.clear()
        self._bytes += size
        self._values[key] = value
        return full

    def clear(self) -> None:
        """Forget every value."""
        self._values.clear()
        self._bytes = 0
