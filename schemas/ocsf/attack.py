"""Falco's rule tags → ATT&CK tactics and techniques by id and name.

Owns how a tag is read. Never guesses: a technique without a tagged tactic gets none, and an id
unknown to ATT&CK 18.1 is kept without a name. 18.1 is pinned because Falco's rules use
`mitre_defense_evasion`, which later versions of ATT&CK split in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from schemas.ocsf.attack_enterprise import TACTICS, TECHNIQUES, VERSION

# "T1059", "T1059.004", "T1562-impair-defenses"; "TA0011", "TA0005-defense-evasion".
_EITHER = re.compile(r"T(?:A\d{4}|\d{4}(?:\.\d{3})?)(?:-.*)?", re.ASCII | re.DOTALL).fullmatch
_TECHNIQUE = re.compile(r"(T\d{4})(?:\.(\d{3}))?(?:-.*)?", re.ASCII | re.DOTALL)
_TACTIC = re.compile(r"(TA\d{4})(?:-.*)?", re.ASCII | re.DOTALL)


MOST_TAGS = 1000
"""Falco's own rules have up to ten tags. Each becomes an object ten times as large as the tag."""


class Technique(NamedTuple):
    """A technique or sub-technique: its name and the ids of the tactics it belongs to."""

    name: str
    tactics: tuple[str, ...]


@cache
def tactics() -> dict[str, str]:
    """Return tactic ids → names."""
    return dict(TACTICS)


@cache
def techniques() -> dict[str, Technique]:
    """Return technique and sub-technique ids → name and tactics."""
    table = {}
    for line in TECHNIQUES.splitlines():
        uid, places, name = line.split("|", 2)
        table[uid] = Technique(name, tuple(TACTICS[int(place, 16)][0] for place in places))
    return table


@cache
def _tactic_tags() -> dict[str, str]:
    """Return `mitre_…` tags → tactic ids."""
    return {"mitre_" + name.lower().replace(" ", "_"): uid for uid, name in TACTICS}


def others(tags: Iterable[str]) -> list[str]:
    """Return the tags that name neither a tactic nor a technique."""
    known = _tactic_tags()
    return [tag for tag in tags if tag not in known and not _EITHER(tag)]


def attacks(tags: Iterable[str]) -> list[dict[str, Any]]:
    """Return the OCSF `attack` objects of a rule's tags.

    One for each technique and tagged tactic that it belongs to, then one for each remaining tactic.
    Of a rule with more than `MOST_TAGS` tags, only the first ones are read here.
    """
    tagged: dict[str, None] = {}
    found: dict[tuple[str, str], None] = {}
    for tag in islice(tags, MOST_TAGS):
        if uid := _tactic_tags().get(tag):
            tagged[uid] = None
        elif match := _TACTIC.fullmatch(tag):
            tagged[match[1]] = None
        elif match := _TECHNIQUE.fullmatch(tag):
            found[match[1], match[2] or ""] = None
    # A sub-technique implies its parent, so the parent's own tag adds nothing.
    parents = {parent for parent, sub in found if sub}
    result: list[dict[str, Any]] = []
    left = dict(tagged)
    order = {tactic: place for place, tactic in enumerate(tagged)}
    for parent, sub in found:
        if not sub and parent in parents:
            continue
        its: list[str] = []
        if tagged:
            uid = f"{parent}.{sub}" if sub else parent
            known = techniques().get(uid) or techniques().get(parent)
            # A rule may tag hundreds of tactics; a technique has a few.
            its = sorted(tagged.keys() & known.tactics, key=order.__getitem__) if known else []
        for tactic in its:
            left.pop(tactic, None)
        result.extend(_attack(parent, sub, tactic) for tactic in its or [""])
    result.extend(_attack("", "", tactic) for tactic in left)
    return result


def _attack(parent: str, sub: str, tactic: str) -> dict[str, Any]:
    attack: dict[str, Any] = {"version": VERSION}
    if tactic:
        attack["tactic"] = _named("tactics", tactic, tactics().get(tactic))
    if parent:
        attack["technique"] = _technique(parent)
    if sub:
        attack["sub_technique"] = _technique(f"{parent}.{sub}")
    return attack


def _technique(uid: str) -> dict[str, str]:
    known = techniques().get(uid)
    return _named("techniques", uid, known.name) if known else {"uid": uid}


def _named(kind: str, uid: str, name: str | None) -> dict[str, str]:
    if name is None:
        return {"uid": uid}
    url = f"https://attack.mitre.org/{kind}/{uid.replace('.', '/')}/"
    return {"uid": uid, "name": name, "src_url": url}
