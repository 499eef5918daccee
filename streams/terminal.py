"""How commands answer: a table on a terminal, plain columns in a pipe, JSON with `--json`.

Data goes to standard output, messages to standard error; rich respects NO_COLOR. An error that a
user can cause is `Error: …` then `Try: …`, never a traceback. Exit codes: 0 done, 1 a
problem found, 2 wrong usage or settings, 130 interrupted.

Much of what is printed comes from strangers: names of rules, clients, groups and objects, reasons,
errors of servers. So everything that prints replaces what a terminal would obey (escape sequences,
control characters, marks that reverse the text), and a line break in a name begins no new line.
JSON escapes it, on a terminal only. `printable` is what does it.
"""

import itertools
import json
import os
import re
import select
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, TextIO

from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from streams.errors import FalcolakeError, Misconfigured

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
    from rich.table import Table

#: Called with how much of a long job is done, and how much there is.
OnProgress = Callable[[int, int], None]

WIDE = 10_000  # columns in a pipe, where nothing is cut or wrapped
LEAST = 8  # columns of a table's column with longer words, which are folded
WAIT = 1.0  # seconds until a terminal is told what is waited for
#: A number, a time, a size or a range of offsets: what is never broken.
NUMBER = re.compile(r"[\[(]*+[-+]?\d[\d,.:/TZ+-]*+[A-Za-z%]{0,3}+[\]),;.]*+")


class Commands(TyperGroup):
    """The group of all commands; turns their errors into messages and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options; `--config FILE` may also stand after the command."""
        first: list[str] = []
        rest: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                rest += [word, *words]
            elif word == "--config":
                first += [word, *itertools.islice(words, 1)]
            else:
                (first if word.startswith("--config=") else rest).append(word)
        return super().parse_args(ctx, [*first, *rest])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end quietly if the reader of its output closes the pipe."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes standard output once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return result

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and exit with its code."""
        sys.exit(self._run(*args, **extra))

    def _run(self, *args: Any, **extra: Any) -> int:
        try:
            code: int | None = super().main(*args, **extra | {"standalone_mode": False})
            return code or 0
        except Abort:  # Ctrl-C, or the end of the input, at a question
            return 130
        except TyperException as error:
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "falcolake"
            message = error.format_message().replace("Value error, ", "")
            say_error(message, f"{command} --help")
            return error.exit_code
        except FalcolakeError as error:
            say_error(error.message, error.hint)
            return 2 if isinstance(error, Misconfigured) else 1


def say_error(message: str, hint: str) -> None:
    """Print an error, and what to try, to standard error."""
    say(f"Error: {message}")
    if hint:
        say(f"Try: {hint}")


def print_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], right: str | Sequence[str] = ""
) -> None:
    """Print rows under their heads; columns whose head is in `right` are right-aligned."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(make_table(heads, rows, right))
        return
    console = Console(width=WIDE)
    with console.capture() as printed:
        console.print(make_table(heads, rows, right))
    # Rich pads the last column with blanks.
    print_text("\n".join(line.rstrip() for line in printed.get().split("\n")[:-1]))


def make_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: str | Sequence[str] = "",
    *,
    boxed: bool | None = None,
) -> "Fitted":
    """Return the table that `print_table` prints, `boxed` by default on a terminal only.

    No number in it is ever broken: where the columns would be too narrow for that, each row is
    a block of lines.
    """
    boxed = sys.stdout.isatty() if boxed is None else boxed
    aligned = set(right.split() if isinstance(right, str) else right)
    return Fitted(
        [printable(head) for head in heads],
        [[printable(cell) for cell in row] for row in rows],
        [head in aligned for head in heads],
        boxed,
    )


