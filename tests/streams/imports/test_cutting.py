"""Records are cut from any bytes: every form, every block size, nothing lost, linear time."""

import hashlib
import json
import random
from collections.abc import Iterable

import pytest

from streams.imports.cutting import Cutter, Piece
from tests.timing import cpu_seconds


def cut(
    text: bytes, size: int = 1 << 16, *, leave_torn: bool = False, most: int = 1 << 20
) -> list[Piece]:
    """Return the pieces of a stream that is read in blocks of a size."""
    cutter = Cutter(most=most)
    found: list[Piece] = []
    for begin in range(0, len(text), size):
        found += cutter.feed(text[begin : begin + size])
    return [*found, *cutter.finish(leave_torn=leave_torn)]


def values(text: bytes, size: int = 1 << 16) -> list[bytes | None]:
    return [piece.value for piece in cut(text, size)]


ONE, TWO = b'{"rule":"one","n":{"a":[1,{}]}}', b'{"rule": "two ]},[{\\"\\n"}'
PRETTY = json.dumps({"rule": "three", "tags": ["a", {"b": "}"}]}, indent=2).encode()

FORMS = {
    "one a line": (ONE + b"\n" + TWO + b"\n", [ONE, TWO]),
    "without a last line break": (ONE + b"\n" + TWO, [ONE, TWO]),
    "line breaks of Windows, empty lines, blanks": (
        b"\xef\xbb\xbf\r\n" + ONE + b"\r\n\r\n \t\n  " + TWO + b" \r\n\n",
        [ONE, TWO],
    ),
    "one alone on several lines": (PRETTY, [PRETTY]),
    "several on several lines": (PRETTY + b"\n" + PRETTY + b"\n", [PRETTY, PRETTY]),
    "an array on one line": (b"[" + ONE + b"," + TWO + b", " + ONE + b"]", [ONE, TWO, ONE]),
    "an array, each on a line": (b"[\n" + ONE + b",\n" + TWO + b"\n]\n", [ONE, TWO]),
    "a pretty array": (b"[\n" + PRETTY + b",\n" + PRETTY + b"\n]\n", [PRETTY, PRETTY]),
    "an array a line": (b"[" + ONE + b"]\n[" + TWO + b"," + ONE + b"]\n", [ONE, TWO, ONE]),
    "one behind the other": (ONE + TWO + PRETTY + ONE, [ONE, TWO, PRETTY, ONE]),
    "strings with alerts": (json.dumps(ONE.decode()).encode(), [json.dumps(ONE.decode()).encode()]),
    "nothing": (b"", []),
    "only white space and empty arrays": (b" \n[]\n[ ]\n", []),
    "garbage lines": (b"hello\n" + ONE + b"\n[INFO] started\n\xff\xfe\x00\n", [
        b"hello", ONE, b"[INFO] started", b"\xff\xfe\x00"]),
    "scalars": (b"[1, null,\ntrue]\n-1.5e9\n", [b"1", b"null", b"true", b"-1.5e9"]),
    "garbage behind an alert": (ONE + b", what\n" + TWO, [ONE, b"what", TWO]),
    "a line cut in a string": (b'{"rule":"cut o\n' + ONE + b"\n" + TWO, [
        b'{"rule":"cut o', ONE, TWO]),
    "a line cut behind a colon": (b'{"rule":\n' + ONE + b"\n" + TWO, [b'{"rule":', ONE, TWO]),
    "a line cut behind a comma": (b'{"rule":1,\n' + ONE + b"\n" + TWO, [b'{"rule":1,', ONE, TWO]),
    "a line cut in a list": (b'{"t":["a",\n' + ONE + b"\n" + TWO, [b'{"t":["a",', ONE, TWO]),
    "a last line that is cut": (ONE + b'\n{"rule":"cu', [ONE, b'{"rule":"cu']),
    "an array that is cut": (b"[" + ONE + b",\n" + TWO + b",\n", [ONE, TWO]),
    "broken bytes": (b'{"rule":"\xff\xfe"}\n', [b'{"rule":"\xff\xfe"}']),
    "control characters": (b'[{"rule":"a\tb"},' + ONE + b"]", [b'{"rule":"a\tb"}', ONE]),
    "deeper than any alert": (b'{"a":' * 9000 + b"\n" + ONE, [b'{"a":' * 9000, ONE]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_cut_into_the_bytes_of_its_values_whatever_the_blocks(name: str) -> None:
    text, expected = FORMS[name]
    sizes = (1, 2, 3, 7, 64, 1 << 20) if len(text) < 1000 else (4096, 1 << 20)
    for size in sizes:
        assert values(text, size) == expected, size


@pytest.mark.parametrize("name", FORMS)
def test_from_behind_any_record_the_others_follow(name: str) -> None:
    text, expected = FORMS[name]
    first = Cutter()
    for number, _ in enumerate(first.feed(text), start=1):
        rest = Cutter(first.position, first.line)
        found = [*rest.feed(text[first.position :]), *rest.finish(leave_torn=False)]
        assert len(found) == len(expected) - number or "cut behind" in name


def test_pieces_know_their_lines_and_positions() -> None:
    text = b"\n" + ONE + b"\n" + PRETTY + b"\n" + TWO + TWO + b"\nno\n"
    assert [piece.line for piece in cut(text, 5)] == [2, 3, 12, 12, 13]
    cutter = Cutter()
    for piece in cutter.feed(text):
        assert piece.value is not None
        before = text[: cutter.position]
        assert before.endswith(piece.value)
        assert cutter.line == before.count(b"\n") + 1
        assert cutter.digest() == hashlib.blake2b(before, digest_size=16).hexdigest()


@pytest.mark.parametrize("seed", range(200))
def test_nothing_of_any_bytes_is_lost(seed: int) -> None:
    choose = random.Random(seed)
    parts = [
        ONE,
        TWO,
        PRETTY,
        b"\n",
        b"[",
        b"]",
        b",",
        b"{",
        b'"',
        b"\\",
        b"x",
        b"1",
        b"\r\n",
        b" ",
    ]
    text = b"".join(choose.choices(parts, k=choose.randrange(1, 30)))
    found = values(text, choose.randrange(1, 40))
    kept = b"".join(value for value in found if value is not None)
    blank = bytes.maketrans(b"", b"")
    assert kept.translate(blank, b" \t\r\n[],") == text.translate(blank, b" \t\r\n[],")


def test_a_torn_end_is_left_where_it_may_go_on() -> None:
    cutter = Cutter()
    found = [*cutter.feed(ONE + b'\n\n{"rule":"cu'), *cutter.finish(leave_torn=True)]
    assert [piece.value for piece in found] == [ONE]
    assert cutter.torn == (3, 11)
    rest = Cutter(cutter.position, cutter.line)
    assert [piece.value for piece in rest.feed(b'\n\n{"rule":"cut"}\n')] == [b'{"rule":"cut"}']


@pytest.mark.parametrize("end", [b"half a li", PRETTY[:-1], b'{"a":1,\n', b"1"])
def test_what_ends_in_the_middle_is_torn(end: bytes) -> None:
    cutter = Cutter()
    found = [*cutter.feed(ONE + b"\n" + end), *cutter.finish(leave_torn=True)]
    assert [piece.value for piece in found] == [ONE]
    assert cutter.torn == (2, len(end))


@pytest.mark.parametrize("end", [b"half a line\n", b"{bad}\n", PRETTY, ONE])
def test_what_has_an_end_is_not_torn(end: bytes) -> None:
    cutter = Cutter()
    found = [*cutter.feed(ONE + b"\n" + end), *cutter.finish(leave_torn=True)]
    assert [piece.value for piece in found] == [ONE, end.rstrip()]
    assert cutter.torn is None


def blocks_of(size: int, block: bytes) -> Iterable[bytes]:
    return (block for _ in range(size // len(block)))


@pytest.mark.parametrize("between", [b"\n", b" ", b"[", b"\r\n,"])
def test_what_is_between_alerts_takes_no_memory(between: bytes) -> None:
    cutter = Cutter()
    found = [*cutter.feed(ONE + b"\n")]
    for block in blocks_of(8 << 20, between * 16384):
        found += cutter.feed(block)
        assert len(cutter._text) + cutter._awaited < 1 << 20
    found += cutter.feed(b"\n" + TWO + b"\n")
    assert [piece.value for piece in found] == [ONE, TWO]


@pytest.mark.parametrize("begin", [b"", b'{"rule":"', b'["', b"["])
def test_a_line_without_end_is_one_record_that_is_too_large_and_takes_no_memory(
    begin: bytes,
) -> None:
    cutter = Cutter(most=1 << 20)
    found = [*cutter.feed(ONE + b"\n" + begin)]
    for block in blocks_of(64 << 20, b"x" * 65536):
        found += cutter.feed(block)
        assert len(cutter._text) + cutter._awaited < 5 << 20
    found += cutter.feed(b"\n" + TWO + b"\n")
    found += cutter.finish(leave_torn=False)
    assert [piece.value for piece in found] == [ONE, None, TWO]
    assert [piece.line for piece in found] == [1, 2, 3]
    assert found[1].size in range(64 << 20, (64 << 20) + 10)


def test_an_alert_that_is_too_large_costs_not_its_neighbours() -> None:
    large = b'{"rule":"' + b"x" * 3000 + b'"}'
    found = cut(ONE + b"\n" + large + b"\n" + TWO, most=1000)
    assert [piece.value for piece in found] == [ONE, None, TWO]
    found = cut(b"{\n" + b"1\n" * 3000 + ONE, most=1000)
    assert [piece.value for piece in found] == [b"{", *[b"1"] * 3000, ONE]


HARD = {
    "one line of many": lambda size: b"[" + b",".join([ONE] * (size // 32)) + b"]",
    "lines that each begin a value": lambda size: b'{"a":\n' * (size // 6),
    "a value that never ends": lambda size: b'{"a":[' + b"1,\n" * (size // 3),
    "strings that never end": lambda size: b'{"a":"b\n' * (size // 8),
    "open brackets": lambda size: b"[" * size,
    "open braces": lambda size: b"{" * size,
    "quotes": lambda size: b'"\\' * (size // 2),
    "no quotes": lambda size: b'{"a":"' + b"x\n" * (size // 2),
    "a long string": lambda size: b'{"a":"' + b"x" * size + b'"}',
}


@pytest.mark.parametrize("name", HARD)
def test_time_grows_no_faster_than_a_file(name: str) -> None:
    small, large = HARD[name](12_000), HARD[name](96_000)
    least = cpu_seconds(lambda: cut(small, 1 << 14))
    assert cpu_seconds(lambda: cut(large, 1 << 14)) < 8 * 4 * least + 0.1
