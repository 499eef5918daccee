"""What the guides name exists: commands, options, settings, metrics, files, links, alerts."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml

import cli
from streams.receive import metrics as receive
from streams.settings.settings import fields, variable
from streams.worker.metrics import Metrics
from tests.compose.files import ALERTS, read
from tests.docs.pages import DOCS, PAGES, anchors

#: Written by other modules of this package, which have tests of their own; or by `tests.bench`.
GENERATED = {"benchmarks", "commands", "mapping", "metrics", "settings", "structure", "transcript"}
GUIDES = [page for page in PAGES if page.stem not in GENERATED | {"promise", "simulation"}]
GUIDES += [DOCS.parent / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")]
APP: Any = typer.main.get_command(cli.app)
SETTINGS = {variable(name) for name, _ in fields()}

each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)


def code(text: str) -> str:
    """The code of a page: fenced, indented or in line; lines that go on put together."""
    fence = r"^```.*?^```"
    fenced = re.findall(fence, text, re.MULTILINE | re.DOTALL)
    rest = re.sub(fence, "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^(?: {4}|\t).*", rest, re.MULTILINE)
    in_line = re.findall(r"`[^`]+`", re.sub(r"^(?: {4}|\t).*", "", rest, flags=re.MULTILINE))
    return re.sub(r"\\\n\s*", "", "\n".join([*fenced, *indented, *in_line]))


def commands(text: str) -> Iterator[list[str]]:
    """Every `falcolake …` in the code of a page, as words."""
    whole = code(text)
    for found in re.findall(
        r"(?:^|[\s`(]|-- )(?:falcolake) ((?:[a-z]|--config )[^`\n#>|]*)", whole
    ):
        plain = re.sub(r'"\$\(.*?\)"', "VALUE", found)
        plain = re.sub(r'\)"\s*$', "", plain)  # of eval "$(falcolake …)"
        with_quotes = plain if plain.count('"') % 2 == 0 else plain.replace('"', "")
        yield shlex.split(with_quotes)


def problem(words: list[str]) -> str:
    """What of a command line falcolake does not know; or nothing."""
    command = APP
    for position, word in enumerate(words):
        options = {name: option for option in command.params for name in option.opts}
        if word.startswith("--"):
            if word.split("=")[0] not in options:
                return f"{word} of {words}"
        elif isinstance(command, click.Group) or hasattr(command, "commands"):
            if position and words[position - 1] == "--config":
                continue
            if word not in command.commands:
                return f"{word} of {words}"
            command = command.commands[word]
    return ""


@each_guide
def test_every_command_and_option_exists(guide: Path) -> None:
    found = [words for words in commands(guide.read_text()) if words[0] != "compose/helm/falcolake"]
    assert found or guide.stem in {"compose", "queries", "sizing", "status-page", "CONTRIBUTING"}
    assert [problem(words) for words in found if problem(words)] == []


def test_a_wrong_command_or_option_would_be_found() -> None:
    text = (
        "`falcolake status`, `falcolake statsu`, `falcolake audit --jsonn` `falcolake policy trust`"
    )
    assert [bool(problem(words)) for words in commands(text)] == [False, True, True, False]


@each_guide
def test_every_setting_exists(guide: Path) -> None:
    named = re.findall(r"\b(?:FALCOLAKE_)?([A-Z]+__[A-Z_]+)\b", guide.read_text())
    assert {f"FALCOLAKE_{name}" for name in named} <= SETTINGS


@each_guide
def test_every_metric_exists(guide: Path) -> None:
    registries = (Metrics().registry, receive.Metrics().registry)
    known = {
        name
        for registry in registries
        for names in registry._collector_to_names.values()
        for name in names
    }
    named = {name for name in re.findall(r"falcolake_[a-z_]+", guide.read_text()) if name in known}
    asked = set(re.findall(r"\bfalcolake_(?!mapping_version)[a-z_]+", guide.read_text()))
    assert asked == named


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_link_and_file_exists(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
    for path in re.findall(r"\b((?:compose|docs|streams)/[\w/.-]+\w)", text):
        assert (DOCS.parent / path).exists(), path


def test_every_alert_has_its_section_in_the_runbook_and_no_other_has() -> None:
    rules = [rule for group in read(ALERTS)["groups"] for rule in group["rules"]]
    runbook = DOCS / "runbook.md"
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    documentation = project["urls"]["Documentation"]
    heads = re.findall(r"^## (.+)$", runbook.read_text(), re.MULTILINE)
    assert heads == [rule["alert"] for rule in rules]
    for rule in rules:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == f"{documentation.replace('/tree/', '/blob/')}/{runbook.name}"
        assert anchor in anchors(runbook)
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_every_value_that_the_guide_names_is_one_of_the_charts() -> None:
    text = (DOCS / "eks.md").read_text()
    values = yaml.safe_load(
        (DOCS.parent / "compose" / "helm" / "falcolake" / "values.yaml").read_text()
    )
    table = text.split("| falcosidekick's chart | this chart |")[1].split("\n\n")[0]
    ours = [row.split("|") for row in table.splitlines() if row.startswith("| `")]
    assert len(ours) >= 12
    for _, theirs, mine, _ in ours:
        column = theirs if "the same names" in mine else mine
        for name in re.findall(r"`([a-z][\w.]+)`", column):
            node = values
            for part in name.split("."):
                if name != "5m":
                    assert part in node, name
                    node = node[part]
