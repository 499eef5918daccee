"""The bytes of a file → the records in it, in memory that no file can exceed. Pure.

A file has JSON values one after the other: one a line, one alone, on one line or many, or in
arrays. Each object or string becomes a record with its own bytes. What is not JSON becomes a
record too, line by line, and the worker makes it a dead letter with a reason. Only white space,
and the brackets and commas between values, become nothing. A value that ends on another line than
it begins is one only if it is JSON to its end; otherwise each of its lines stands for itself, so a
line that was cut off costs none of the lines after it.

Time is proportional to the bytes: none is scanned more than a few times.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from schemas.falco.alert import is_deep
from streams.receive.bodies import next_value, one_object

#: Bytes of the largest record. Kafka's own limit is 1 MB, after compression.
MOST_BYTES = 16 << 20

#: An error so near to the end of what is read may be there because the rest is not read yet.
_NEAR_THE_END = 16

#: Characters between two values on one line after which they are not kept.
_LONG = 1 << 16

_BOM = "\xef\xbb\xbf"
_BETWEEN = re.compile(r"[ \t\r\n\[\],]*")
_SCALAR = re.compile(r"(?:-?\d[-+.\deE]*|true|false|null)(?=[ \t]*[,\]\r\n])")


class Piece(NamedTuple):
    """A record, its size, and the line where it begins.

    The value is None if the record is larger than the largest.
    """

    value: bytes | None
    size: int
    line: int


def new_digest() -> "hashlib.blake2b":
    """Return a digest of nothing yet."""
    return hashlib.blake2b(digest_size=16)


class Cutter:
    """Cuts a stream, from a position behind a record on.

    `passed` is a digest of what is before that position, and goes on with it.
    """

    def __init__(
        self,
        position: int = 0,
        line: int = 1,
        passed: "hashlib.blake2b | None" = None,
        most: int = MOST_BYTES,
    ) -> None:
        self._most = most
        self._passed = new_digest() if passed is None else passed
        # Latin-1 has a character for each byte, so what is cut keeps its bytes, whatever they are.
        self._text = ""
        self._waiting: list[str] = []
        self._awaited = 0
        self._needed = 1
        #: Where in the text everything before is a record already, and what that is in the stream.
        self._at = 0
        self.position, self.line = position, line
        self._begins = position == 0
        #: Where in the text the line ends that was looked at last.
        self._stop = 0
        #: Up to where a line is a record by itself, and up to where a line has several.
        self._alone = 0
        self._several = 0
        #: Size so far of a line that is too large to keep.
        self._dropped: int | None = None
        self._ended = False
        self._leave_torn = False
        self.torn: tuple[int, int] | None = None
        """Line and size of a value that the stream ends in, if it was asked to leave that."""

    def feed(self, block: bytes) -> Iterator[Piece]:
        """Yield the records that end in what was fed so far."""
        self._waiting.append(block.decode("latin-1"))
        self._awaited += len(block)
        if self._awaited >= self._needed:
            yield from self._cut()

    def finish(self, *, leave_torn: bool) -> Iterator[Piece]:
        """Yield the records at the end of the stream.

        With `leave_torn` not a value that the stream ends in: it may go on later.
        """
        self._ended, self._leave_torn = True, leave_torn
        yield from self._cut()

    def digest(self) -> str:
        """Return the digest of the stream up to the position, which is behind the last record."""
        return self._passed.hexdigest()

    def _cut(self) -> Iterator[Piece]:
        self._take()
        text = self._text
        while True:
            if self._dropped is not None:
                piece = self._drop()
                if piece is None:
                    return
                yield piece
            found = _BETWEEN.match(text, self._at)
            assert found is not None
            start = found.end()
            if start == len(text):
                self._pass_over(start)
                return
            bounds = self._next(text, start)
            if bounds is not None:
                yield self._piece(*bounds)
            elif self._dropped is None:
                self._needed = len(text) - start
                return

    def _pass_over(self, end: int) -> None:
        """Forget what is between values; of the last line it may yet belong to garbage."""
        self._needed = 1
        line = self._text.rfind("\n", self._at, end) + 1
        if line:
            self._go_to(line)
            self._begins = True
        if end - self._at > _LONG:
            self._go_to(end)
            self._begins = False

    def _take(self) -> None:
        """Append what was fed to what is left."""
        gone = self._at
        self._text = self._text[gone:] + "".join(self._waiting)
        self._waiting.clear()
        self._awaited = self._at = self._stop = 0
        self._alone = max(0, self._alone - gone)
        self._several = max(0, self._several - gone)
        if self.position == 0 and self._text.startswith(_BOM):
            self._go_to(len(_BOM))

    def _piece(self, begin: int, end: int) -> Piece:
        text, size = self._text, end - begin
        value = None if size > self._most else text[begin:end].encode("latin-1")
        self._go_to(begin)
        line = self.line
        self._go_to(end)
        self._begins = False
        return Piece(value, size, line)

    def _go_to(self, end: int) -> None:
        self._passed.update(self._text[self._at : end].encode("latin-1"))
        self.line += self._text.count("\n", self._at, end)
        self.position += end - self._at
        self._at = end

    def _next(self, text: str, start: int) -> tuple[int, int] | None:
        """Return where the next record begins and ends; None if more has to be read for that."""
        if start >= self._stop:
            stop = text.find("\n", start)
            self._stop = stop if stop >= 0 else len(text)
        stop = self._stop
        whole = stop < len(text) or self._ended
        if text[start] == "{" and whole and start >= self._several:
            line = text[start:stop].rstrip(" \t\r,]")
            if _is_object(line):
                return start, start + len(line)
            self._several = stop
        if text[start] in '{"':
            return self._value(text, start, stop, whole=whole)
        if (scalar := _SCALAR.match(text, start)) is not None:
            return start, scalar.end()
        return self._as_line(text, start, stop, start, whole=whole)

    def _value(self, text: str, start: int, stop: int, *, whole: bool) -> tuple[int, int] | None:
        alone = start < self._alone
        try:
            if alone:
                return start, start + next_value(text[start:stop], 0)[1]
            return start, next_value(text, start)[1]
        except RecursionError:
            wrong = start if is_deep(text[start:stop]) else len(text)
        except json.JSONDecodeError as error:
            wrong = start if alone else error.pos
            if not alone and self._is_cut_off(text, error):
                if not self._ended and len(text) - start <= self._most:
                    return None
                if self._ended and self._leave_torn:
                    self._tear(text, start)
                    return None
                wrong = len(text)
        return self._as_line(text, start, stop, wrong, whole=whole)

    def _is_cut_off(self, text: str, error: json.JSONDecodeError) -> bool:
        """Return whether a value may be one whose end is not read."""
        if error.msg.startswith("Unterminated"):
            return True
        end = len(text.rstrip()) - 1 if self._ended else len(text) - _NEAR_THE_END
        return error.pos >= end

    def _as_line(
        self, text: str, start: int, stop: int, wrong: int, *, whole: bool
    ) -> tuple[int, int] | None:
        """Return a line as a record; those after it, up to what is wrong, each stand alone.

        With the line go the brackets and commas that it begins with.
        """
        if not whole:
            if len(text) - start > self._most:
                self._go_to(start)
                self._dropped = 0
            return None
        if stop == len(text) and self._leave_torn:
            self._tear(text, start)
            return None
        self._alone = max(self._alone, text.rfind("\n", start, wrong) + 1)
        before = text.rfind("\n", self._at, start) + 1
        if before or self._begins:
            begin = max(before, self._at)
            start = begin + len(text[begin:start]) - len(text[begin:start].lstrip(" \t\r"))
        return start, start + len(text[start:stop].rstrip(" \t\r"))

    def _tear(self, text: str, start: int) -> None:
        self.torn = self.line + text.count("\n", self._at, start), len(text) - start

    def _drop(self) -> Piece | None:
        """Forget what is read of a line that is too large; return it as a record at its end."""
        text = self._text
        assert self._dropped is not None
        stop = text.find("\n", self._at)
        end = stop if stop >= 0 else len(text)
        self._dropped += end - self._at
        self._go_to(end)
        if stop < 0 and not self._ended:
            self._needed = 1
            return None
        size, self._dropped, self._begins = self._dropped, None, False
        return Piece(None, size, self.line)


def _is_object(line: str) -> bool:
    if not line.endswith("}"):
        return False
    try:
        one_object(line.encode("latin-1"))
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True
