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
import select
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TextIO

from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from streams.errors import FalcolakeError, Misconfigured

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Called with how much of a long job is done, and how much there is.
OnProgress = Callable[[int, int], None]

WIDE = 10_000  # columns in a pipe, where nothing is cut or wrapped


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
            return _fail(message, f"{command} --help", error.exit_code)
        except FalcolakeError as error:
            say_error(error)
            return 2 if isinstance(error, Misconfigured) else 1


def say_error(error: FalcolakeError) -> None:
    """Print an error, and what to try, to standard error."""
    _fail(error.message, error.hint, 1)


def _fail(message: str, hint: str, code: int) -> int:
    say(f"Error: {message}")
    if hint:
        say(f"Try: {hint}")
    return code


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
    heads: Sequence[str], rows: Iterable[Sequence[str]], right: str | Sequence[str] = ""
) -> "Table":
    """Return the table that `print_table` prints."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(
        box=box.SIMPLE_HEAD if terminal else None,
        header_style="bold",
        pad_edge=terminal,
        padding=(0, 2, 0, 0),
    )
    aligned = right.split() if isinstance(right, str) else right
    for head in heads:
        justify: Literal["left", "right"] = "right" if head in aligned else "left"
        table.add_column(Text(printable(head)), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def print_verdict(level: str, name: str, text: str) -> None:
    """Print a line that begins with a level, in its colour on a terminal."""
    from rich.console import Console
    from rich.text import Text

    colours = {"good": "green", "warning": "yellow", "bad": "bold red"}
    line = Text.assemble((f"{level:<8}", colours[level]), f"{name:<18}", printable_block(text))
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
    for left, words in ((label, text), *(("", each) for each in below)):
        print_text(f"{left:<14}{printable(words)}")


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
    """Print a message to standard error."""
    sys.stderr.write(f"{printable_block(words)}\n")
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


@contextmanager
def progress_bar(what: str) -> Iterator[OnProgress]:
    """Show a progress bar on a terminal; yield what updates it."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, disable=not sys.stderr.isatty(), transient=True
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
