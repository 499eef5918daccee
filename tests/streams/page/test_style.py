"""The style sheet: what is drawn and written stands out, and states differ by more than colour."""

import re
from importlib.resources import files

import pytest

CSS = files("streams.page").joinpath("page.css").read_text()
HTML = files("streams.page").joinpath("index.html").read_text()
CHARTS = files("streams.page").joinpath("charts.js").read_text()
TABLES = files("streams.page").joinpath("tables.js").read_text()


def schemes() -> dict[str, dict[str, str]]:
    """Return the colours by name of the light scheme and the dark one."""
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    )
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2: from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_ratio_is_the_one_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_drawn_has_a_contrast_of_three_to_one_and_what_is_written_more(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = [
        (name, ground, 3.0)
        for name in ("staged", "unread", "late", "held", "accent", "quiet")
        for ground in ("surface", "track")
    ]
    pairs += [
        (name, ground, 4.5)
        for name in ("ink", "quiet", "accent", "good", "warn", "bad")
        for ground in ("surface", "ground")
    ]
    pairs += [(name, f"{name}-ground", 4.5) for name in ("good", "warn", "bad")]
    pale = {
        (name, ground): round(found, 2)
        for name, ground, least in pairs
        if (found := contrast(colours[name], colours[ground])) < least
    }
    assert pale == {}


def test_every_colour_of_a_mark_is_one_of_those_measured() -> None:
    drawn = re.findall(r"^\.(?:mark|part|stripe)[^{]*\{([^}]*)\}", CSS, re.MULTILINE)
    used = {name for rule in drawn for name in re.findall(r"var\(--([a-z-]+)\)", rule)}
    assert used <= {"staged", "unread", "late", "held", "accent", "surface"}


def test_every_state_has_a_symbol_of_its_own() -> None:
    states = re.findall(r'"(\w+)"', re.findall(r"const STATES = \[(.*?)\]", TABLES)[0])
    symbols = {
        state: re.findall(rf'\.tag\.{state}::before[^{{]*\{{ content: "(.)";', CSS)
        for state in states
    }
    assert len(states) == 7
    assert all(len(found) == 1 for found in symbols.values()), symbols
    assert len({found[0] for found in symbols.values()}) == len(states)
    moods = re.findall(r'\.state\.(\w+)::before[^{]*\{ content: "(.)";', CSS)
    assert len(dict(moods)) == len({symbol for _, symbol in moods}) == 3


def test_every_kind_of_window_has_a_fill_or_a_pattern_of_its_own() -> None:
    patterns = re.findall(r'<pattern id="fill-(\w+)"([^>]*)>(.*?)</pattern>', HTML, re.DOTALL)
    shapes = {name: re.sub(r'class="[^"]*"', "", rest + inner) for name, rest, inner in patterns}
    assert shapes.keys() == {"waiting", "late", "held"}
    assert len(set(shapes.values())) == 3
    assert all(f'{name}: "url(#fill-{name})"' in CHARTS for name in shapes)
    solid = re.findall(r"^\.mark\.(\w+) \{ fill: (var\(--\w+\));", CSS, re.MULTILINE)
    assert dict(solid) == {"shipped": "var(--staged)", "open": "var(--surface)"}
