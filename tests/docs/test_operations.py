"""The page on operations and its pictures: what it names is there, and as it says."""

import re
from pathlib import Path

import typer.main

import cli
from streams.page.server import PAGE
from streams.settings.settings import fields, variable
from tests.docs import pictures

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "operations.md").read_text()


def test_every_picture_that_is_linked_is_there_small_and_made_by_the_script() -> None:
    linked = set()
    for page in (*DOCS.glob("*.md"), DOCS.parent / "README.md"):
        for link in re.findall(r"\(([^()]*pictures/[^()]+)\)", page.read_text()):
            linked.add((page.parent / link).resolve())
    kept = set(pictures.PICTURES.glob("*.png"))
    before = set(pictures.PICTURES.glob("before/*.png"))  # of a version that is past
    assert linked <= kept | before
    assert before <= linked
    source = Path(pictures.__file__).read_text()
    for path in kept:
        assert f'"{path.stem}"' in source, path.name
        assert path.read_bytes().startswith(b"\x89PNG"), path.name
        assert path.stat().st_size < 400_000, path.name


def test_every_setting_and_default_it_names_is_one() -> None:
    known = {variable(name).removeprefix("FALCOLAKE_") for name, _ in fields()}
    assert set(re.findall(r"\b[A-Z]+__[A-Z_]+\b", TEXT)) <= known
    worker = typer.main.get_command(cli.app).commands["worker"]  # type: ignore[attr-defined]
    (grace,) = [each for each in worker.params if each.name == "grace"]
    assert f"`--grace {grace.default:g}`, the default" in TEXT


def test_every_path_of_the_server_for_people_and_machines_is_named() -> None:
    named = set(re.findall(r"^\| `(/[a-z.]*)` \|", TEXT, re.MULTILINE))
    assert named == {"/", "/healthz", "/readyz", "/metrics", "/status.json", "/fleet.json"}
    assert "/" in PAGE