class Fitted(NamedTuple):
    """A table that looks for its width when it is printed."""

    heads: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    boxed: bool

    def __rich_console__(self, _: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield a table, if need be a tight one, or blocks where no table fits."""
        heads, rows, numeric = self.heads, self.rows, self.numeric
        for boxed, gap in ((self.boxed, 2), (False, 1)):
            around = (gap + boxed) * len(heads) + boxed
            widths = _widths(heads, rows, numeric, options.max_width - around)
            if widths is not None:
                yield _grid(heads, rows, numeric, widths, boxed=boxed, gap=gap)
                return
        yield from _blocks(heads, rows, options.max_width)


def _grid(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[bool],
    widths: Sequence[int],
    *,
    boxed: bool,
    gap: int,
) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD if boxed else None,
        header_style="bold",
        pad_edge=boxed,
        padding=(0, gap, 0, 0),
    )
    for head, number, width in zip(heads, numeric, widths, strict=True):
        justify: Literal["left", "right"] = "right" if number else "left"
        table.add_column(Text(head), justify=justify, overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _widths(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], room: int
) -> list[int] | None:
    """Return how wide each column is in so many columns of a terminal; None if they do not fit.

    A column takes what it wants if there is room, else at least its longest word of the head and
    number of the cells, and of what is left the narrow ones are served first.
    """
    from rich.cells import cell_len

    wanted, needed = [], []
    for place, (head, number) in enumerate(zip(heads, numeric, strict=True)):
        column = [row[place] for row in rows]
        wanted.append(max(1, *map(cell_len, [head, *column])))
        words = [word for cell in column for word in cell.split() if number or _is_number(word)]
        needed.append(max(1, *map(cell_len, [*head.split(), *words]), min(LEAST, wanted[-1])))
    left = room - sum(needed)
    if left < 0:
        return None
    widths = needed
    for count, place in enumerate(sorted(range(len(heads)), key=lambda each: wanted[each])):
        more = min(wanted[place] - widths[place], left // (len(heads) - count))
        widths[place] += more
        left -= more
    return widths


def _is_number(word: str) -> bool:
    return bool(NUMBER.fullmatch(word))


def _blocks(
    heads: Sequence[str], rows: Iterable[Sequence[str]], width: int
) -> "Iterator[ConsoleRenderable]":
    """Yield each row as lines of a head and a value, and a blank line after it."""
    from rich.text import Text

    indent = min(max(map(len, heads), default=0) + 2, max(2, width // 3))
    for row in rows:
        for head, cell in zip(heads, row, strict=True):
            line = f"{head:<{indent - 2}}  {cell}"
            yield Text(wrapped(line, width, indent, fold=True), overflow="fold")
        yield Text("")


def wrapped(words: str, width: int, indent: int, *, fold: bool = False) -> str:
    """Return a line as lines of a width, broken between words; all but the first are indented.

    A word that is longer stays whole, so that it can be copied, or is folded.
    """
    if len(words) <= width:
        return words
    head = words[:indent] if width > 2 * indent else ""
    lines = textwrap.wrap(
        words[len(head) :],
        width,
        initial_indent=" " * len(head),
        subsequent_indent=" " * min(indent, width // 3),
        break_long_words=fold,
        break_on_hyphens=False,
    )
    return head + "\n".join(lines)[len(head) :]


def fitted(words: str, output: TextIO, indent: int = 2) -> str:
    """Return lines of words as they are, or on a terminal each wrapped to its width."""
    if not output.isatty():
        return words
    width = _console(output).width
    return "\n".join(wrapped(line, width, indent) for line in words.split("\n"))


def print_words(words: str) -> None:
    """Print a sentence, on a terminal broken between words only."""
    print_text(fitted(words, sys.stdout))


def print_verdict(level: str, name: str, text: str) -> None:
    """Print a line that begins with a level, in its colour on a terminal.

    There it is wrapped, and the lines after the first hang below the text.
    """
    from rich.console import Console
    from rich.text import Text

    colours = {"good": "green", "warning": "yellow", "bad": "bold red", "skipped": "dim"}
    head = f"{level:<8}{name:<18}"
    words = fitted(f"{head}{printable_block(text)}", sys.stdout, len(head))
    line = Text.assemble((words[:8], colours[level]), words[8:])
    Console(highlight=False, soft_wrap=True).print(line)
    sys.stdout.flush()


def print_cells(cells: Sequence[str], fit: Callable[[int], Iterable[tuple[str, int, str]]]) -> None:
    """Print a line of cells: separated by tabs, or on a terminal as wide as that is.

    `fit` returns each cell's text, width and style for a terminal of some columns.
    """
    if not sys.stdout.isatty():
        sys.stdout.write("\t".join(map(printable, cells)) + "\n")
        sys.stdout.flush()
        return
    from rich.text import Text

    console, line = _console(sys.stdout), Text()
    for text, width, style in fit(console.width):
        cell = Text(shortened(text, width), style)
        cell.pad_right(max(0, width - cell.cell_len))
        line.append_text(cell).append(" ")
    line.truncate(console.width)
    console.print(line, no_wrap=True)


@lru_cache(1)
def _console(output: TextIO) -> "Console":
    """Return a console for the terminal; making one takes as long as printing a line."""
    from rich.console import Console

    return Console(file=output, highlight=False)


def print_item(label: str, text: str, *below: str) -> None:
    """Print an item of a list: its label, its text, and below it lines to copy."""
    print_text(fitted(f"{label:<14}{printable(text)}", sys.stdout, 14))
    for each in below:
        print_text(f"{'':<14}{printable(each)}")


def locate(place: str, key: str) -> str:
    """Return the address of a key in the bucket of a place: `s3://bucket/key`."""
    return f"s3://{place.removeprefix('s3://').partition('/')[0]}/{key}"


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    sys.stdout.write(f"{escaped(text) if sys.stdout.isatty() else text}\n")


def print_line(value: Any, *, pretty: bool) -> None:
    """Print a value as one line of JSON, or indented, and flush."""
    import msgspec

    text = msgspec.json.encode(value)
    text = msgspec.json.format(text) if pretty else text
    sys.stdout.buffer.write(escaped(text.decode()).encode() if sys.stdout.isatty() else text)
    sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def print_text(text: str) -> None:
    """Print lines of text, with what is not printable replaced."""
    sys.stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")


def print_bytes(value: bytes) -> None:
    """Print bytes unchanged, but on a terminal as text."""
    if sys.stdout.isatty():
        print_text(value.decode(errors="replace"))
    else:
        sys.stdout.buffer.write(value)


def printable(text: str) -> str:
    """Return a text as one line, with every character that is not printable replaced.

    That is what Unicode calls so: controls, format characters such as those that reverse the text,
    line breaks, separators other than the space, surrogates, and what is not assigned.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def shortened(text: str, width: int) -> str:
    """Return a text as one line of at most so many columns of a terminal; "…" ends one that is cut.

    Some characters take two columns, others none.
    """
    from rich.text import Text

    if width <= 0:
        return ""
    line = Text(printable(text[: 4 * width + 4]))
    line.truncate(width, overflow="ellipsis")
    return line.plain


def printable_block(text: str) -> str:
    """Return a text of several lines; only the first begins at the margin, as a message does."""
    return "\n  ".join(map(printable, text.split("\n")))


def escaped(document: str) -> str:
    """Return a JSON document with every character that is not printable as an escape."""
    if document.replace("\n", "").isprintable():
        return document
    return "".join(
        letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1]
        for letter in document
    )


