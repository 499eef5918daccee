"""The analyst's questions: those of `docs/queries.md`, by name."""

import re
from importlib.resources import files
from typing import NamedTuple

from streams.errors import Misconfigured
from streams.terminal import print_table

#: The days that the questions name, as an example. The period of the query takes their place.
DAYS = "eventDay BETWEEN '20261123' AND '20261124'"

_QUESTION = re.compile(r"^-- (\w+): (.*)\n((?:(?!-- ).*\n)+)", re.MULTILINE)


class Question(NamedTuple):
    """A question in words and in SQL."""

    name: str
    title: str
    sql: str

    def always(self) -> str:
        """Return the SQL without the days of the example."""
        return self.sql.replace(DAYS, "true")


def questions() -> list[Question]:
    """Return all questions, in the order of the page."""
    text = files("streams.query").joinpath("questions.sql").read_text()
    return [Question(name, title, sql) for name, title, sql in _QUESTION.findall(text)]


def print_questions() -> None:
    """Print the names of all questions, and what each asks."""
    print_table(["name", "question"], [[each.name, each.title] for each in questions()])


def named(name: str) -> Question:
    """Return the question of a name. Raises Misconfigured if there is none."""
    known = {each.name: each for each in questions()}
    if name not in known:
        raise Misconfigured(
            f"there is no example {name!r}", f"one of {', '.join(known)}; --example lists them"
        )
    return known[name]
