"""The README is in step with the code: settings, commands, falcosidekick's variables, files."""

import re
from pathlib import Path

import typer.main

import cli
from streams.settings import falcosidekick
from streams.settings.settings import fields, variable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def named(text: str) -> set[str]:
    """The names in the first column of the tables of a section."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_setting_is_in_the_readme_and_no_other() -> None:
    settings = {variable(name).removeprefix("FALCOLAKE_") for name, _ in fields()}
    assert named(section("Settings")) - {"FALCOLAKE_…"} == settings


def test_every_command_is_in_the_readme_and_no_other() -> None:
    commands = set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
    assert named(section("Commands")) - {"falcolake …"} == commands


def test_every_variable_of_falcosidekick_is_in_the_readme() -> None:
    security = {"KAFKA_SASL", "KAFKA_USERNAME", "KAFKA_PASSWORD", "KAFKA_TLS"}
    ignored = falcosidekick.IGNORED.keys() - {"KAFKA_TSL"}  # a misprint of its documentation
    known = {*falcosidekick.PLAIN, *security, *ignored}
    assert named(section("From falcosidekick to falcolake")) >= known


def test_every_file_and_make_target_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^ +make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"`((?:streams|schemas|tests|compose)/[^`]+)`", README):
        assert (ROOT / path).exists(), path
