"""What reaches a terminal: never what it would obey, never a line that a stranger begins."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable

import pytest

from streams import terminal
from streams.worker.logs import TEXT, TextFormatter

#: Everything that moves a terminal, reverses text or breaks a line.
EVIL = [
    *map(chr, [*range(0x20), *range(0x7F, 0xA0)]),
    *map(chr, [0x61C, 0x200B, *range(0x200E, 0x2010), *range(0x2028, 0x202F)]),
    *map(chr, [*range(0x2066, 0x206A), 0xFEFF, 0xFFF9, 0xE0001]),
]
GOOD = "Ärger in /etc/shadow, 警告: 🚨 “done”"
HOSTILE = "a\x1b]0;owned\x07b\x9b31mc\x7fd\u202ee\nError: forged\rTry: forged"


class Terminal(io.TextIOWrapper):
    """Standard output that says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


def test_what_people_write_is_unchanged_and_the_rest_is_replaced_one_by_one() -> None:
    assert terminal.printable(GOOD) == GOOD
    for letter in EVIL:
        assert terminal.printable(f"a{letter}b") == "a\ufffdb", hex(ord(letter))


def test_an_escaped_document_is_the_same_json() -> None:
    value = {"".join(EVIL): [GOOD, HOSTILE, "\U000e0001"]}
    text = json.dumps(value, indent=2, ensure_ascii=False)
    shown = terminal.escaped(text)
    assert json.loads(shown) == value
    assert GOOD in shown
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "show",
    [
        lambda: terminal.print_text(HOSTILE.replace("\n", " ")),
        lambda: terminal.print_table(["who", "why"], [[HOSTILE, "x"], ["y", HOSTILE]]),
        lambda: terminal.print_verdict("bad", "topic", HOSTILE),
        lambda: terminal.print_item(HOSTILE[:9], HOSTILE, HOSTILE),
        lambda: terminal.print_json({HOSTILE: HOSTILE}),
        lambda: terminal.print_line({HOSTILE: HOSTILE}, pretty=True),
        lambda: terminal.print_line({HOSTILE: HOSTILE}, pretty=False),
        lambda: terminal.print_bytes(HOSTILE.replace("\n", " ").encode() + b"\xff"),
        lambda: terminal.say(HOSTILE),
    ],
)
def test_nothing_that_prints_lets_it_through(
    monkeypatch: pytest.MonkeyPatch, show: Callable[[], None]
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "dumb")  # so that rich itself sends no sequences
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    show()
    text = screen.text()
    assert text.replace("\n", "").isprintable(), text
    assert not any(line.startswith(("Error: forged", "Try: forged")) for line in text.split("\n"))
    assert "forged" in text


def test_in_a_pipe_json_and_bytes_are_unchanged(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = '["\x7f\u202e"]\n'
    for show, printed in (
        (lambda: terminal.print_json(json.loads(text), indent=None), text.encode()),
        (lambda: terminal.print_line(json.loads(text), pretty=False), text.encode()),
        (lambda: terminal.print_bytes(b"\x1b[31m\xff"), b"\x1b[31m\xff"),
    ):
        show()
        sys.stdout.flush()
        assert capfdbinary.readouterr().out == printed


def test_a_log_line_is_one_line_and_a_traceback_is_indented() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "lost %s", (HOSTILE,), None)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record.exc_info = sys.exc_info()
    first, *others = TextFormatter(TEXT).format(record).split("\n")
    assert " ERROR x: lost a\ufffd" in first
    assert others
    assert all(line.startswith("  ") and line.isprintable() for line in others)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("警告警告", 5, "警告…"),
        ("a\nb\x1b[31m" + "c" * 10**6, 8, "a�b�[31…"),
        ("gone", 0, ""),
    ],
)
def test_a_text_is_cut_to_the_columns_that_it_takes(text: str, width: int, shown: str) -> None:
    assert terminal.shortened(text, width) == shown


NUMBERS = ["1,234,567", "0", "2026-11-28T21:44:18.425Z", "[1204, 41207)", "12 m", "98.5%", "1.5MB"]
LONG = "b-1.example.kafka.eu-central-1.amazonaws.com:9098"


def printed(width: int, show: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines that a terminal of some width gets."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, screen)
    terminal._console.cache_clear()
    show()
    return re.sub(r"\x1b\[[\d;]*m", "", screen.text()).split("\n")


@pytest.mark.parametrize("width", [200, 100, 80, 60, 50, 40])
@pytest.mark.parametrize("numbers", [1, 3, 7])
def test_a_table_of_any_width_breaks_no_number(
    width: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = NUMBERS[:numbers]
    heads = [f"head {number}" for number in range(numbers)]
    rows = [[*cells, LONG, f"at {NUMBERS[2]} in {LONG}"]] * 2
    for right in ("", heads):
        lines = printed(
            width,
            lambda right=right: terminal.print_table([*heads, "where", "what"], rows, right),
            monkeypatch,
        )
        assert max(map(len, lines)) <= width
        words = [word for line in lines for word in line.split()]
        for cell in cells:
            for part in cell.split():
                assert words.count(part) >= 2, (cell, lines)
        assert words.count(NUMBERS[2]) >= 2


def test_messages_are_wrapped_between_words_and_commands_to_copy_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = "the topic keeps its records for 604,800 seconds in 1,234 segments of a gigabyte"
    for show in (
        lambda: terminal.say(f"Warning: {words}"),
        lambda: terminal.print_words(f"{words}; {words}"),
        lambda: terminal.print_item("short", words),
        lambda: terminal.print_verdict("warning", "retention", words),
    ):
        first, *others, end = printed(60, show, monkeypatch)
        assert end == ""
        assert others
        assert max(map(len, [first, *others])) <= 60
        assert all(line.startswith("  ") for line in others)
        assert " ".join([first, *others]).split().count("604,800") >= 1
    command = f"Try: kafka-topics.sh --bootstrap-server {LONG} --describe"
    assert printed(60, lambda: terminal.say(command), monkeypatch) == [command, ""]


def test_a_word_that_is_nearly_a_number_costs_its_length() -> None:
    """A quadratic search would take hours."""
    assert terminal.NUMBER.fullmatch("[1,607)")
    assert not terminal.NUMBER.fullmatch("1" + "." * 1_000_000 + "!")
