"""The event classes and releases that a finding may have, and what a record becomes in each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.mapping import Finding, Mapping, Options

KINDS = (
    ("detection_finding", "1.1.0"),
    ("detection_finding", "1.3.0"),
    ("detection_finding", "1.8.0"),
    ("security_finding", "1.1.0"),
)
MAPPINGS = {kind: Mapping(Options(event_class=kind[0], ocsf_version=kind[1])) for kind in KINDS}
OLD, MIDDLE, NEW, LEGACY = MAPPINGS.values()

each_kind = pytest.mark.parametrize("kind", KINDS, ids="-".join)


def mapped(mapping: Mapping, value: bytes | None, timestamp: int = -1) -> Finding:
    """Return the finding of a record as staging stores it."""
    found = mapping.map(value, timestamp)
    assert isinstance(found, Finding), found
    return found


def text_of(found: Finding) -> str:
    """Return all that is staged of a finding but the record itself, as JSON texts in a row."""
    own = msgspec.json.encode(found.own).decode()
    return found.rule + found.scene + found.body + found.unmapped + own


def finding_of(mapping: Mapping, value: bytes | None, timestamp: int = -1) -> dict[str, Any]:
    """Return the complete finding of a record."""
    finding = mapping.finding(value, timestamp)
    assert isinstance(finding, dict), finding
    return finding
