"""What an alert is made of: a rule, and the values of the fields in its output.

A scene is everything that stays the same when a rule fires again at the same place. Values that
differ each time (clock, process ids, ports, ids) are slots, `~name~`, filled in for every alert.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Value = str | int | float | bool | list[str] | None

INTEGER_SLOTS = frozenset({"ns", "born", "start", "pid", "ppid", "vpid", "port", "num"})
TEXT_SLOTS = frozenset({"clock", "iso", "time", "trimmed", "uuid", "id", "hex"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A stock rule: its name, priority, tags and the output format with its `%field` names."""

    name: str
    priority: str
    tags: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A rule at a place. `extra` are the fields that Falco adds to those of the output."""

    rule: Rule
    source: str
    hostname: str
    release: str
    values: Mapping[str, Value]
    extra: tuple[str, ...] = ()


def rule(name: str, priority: str, tags: str, output: str) -> Rule:
    """Return a rule, its tags given as one string; Falco prints them sorted."""
    return Rule(name, priority, tuple(sorted(tags.split())), output)
