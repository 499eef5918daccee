"""`docs/settings.md` has every setting of the model, with defaults that the model accepts."""

import re

from streams.settings.settings import Settings, fields, variable
from tests.docs import settings_page


def test_the_page_is_in_step_with_the_model() -> None:
    """If this fails, run `make docs` and commit what it wrote."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()


def test_every_setting_is_on_the_page_and_no_other() -> None:
    page = settings_page.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| .* \| (.+) \|$", page, re.MULTILINE)
    assert [named for _, named, _ in rows] == [variable(name) for name, _ in fields()]
    assert [key for key, _, _ in rows] == [name.partition(".")[2] for name, _ in fields()]


def test_every_default_on_the_page_is_what_the_model_makes_of_it() -> None:
    written: dict[str, dict[str, str]] = {}
    for row in settings_page.rows():
        # Without SASL and TLS these two may not be set, not even to their defaults.
        if row.default is not None and row.key not in {"sasl_mechanism", "ssl_check_hostname"}:
            written.setdefault(row.section, {})[row.key] = row.default
    assert Settings(**written).model_dump() == Settings().model_dump()  # type: ignore[arg-type]


def test_every_section_says_what_it_is_and_every_note_has_its_section() -> None:
    assert set(settings_page.NOTES) <= set(Settings.model_fields)
    heads = re.findall(r"^## (\w+)\n\n[A-Z].+\.$", settings_page.page(), re.MULTILINE)
    assert heads == list(Settings.model_fields)
