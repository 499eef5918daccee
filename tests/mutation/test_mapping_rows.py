"""A mutant lacks one row, and every module with rows has mutants."""

import ast

from tests.mutation.mapping_rows import MODULES, ROOT, mutants

SOURCE = """
ROWS = (Row("a.b", ("x.y",)), Row("c.d", (), "Why."), Row("e.f", ()), Row("g.h", (), "", ANY))
PAIRS = (("a.b", "x"), ("c.d", "y"))
def build(draft):
    short["name"] = process["name"] = name
    draft.observe("x", 1, name)
    draft.cloud = {"provider": "AWS"}
"""


def test_each_mutant_is_one_row_short() -> None:
    found = list(mutants("module", SOURCE))
    assert [mutant.removed for mutant in found] == [
        "Row('a.b', ('x.y',))",
        "Row('c.d', (), 'Why.')",
        "('a.b', 'x')",
        "('c.d', 'y')",
        "short['name'] = process['name'] = name",
        "short['name'] = process['name'] = name",
        "draft.observe('x', 1, name)",
        "draft.cloud = {'provider': 'AWS'}",
        "'provider': 'AWS'",
    ]
    assert [mutant.line for mutant in found] == [2, 2, 3, 3, 5, 5, 6, 7, 7]
    texts = {ast.unparse(ast.parse(mutant.text)) for mutant in found}
    assert len(texts) == len(found)
    assert ast.unparse(ast.parse(SOURCE)) not in texts


def test_every_module_that_has_rows_is_taken() -> None:
    having = {
        f"{path.relative_to(ROOT / 'schemas').with_suffix('')}"
        for path in (ROOT / "schemas").rglob("*.py")
        if "\nROWS" in path.read_text() or "_ROWS = (" in path.read_text()
    }
    assert having <= set(MODULES)
    assert len(having) >= 12
