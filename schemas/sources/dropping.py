"""Which alerts the settings drop: rules on an alert's rule, namespace, image, tags and source.

Pure. What an alert does not name never matches. Time is linear in the length of what is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any, Final, NamedTuple

from schemas.falco.values import EMPTY, text
from schemas.memory import Store, weigh
from schemas.sources.draft import texts


class Drop(NamedTuple):
    """A rule: all of its conditions hold, each for one of its patterns; none is no condition.

    In a pattern `*` stands for any text and `?` for one character.
    """

    rule: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    """Of the repository, repository:tag, or the whole image as Falco prints it."""
    tag: tuple[str, ...] = ()
    """One of the alert's tags, which are the Falco rule's."""
    source: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the conditions, as in `rule=a|b namespace=c`."""
        pairs = zip(self._fields, self, strict=True)
        return " ".join(f"{name}={'|'.join(patterns)}" for name, patterns in pairs if patterns)


NAMESPACES: Final = ("k8s.ns.name", "k8smeta.ns.name", "ka.target.namespace")
IMAGES: Final = ("container.image.repository", "container.image", "ka.req.pod.containers.image")

_CACHE_BYTES: Final = 1 << 20
_Matches = Callable[[str], Any]
_Rest = tuple[str, _Matches | None, _Matches | None, _Matches | None, _Matches | None]


class Dropping:
    """Some rules, ready to be asked about many alerts. Safe to share between threads."""

    def __init__(self, rules: Iterable[Drop]) -> None:
        """Raise ValueError for a rule without conditions, which would drop everything."""
        self._rules: list[tuple[_Matches | None, _Rest]] = []
        for number, rule in enumerate(rules, 1):
            if not any(rule):
                raise ValueError(f"Rule {number} of what is dropped has no condition.")
            name, namespace, image, tag, source = map(_any_of, rule)
            self._rules.append((name, (str(rule), namespace, image, tag, source)))
        self._of_rule = Store[str, tuple[_Rest, ...]](_CACHE_BYTES)

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)

    def candidates(self, rule: str) -> Sequence[_Rest]:
        """Return the conditions besides the rule's name, of each rule that may drop the alert."""
        found = self._of_rule.get(rule)
        if found is None:
            found = tuple(rest for matches, rest in self._rules if not matches or matches(rule))
            self._of_rule.add(rule, found, weigh(rule) + 200)
        return found


def dropped_by(
    candidates: Sequence[_Rest], fields: Mapping[str, Any], tags: Iterable[str], source: str
) -> str | None:
    """Return the first of the rules that drops an alert, as text."""
    namespaces: list[str] | None = None
    images: list[str] | None = None
    for name, namespace, image, tag, of_source in candidates:
        if of_source is not None and not of_source(source):
            continue
        if tag is not None and not any(map(tag, tags)):
            continue
        if namespace is not None:
            if namespaces is None:
                namespaces = _values(fields, NAMESPACES)
            if not any(map(namespace, namespaces)):
                continue
        if image is not None:
            if images is None:
                images = _images(fields)
            if not any(map(image, images)):
                continue
        return name
    return None


def _any_of(patterns: tuple[str, ...]) -> _Matches | None:
    """Return a function that finds whether one of the patterns fits the whole of a text."""
    if not patterns:
        return None
    if not any(mark in pattern for pattern in patterns for mark in "*?"):
        return frozenset(patterns).__contains__
    # A bracket is only a bracket; fnmatch's expressions do not backtrack.
    either = "|".join(translate(each.replace("[", "[[]")) for each in patterns)
    return re.compile(either).match


def _values(fields: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        value = fields.get(name)
        if value.__class__ is str:
            if value not in EMPTY:
                found.append(value)
                if "," in value or value[0] == "(":
                    found += texts(value)
        elif value is not None:
            found += texts(value) or [text(value)]
    return found


def _images(fields: Mapping[str, Any]) -> list[str]:
    found = _values(fields, IMAGES)
    tag = fields.get("container.image.tag")
    if tag not in EMPTY:
        found += [f"{repository}:{tag}" for repository in _values(fields, IMAGES[:1])]
    return found
