"""How much of what Falco's own rules print has an attribute: `share`, and what is left.

The alerts are the samples' (`streams.samples`): one for each rule and each set of fields that it
is printed with, as the rule is and with the fields that sites add. Falco's alerts about itself are
left out, because they are no rule's.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import NamedTuple

from schemas.explain import explain
from schemas.falco.values import is_none
from schemas.mapping import Mapping, Options
from schemas.sources.draft import DATA
from streams import samples

START = 1_795_442_607_123_456_789
#: Enough alerts to have every rule with every set of fields.
DRAWN = 12_000


class Share(NamedTuple):
    """How many values are in attributes of their own, in JSON (`data`), and in `unmapped`."""

    own: int
    data: int
    unmapped: int
    #: Why, by the field in `unmapped`.
    left: dict[str, str]
    #: In how many of the alerts.
    times: Counter[str]

    @property
    def values(self) -> int:
        """Return how many values there are, without those that repeat another."""
        return self.own + self.data + self.unmapped

    @property
    def percent(self) -> float:
        """Return how many of 100 values have an attribute."""
        return 100 * (self.own + self.data) / self.values


@cache
def alerts() -> dict[tuple[str, tuple[str, ...]], bytes]:
    """Return an alert for each rule and set of fields."""
    found: dict[tuple[str, tuple[str, ...]], bytes] = {}
    for value in samples.alerts(3, DRAWN, START, "native"):
        alert = json.loads(value)
        if alert.get("source") != "internal" and not alert["rule"].startswith("Falco internal"):
            found.setdefault((alert["rule"], tuple(alert["output_fields"])), value)
    return found


@cache
def share(version: str) -> Share:
    """Return where the values are in a Detection Finding of this version.

    A value that says "none" is no value: null, `<NA>`, -1 as the login user, 0 as the terminal,
    host as the container. One that only repeats another, as `evt.time` does, is not counted.
    """
    mapping = Mapping(Options(ocsf_version=version))
    counts: Counter[str] = Counter()
    left: dict[str, str] = {}
    times: Counter[str] = Counter()
    for value in alerts().values():
        given = json.loads(value)["output_fields"]
        lines = explain(mapping, value)
        assert isinstance(lines, list), lines
        for line in lines[len(lines) - len(given) :]:
            if is_none(line.field, given[line.field]) or not line.attributes:
                continue
            if line.attributes == ("unmapped",):
                counts["unmapped"] += 1
                left[line.field] = line.why
                times[line.field] += 1
            else:
                is_json = all(name in (DATA, "resources[].data") for name in line.attributes)
                counts["data" if is_json else "own"] += 1
    return Share(counts["own"], counts["data"], counts["unmapped"], left, times)
