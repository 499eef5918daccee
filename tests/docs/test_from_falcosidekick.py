"""`docs/from-falcosidekick.md` has every variable of falcosidekick's that is known here."""

import re
from pathlib import Path

from streams.settings import falcosidekick
from streams.settings.settings import fields, variable

PAGE = (Path(__file__).parents[2] / "docs" / "from-falcosidekick.md").read_text()


def rows() -> list[tuple[str, str]]:
    """The table of settings: falcosidekick's name, falcolake's."""
    table = PAGE.split("| falcosidekick | falcolake |\n|---|---|\n")[1].split("\n\n")[0]
    found = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return [(theirs, ours) for theirs, ours in found]


def test_every_variable_of_falcosidekick_is_on_the_page() -> None:
    security = {"KAFKA_SASL", "KAFKA_USERNAME", "KAFKA_PASSWORD", "KAFKA_TLS"}
    ignored = falcosidekick.IGNORED.keys() - {"KAFKA_TSL"}  # a misprint of its documentation
    known = {*falcosidekick.PLAIN, *security, *ignored}
    named = {name for theirs, _ in rows() for name in re.findall(r"`([^`]+)`", theirs)}
    assert named >= known


def test_a_variable_is_beside_the_setting_that_it_sets() -> None:
    for known_as, (setting, _) in falcosidekick.PLAIN.items():
        (ours,) = [ours for theirs, ours in rows() if f"`{known_as}`" in theirs]
        assert f"`{variable(setting).removeprefix('FALCOLAKE_')}`" in ours


def test_every_setting_on_the_page_is_one() -> None:
    known = {variable(name).removeprefix("FALCOLAKE_") for name, _ in fields()}
    assert set(re.findall(r"\b[A-Z]+__[A-Z_]+\b", PAGE)) <= known
