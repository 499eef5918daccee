"""README and CONTRIBUTING: short, and what they name exists."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import anchors

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
WORDS = 700

FILES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def targets(text: str) -> set[str]:
    """The targets of make that a text names, in a block or in line."""
    return set(re.findall(r"(?:^ +|`)make ([a-z-]+)", text, re.MULTILINE))


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= WORDS


@pytest.mark.parametrize("name", FILES)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    for target in targets((ROOT / name).read_text()):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_make_target_is_explained_to_contributors() -> None:
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    listed = set(re.findall(r"^ +make ([a-z-]+) +#", CONTRIBUTING, re.MULTILINE))
    assert listed == set(phony[1].replace("\\", " ").split())


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_named_or_linked_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    for path in re.findall(r"`((?:streams|schemas|tests|compose|docs)/[^`\s]*)`", text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            assert (ROOT / file).exists(), target
            assert not anchor or anchor in anchors(ROOT / file), target
