"""Does a test fail for each row of the mapping that is removed? `make mutate-mapping`.

Removes single rows from the mapping, one at a time, on a copy of the tree: a `Row`, a pair of a
table, an attribute that a builder sets, an observable. Each time some test must fail, or the row
could be lost unnoticed. The golden findings and the generated page do not count, because any change
breaks them. Rows without an attribute and a note are left alone: with or without them the field is
in `unmapped`.

Prints a line for each mutant, with the test that failed. Exit code 1 if a mutant survived.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeGuard

ROOT = Path(__file__).parents[2]
MODULES = (
    "classes/detection_finding",
    "classes/envelope",
    "classes/security_finding",
    "sources/aws_cloudtrail",
    "sources/gcp_auditlog",
    "sources/github",
    "sources/k8s_audit",
    "sources/okta",
    "sources/scene",
    "sources/syscall_container",
    "sources/syscall_event",
    "sources/syscall_file",
    "sources/syscall_network",
    "sources/syscall_process",
    "sources/syscall_user",
)
#: The fastest first: they find most mutants.
TESTS = (
    ("sources", "classes"),
    ("falco", "ocsf", "test_every_rule_and_field.py", "test_explain.py"),
    ("test_mapping.py", "test_bad_input.py"),
)
#: What a builder tells its draft, besides the attributes that it sets.
TOLD = frozenset({"observe", "profile", "resource", "other_file", "take"})
TIMEOUT = 900


class Mutant(NamedTuple):
    """A module's text without one of its rows."""

    module: str
    line: int
    removed: str
    text: str


class Remover(ast.NodeTransformer):
    """Removes one row of a module: number `wanted`, in the order of visiting."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seen = 0
        self.removed: tuple[int, str] | None = None

    def _takes(self, node: ast.expr | ast.stmt | ast.keyword, text: str = "") -> bool:
        self.seen += 1
        if self.seen - 1 != self.wanted:
            return False
        self.removed = (node.lineno, " ".join((text or ast.unparse(node)).split()))
        return True

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        """Remove a row of a table."""
        whole = _is_row(node) and not all(map(_is_field, node.elts))
        if not whole:
            node.elts = [
                item
                for item in node.elts
                if not (_is_row(item) and not _only_tells(item) and self._takes(item))
            ]
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        """Remove an attribute of an object, or a line of a table."""
        pairs = [
            (key, value)
            for key, value in zip(node.keys, node.values, strict=True)
            if not (
                key
                and _is_text(key)
                and self._takes(key, f"{ast.unparse(key)}: {ast.unparse(value)}")
            )
        ]
        node.keys, node.values = [key for key, _ in pairs], [value for _, value in pairs]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave a `Row` intact; remove one of the fields that a builder chooses from."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "Row":
            return node
        if name == "first" and len(node.args) > 1:
            node.args = [item for item in node.args if not self._takes(item)]
        if name == "resource":
            node.keywords = [each for each in node.keywords if not self._takes(each)]
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Remove a target of an assignment, or the assignment if it is the only one."""
        targets = [
            each
            for each in node.targets
            if not (_is_attribute(each) and self._takes(each, ast.unparse(node)))
        ]
        if not targets:
            return ast.copy_location(ast.Pass(), node)
        node.targets = targets
        return self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """Remove what is added to a draft."""
        if _is_attribute(node.target) and self._takes(node):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Remove what is told to a draft."""
        called = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in TOLD and self._takes(node):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def _is_row(node: ast.AST) -> bool:
    """Return whether it is a `Row`, a Falco field's name, or a tuple that begins with a text."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", "") == "Row"
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and _is_text(node.elts[0])
    return _is_field(node)


def _only_tells(node: ast.AST) -> bool:
    """Return whether it is a `Row` without an attribute and without a note."""
    said = [ast.unparse(each) for each in node.args[1:3]] if isinstance(node, ast.Call) else []
    return said in (["()"], ["()", "''"])


def _is_field(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and "." in str(node.value)


def _is_text(node: ast.AST | None) -> TypeGuard[ast.expr]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_attribute(node: ast.AST) -> bool:
    """Return whether it is `object["attribute"]`, several, or an attribute of the draft."""
    if isinstance(node, ast.Tuple):
        return all(map(_is_attribute, node.elts))
    if isinstance(node, ast.Attribute):
        return getattr(node.value, "id", "") == "draft"
    return isinstance(node, ast.Subscript) and _is_text(node.slice)


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    number = 0
    while True:
        remover = Remover(number)
        tree = ast.fix_missing_locations(remover.visit(ast.parse(source)))
        if remover.removed is None:
            return
        yield Mutant(module, *remover.removed, ast.unparse(tree))
        number += 1


def killer(tree: Path) -> str | None:
    """Return the first test that fails in a tree, or None if all pass."""
    for names in TESTS:
        files = [f"tests/schemas/{name}" for name in names]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-x", "-m", "not faults"),
                *("-p", "no:cacheprovider", *files),
            ],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            said = re.findall(r"^(?:FAILED|ERROR) tests/schemas/(\S+)", done.stdout, re.MULTILINE)
            return said[0] if said else (done.stdout + done.stderr)[-500:]
    return None


def plant(directory: Path) -> Path:
    """Return a copy of the tree to change; its tests must import the copy."""
    tree = directory / "tree"
    for part in ("schemas", "streams", "tests"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("cli.py", "pyproject.toml"):
        shutil.copy(ROOT / part, tree)
    code = "import schemas; print(schemas.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(tree)), done.stdout
    assert (found := killer(tree)) is None, f"without any mutant, {found} fails"
    return tree


def main() -> int:
    """Check some mutants, chosen at random, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=16, help="how many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="another seed chooses other mutants")
    options = parser.parse_args()
    found = [
        mutant
        for module in MODULES
        for mutant in mutants(module, (ROOT / "schemas" / f"{module}.py").read_text())
    ]
    chosen = random.Random(options.seed).sample(found, options.count or len(found))
    print(f"{len(chosen)} of {len(found)} mutants, seed {options.seed}", flush=True)
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="falcolake-mutation-") as directory:
        tree = plant(Path(directory))
        for mutant in chosen:
            file = tree / "schemas" / f"{mutant.module}.py"
            whole, started = file.read_text(), time.monotonic()
            file.write_text(mutant.text)
            test = killer(tree)
            file.write_text(whole)
            survivors += test is None
            took = time.monotonic() - started
            where = f"{mutant.module}.py:{mutant.line}"
            print(
                f"{where:34} {mutant.removed[:76]:76} {test or 'SURVIVED'} ({took:.0f} s)",
                flush=True,
            )
    print(f"{len(chosen) - survivors} found, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
