"""Every command's help: in the reference page, good to read at 80 columns, with an example."""

import re
import shlex

import pytest
import typer.main

import cli
from tests.docs.commands import PAGE, commands, help_of, leaves, page
from tests.docs.pages import anchors

COMMANDS = sorted(commands())


def test_the_reference_page_is_in_step() -> None:
    """If this fails, run `make docs` and commit what it wrote."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_command_is_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| \[`([^`]+)`\]\(#([\w-]+)\) \| (.+) \|$", page(), re.MULTILINE)
    assert [tuple(title.split()) for title, _, _ in rows] == COMMANDS
    assert {anchor for _, anchor, _ in rows} <= anchors(PAGE)
    assert all(re.fullmatch(r"[A-Z].*\.", text) for _, _, text in rows)


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_help_reads_well_at_80_columns(words: tuple[str, ...]) -> None:
    lines = help_of(*words).splitlines()
    assert lines[0].startswith(f"Usage: {' '.join(('falcolake', *words))} ")
    assert not [line for line in lines if len(line) > 80]
    assert not [line for line in lines if re.match(r"  -\S+ <[a-z]+( range)?>", line)]
    first = next(line for line in lines[1:] if line)
    assert re.fullmatch(r"  [A-Z].*", first)


@pytest.mark.parametrize("words", sorted(leaves()), ids=" ".join)
def test_every_example_is_a_command_that_exists(words: tuple[str, ...]) -> None:
    """And its options are options of that command."""
    text = help_of(*words).replace("\\\n", " ")
    examples = text.split("Example")[1].split("\n\n")[0]
    calls = re.findall(r"falcolake ((?:[^|;)&\n]|\|\s(?=$))*)", examples)
    named = [shlex.split(call.split(">")[0], comments=True) for call in calls]
    assert [call for call in named if " ".join(words) in " ".join(call)]
    for call in named:
        command = typer.main.get_command(cli.app)
        options: set[str] = set()
        for word in call:
            options |= {
                name
                for parameter in command.params
                for name in parameter.opts + parameter.secondary_opts
            }
            command = getattr(command, "commands", {}).get(word, command)
        options |= {
            name
            for parameter in command.params
            for name in parameter.opts + parameter.secondary_opts
        }
        given = {word.split("=")[0] for word in call if re.match(r"--[a-z]", word)}
        assert given <= options, call
