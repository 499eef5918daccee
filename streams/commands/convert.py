"""Alerts in files → OCSF findings, for `falcolake map`: no Kafka, no S3.

Reads JSON lines one at a time, however long the file, or one JSON array as a whole. The mapping is
the worker's own, so a reject here is what a worker would write to the dead-letter topic.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from streams.errors import Misconfigured

STANDARD_INPUT = "-"
NO_TIMESTAMP = -1  # what Kafka itself says for a record without one

Made = TypeVar("Made")


def convert(
    make: Callable[[bytes, int], Made], names: Sequence[str] | None
) -> Iterator[tuple[str, Made]]:
    """Yield for every value of some files its place and what `make` makes of it.

    "-" is standard input, which is read if no file is named. The place is `name:line`, or
    `name[index]` in an array. Empty lines are skipped.

    Raises:
        Misconfigured: a file that cannot be read; told before the first is read.
    """
    with ExitStack() as opened:
        sources = [(name, _open(name, opened)) for name in names or [STANDARD_INPUT]]
        for name, source in sources:
            for place, value in _values(name, source):
                yield place, make(value, NO_TIMESTAMP)


def _open(name: str, opened: ExitStack) -> BinaryIO:
    if name == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return opened.enter_context(Path(name).open("rb"))
    except OSError as error:
        raise Misconfigured(
            f"cannot read {name}: {error.strerror}", "give a file of JSON lines, or - for a pipe"
        ) from None


def _values(name: str, source: BinaryIO) -> Iterator[tuple[str, bytes]]:
    begun = False
    for number, line in enumerate(source, start=1):
        value = line.strip()
        if not value:
            continue
        if not begun and value.startswith(b"["):
            yield from _array(name, number, line + source.read())
            return
        begun = True
        yield f"{name}:{number}", value


def _array(name: str, number: int, text: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        values = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # No array after all, but lines of which the first is wrong.
        for offset, line in enumerate(text.splitlines()):
            if value := line.strip():
                yield f"{name}:{number + offset}", value
    else:
        for index, raw in enumerate(values):
            yield f"{name}[{index}]", bytes(raw)
