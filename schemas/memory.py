"""Caches of pure functions and of the mapping, bounded by bytes.

An alert may have 16 KB of text that no other alert has, so a limit on entries alone is no limit.
A cache never changes a result; clearing it costs only time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

_Answer = TypeVar("_Answer")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

#: About how many bytes all functions together may cache.
MOST_BYTES = 24 << 20

#: Bytes of an entry besides its texts: the dictionary's slot and the objects' headers.
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
    """A decorator that caches functions, and counts the bytes that their results take together."""

    def __init__(self, most_bytes: int = MOST_BYTES, entries: int = 4096) -> None:
        self._most_bytes = most_bytes
        self._entries = entries
        self._caches: list[Any] = []
        self._bytes = 0

    def __call__(self, function: Callable[..., _Answer]) -> Callable[..., _Answer]:
        """Cache the last results of a pure function of strings and small values."""

        def answer(*arguments: Any) -> _Answer:
            found = function(*arguments)
            self._bytes += weigh(arguments, found)
            return found

        kept = lru_cache(self._entries)(answer)
        self._caches.append(kept)
        return kept

    def trim(self) -> None:
        """Clear the caches if they take too many bytes. Call it between alerts."""
        if self._bytes > self._most_bytes:
            self.clear()

    def clear(self) -> None:
        """Clear the caches."""
        for kept in self._caches:
            kept.cache_clear()
        self._bytes = 0


remembered = Remembered()
"""The cache of the functions of `schemas`."""


class Store(Generic[_Key, _Value]):
    """A cache of values by key, cleared once it takes more than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._values: dict[_Key, _Value] = {}
        self.get = self._values.get
        """The value of a key, or None."""

    def add(self, key: _Key, value: _Value, size: int) -> bool:
        """Cache a value of about `size` bytes, unless that is more than an eighth of the limit.

        Return whether the cache was cleared to make room.
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
        """Clear the cache."""
        self._values.clear()
        self._bytes = 0
