"""Writes the reference page of all commands from the app itself: `make docs`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

import cli

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
HEAD = """# Commands

Every command and its options, as `falcolake COMMAND --help` prints them at 80 columns. Written by
`make docs`; a test keeps it up to date.

Exit codes: 0 done, 1 a problem found, 2 wrong usage or settings, 130 interrupted. An error is
`Error: …`, then `Try: …`, on standard error. `falcolake --install-completion` sets up completion in
your shell.
"""


def commands(group: TyperGroup | None = None, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the words that call each command of the live app, groups before what is in them."""
    found = typer.main.get_command(cli.app) if group is None else group
    assert isinstance(found, TyperGroup)
    for name, command in found.commands.items():
        if not command.hidden:
            yield (*above, name)
        if isinstance(command, TyperGroup):
            yield from commands(command, *above, name)


def leaves() -> set[tuple[str, ...]]:
    """Return the words that call each command that is not a group."""
    found = set(commands())
    return found - {words[:-1] for words in found}


def help_of(*words: str) -> str:
    """What `falcolake WORDS --help` prints at 80 columns."""
    done = CliRunner().invoke(
        cli.app, [*words, "--help"], env={"COLUMNS": "80", "NO_COLOR": "1"}, prog_name="falcolake"
    )
    assert done.exit_code == 0, done.output
    return done.stdout.rstrip()


def summary(*words: str) -> str:
    """Return the first paragraph of a command's help in one line."""
    _, first, *_ = help_of(*words).split("\n\n")
    return " ".join(first.split())


def page() -> str:
    """Return the whole page."""
    rows = ["| `falcolake …` | |", "|---|---|"]
    for words in sorted(commands()):
        title = " ".join(words)
        rows.append(f"| [`{title}`](#falcolake-{title.replace(' ', '-')}) | {summary(*words)} |")
    parts = [HEAD, "\n".join(rows) + "\n"]
    for words in ((), *sorted(commands())):
        title = " ".join(("falcolake", *words))
        parts.append(f"## {title}\n\n```text\n{help_of(*words)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
