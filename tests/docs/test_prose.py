"""Docstrings begin with the words that readers expect."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.imports import ROOT

#: The usual words are Return, Print, Write.
UNUSUAL = {"Give", "Gives", "Say", "Says", "Tell", "Tells"}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> Iterator[Path]:
    yield ROOT / "cli.py"
    for folder in ("streams", "schemas", "tests"):
        yield from (ROOT / folder).rglob("*.py")


def test_no_docstring_begins_with_an_unusual_verb() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Documented) and (text := ast.get_docstring(node))
        if text.split()[0] in UNUSUAL
    ]
    assert found == []
