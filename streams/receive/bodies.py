"""The body of a request → the records in it. Pure, and in time proportional to the body.

A body is one object, several one after the other (lines or not), an array, or lines with arrays in
them. Each object becomes a record with the bytes that were sent; of an array, each element does.
Once there is an object, nothing else in the body is dropped: an element or line that is something
else becomes a record too, and the worker makes it a dead letter with a reason. A body without any
object raises `NoAlertsError`. What an object says is not looked at: that is the worker's to judge.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from schemas.falco import reasons
from schemas.falco.alert import is_deep

#: Records of one request. Alerts of 1.4 KB fill the largest request before that.
MOST_RECORDS = 10_000

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\r\n]*")
_LINE = re.compile(r"[^\r\n]+")
#: An object, or text with one in it, as the worker reads them.
_OBJECT = re.compile(r'\{|"[ \t]*\{')

#: Reads bytes that are one object, without looking into its values.
one_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
#: Reads the next value of a text, as forgiving as the worker, which reads control characters, and
#: numbers out of any range.
next_value = json.JSONDecoder(
    strict=False, parse_int=str, parse_float=str, parse_constant=str
).raw_decode


class NoAlertsError(Exception):
    """A body without a JSON object; the message is a sentence that says why."""


class TooManyError(Exception):
    """A body with too many records; the message is a sentence."""


def records(body: bytes, most: int = MOST_RECORDS) -> list[bytes]:
    """Return the records in a body. Raise `NoAlertsError` or `TooManyError`, and nothing else."""
    body = body.removeprefix(_BOM).strip(b" \t\r\n")
    if not body:
        raise NoAlertsError("The body is empty.")
    try:
        one_object(body)
    except (msgspec.MsgspecError, RecursionError):
        return _cut(body, most)
    if is_deep(body.decode("latin-1")):  # how deep Python itself goes depends on its version
        return _cut(body, most)
    return [body]


def _cut(body: bytes, most: int) -> list[bytes]:
    # Latin-1 has a character for each byte, so what is cut keeps its bytes, whatever they are.
    text = body.decode("latin-1")
    try:
        found = _collect(_values(text), most)
    except ValueError:
        found = _collect(_lines(text), most)
    if not any(is_object for is_object, _ in found):
        raise NoAlertsError(_reason(body))
    return [value.encode("latin-1") for _, value in found]


def _collect(values: Iterator[tuple[bool, str]], most: int) -> list[tuple[bool, str]]:
    found = []
    for value in values:
        found.append(value)
        if len(found) > most:
            break
    else:
        return found
    if not any(is_object for is_object, _ in found):
        raise NoAlertsError(f"The body begins with {most:,} values that are not JSON objects.")
    raise TooManyError(f"The body has more than {most:,} alerts: send fewer in one request.")


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the values of each line; a line that is not JSON is one."""
    for found in _LINE.finditer(text):
        line = found[0].strip(" \t")
        if line:
            try:
                yield from list(_values(line))
            except ValueError:
                yield False, line


def _values(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the JSON values of a text, the elements of its arrays, and whether each is an object.

    Raises ValueError where it is not JSON, or nested too deeply.
    """
    if is_deep(text):
        raise ValueError
    at = _skip(text, 0)
    while at < len(text):
        if text[at] != "[":
            end = next_value(text, at)[1]
            yield _value(text, at, end)
            at = _skip(text, end)
            continue
        at = _skip(text, at + 1)
        more = text[at : at + 1] != "]"
        while more:
            end = next_value(text, at)[1]
            yield _value(text, at, end)
            at = _skip(text, end)
            more = text[at : at + 1] == ","
            if more:
                at = _skip(text, at + 1)
            elif text[at : at + 1] != "]":
                raise ValueError
        at = _skip(text, at + 1)


def _value(text: str, at: int, end: int) -> tuple[bool, str]:
    return _OBJECT.match(text, at, end) is not None, text[at:end]


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _reason(body: bytes) -> str:
    """Return why a body has no object in it."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return reasons.of_bytes(body).replace("The value", "The body", 1)
    try:
        list(_values(text))
    except ValueError:
        if is_deep(text):
            return "The body is nested too deeply."
        return reasons.of_text(text).replace("The value", "The body", 1)
    return "The body is JSON without an object in it: an alert is a JSON object."
