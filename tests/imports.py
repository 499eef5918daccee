"""The project's own imports, read from its source: for the architecture tests and the docs."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _modules() -> dict[str, Path]:
    """Map every module's dotted name to its file."""
    found = {"cli": ROOT / "cli.py"}
    for package in ("streams", "schemas"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


@cache
def tree(name: str) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(MODULES[name].read_text())


@cache
def imports(name: str) -> frozenset[str]:
    """Return the modules that a module imports anywhere in it, for typing alone too."""
    return frozenset(_imports(name))


def _imports(name: str) -> Iterator[str]:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else f"{node.module}"


def own_imports(name: str) -> frozenset[str]:
    """Return the modules of the project that a module imports."""
    return frozenset(imports(name) & MODULES.keys() - {name})


def libraries(name: str) -> frozenset[str]:
    """Return the top-level names of everything that a module imports from outside the project."""
    return frozenset(found.split(".")[0] for found in imports(name) - MODULES.keys())


def room(name: str) -> str:
    """Return the folder that a module is in, or its own name: streams.lake.keys → streams.lake."""
    return ".".join(name.split(".")[:2])


def rooms() -> dict[str, frozenset[str]]:
    """Map every folder to the folders that it imports from."""
    found: dict[str, set[str]] = {}
    for name in MODULES:
        there = found.setdefault(room(name), set())
        there |= {room(other) for other in own_imports(name)} - {room(name)}
    return {name: frozenset(others) for name, others in found.items()}
