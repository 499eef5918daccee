"""`docs/mapping.md` is up to date and complete."""

from schemas.classes.envelope import KEY_ROWS
from schemas.sources.scene import ROWS
from tests.docs import mapping_page


def test_the_page_is_in_step_with_the_mapping() -> None:
    assert mapping_page.PATH.read_text() == mapping_page.page() + "\n", (
        "docs/mapping.md is out of date: run python -m tests.docs.mapping_page"
    )


def test_every_row_is_in_one_section() -> None:
    sections = [rows for _, rows in (*mapping_page.SYSCALL, *mapping_page.PLUGINS)]
    found = [row for rows in (*sections, mapping_page.ANYWHERE) for row in rows]
    assert sorted(found) == sorted(ROWS)
    page = mapping_page.page()
    for row in (*ROWS, *KEY_ROWS):
        assert f"| `{row.field}` |" in page
