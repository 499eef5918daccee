"""The site of docs/: all pages in its navigation, no broken link, nothing from other servers."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import DOCS, PAGES

CONFIG = DOCS.parent / "mkdocs.yml"


def targets(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation, in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from targets(each)


def build(into: Path) -> "subprocess.CompletedProcess[str]":
    """Build a copy of the pages as `make site` does."""
    zensical = Path(sys.executable).with_name("zensical")
    return subprocess.run([zensical, "build", "--strict"], cwd=into, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(CONFIG, tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    return tmp_path


def test_every_page_is_in_the_navigation_once() -> None:
    found = list(targets(yaml.safe_load(CONFIG.read_text())["nav"]))
    assert sorted(found) == [page.name for page in PAGES]


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\((\w[\w-]*\.md)\)", (DOCS / "index.md").read_text()))
    assert linked == {page.name for page in PAGES} - {"index.md"}


def test_the_site_is_built_and_loads_nothing_from_other_servers(copy: Path) -> None:
    done = build(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    site = copy / "build" / "site"
    pages = sorted(site.glob("*.html"))
    assert {page.stem for page in pages} == {page.stem for page in PAGES} | {"404"}
    loads = r"""<(?:script|img|iframe)[^>]*\ssrc="?(?:https?:)?//[^\s">]*|<link[^>]*href="?https?://[^>]*"""
    found = {load for page in pages for load in re.findall(loads, page.read_text())}
    assert {load for load in found if 'rel="canonical"' not in load} == set()


def test_each_broken_link_fails(copy: Path) -> None:
    links = ("nowhere.md", "eks.md#nowhere", "../README.md")
    with (copy / "docs" / "index.md").open("a") as index:
        index.writelines(f"\n[x]({link})\n" for link in links)
    done = build(copy)
    assert done.returncode != 0
    assert f"{len(links)} issues found" in done.stdout + done.stderr
