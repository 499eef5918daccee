"""`docs/structure.md` is the structure of the code, and each of its arrows points down."""

import re

from tests.docs import structure_page
from tests.imports import MODULES, rooms


def test_the_page_is_in_step_with_the_code() -> None:
    """If this fails, run `python -m tests.docs.structure_page` and commit what it wrote."""
    assert structure_page.PAGE.read_text(encoding="utf-8") == structure_page.page()


def test_every_arrow_between_folders_points_down() -> None:
    picture = structure_page.page().split("```")[1]
    lines = re.sub(r"\n {10,}", " ", picture).splitlines()[1:]
    arrows = {
        name.strip(): below.split(", ") for name, below in (each.split(" → ") for each in lines)
    }
    order = list(arrows)
    assert {*order} == {*rooms()}
    for name, below in arrows.items():
        assert {*below} - {"-"} == rooms()[name]
        assert all(order.index(each) > order.index(name) for each in below if each != "-")


def test_every_module_is_on_the_page() -> None:
    page = structure_page.page()
    for name in MODULES:
        assert re.search(rf"\b{re.escape(name.split('.')[-1])}\b", page), name
