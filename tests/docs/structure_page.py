"""Writes the page of what imports what, from the code itself: `make docs`."""

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.imports import MODULES, own_imports, room, rooms
from tests.test_architecture import DECIDERS, FLOORS

PAGE = Path(__file__).parents[2] / "docs" / "structure.md"
HEAD = """# Structure

What imports what, imports inside functions and for typing included. Written by `make docs` from the
code; a test keeps it up to date. The docstring of a module says what it is responsible for.

## Folders

From the top floor to the ground. A folder imports only folders below it: there is no circle, and no
import that climbs. `tests/test_architecture.py` proves it.
"""
PURE = """All of `schemas` and the modules below decide what happens. They import only each other
and the errors, and no library that touches Kafka, S3, a disk, the clock or random numbers:
"""
WIDTH = 100

Graph = Mapping[str, frozenset[str]]


def _lines(names: dict[str, str], graph: Graph, inside: str = "") -> list[str]:
    """Return a line for each of `names`, by what it is called, wrapped under its arrow.

    What is `inside` the same folder is written with a dot, as in `.keys`.
    """
    width = max(map(len, names.values()), default=0)
    lines = []
    for name, called in names.items():
        start = f"{called:<{width}} → "
        below = (each.removeprefix(inside) for each in sorted(graph[name]))
        lines += textwrap.wrap(
            start + (", ".join(below) or "-"), WIDTH, subsequent_indent=" " * len(start)
        )
    return lines


def page() -> str:
    """Return the whole page."""
    modules = {name: own_imports(name) for name in MODULES}
    parts = [HEAD, "```text"]
    parts += _lines({name: name for name in reversed(FLOORS)}, rooms())
    parts += ["```", "", "## Pure modules", "", PURE]
    pure = (name for name in DECIDERS if room(name) != name and not name.startswith("schemas"))
    parts += textwrap.wrap(", ".join(f"`{name}`" for name in pure), WIDTH)
    parts += ["", "## Modules", "", "A name that begins with a dot is in the same folder."]
    for name in reversed(FLOORS):
        inside = sorted(each for each in modules if room(each) == name)
        if inside != [name]:
            parts += ["", f"### {name}", "", "```text"]
            called = {each: each.removeprefix(f"{name}.") for each in inside}
            parts += _lines({each: called[each] for each in inside if modules[each]}, modules, name)
            ground = [called[each] for each in inside if not modules[each] and each != name]
            if ground:
                parts += textwrap.wrap(f"{', '.join(ground)} → nothing of the project", WIDTH)
            parts.append("```")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