def say(words: str) -> None:
    """Print a message to standard error, on a terminal broken between words only.

    What a person may try is one line, whatever its length: it can have a command to copy.
    """
    shown = printable_block(words)
    if not words.startswith("Try: "):
        shown = fitted(shown, sys.stderr)
    sys.stderr.write(f"{shown}\n")
    sys.stderr.flush()


def say_line(words: str) -> None:
    """Print a message to standard error, on a terminal cut to one line."""
    if not sys.stderr.isatty():
        say(words)
        return
    from rich.console import Console

    say(shortened(words, Console(stderr=True).width))


def is_read() -> bool:
    """Return whether somebody can still read standard output: False for a pipe that was closed."""
    try:
        output = sys.stdout.fileno()
    except OSError:  # the tests' output has none
        return True
    waiting = select.poll()
    waiting.register(output, 0)
    return not waiting.poll(0)


#: Held while something on the terminal moves: there is one such thing at a time.
_moving = threading.Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Let nothing else move on the terminal."""
    moves = _moving.acquire(blocking=False)
    try:
        yield
    finally:
        if moves:
            _moving.release()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal what is waited for, once it has taken a second."""
    if not sys.stderr.isatty() or not _moving.acquire(blocking=False):
        yield
        return
    from rich.console import Console
    from rich.text import Text

    status = Console(stderr=True).status(Text(printable(what)))
    timer = threading.Timer(WAIT, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
        _moving.release()


@contextmanager
def progress_bar(what: str) -> Iterator[OnProgress]:
    """Show a progress bar on a terminal; yield what updates it."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    moves = sys.stderr.isatty() and _moving.acquire(blocking=False)
    try:
        with Progress(*columns, console=console, disable=not moves, transient=True) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    finally:
        if moves:
            _moving.release()


@contextmanager
def counter(what: str) -> Iterator[Callable[[int, str], None]]:
    """Show on a terminal how many were done of a work without a known end, and of what last."""
    if not sys.stderr.isatty() or not _moving.acquire(blocking=False):
        yield lambda done, last: None
        return
    from rich.console import Console
    from rich.text import Text

    try:
        with Console(stderr=True).status(Text(what)) as status:
            yield lambda done, last: status.update(
                Text(printable(f"{what}: {done:,}, {last}"), overflow="ellipsis", no_wrap=True)
            )
    finally:
        _moving.release()
