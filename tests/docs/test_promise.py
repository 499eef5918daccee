"""`docs/promise.md`: each sentence names tests that are there; nothing of it is left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.flow.matrix import EFFECTS, POINTS, SIDES
from tests.flow.test_matrix import PAIRS
from tests.mutation.losses import LOSSES
from tests.mutation.protocol import MUTATIONS
from tests.simulation.mutations import BY_A_KEPT_PLAN, CARES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promise.md").read_text(encoding="utf-8")
HOW = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
RULES = 12

PROMISES, _, PROOFS = PAGE.partition("\n## How it is tested\n")
ROWS = [
    line.strip("| ").split(" | ")
    for line in PROMISES.splitlines()
    if line.startswith("| ") and line != "| sentence | tests |"
]


@cache
def collected() -> set[str]:
    """The names of all tests that pytest collects: those of modules `test_*.py`."""
    trees = (ast.parse(file.read_text()) for file in (ROOT / "tests").rglob("test_*.py"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, functions) and node.name.startswith("test_")
    }


def plain(text: str) -> str:
    """A text in one line and in lower case, without marks."""
    return " ".join(re.sub(r"[*`]", "", text).casefold().split())


def bullets(title: str) -> list[str]:
    """The items of the list in a section of the page on how it works."""
    text = re.split(r"\n##+ ", HOW.split(f"# {title}\n")[1])[0]
    return re.findall(r"^- (.*?)(?=\n- |\n\n|\Z)", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_each_sentence_names_tests_that_are_there(row: list[str]) -> None:
    sentence, named = row
    assert sentence.endswith(".")
    names = re.findall(r"`(test_\w+)`", named)
    assert names
    assert " ".join(f"`{name}`" for name in names) == named
    assert not set(names) - collected()


def test_every_rule_of_the_protocol_has_its_sentences() -> None:
    parts = re.split(r"\n### Rule (\d+): ", PROMISES)
    assert [int(number) for number in parts[1::2]] == [*range(1, RULES + 1)]
    assert all("`test_" in part for part in parts[2::2])


def test_what_the_page_on_how_it_works_says_is_on_the_page() -> None:
    page = plain(PAGE)
    for bullet in bullets("The protocol"):
        (begins,) = re.findall(r"^\*\*(.*?)\.?\*\*", bullet, re.DOTALL)
        assert plain(begins) in page
    for bullet in bullets("What is not promised"):
        assert plain(re.split(r"[;:.,]", bullet)[0]) in page
    assert len(bullets("The protocol")) >= RULES


def test_the_numbers_of_the_matrix_are_its_own() -> None:
    effects, kept_or_lost = len(EFFECTS), 2
    said = [
        sum(EFFECTS.values()),
        len(POINTS),
        effects * len(SIDES),
        4 * len(SIDES) * kept_or_lost,
        3 * PAIRS,
    ]
    for text, title in ((HOW, "How the promise is tested"), (PAGE, "How it is tested")):
        section = text.split(f" {title}\n")[1].split("\n#")[0]
        assert [number for number in said if not re.search(rf"\b{number}\b", section)] == []


def table(rule: str) -> list[list[str]]:
    """The rows of the table under the line of dashes `rule`."""
    lines = PROOFS.split(f"{rule}\n")[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_the_broken_protocol_has_every_mutation_and_tests_that_are_there() -> None:
    rows = table("|---|---|---|---|")
    assert [row[0] for row in rows] == [mutation.name for mutation in MUTATIONS]
    for _, units, workers, named in rows:
        names = re.findall(r"`(test_\w+)`", named)
        assert names
        assert not set(names) - collected()
        assert int(units) > 0 or not workers.startswith("0")


def test_the_simulations_table_has_every_mutation_and_the_faults_that_are_added() -> None:
    rows = table("|---|---|---|---:|")
    assert [row[0] for row in rows] == [each.name for each in (*MUTATIONS, *LOSSES)]
    assert {row[0]: row[1] for row in rows if row[1]} == CARES
    unseen = {row[0] for row in rows if not float(row[2].removesuffix(" %"))}
    assert unseen == BY_A_KEPT_PLAN
