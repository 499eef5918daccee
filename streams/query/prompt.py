"""The prompt of `falcolake query`: questions are typed with readline and answered one by one.

SQL ends with a semicolon and may have several lines. Tab completes columns, also those within
others (`finding_info.ti`), and the words of SQL. Nothing that is typed is kept after the end.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from streams.errors import FalcolakeError
from streams.query.questions import named, print_questions
from streams.terminal import say, say_error

FIRST, NEXT = "findings> ", "     ...> "
HELP = """\
SQL ends with a semicolon; findings is the view to ask. Tab completes columns, Ctrl-C drops what is
typed or stops a question, Ctrl-D ends.
  DESCRIBE findings;   lists the columns
  .examples            lists questions of analysts
  .example NAME        shows one and asks it
  .help                prints this
  .exit                ends, as Ctrl-D does"""

#: What Tab knows beside columns.
WORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "DISTINCT", "UNNEST"),
    *("AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "IS", "NULL", "AS", "DESC", "WITH"),
    *("DESCRIBE", "SUMMARIZE", "count(*)", "findings"),
)
COMMANDS = (".example", ".examples", ".exit", ".help")
#: What may stand before a column; not a dot or a bracket: `resources[1].name` is completed whole.
DELIMITERS = " \t\n\"'`(),;=<>!+-*/%|"


def completions(columns: pa.Schema, typed: str) -> list[str]:
    """Return what a word may become: the words that begin so, in any case."""
    if typed.startswith("."):
        return [each for each in COMMANDS if each.startswith(typed)]
    path = typed.split(".")[:-1]
    fields: pa.Schema | pa.StructType = columns
    for name in path:
        index = fields.get_field_index(name.partition("[")[0])
        inner = None if index < 0 else fields.field(index).type
        while inner is not None and pa.types.is_list(inner):
            inner = inner.value_type
        if inner is None or not pa.types.is_struct(inner):
            return []
        fields = inner
    known = [".".join([*path, each.name]) for each in fields]
    if not path:
        known += WORDS
    return [each for each in known if each.lower().startswith(typed.lower())]


def converse(ask: Callable[[str], None], columns: pa.Schema) -> None:
    """Read questions until Ctrl-D, and `ask` each. An error is printed, and the next is read."""
    with _completing(columns):
        while True:
            try:
                typed = _read()
            except EOFError:
                say("")
                return
            except KeyboardInterrupt:
                say("")
                continue
            if typed.split()[:1] in ([".exit"], [".quit"]):
                return
            try:
                _answer(typed, ask)
            except FalcolakeError as error:
                say_error(error.message, error.hint)
            except KeyboardInterrupt:
                say("stopped")


def _read() -> str:
    """Read a command, or SQL up to a semicolon."""
    typed = input(FIRST)
    while typed.strip() and not typed.lstrip().startswith(".") and not typed.rstrip().endswith(";"):
        typed += f"\n{input(NEXT)}"
    return typed.strip()


def _answer(typed: str, ask: Callable[[str], None]) -> None:
    if not typed.startswith("."):
        if typed.rstrip(";").strip():
            ask(typed)
        return
    command, *names = typed.split()
    if command == ".examples":
        print_questions()
    elif command == ".example" and names:
        sql = named(names[0]).always()
        say(sql.rstrip())
        ask(sql)
    else:
        say(HELP)


@contextmanager
def _completing(columns: pa.Schema) -> Iterator[None]:
    """Let Tab complete what `input` reads, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return

    def complete(typed: str, number: int) -> str | None:
        found = completions(columns, typed)
        return found[number] if number < len(found) else None

    before = readline.get_completer(), readline.get_completer_delims()
    readline.set_completer(complete)
    readline.set_completer_delims(DELIMITERS)
    is_editline = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_editline else "tab: complete")
    try:
        yield
    finally:
        readline.set_completer(before[0])
        readline.set_completer_delims(before[1])
