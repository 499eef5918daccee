"""A test of a row of the mapping: one Falco field, and where it must be at both releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from schemas.explain import explain
from schemas.mapping import Mapping
from tests.alerts import PLAIN, native
from tests.schemas import kinds
from tests.schemas.kinds import NEW, OLD

NOW = 1_783_198_004_180
UID = "3e41dc6b-08a8-44db-bc2a-3724b18ab19a"
HEX = "ab" * 32

E, P, PARENT = "evidences.0", "evidences.0.process", "evidences.0.process.parent_process"
C_OLD, C_NEW = f"{P}.container", f"{E}.container"
REQUEST, RESPONSE = f"{E}.api.request", f"{E}.api.response"
USER, SRC, DST, INFO = (
    f"{E}.actor.user",
    f"{E}.src_endpoint",
    f"{E}.dst_endpoint",
    f"{E}.connection_info",
)
UNMAPPED, IN_DATA = "unmapped", f"{E}.data"
"""Where a field is under its own name."""
SAME = object()
"""Stands for the field's own value."""

Expected = tuple[str, Any]
"""A path in the finding, and the value there."""

# Fields that only repeat another field in these tests.
_REPEATING = ("container.label.app", "s3.uri")


class Case(NamedTuple):
    """Where a field must be at 1.1.0 and at 1.8.0, or at both if `new` is None."""

    field: str
    value: Any
    others: dict[str, Any]
    """What else the alert has."""
    old: Expected
    new: Expected | None


def each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Run a test for each case."""
    ids = [f"{case.field}={case.value}"[:60] for case in cases]
    return pytest.mark.parametrize("case", cases, ids=ids)


def check(case: Case) -> None:
    """Check that the field is where it must be, and that its row says so."""
    field, value, others, old, new = case
    for mapping, (path, expected) in ((OLD, old), (NEW, new or old)):
        finding = finding_of(mapping, {**others, field: value})
        if path == UNMAPPED:
            got = finding.get("unmapped", {}).get(field)
        else:
            got = at(finding, path)
            if path == IN_DATA and expected is SAME:
                got = got.get(field)
            assert field not in finding.get("unmapped", {}), field
            attributes = explained(mapping, {**others, field: value})[field]
            # Without an attribute in its row, the field must repeat another.
            assert attributes or expected is None or field in _REPEATING, attributes
        assert got == (value if expected is SAME else expected), (path, finding)


def at(finding: Any, path: str) -> Any:
    """Return the value at a path, or None."""
    for step in path.split("."):
        if isinstance(finding, list):
            finding = finding[int(step)] if int(step) < len(finding) else None
        else:
            finding = (finding or {}).get(step)
    return finding


def record(fields: dict[str, Any]) -> bytes:
    """Return an alert with these output fields; `source` and `time` replace the alert's own."""
    fields = dict(fields)
    own = {"source": fields.pop("source", "syscall"), "time": fields.pop("time", PLAIN["time"])}
    return native({**PLAIN, **own, "output_fields": fields})


def finding_of(mapping: Mapping, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the finding of an alert with these output fields."""
    return kinds.finding_of(mapping, record(fields))


def explained(mapping: Mapping, fields: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the attributes that each field is said to be in."""
    found = explain(mapping, record(fields))
    assert isinstance(found, list), found
    return {line.field: line.attributes for line in found}
