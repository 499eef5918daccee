"""The chart's README has every value, with its default and what its comment says."""

import re

from tests.docs import chart_page
from tests.docs.chart_page import Section, Value

VALUES = """\
# The values of everything.

# -- how many
# there are
count: 2

# A section,
# in two lines.
of:
  # -- set it
  name: ""
  more: {deep: [1, 2]}
  # -- a map without a default
  empty: {}
none: null # beside it
"""


def test_the_page_is_in_step_with_the_values() -> None:
    """If this fails, run `make docs` and commit what it wrote."""
    assert chart_page.PAGE.read_text(encoding="utf-8") == chart_page.page()


def test_comments_describe_the_value_or_the_section_below_them() -> None:
    assert list(chart_page.sections(VALUES)) == [
        Section("count", "", [Value("count", 2, "how many there are")]),
        Section(
            "of",
            "A section, in two lines.",
            [
                Value("of.name", "", "set it"),
                Value("of.more.deep", [1, 2], ""),
                Value("of.empty", {}, "a map without a default"),
            ],
        ),
        Section("none", "", [Value("none", None, "")]),
    ]


def test_every_value_is_on_the_page_once() -> None:
    text = (chart_page.CHART / "values.yaml").read_text(encoding="utf-8")
    names = [value.name for section in chart_page.sections(text) for value in section.values]
    rows = re.findall(r"^\| `([\w.]+)` \|", chart_page.page(), re.MULTILINE)
    assert sorted(rows) == sorted(names)
    assert len(set(names)) == len(names) > 100
